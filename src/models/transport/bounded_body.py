"""Bound the bodies of responses of httpx and httpx2: in bytes, decompression included, and in time.

An HTTP client decompresses each piece of a body at once, whatever comes out of it: twenty kilobytes become twenty
megabytes. So bodies are decompressed here, a little at a time, and the client receives them as they are then.
"""

from __future__ import annotations

import sys
import time
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from src.models.errors import MalformedResponse
from src.models.limits.reply_size import Meter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

_PIECE: Final = 256 * 1024
_GZIP: Final = zlib.MAX_WBITS | 16
# What can be decompressed here a little at a time. Nothing else is asked for.
ENCODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
ACCEPTED: Final = "gzip, deflate"


def bound(response: Any, *, most_bytes: int, deadline: float, is_stream: bool, asynchronous: bool = False) -> None:
    """Bound the body of a response that has not been read yet.

    Args:
        response: Of httpx or httpx2.
        most_bytes: The most that it may have after decompression.
        deadline: On the monotonic clock, for plain clients; asynchronous ones are cancelled by their task.
        is_stream: Whether it is a stream of events.
        asynchronous: Whether it is from a client for asyncio.

    Raises:
        MalformedResponse: it is compressed in a way that was not asked for.
    """
    meter = Meter(most_bytes, is_stream=is_stream)
    body = getattr(response, "_content", None)
    if body is not None:  # it has been read already
        meter.take(body)
        return
    decoders: list[Decoder] = []
    if "content-encoding" in response.headers:
        encodings = [name.strip().lower() for name in response.headers["content-encoding"].split(",")]
        decoders = [Decoder(name) for name in reversed(encodings) if name not in ("", "identity")]
    if decoders:
        del response.headers["content-encoding"]
    library = type(response).__module__.partition(".")[0]
    reader = _Reader(meter, decoders, sys.modules[library].DecodingError)
    body_class = _async_body_class(library) if asynchronous else _body_class(library)
    response.stream = body_class(response.stream, reader, deadline)


class Decoder:
    """Decompresses the pieces of a body, a bounded number of bytes at a time."""

    def __init__(self, encoding: str) -> None:
        if encoding not in ENCODINGS:
            raise MalformedResponse(f"the reply is compressed as {encoding[:40]!r}, which was not asked for")
        self._may_be_raw = encoding == "deflate"  # some servers send it without its header
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS if self._may_be_raw else _GZIP)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield what a piece decompresses to."""
        while True:
            result = self._decompress(piece)
            if result:
                yield result
            piece = self._zlib.unconsumed_tail
            if not piece and len(result) < _PIECE:
                return

    def _decompress(self, piece: bytes) -> bytes:
        try:
            result = self._zlib.decompress(piece, _PIECE)
        except zlib.error:
            if not self._may_be_raw:
                raise
            self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
            result = self._zlib.decompress(piece, _PIECE)
        self._may_be_raw = False
        return result


class _Reader:
    """Reads a compressed body piece by piece: decompresses and counts.

    Args:
        meter: Counts what comes out.
        decoders: Undo the compressions, the last one first.
        decoding_error: What the HTTP library raises where a body is not compressed as its headers say.
    """

    def __init__(self, meter: Meter, decoders: list[Decoder], decoding_error: type[Exception]) -> None:
        self.meter = meter
        self.decoders = decoders
        self._decoding_error = decoding_error

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield what a piece of the body holds."""
        try:
            for decoded in self._decoded(piece, 0):
                self.meter.take(decoded)
                yield decoded
        except zlib.error as error:
            raise self._decoding_error(str(error)) from error

    def _decoded(self, piece: bytes, position: int) -> Iterator[bytes]:
        if position == len(self.decoders):
            yield piece
            return
        for decoded in self.decoders[position].feed(piece):
            yield from self._decoded(decoded, position + 1)


@lru_cache(maxsize=4)
def _body_class(library: str) -> Callable[..., Any]:
    """Return the class of bodies for the plain clients of an HTTP library."""
    http: Any = sys.modules[library]

    class BoundedBody(http.SyncByteStream):  # type: ignore[misc] # of whichever library the SDK runs on
        """A body that ends with an error where it is too long, or not complete by the deadline."""

        def __init__(self, stream: Any, reader: _Reader, deadline: float) -> None:
            self._stream = stream
            self._reader = reader
            self._deadline = deadline

        @property
        def elapsed(self) -> Any:
            """Return the elapsed time of the body itself, which httpx2 reads here."""
            return getattr(self._stream, "elapsed", None)

        def __iter__(self) -> Iterator[bytes]:
            """Yield the body's pieces."""
            reader = self._reader
            for piece in self._stream:
                if reader.decoders:
                    yield from reader.feed(piece)
                else:
                    reader.meter.take(piece)
                    yield piece
                if time.monotonic() > self._deadline:
                    raise http.ReadTimeout("the reply was not complete within the time allowed for the whole call")

        def close(self) -> None:
            """Close the body."""
            self._stream.close()

    return BoundedBody


@lru_cache(maxsize=4)
def _async_body_class(library: str) -> Callable[..., Any]:
    """Return the class of bodies for the asynchronous clients of an HTTP library."""
    http: Any = sys.modules[library]

    class AsyncBoundedBody(http.AsyncByteStream):  # type: ignore[misc] # of whichever library the SDK runs on
        """A body that ends with an error where it is too long."""

        def __init__(self, stream: Any, reader: _Reader, _: float) -> None:
            self._stream = stream
            self._reader = reader

        @property
        def elapsed(self) -> Any:
            """Return the elapsed time of the body itself, which httpx2 reads here."""
            return getattr(self._stream, "elapsed", None)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            """Yield the body's pieces."""
            reader = self._reader
            async for piece in self._stream:
                if reader.decoders:
                    for decoded in reader.feed(piece):
                        yield decoded
                else:
                    reader.meter.take(piece)
                    yield piece

        async def aclose(self) -> None:
            """Close the body."""
            await self._stream.aclose()

    return AsyncBoundedBody
