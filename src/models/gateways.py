"""Mend what gateways do to replies that an SDK then takes for something else: as hooks of its HTTP client.

An error inside a 200 is raised, and a byte order mark before a stream's first event, which would be lost, is taken off.
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
    return kind.startswith(_STREAMS) or "streamGenerate" in request.url.path or b'"stream":true' in request.content


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


def unmark(response: Any) -> None:
    """Take the byte order mark off a stream of events."""
    if response.headers.get("content-type", "").startswith(_STREAMS):
        response.iter_bytes = partial(_unmarked, response.iter_bytes)


async def aunmark(response: Any) -> None:
    """Do what `unmark` does, for an asynchronous client."""
    if response.headers.get("content-type", "").startswith(_STREAMS):
        response.aiter_bytes = partial(_aunmarked, response.aiter_bytes)


def _unmarked(pieces: Callable[..., Iterator[bytes]], *size: Any) -> Iterator[bytes]:
    told = pieces(*size)
    for first in told:
        yield first.removeprefix(_BOM)
        break
    yield from told


async def _aunmarked(pieces: Callable[..., AsyncIterator[bytes]], *size: Any) -> AsyncIterator[bytes]:
    begun = False
    async for piece in pieces(*size):
        yield piece if begun else piece.removeprefix(_BOM)
        begun = True


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
