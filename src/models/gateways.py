"""Mend what gateways do to replies that an SDK then takes for something else: as hooks of its HTTP client.

An error inside a 200 is raised. A byte order mark before a stream's first event, which would be lost with it, is taken
off. A whole reply to a request for a stream, which would be passed over, becomes the stream's one event.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from src.models import classify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

_ERROR_WITHIN = 64
_BOM = b"\xef\xbb\xbf"
_STREAMS = ("text/event-stream", "application/x-ndjson")


def is_stream(response: Any) -> bool:
    """Tell whether a response is to be read piece by piece, by its own word or by what was asked."""
    kind = response.headers.get("content-type", "")
    request = response.request
    if kind.startswith(_STREAMS) or "streamGenerate" in request.url.path:
        return True
    return b'"stream":true' in request.read()  # its content, which one that was redirected has not read yet


def watch(response: Any) -> None:
    """Raise the error that a whole reply, or a line of a stream of JSON lines, tells in place of text."""
    if response.status_code != 200:
        return
    if is_stream(response):
        response.iter_lines = partial(_lines, response.iter_lines, response.headers)
    else:
        response.read()
        raise_error(response.content, response.headers)


async def awatch(response: Any) -> None:
    """Do what `watch` does, for an asynchronous client."""
    if response.status_code != 200:
        return
    if is_stream(response):
        response.aiter_lines = partial(_alines, response.aiter_lines, response.headers)
    else:
        await response.aread()
        raise_error(response.content, response.headers)


def mend(response: Any) -> None:
    """Hand a stream on without a byte order mark, and as one event where it was answered by a whole reply."""
    if _answers_a_stream(response):
        response.iter_bytes = partial(_mended, response.iter_bytes)


async def amend(response: Any) -> None:
    """Do what `mend` does, for an asynchronous client."""
    if _answers_a_stream(response):
        response.aiter_bytes = partial(_amended, response.aiter_bytes)


def _answers_a_stream(response: Any) -> bool:
    return response.status_code == 200 and is_stream(response)


def _mended(pieces: Callable[..., Iterator[bytes]], *size: Any) -> Iterator[bytes]:
    told = pieces(*size)
    for first in told:
        begun = first.removeprefix(_BOM)
        if begun.lstrip()[:1] == b"{":
            yield _as_event(begun + b"".join(told))
        else:
            yield begun
            yield from told
        return


async def _amended(pieces: Callable[..., AsyncIterator[bytes]], *size: Any) -> AsyncIterator[bytes]:
    held: list[bytes] | None = None
    begun = False
    async for piece in pieces(*size):
        if not begun:
            begun, first = True, piece.removeprefix(_BOM)
            held = [first] if first.lstrip()[:1] == b"{" else None
            if held is None:
                yield first
        elif held is not None:
            held.append(piece)
        else:
            yield piece
    if held is not None:
        yield _as_event(b"".join(held))


def _as_event(body: bytes) -> bytes:
    """Return a whole reply as the one event of a stream."""
    return b"".join(b"data: " + line + b"\n" for line in body.strip().splitlines()) + b"\n"


def raise_error(body: bytes, headers: Mapping[str, str]) -> None:
    """Raise the error that a body tells in place of a reply."""
    if b'"error"' not in body[:_ERROR_WITHIN]:
        return
    try:
        told = json.loads(body)
    except ValueError:
        return
    told = told[0] if isinstance(told, list) and told else told
    if isinstance(told, dict) and told.get("error") and not (told.get("candidates") or told.get("message")):
        raise classify.from_status(None, told, headers)


def _lines(lines: Callable[[], Iterator[str]], headers: Mapping[str, str]) -> Iterator[str]:
    for line in lines():
        if line.strip():
            raise_error(line.encode(), headers)
            yield line


async def _alines(lines: Callable[[], AsyncIterator[str]], headers: Mapping[str, str]) -> AsyncIterator[str]:
    async for line in lines():
        if line.strip():
            raise_error(line.encode(), headers)
            yield line
