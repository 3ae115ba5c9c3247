"""Run one traced call, step by step, without doing any waiting or sending itself.

The steps are a generator that yields what is to be done (`Send`, `Sleep`, `Open`, `Next`, `Emit`); a driver does it,
plainly or in asyncio. So a call is timed, traced, retried, repaired, priced and classified by the same code on
both sides.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src.models.call import recording, structured_reply, think_tags
from src.models.call.steps import END, Emit, Next, Open, Send, Sleep
from src.models.call.stream_assembly import StreamAssembly
from src.models.errors import (
    CallCancelled,
    ContentBlocked,
    EmptyResponse,
    MalformedResponse,
    ModelError,
    ModelTimeout,
    RateLimited,
)
from src.models.failures import bodies
from src.models.limits import limiter, rate_limit_headers
from src.models.pricing import prices
from src.models.retry import Retries
from src.models.types import (
    Chunk,
    Completion,
    Cost,
    Message,
    ModelResponse,
    Timeouts,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from opentelemetry.context import Context

    from src.models.call.hooks import ModelHooks
    from src.models.call.steps import Steps
    from src.models.types import ModelRequest
    from src.observability.tracing.observation import Observation


class Call:
    """Hold the state of one call: its generation, its clock, what it has used so far."""

    def __init__(
        self,
        model: ModelHooks,
        request: ModelRequest,
        clock: Callable[[], float] = time.monotonic,
        context: Context | None = None,
    ) -> None:
        from src.observability.tracing import observation

        self._model = model
        self._request = request
        self._clock = clock
        self._began = clock()
        self._retries = Retries(model.retry_policy, request.timeouts.total)
        self._attempts = 0
        self._usage: Usage | None = None
        self._reported_usd: float | None = None
        self._expected = 0
        self._counted = False
        self.handed_out = False
        self._observation: Observation = observation.start(f"{model.provider}.generate", "generation", context=context)
        recording.asked(self._observation, model.provider, request)

    # A whole reply.

    def steps(self) -> Steps:
        """Ask, and return the reply; the generation ends before this returns or raises."""
        try:
            completion, parsed = yield from self._answer()
            return self._finish(completion, parsed)
        except BaseException as error:  # noqa: BLE001 - recorded, then raised on
            raise self._failed(error) from _shown(error)
        finally:
            self._observation.end()

    def _answer(self) -> Generator[Send | Sleep, Any, tuple[Completion, object]]:
        """Ask, and parse the reply where it is to be structured."""
        try:
            completion = yield from self._ask(self._request)
        except MalformedResponse as error:
            return (yield from self._redo(error))
        return (yield from self._fit(completion))

    def _admit(self, request: ModelRequest) -> Generator[Sleep, Any, None]:
        """Wait until the limits that are set here let the call go."""
        limit = self._model.limiter
        if limit is None:
            return
        self._expected = limiter.expected_tokens(request)
        wait = limit.reserve(self._expected, self._left().total)
        if wait is None:
            raise RateLimited(f"the limit set here ({limit}) lets this call go only after its deadline")
        if wait:
            self._observation.update(metadata={"limiter_wait_s": round(wait, 3)})
            yield Sleep(wait)

    def _ask(self, request: ModelRequest) -> Generator[Send | Sleep, Any, Completion]:
        """Send a request until it succeeds or trying again is not worth it."""
        payload = self._model._build(request, stream=False)
        while True:
            yield from self._admit(request)
            self._attempts += 1
            try:
                raw = yield Send(self._model, payload, self._left(), self._observation.context)
                return self._account(self._model._read(raw, request))
            except Exception as error:  # noqa: BLE001 - classified, then retried or raised
                yield self._wait_or_raise(error)

    def _wait_or_raise(self, raised: Exception) -> Sleep:
        error = self._classified(raised)
        wait = self._retries.wait_after(error, self._clock() - self._began)
        if wait is None:
            if error is raised:
                raise error
            raise error from _shown(raised)
        recording.retried(self._observation, error, self._attempts, wait)
        return Sleep(wait)

    def _account(self, completion: Completion) -> Completion:
        """Add up tokens and money, take reasoning out of the text, and refuse a reply that says nothing."""
        usage = _known(completion)
        if self._model.limiter is not None:
            self._model.limiter.correct(self._expected, usage.total_tokens if usage else None)
        self._usage = usage if self._usage is None else self._usage + usage if usage else self._usage
        if completion.reported_cost_usd is not None:
            self._reported_usd = (self._reported_usd or 0.0) + completion.reported_cost_usd
        text, thought = think_tags.split(completion.content)
        if text != completion.content or (thought and not completion.reasoning):
            completion = replace(completion, content=text, reasoning=completion.reasoning or thought)
        if not text.strip() and not completion.tool_calls:
            raise _empty(completion)
        return completion

    def _fit(self, completion: Completion) -> Generator[Send | Sleep, Any, tuple[Completion, object]]:
        """Parse a structured reply; one that does not fit is asked for once more, in the same generation."""
        try:
            return completion, structured_reply.value_of(completion, self._request.response_format)
        except structured_reply.DoesNotFit as error:
            problem = str(error)
        return (yield from self._mend(completion.content, problem))

    def _redo(self, error: MalformedResponse) -> Generator[Send | Sleep, Any, tuple[Completion, object]]:
        """Ask once more where the provider itself refused what its model wrote, and shows it."""
        if error.draft is None:
            raise error
        return (yield from self._mend(error.draft, error.message))

    def _mend(self, text: str, problem: str) -> Generator[Send | Sleep, Any, tuple[Completion, object]]:
        """Show the model what it wrote and what is wrong with it, and take its next reply."""
        wanted = self._request.response_format
        self._observation.event("repair", level="WARNING", status_message=problem, metadata={"reply": text})
        asked_again = Message("user", structured_reply.repair_instruction(problem, tool=wanted is None))
        mended = (*self._request.messages, Message("assistant", text), asked_again)
        completion = yield from self._ask(replace(self._request, messages=mended))
        try:
            return completion, structured_reply.value_of(completion, wanted)
        except structured_reply.DoesNotFit as error:
            self._observation.update(output=completion.content)
            raise MalformedResponse(f"the reply does not fit the schema, even after one repair: {error}") from error

    # A streamed reply.

    def stream_steps(self) -> Steps:
        """Ask for a stream, emit its chunks, and return the whole reply."""
        assembly = StreamAssembly()
        try:
            try:
                events, first = yield from self._open()
            except MalformedResponse as error:
                completion, parsed = yield from self._redo(error)
                yield Emit(Chunk(content=completion.content, reasoning=completion.reasoning or ""))
            else:
                yield from self._relay(events, first, assembly)
                assembly.check_end()
                completion, parsed = yield from self._fit(self._account(assembly.completion()))
            reply = self._finish(completion, parsed)
            yield Emit(_last_chunk(reply))
            return reply
        except BaseException as error:  # noqa: BLE001 - recorded, then raised on
            if assembly.content and self._observation.recording:
                self._observation.update(output="".join(assembly.content))
            self._usage, self._reported_usd = self._usage or assembly.usage, self._reported_usd or assembly.cost
            raise self._failed(error) from _shown(error)
        finally:
            self._observation.end()

    def _open(self) -> Generator[Open | Next | Sleep, Any, tuple[Any, Any]]:
        """Open the stream and take its first event: until then a failure is retried."""
        payload = self._model._build(self._request, stream=True)
        while True:
            yield from self._admit(self._request)
            self._attempts += 1
            try:
                events = yield Open(self._model, payload, self._left(), self._observation.context)
                first = yield Next(events, self._left(), self._observation.context)
            except Exception as error:  # noqa: BLE001 - classified, then retried or raised
                yield self._wait_or_raise(error)
            else:
                return events, first

    def _relay(self, events: Any, event: Any, assembly: StreamAssembly) -> Generator[Next | Emit, Any, None]:
        """Emit what the events bring, then what the reasoning filter held back."""
        from src.observability.spans import encoding

        while event is not END:
            for chunk in self._model._read_event(event, self._request):
                told = assembly.add(chunk)
                if told is None:
                    continue
                if not self.handed_out:
                    self.handed_out = True
                    self._observation.set(COMPLETION_START_TIME=encoding.moment(time.time_ns()))
                yield Emit(told)
            event = yield Next(events, self._left(), self._observation.context)
        last = assembly.flush()
        if last is not None:
            yield Emit(last)

    # Both.

    def _left(self) -> Timeouts:
        """Return what the next step may take, so that the whole stays within the call's deadline."""
        given = self._request.timeouts
        left = given.total - (self._clock() - self._began)
        if left <= 0:
            raise ModelTimeout(f"no answer within {given.total:g} s")
        return Timeouts(connect=min(given.connect, left), read=min(given.read, left), total=left)

    def _limits(self) -> dict[str, Any] | None:
        """Return the provider's rate limits where this call's responses told them."""
        return rate_limit_headers.since(self._model.provider, self._began)

    def _cost(self, completion: Completion, usage: Usage | None, reported: float | None = None) -> Cost | None:
        models = (completion.model, self._request.model)
        if reported is None and self._model._is_free(self._request.model):
            return prices.free()
        return prices.price(self._model.provider, models, usage, reported, tier=completion.service_tier)

    def _totals(self, completion: Completion) -> tuple[Usage | None, Cost | None]:
        """Return what all attempts of this call have used and cost."""
        return self._usage, self._cost(completion, self._usage, self._reported_usd)

    def _finish(self, completion: Completion, parsed: object) -> ModelResponse:
        usage, cost = self._totals(completion)
        recording.answered(self._observation, completion, usage, cost)
        recording.tried(self._observation, self._attempts, self._limits())
        self._count(completion.model, usage, cost)
        return ModelResponse(
            content=completion.content,
            model_name=completion.model or self._request.model,
            provider=self._model.provider,
            usage=usage,
            cost_usd=cost.usd if cost else None,
            cost_source=cost.source if cost else None,
            latency_ms=(self._clock() - self._began) * 1000,
            finish_reason=completion.finish_reason,
            reasoning=completion.reasoning,
            parsed=parsed,
            tool_calls=completion.tool_calls,
            attempts=self._attempts,
            trace_id=self._observation.trace_id,
            observation_id=self._observation.id,
            response_id=completion.response_id,
            raw_response=completion.raw,
        )

    def _count(self, answered_by: str | None, usage: Usage | None, cost: Cost | None, error: str | None = None) -> None:
        """Count the call, once: a stream whose reader stops after the last chunk has succeeded."""
        if not self._counted:
            self._counted = True
            call = (self._model.provider, self._request.model, answered_by)
            recording.counted(call, self._clock() - self._began, usage, cost, error)

    def _classified(self, raised: BaseException) -> ModelError:
        error = raised if isinstance(raised, ModelError) else self._model._classify(raised)
        error.provider = error.provider or self._model.provider
        error.model = error.model or self._request.model
        return error

    def _failed(self, raised: BaseException) -> BaseException:
        """Mark the generation as failed; return what is raised: a ModelError, or the interruption itself."""
        interrupted = not isinstance(raised, Exception)
        error = _interruption(raised) if interrupted else self._classified(raised)
        error.attempts = max(self._attempts, 1)
        error.trace_id, error.observation_id = self._observation.trace_id, self._observation.id
        usage, cost = self._totals(Completion(""))
        recording.spent(self._observation, usage, cost if usage else None)
        recording.failed(self._observation, error)
        recording.tried(self._observation, error.attempts, self._limits())
        self._count(None, usage, cost if usage else None, error.category)
        return raised if interrupted else error


