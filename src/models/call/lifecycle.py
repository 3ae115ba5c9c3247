"""Run one traced call as a generator of steps, which does no waiting and no sending itself.

It yields what is to be done (`Send`, `Sleep`, `Open`, `Next`, `Emit`), and a driver does it, synchronously or in
asyncio. So both sides time, trace, retry, repair, price and classify a call by the same code.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from src.models.call import empty_reply, raised_errors, recording, structured_reply, symbols, think_tags
from src.models.call.billing import Bill
from src.models.call.budget_gate import BudgetGate
from src.models.call.membership import MEMBER
from src.models.call.steps import END, Emit, Next, Open, Send, Sleep
from src.models.call.stream_assembly import StreamAssembly, last_chunk
from src.models.errors import MalformedResponse, ModelError, ModelTimeout, RateLimited
from src.models.limits import limiter, rate_limit_headers
from src.models.retry import Retries
from src.models.types import Chunk, Completion, Message, ModelResponse, Timeouts
from src.observability.store import background

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from opentelemetry.context import Context

    from src.models.call.hooks import ModelHooks
    from src.models.call.steps import Steps
    from src.models.types import ModelRequest
    from src.observability.tracing.observation import Observation


_LONGEST_REPAIRED = 100_000  # characters of a reply; each is paid for once more


class Call:
    """One call: its generation, its clock, and what its attempts have used so far.

    Attributes:
        has_emitted: Whether the caller has received a chunk, after which nothing can be retried.
    """

    def __init__(
        self,
        model: ModelHooks,
        request: ModelRequest,
        clock: Callable[[], float] = time.monotonic,
        context: Context | None = None,
        earlier: Bill | None = None,
    ) -> None:
        from src.observability.tracing.observation import start

        self._model = model
        self._request = request
        self._clock = clock
        self._started_at = clock()
        self._retries = Retries(model.retry_policy, request.timeouts.total)
        self._attempts = 0
        self._retried: list[str] = []
        self._bill = Bill()
        self._earlier = earlier
        self._assembly: StreamAssembly | None = None  # of the stream that is being read
        self._admission: limiter.Admission | None = None
        self._is_counted = False
        self.has_emitted = False
        is_for_vectors = model.operation == "embeddings"
        self._observation: Observation = start(
            f"{model.provider}.embed" if is_for_vectors else MEMBER.get() or f"{model.provider}.generate",
            "embedding" if is_for_vectors else "generation",
            context=context,
            agent=model.agent,
            symbol=partial(symbols.symbol_of, request),
        )
        self._budget = BudgetGate(model, self._observation)
        if self._observation.recording:
            recording.write_request(self._observation, model.provider, request, model.operation)

    # A whole reply.

    def steps(self) -> Steps:
        """Request a whole reply and return it; the generation has ended when this returns or raises."""
        try:
            completion, parsed = yield from self._obtain_completion()
            return self._succeed(completion, parsed)
        except BaseException as error:  # noqa: BLE001 - recorded, then raised on
            raise self._fail(error) from raised_errors.safe_cause(error)
        finally:
            self._end()

    def _obtain_completion(self) -> Generator[Send | Sleep, Any, tuple[Completion, object]]:
        """Return the completion and, where a structured reply is requested, its value."""
        try:
            completion = yield from self._send(self._request)
        except MalformedResponse as error:
            return (yield from self._repair_rejected(error))
        return (yield from self._parse(completion))

    def _await_admission(self, request: ModelRequest) -> Generator[Sleep, Any, None]:
        """Reserve the request's cost of the budgets, then wait until the limits that the user has set admit it."""
        yield from self._budget.reserve(request, lambda: self._remaining().total)
        limit = self._model.limiter
        if limit is None:
            return
        admission, wait_s = limit.reserve(limiter.expected_tokens(request), self._remaining().total), 0.0
        if admission is None:
            raise RateLimited(f"the limit set here ({limit}) admits this call only after its deadline")
        try:
            while nap_s := min(admission.wait_s(), self._remaining().total, limiter.LONGEST_NAP_S):
                wait_s += nap_s
                yield Sleep(nap_s)
        except BaseException:  # cancelled, or past its deadline
            admission.give_back()
            raise
        self._admission = admission
        if wait_s:
            self._observation.update(metadata={"limiter_wait_s": round(wait_s, 3)})

    def _send(self, request: ModelRequest) -> Generator[Send | Sleep, Any, Completion]:
        """Send a request until it succeeds or a retry is not worthwhile."""
        payload = self._model._build(request, stream=False)
        while True:
            yield from self._await_admission(request)
            self._attempts += 1
            try:
                raw = yield Send(
                    model=self._model,
                    payload=payload,
                    timeouts=self._opening(),
                    context=self._observation.context,
                )
                return self._read(raw, request)
            except Exception as error:  # noqa: BLE001 - classified, then retried or raised
                yield self._backoff(error)

    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        """Return the completion that a raw reply holds, paid and checked."""
        return self._account(self._model._read(raw, request))

    def _backoff(self, raised: Exception) -> Sleep:
        """Return the wait before the next attempt; raise the error where it is not retried."""
        error = self._classify(raised)
        self._add_failure(error, raised)
        self._assembly = None
        wait_s = self._retries.wait_after(error, self._clock() - self._started_at)
        if wait_s is None:
            if error is raised:
                raise error
            raise error from raised_errors.safe_cause(raised)
        recording.write_retry(self._observation, error, self._attempts, wait_s)
        self._retried.append(error.category)
        return Sleep(wait_s)

    def _add_failure(self, error: ModelError, raised: BaseException) -> None:
        """Add up what a failed request may have cost."""
        self._bill.add_failure(self._model, self._request, error, raised, self._assembly)
        self._budget.settle(self._bill)

    def _account(self, completion: Completion) -> Completion:
        """Add up tokens and money, move think tags into the reasoning, and refuse a completion without content."""
        usage = self._bill.add(self._model, self._request, completion)
        self._budget.settle(self._bill)
        if self._admission is not None:
            self._admission.correct(usage.total_tokens if usage else None)
        if self._model.operation == "embeddings":
            return completion
        text, thought = think_tags.split(completion.content)
        if text != completion.content or (thought and not completion.reasoning):
            completion = replace(completion, content=text, reasoning=completion.reasoning or thought)
        if not text.strip() and not completion.tool_calls:
            raise empty_reply.error_for(completion)
        return completion

    def _parse(self, completion: Completion) -> Generator[Send | Sleep, Any, tuple[Completion, object]]:
        """Parse a structured reply; repair one that does not fit, in the same generation."""
        try:
            return completion, structured_reply.value_of(completion, self._request.response_format)
        except structured_reply.DoesNotFit as error:
            problem = str(error)
        return (yield from self._repair(completion.content, problem))

    def _repair_rejected(self, error: MalformedResponse) -> Generator[Send | Sleep, Any, tuple[Completion, object]]:
        """Repair a reply that the provider itself rejected, where the error carries the model's draft."""
        if error.draft is None or not getattr(self._model, "_repairs", True):
            raise error
        return (yield from self._repair(error.draft, error.message))

    def _repair(self, text: str, problem: str) -> Generator[Send | Sleep, Any, tuple[Completion, object]]:
        """Show the model its own reply and what is wrong with it, and return its next one."""
        if len(text) > _LONGEST_REPAIRED:
            self._observation.update(output=text)
            raise MalformedResponse(
                f"the reply does not fit, and is too long to be shown to the model again: {problem}"
            )
        response_format = self._request.response_format
        recording.write_repair(self._observation, text, problem)
        instruction = structured_reply.repair_instruction(problem, tool=response_format is None)
        messages = (
            *self._request.messages,
            Message(role="assistant", content=text),
            Message(role="user", content=instruction),
        )
        completion = yield from self._send(replace(self._request, messages=messages))
        try:
            return completion, structured_reply.value_of(completion, response_format)
        except structured_reply.DoesNotFit as error:
            self._observation.update(output=completion.content)
            raise MalformedResponse(f"the reply does not fit the schema, even after one repair: {error}") from error

    # A streamed reply.

    def stream_steps(self) -> Steps:
        """Request a stream, emit its chunks, and return the whole reply."""
        assembly = StreamAssembly(self._model.reply_max_bytes)
        try:
            try:
                completion = yield from self._relay_one(assembly)
            except MalformedResponse as error:
                self._assembly = None
                completion, parsed = yield from self._repair_rejected(error)
                yield Emit(Chunk(content=completion.content, reasoning=completion.reasoning or ""))
            else:
                completion, parsed = yield from self._parse(completion)
            reply = self._succeed(completion, parsed)
            yield Emit(last_chunk(reply))
            return reply
        except BaseException as error:
            if self._is_counted:  # the reader stopped after the last chunk, and has the whole reply
                raise
            if assembly.content and self._observation.recording:
                self._observation.update(output=assembly.text())
            raise self._fail(error) from raised_errors.safe_cause(error)
        finally:
            self._end()

    def _relay_one(self, assembly: StreamAssembly) -> Generator[Open | Next | Sleep | Emit, Any, Completion]:
        """Relay a stream, and return its whole reply; one that fails before it has brought anything is retried."""
        while True:
            events, first = yield from self._open()
            self._assembly = assembly
            try:
                yield from self._relay(events, first, assembly)
                assembly.check_end()
                completion = self._account(assembly.completion())
            except Exception as error:
                if self.has_emitted:
                    raise
                yield self._backoff(error)
                assembly.reset()
            else:
                self._assembly = None
                return completion

    def _open(self) -> Generator[Open | Next | Sleep, Any, tuple[Any, Any]]:
        """Open the stream and take its first event; a failure before that is retried."""
        payload = self._model._build(self._request, stream=True)
        while True:
            yield from self._await_admission(self._request)
            self._attempts += 1
            try:
                events = yield self._open_request(payload)
                first = yield self._next(events)
            except Exception as error:  # noqa: BLE001 - classified, then retried or raised
                yield self._backoff(error)
            else:
                return events, first

    def _open_request(self, payload: Any) -> Open:
        return Open(model=self._model, payload=payload, timeouts=self._opening(), context=self._observation.context)

    def _next(self, events: Any) -> Next:
        return Next(model=self._model, events=events, timeouts=self._remaining(), context=self._observation.context)

    def _relay(self, events: Any, event: Any, assembly: StreamAssembly) -> Generator[Next | Emit, Any, None]:
        """Emit what the events bring, then what the reasoning filter held back."""
        while event is not END:
            for chunk in self._model._read_event(event, self._request):
                visible = assembly.add(chunk)
                if visible is None:
                    continue
                self._note_first_chunk()
                yield Emit(visible)
            event = yield self._next(events)
        last = assembly.flush()
        if last is not None:
            yield Emit(last)

    def _note_first_chunk(self) -> None:
        """Note when the first chunk goes to the caller, after which nothing can be retried."""
        if not self.has_emitted:
            from src.observability.spans import encoding

            self.has_emitted = True
            self._observation.set(COMPLETION_START_TIME=encoding.moment(time.time_ns()))

    # Shared by whole and streamed replies.

    def _end(self) -> None:
        """Store the generation. Where a lock on the store has used up the call's time, that waits for nothing more."""
        if not self._budget.is_locked_out:
            self._observation.end()
            return
        with background.collecting(background.Rows()):
            self._observation.end()

    def _remaining(self) -> Timeouts:
        """Return the timeouts of the next step, within what is left of the call's deadline."""
        timeouts = self._request.timeouts
        remaining_s = timeouts.total - (self._clock() - self._started_at)
        if remaining_s <= 0:
            raise ModelTimeout(f"no answer within {timeouts.total:g} s")
        return Timeouts(
            connect=min(timeouts.connect, remaining_s), read=min(timeouts.read, remaining_s), total=remaining_s
        )

    def _opening(self) -> Timeouts:
        """Return the timeouts of a request that goes out now."""
        timeouts = self._remaining()
        self._bill.open()
        return timeouts

    def _total(self) -> Bill:
        """Return usage and cost of the call, with those of earlier tries of a fallback chain."""
        return self._bill if self._earlier is None else self._earlier + self._bill

    def _rate_limits(self) -> dict[str, Any] | None:
        """Return the provider's rate limits where this call's responses reported them."""
        return rate_limit_headers.since(self._model.provider, self._started_at)

    def _succeed(self, completion: Completion, parsed: object) -> ModelResponse:
        """Record the completion on the generation, count the call, and return the reply."""
        if self._observation.recording:
            recording.write_reply(self._observation, completion, self._bill.usage, self._bill.cost)
            recording.write_attempts(self._observation, self._attempts, self._retried, self._rate_limits())
        self._count(answered_by=completion.model)
        total = self._total()
        return ModelResponse(
            content=completion.content,
            model_name=completion.model or self._request.model,
            provider=self._model.provider,
            usage=total.usage,
            cost=total.cost,
            cost_usd=total.cost.total,
            cost_source=total.cost.source,
            latency_ms=(self._clock() - self._started_at) * 1000,
            finish_reason=completion.finish_reason,
            reasoning=completion.reasoning,
            parsed=parsed,
            tool_calls=completion.tool_calls,
            attempts=self._attempts,
            trace_id=self._observation.trace_id,
            observation_id=self._observation.id,
            response_id=completion.response_id,
            warnings=(str(completion.notes["warning"]),) if "warning" in completion.notes else (),
            raw_response=completion.raw,
        )

    def _fail(self, raised: BaseException) -> BaseException:
        """Record the failure on the generation; return the exception to raise: a ModelError, or the interruption."""
        interrupted = not isinstance(raised, Exception)
        error = raised_errors.interruption(raised) if interrupted else self._classify(raised)
        error.attempts = max(self._attempts, 1)
        error.trace_id, error.observation_id = self._observation.trace_id, self._observation.id
        self._add_failure(error, raised)
        total = self._total()
        error.usage, error.cost = total.usage, total.cost
        recording.write_usage(self._observation, self._bill.usage, self._bill.cost)
        recording.write_failure(self._observation, error)
        recording.write_attempts(self._observation, error.attempts, self._retried, self._rate_limits())
        self._count(error_category=error.category)
        return raised if interrupted else error

    def _count(self, *, answered_by: str | None = None, error_category: str | None = None) -> None:
        """Count the call for metrics, once: a stream whose reader stops after the last chunk has succeeded."""
        if self._is_counted:
            return
        self._is_counted = True
        recording.count_call(
            provider=self._model.provider,
            model=self._request.model,
            answered_by=answered_by,
            seconds=self._clock() - self._started_at,
            usage=self._bill.usage,
            cost=self._bill.cost,
            error_category=error_category,
        )

    def _classify(self, raised: BaseException) -> ModelError:
        """Return an exception as a ModelError that names provider and model."""
        error = raised if isinstance(raised, ModelError) else self._model._classify(raised)
        error.provider = error.provider or self._model.provider
        error.model = error.model or self._request.model
        self._model._explain(error)
        return error
