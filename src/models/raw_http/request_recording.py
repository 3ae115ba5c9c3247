"""Record one request of an HTTP client as a generation, while its response passes through to the program."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from src.models import guard
from src.models.call.lifecycle import Call
from src.models.call.steps import END, Next, Sleep
from src.models.errors import BudgetExceeded, ModelError
from src.models.limits import rate_limit_headers
from src.models.raw_http import response_body
from src.models.raw_http.posted_model import PostedModel
from src.models.raw_http.streamed_body import StreamedBody
from src.models.transport import bounded_body, http_hooks
from src.observability.store import background

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.models.raw_http.addresses import Route
    from src.models.types import Chunk, ModelRequest

_log = logging.getLogger("moondev.observability")
_RETRY_COUNT = "x-stainless-retry-count"  # as the SDKs that Stainless generates number their retries


class _SentModel(PostedModel):
    """The model that answers one request of an HTTP client."""

    body: StreamedBody | None = None

    @override
    def _read_event(self, event: Any, request: ModelRequest) -> Iterable[Chunk]:
        assert self.body is not None  # noqa: S101 - events come from it
        return self.body.chunks(event, request.model)


class RequestRecording:
    """The generation of one request; what goes wrong in recording is logged, and the request goes on.

    Args:
        request: A request of httpx or httpx2.
        destination: Where it goes.
        is_stream: Whether its response is handed to the program before its body has come.
        rows: Where rows are counted that other threads store; None stores them at once.
    """

    def __init__(self, request: Any, destination: Route, *, is_stream: bool, rows: background.Rows | None) -> None:
        self._destination = destination
        self._rows = rows
        self._steps: Any = None
        self._step: Any = None
        self._status = 200
        self._headers: Mapping[str, str] = {}
        with self._safely():
            guard.install()
            self._model = _SentModel(_json_body(request), destination)
            call = Call(self._model, self._model.request())
            steps = call.stream_steps() if is_stream else call.steps()
            self._steps = steps
            self._step = next(steps)
            retries = request.headers.get(_RETRY_COUNT, "")
            if retries.isdecimal() and retries != "0":
                call._observation.update(metadata={"sdk_retry": int(retries)})

    def admission(self) -> Iterator[float]:
        """Yield the seconds to wait, time after time, until the budgets that the user has set admit the request.

        Raises:
            BudgetExceeded: a hard budget has too little left; the caller must send nothing.
        """
        while self._steps is not None and isinstance(self._step, Sleep):
            yield self._step.seconds
            with self._safely():
                self._step = self._steps.send(None)

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Make the generation the current span while the request is sent."""
        if self._steps is None:
            yield
            return
        from opentelemetry import context as otel_context

        token = otel_context.attach(self._step.context)
        try:
            with http_hooks.within(self._step.timeouts, self._model.reply_max_bytes, is_stream=True):
                yield
        finally:
            otel_context.detach(token)

    def fail(self, error: BaseException) -> None:
        """Record that the request, or the reading of its response, raised an error or was interrupted."""
        steps, self._steps = self._steps, None
        if steps is None:
            return
        traceback = error.__traceback__
        try:
            with self._collecting():
                steps.throw(error)
        except BaseException as raised:
            if raised is not error and not isinstance(raised, ModelError):
                _log.exception("A failed request of an HTTP client could not be recorded.")
                if not isinstance(raised, Exception):
                    raise
        finally:
            error.__traceback__ = traceback

    def complete(self, response: Any) -> None:
        """Record a response whose body has been read."""
        with self._safely():
            if self._steps is not None:
                self._advance(self._model.body_of(response))

    def open(self, response: Any) -> None:
        """Record that a response has begun, whose body is still to come."""
        with self._safely():
            if self._steps is not None:
                headers = response.headers
                self._status, self._headers = response.status_code, headers
                rate_limit_headers.record(self._model.provider, headers.raw)
                self._model.body = StreamedBody(self._destination, _decoders(response), self._model.reply_max_bytes)
                self._advance(self)  # the step after it asks for the first event

    def feed(self, piece: bytes) -> None:
        """Record a piece of the body."""
        if self._steps is not None:
            with self._safely():
                assert self._model.body is not None  # noqa: S101 - the response has begun
                for event in self._model.body.feed(piece):
                    if self._status < 400:
                        self._advance(event)

    def end(self, *, is_whole: bool) -> None:
        """Record the end of the body.

        Args:
            is_whole: Whether it was read to its end; otherwise the program has closed the response before.
        """
        if self._steps is None:
            return
        with self._safely():
            body = self._model.body
            assert body is not None  # noqa: S101 - the response has begun
            if self._status >= 400:
                raise response_body.refusal(self._status, body.text(), self._headers, self._destination)
            if is_whole or body.has_ended:
                for event in body.end():
                    self._advance(event)
                self._advance(END)
            else:
                self.fail(GeneratorExit())

    def _advance(self, result: Any) -> None:
        """Advance the generation to its next step; the chunks it emits on the way are not needed here."""
        if self._steps is not None:
            with self._collecting():
                step = self._steps.send(result)
                while not isinstance(step, Next):
                    step = self._steps.send(None)

    def _collecting(self) -> Any:
        return contextlib.nullcontext() if self._rows is None else background.collecting(self._rows)

    @contextlib.contextmanager
    def _safely(self) -> Iterator[None]:
        """Record what goes wrong with a reply as its failure; stop recording where the generation has ended."""
        try:
            yield
        except StopIteration:
            self._steps = None
        except BudgetExceeded:
            self._steps = None
            raise
        except ModelError as error:
            if self._step is None:  # a setting is wrong, so that nothing could begin
                _log.error("A request of an HTTP client is not recorded: %s", error)
            self.fail(error)
        except Exception as error:  # noqa: BLE001 - telemetry never breaks a request
            _log.exception("A request of an HTTP client could not be recorded.")
            self.fail(error)


def _json_body(request: Any) -> Mapping[str, Any]:
    """Return the JSON object that a request sends; empty for a body that is still to be produced."""
    try:
        value = json.loads(request.content)
    except Exception:  # noqa: BLE001 - whatever the body is, the request is sent
        return {}
    return value if isinstance(value, Mapping) else {}


def _decoders(response: Any) -> list[Any]:
    """Return what undoes the compressions of a response's body, the last one first.

    Those of Python's own library are bounded; others, which the program's client asked for, are the client's.
    """
    encodings = response.headers.get("content-encoding", "").lower()
    names = [name.strip() for name in encodings.split(",")]
    if all(name in ("", "identity") or name in bounded_body.ENCODINGS for name in names):
        return [bounded_body.Decoder(name) for name in reversed(names) if name not in ("", "identity")]
    return [_ClientDecoder(type(response)(200, headers={"content-encoding": encodings})._get_content_decoder())]


class _ClientDecoder:
    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield what a piece decompresses to."""
        yield self._decoder.decode(piece)
