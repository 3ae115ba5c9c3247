"""Run a call as the SDK would that a program was written for: `compat` of `get_model` asks for it.

What the provider replies is handed on as it came, once: an empty reply, thoughts in it, one that was cut or refused. A
failed request is repeated as often as the SDK repeats it, and the error is the SDK's own. All of it is traced, priced
and stored as ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from src.models.call import raised_errors, recording
from src.models.call.lifecycle import Call
from src.models.call.steps import END, Emit, Next, Open, Send, Sleep
from src.models.call.stream_assembly import StreamAssembly
from src.models.compat import errors as sdk_errors
from src.models.compat import replies
from src.models.compat.retries import SdkRetries
from src.models.errors import AuthenticationFailed, ModelError
from src.models.types import Chunk, Completion

if TYPE_CHECKING:
    from collections.abc import Generator

    from src.models.call.hooks import ModelHooks
    from src.models.call.steps import Steps
    from src.models.compat.settings import Compat
    from src.models.types import ModelRequest, ModelResponse


class SdkCall(Call):
    """One call that does what an SDK's call does."""

    def __init__(self, model: ModelHooks, request: ModelRequest, compat: Compat) -> None:
        super().__init__(model, request)
        self._compat = compat
        self._sdk_retries = SdkRetries(compat.sdk, compat.max_retries)
        self._raised: BaseException | None = None
        self._is_whole = False  # a whole reply may be None, where its body is null

    @override
    def _backoff(self, raised: Exception) -> Sleep:
        error = self._classify(raised)
        self._raised = raised
        self._add_failure(error, raised)
        wait_s = self._sdk_retries.wait_after(raised, self._clock() - self._started_at)
        if wait_s is None:
            raise error from raised_errors.safe_cause(raised)
        recording.write_retry(self._observation, error, self._attempts, wait_s)
        return Sleep(wait_s)

    @override
    def _fail(self, raised: BaseException) -> BaseException:
        error = super()._fail(raised)
        if not isinstance(error, ModelError):
            return error
        return sdk_errors.as_sdk_raises(error, raised if self._raised is None else self._raised)

    def _refuse_without_key(self) -> None:
        """Raise what the SDK's calls raise without a key, where making its client raises nothing."""
        if self._compat.lacks_key:
            raise (self._compat.sdk.no_key_raises or AuthenticationFailed)(self._compat.sdk.no_key)

    # A whole reply.

    @override
    def _send(self, request: ModelRequest) -> Generator[Send | Sleep, Any, Completion]:
        self._refuse_without_key()
        return (yield from super()._send(request))

    @override
    def _read(self, raw: Any, request: ModelRequest) -> Completion:
        self._is_whole = True
        try:
            completion = self._model._read(raw, request)
        except ModelError as error:  # a program finds out by reading it, or does not care
            if isinstance(raw, str) and self._compat.sdk.name == "openai<1":  # which took nothing but JSON
                raise
            completion = Completion(content="", usage=error.usage, notes={"warning": error.message}, raw=raw)
        return self._account(completion)

    @override
    def _account(self, completion: Completion) -> Completion:
        usage = self._bill.add(self._model, self._request, completion)
        self._budget.settle(self._bill)
        if self._admission is not None:
            self._admission.correct(usage.total_tokens if usage else None)
        return completion

    @override
    def _repair_rejected(self, error: Any) -> Generator[Send | Sleep, Any, tuple[Completion, object]]:
        raise error
        yield  # a generator, as the method that this replaces

    @override
    def _succeed(self, completion: Completion, parsed: object) -> ModelResponse:
        reply = super()._succeed(completion, parsed)
        return (
            reply
            if completion.raw is None and not self._is_whole
            else replies.as_sdk_gives(reply, completion.raw, self._compat.protocol)
        )

    # A streamed reply.

    @override
    def stream_steps(self) -> Steps:
        assembly = self._assembly = StreamAssembly(self._model.reply_max_bytes, splits_thoughts=False)
        try:
            events, event = yield from self._open()
            while event is not END:
                self._add(event, assembly)
                if self._compat.protocol.is_shown(event):
                    self._note_first_chunk()
                    yield Emit(replies.chunk_of(event, self._compat.protocol))
                event = yield self._next(events)
            self._assembly = None
            reply = self._succeed(self._account(assembly.completion()), None)
            if self._asks_for_usage():
                yield Emit(Chunk(usage=reply.usage, reply=reply))
            return reply
        except BaseException as error:
            if self._is_counted:  # the reader stopped after the last chunk, and has the whole reply
                raise
            if assembly.content and self._observation.recording:
                self._observation.update(output=assembly.text())
            raise self._fail(error) from raised_errors.safe_cause(error)
        finally:
            self._end()

    @override
    def _open(self) -> Generator[Open | Next | Sleep, Any, tuple[Any, Any]]:
        self._refuse_without_key()
        payload = self._model._build(self._request, stream=True)
        while True:
            yield from self._await_admission(self._request)
            self._attempts += 1
            try:
                events = yield self._open_request(payload)
            except Exception as error:  # noqa: BLE001 - classified, then retried or raised
                yield self._backoff(error)
            else:
                return events, (yield self._next(events))

    def _add(self, event: Any, assembly: StreamAssembly) -> None:
        """Add an event to the recorded reply; the program gets an event that cannot be read here all the same."""
        try:
            for chunk in self._model._read_event(event, self._request):
                assembly.add(chunk)
        except ModelError as error:
            assembly.notes["warning"] = error.message

    def _asks_for_usage(self) -> bool:
        options: Any = self._request.options.get("stream_options")
        return isinstance(options, dict) and bool(options.get("include_usage"))