def _last_chunk(reply: ModelResponse) -> Chunk:
    return Chunk(
        finish_reason=reply.finish_reason,
        model=reply.model_name,
        usage=reply.usage,
        tool_calls=reply.tool_calls,
        response_id=reply.response_id,
        cost_usd=reply.cost_usd,
        reply=reply,
    )


def _known(completion: Completion) -> Usage | None:
    """Return the usage without the zeros that cannot be: no prompt has no tokens, and no text either."""
    usage = completion.usage
    if usage is None:
        return None
    if not usage.output_tokens and (completion.content or completion.tool_calls):
        usage = replace(usage, output=None, output_reasoning_tokens=None)
    if usage.input_tokens == 0:
        usage = replace(usage, input=None, input_cached_tokens=None, input_cache_creation=None)
    return usage if usage.details() else None


def _empty(completion: Completion) -> ModelError:
    if completion.finish_reason == "content_filter":
        reason = completion.notes.get("block_reason") or completion.notes.get("refusal")
        return ContentBlocked(f"the reply was withheld ({bodies.line(str(reason or 'no reason told'))})")
    if completion.finish_reason == "length":
        error = EmptyResponse("the token limit was used up before any text; raise max_tokens")
        error.retryable = False  # the same limit would be used up again
        return error
    return EmptyResponse(f"the reply has no text (finish reason {completion.finish_reason or 'not told'})")


def _interruption(raised: BaseException) -> ModelError:
    """Name what stopped a call from outside: a deadline of the caller's, or a cancellation."""
    if "timeout" in raised.args:
        return ModelTimeout("no answer within the caller's deadline")
    reason = "the caller stopped reading" if isinstance(raised, GeneratorExit) else "the caller cancelled the call"
    return CallCancelled(reason)


def _shown(raised: BaseException) -> BaseException | None:
    """Return the cause to chain, or None where its own text holds a secret that a traceback would print."""
    if isinstance(raised, ModelError) or not isinstance(raised, Exception):
        return raised.__cause__
    from src.observability.redaction import redact_text

    text = str(raised)
    return raised if redact_text(text) == text else None
