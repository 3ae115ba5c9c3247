"""Watch what comes back to google-genai: it knows Google's own wire, and takes what gateways add to it for JSON.

In a stream: comments, `event:` lines, `data:` without its space, and the `[DONE]` of Chat Completions. An error inside
a 200 would be read as a reply without candidates, or break the SDK where it has no number.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from src.models import gateways

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

_BOM = b"\xef\xbb\xbf"


def watch(response: Any) -> None:
    """Clean the body of a response, as an event hook of an HTTP client."""
    if response.status_code == 200 and gateways.is_stream(response):
        response.iter_bytes = partial(_cleaned, response.iter_bytes, response.headers)
    else:
        gateways.watch(response)


async def awatch(response: Any) -> None:
    """Do what `watch` does, for an asynchronous client."""
    if response.status_code == 200 and gateways.is_stream(response):
        response.aiter_bytes = partial(_acleaned, response.aiter_bytes, response.headers)
    else:
        await gateways.awatch(response)


def _cleaned(pieces: Callable[..., Iterator[bytes]], headers: Mapping[str, str], *size: Any) -> Iterator[bytes]:
    lines = _Lines(headers)
    for piece in pieces(*size):
        yield lines.feed(piece)
    yield lines.rest()


async def _acleaned(
    pieces: Callable[..., AsyncIterator[bytes]], headers: Mapping[str, str], *size: Any
) -> AsyncIterator[bytes]:
    lines = _Lines(headers)
    async for piece in pieces(*size):
        yield lines.feed(piece)
    yield lines.rest()


class _Lines:
    """Pass on the lines of a stream that mean something."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self._held = b""
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        """Take the next piece; return the whole lines that it completes."""
        *whole, self._held = (self._held + piece).split(b"\n")
        return b"".join(self._line(line) for line in whole)

    def rest(self) -> bytes:
        """Return what came last, without an end of line."""
        return self._line(self._held) if self._held else b""

    def _line(self, line: bytes) -> bytes:
        if not self._begun:
            self._begun, line = True, line.removeprefix(_BOM)
        if line.startswith(b"data:"):
            data = line[5:].strip()
            gateways.raise_error(data, self._headers)
            return b"" if data == b"[DONE]" else b"data: " + data + b"\n"
        return b"" if line.startswith((b":", b"event:", b"id:", b"retry:")) else line + b"\n"
