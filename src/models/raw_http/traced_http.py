"""Record what an HTTP client of httpx or httpx2 sends to models, and change nothing about it.

A client is given a subclass of its own class whose `send` records. So its address, headers, timeouts, limits, redirects
and proxies stay what they are, whoever made it, and there is no cycle of references that would keep it open.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import sys
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from src.models.raw_http.addresses import route
from src.models.raw_http.request_recording import RequestRecording
from src.models.transport import http_hooks
from src.observability.store import background
from src.observability.store.connections import BUSY_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from src.models.raw_http.addresses import Route

_LIBRARIES: Final = ("httpx", "httpx2")
_MARK: Final = "_moondev_records"


def is_http_client(value: object) -> bool:
    """Tell whether a value is a client of httpx or httpx2, plain or asynchronous."""
    return _library(type(value)) is not None


def trace(client: Any) -> None:
    """Let a client record the requests that it sends to models; a client that does so already is left as it is."""
    kind: Any = type(client)
    if not hasattr(kind, _MARK):
        client.__class__ = _recording_class(kind)


def trace_all() -> None:
    """Let all clients of this process, of httpx and httpx2, record the requests that they send to models."""
    for name in _LIBRARIES:
        with contextlib.suppress(ImportError):  # an SDK that is not installed has no need of it
            library = importlib.import_module(name)
            for kind in (library.Client, library.AsyncClient):
                if not hasattr(kind, _MARK):
                    setattr(kind, _MARK, True)
                    kind.send = _recording_send(kind.send, library, is_async=kind is library.AsyncClient)


def _recording_send(sending: Any, library: Any, *, is_async: bool) -> Any:
    @functools.wraps(sending)
    def send(self: Any, request: Any, *arguments: Any, **options: Any) -> Any:
        return _send(functools.partial(sending, self), library, request, arguments, options)

    @functools.wraps(sending)
    async def asend(self: Any, request: Any, *arguments: Any, **options: Any) -> Any:
        return await _asend(functools.partial(sending, self), library, request, arguments, options)

    return asend if is_async else send


def _library(kind: type) -> str | None:
    """Return the library whose client a class is."""
    return next(
        (
            library
            for library in _LIBRARIES
            for name in ("Client", "AsyncClient")
            if isinstance(base := getattr(sys.modules.get(library), name, None), type) and issubclass(kind, base)
        ),
        None,
    )


@lru_cache(maxsize=64)
def _recording_class(kind: Any) -> Any:
    """Return the subclass of a client's class that records."""
    library: Any = sys.modules[_library(kind) or ""]
    is_async = issubclass(kind, library.AsyncClient)

    def send(self: Any, request: Any, *arguments: Any, **options: Any) -> Any:
        return _send(super(recording_class, self).send, library, request, arguments, options)

    async def asend(self: Any, request: Any, *arguments: Any, **options: Any) -> Any:
        return await _asend(super(recording_class, self).send, library, request, arguments, options)

    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    recording_class: Any = type(kind.__name__, (kind,), {**names, _MARK: True, "send": asend if is_async else send})
    return recording_class


def _destination(request: Any) -> Route | None:
    """Return where a request goes; None where it is not to be recorded: no model's, or one of a traced call."""
    try:
        if request.method != "POST" or http_hooks.is_calling():
            return None
        return route(str(request.url))
    except Exception:  # noqa: BLE001 - what it is about the request, the client itself will say it
        return None


def _send(
    send: Callable[..., Any], library: Any, request: Any, arguments: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    destination = _destination(request)
    if destination is None:
        return send(request, *arguments, **options)
    is_stream = bool(options.get("stream"))
    recording = RequestRecording(request, destination, is_stream=is_stream, rows=None)
    for wait_s in recording.admission():
        time.sleep(wait_s)
    try:
        with recording.sending():
            response = send(request, *arguments, **options)
    except BaseException as error:
        recording.fail(error)
        raise
    if is_stream:
        recording.open(response)
        response.stream = _body_class(library)(response.stream, recording)
    else:
        recording.complete(response)
    return response


async def _asend(
    send: Callable[..., Any], library: Any, request: Any, arguments: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    destination = _destination(request)
    if destination is None:
        return await send(request, *arguments, **options)
    is_stream = bool(options.get("stream"))
    rows = background.Rows() if background.collected() is None else None
    recording = RequestRecording(request, destination, is_stream=is_stream, rows=rows)
    for wait_s in recording.admission():
        await asyncio.sleep(wait_s)
    try:
        with recording.sending():
            response = await send(request, *arguments, **options)
    except BaseException as error:
        recording.fail(error)
        raise
    if is_stream:
        recording.open(response)
        response.stream = _async_body_class(library)(response.stream, recording, rows)
        return response
    recording.complete(response)
    if rows is not None:
        await rows.astored(BUSY_S)
    return response


@lru_cache(maxsize=2)
def _body_class(library: Any) -> Any:
    """Return the class of the bodies that a library's plain clients hand on."""

    class RecordedBody(library.SyncByteStream):  # type: ignore[misc] # of whichever library the client is
        """A body whose pieces are recorded as they pass."""

        def __init__(self, stream: Any, recording: RequestRecording) -> None:
            self._stream = stream
            self._recording = recording

        @property
        def elapsed(self) -> Any:
            """Return the elapsed time of the body itself, which httpx2 reads here."""
            return getattr(self._stream, "elapsed", None)

        def __iter__(self) -> Iterator[bytes]:
            """Yield the body's pieces."""
            try:
                for piece in self._stream:
                    self._recording.feed(piece)
                    yield piece
            except GeneratorExit:
                self._recording.end(is_whole=False)
                raise
            except BaseException as error:
                self._recording.fail(error)
                raise
            self._recording.end(is_whole=True)

        def close(self) -> None:
            """Close the body."""
            try:
                self._stream.close()
            finally:
                self._recording.end(is_whole=False)

        def __del__(self) -> None:
            """Record a response that the program has dropped without closing it."""
            self._recording.end(is_whole=False)

    return RecordedBody


@lru_cache(maxsize=2)
def _async_body_class(library: Any) -> Any:
    """Return the class of the bodies that a library's asynchronous clients hand on."""

    class AsyncRecordedBody(library.AsyncByteStream):  # type: ignore[misc] # of whichever library the client is
        """A body whose pieces are recorded as they pass."""

        def __init__(self, stream: Any, recording: RequestRecording, rows: background.Rows | None) -> None:
            self._stream = stream
            self._recording = recording
            self._rows = rows

        @property
        def elapsed(self) -> Any:
            """Return the elapsed time of the body itself, which httpx2 reads here."""
            return getattr(self._stream, "elapsed", None)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            """Yield the body's pieces."""
            try:
                async for piece in self._stream:
                    self._recording.feed(piece)
                    yield piece
            except GeneratorExit:
                self._recording.end(is_whole=False)
                raise
            except BaseException as error:
                self._recording.fail(error)
                raise
            self._recording.end(is_whole=True)

        async def aclose(self) -> None:
            """Close the body, and wait until its row is stored."""
            try:
                await self._stream.aclose()
            finally:
                self._recording.end(is_whole=False)
            if self._rows is not None:
                await self._rows.astored(BUSY_S)

        def __del__(self) -> None:
            """Record a response that the program has dropped without closing it."""
            self._recording.end(is_whole=False)

    return AsyncRecordedBody
