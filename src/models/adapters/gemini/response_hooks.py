"""Clean responses for google-genai, which reads Google's own format only and takes what gateways add to it for JSON.

In a stream gateways add comments, `event:` lines, `data:` without its space, and the `[DONE]` of Chat Completions. The
SDK would read an error inside a 200 as a reply without candidates, or break on one without a number. It also breaks on
an enum's number in place of its name, which Google's own servers send when they are asked for `enum-encoding=int`.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from src.models.errors import EmptyResponse, ModelError
from src.models.protocols.generate_content import finish_reasons
from src.models.transport import gateway_hooks, sse_repair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

_NO_CONTENT: Final = 204


def clean(response: Any) -> None:
    """Clean the body of a response, as an event hook of an HTTP client."""
    _check_status(response)
    if response.status_code == 200 and gateway_hooks.is_stream(response):
        response.iter_bytes = partial(_clean_pieces, response.iter_bytes, response.headers)
    else:
        gateway_hooks.check_reply(response)
        _name_reasons(response)


async def aclean(response: Any) -> None:
    """Do what `clean` does, for an asynchronous client."""
    _check_status(response)
    if response.status_code == 200 and gateway_hooks.is_stream(response):
        response.aiter_bytes = partial(_aclean_pieces, response.aiter_bytes, response.headers)
    else:
        await gateway_hooks.acheck_reply(response)
        _name_reasons(response)


def _check_status(response: Any) -> None:
    """Raise EmptyResponse for a reply that says it has no body, which the SDK takes for a refusal."""
    if response.status_code == _NO_CONTENT:
        raise EmptyResponse("the reply has no body")


def _name_reasons(response: Any) -> None:
    """Replace the numbers of a whole reply's reasons by their names."""
    if response.is_closed and finish_reasons.NUMBERED.search(response.content):
        response._content = finish_reasons.with_names(response.content)


def _clean_pieces(pieces: Callable[..., Iterator[bytes]], headers: Mapping[str, str], *size: Any) -> Iterator[bytes]:
    stream, lines = sse_repair.StreamRepair(), _Lines(headers)
    for piece in pieces(*size):
        yield from lines.feed(stream.feed(piece))
    yield from lines.feed(stream.flush())
    yield from lines.flush()
    lines.check_end()


async def _aclean_pieces(
    pieces: Callable[..., AsyncIterator[bytes]], headers: Mapping[str, str], *size: Any
) -> AsyncIterator[bytes]:
    stream, lines = sse_repair.StreamRepair(), _Lines(headers)
    async for piece in pieces(*size):
        for cleaned in lines.feed(stream.feed(piece)):
            yield cleaned
    for cleaned in itertools.chain(lines.feed(stream.flush()), lines.flush()):
        yield cleaned
    lines.check_end()


class _Lines:
    """Takes a stream in pieces, and drops the lines that the SDK cannot read."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self._rest = b""
        self._is_empty = True

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take the next piece; yield the whole lines that it completes, and raise an error after those before it."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        return self._cleaned(whole)

    def flush(self) -> Iterator[bytes]:
        """Yield the last line where it has no end of line."""
        return self._cleaned([self._rest] if self._rest else [])

    def _cleaned(self, lines: list[bytes]) -> Iterator[bytes]:
        ready: list[bytes] = []
        try:
            ready.extend(self._line(line) for line in lines)
        except ModelError:  # what came before it has been written by the model, and is the caller's
            yield b"".join(ready)
            raise
        yield b"".join(ready)

    def check_end(self) -> None:
        """Raise EmptyResponse where a stream has ended without any data."""
        if self._is_empty:
            raise EmptyResponse("the stream has no events")

    def _line(self, line: bytes) -> bytes:
        if line.startswith(b"data:"):
            data = line[5:].strip()
            gateway_hooks.raise_error(data, self._headers)
            if data == b"[DONE]":
                return b""
            self._is_empty = self._is_empty and not data
            return b"data: " + finish_reasons.with_names(data) + b"\n"
        if line.startswith((b":", b"event:", b"id:", b"retry:")):
            return b""
        self._is_empty = self._is_empty and not line.strip()
        return line + b"\n"
