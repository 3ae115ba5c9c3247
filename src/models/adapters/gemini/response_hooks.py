"""Watch what comes back to google-genai: it knows Google's own wire, and takes what gateways add to it for JSON.

In a stream: comments, `event:` lines, `data:` without its space, and the `[DONE]` of Chat Completions. An error inside
a 200 would be read as a reply without candidates, or break the SDK where it has no number, and so would a word that is
told as its number, as Google's own servers do where they are asked for `enum-encoding=int`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from src.models.protocols.generate_content import finish_reasons
from src.models.transport import gateway_hooks, sse_repair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping


def watch(response: Any) -> None:
    """Clean the body of a response, as an event hook of an HTTP client."""
    if response.status_code == 200 and gateway_hooks.is_stream(response):
        response.iter_bytes = partial(_cleaned, response.iter_bytes, response.headers)
    else:
        gateway_hooks.watch(response)
        _reword(response)


async def awatch(response: Any) -> None:
    """Do what `watch` does, for an asynchronous client."""
    if response.status_code == 200 and gateway_hooks.is_stream(response):
        response.aiter_bytes = partial(_acleaned, response.aiter_bytes, response.headers)
    else:
        await gateway_hooks.awatch(response)
        _reword(response)


def _reword(response: Any) -> None:
    """Say a whole reply's words as words."""
    if response.is_closed and finish_reasons.NUMBERED.search(response.content):
        response._content = finish_reasons.worded(response.content)


def _cleaned(pieces: Callable[..., Iterator[bytes]], headers: Mapping[str, str], *size: Any) -> Iterator[bytes]:
    stream, lines = sse_repair.Mended(), _Lines(headers)
    for piece in pieces(*size):
        yield lines.feed(stream.feed(piece))
    yield lines.feed(stream.rest()) + lines.rest()


async def _acleaned(
    pieces: Callable[..., AsyncIterator[bytes]], headers: Mapping[str, str], *size: Any
) -> AsyncIterator[bytes]:
    stream, lines = sse_repair.Mended(), _Lines(headers)
    async for piece in pieces(*size):
        yield lines.feed(stream.feed(piece))
    yield lines.feed(stream.rest()) + lines.rest()


class _Lines:
    """Pass on the lines of a stream that mean something."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Take the next piece; return the whole lines that it completes."""
        *whole, self._held = (self._held + piece).split(b"\n")
        return b"".join(self._line(line) for line in whole)

    def rest(self) -> bytes:
        """Return what came last, without an end of line."""
        return self._line(self._held) if self._held else b""

    def _line(self, line: bytes) -> bytes:
        if line.startswith(b"data:"):
            data = line[5:].strip()
            gateway_hooks.raise_error(data, self._headers)
            return b"" if data == b"[DONE]" else b"data: " + finish_reasons.worded(data) + b"\n"
        return b"" if line.startswith((b":", b"event:", b"id:", b"retry:")) else line + b"\n"
