"""Mend what gateways do to replies that an SDK then takes for something else: as hooks of its HTTP client.

An error inside a 200 is raised, and a stream of events is handed on as `sse.Mended` leaves it.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from src.models.errors import MalformedResponse
from src.models.failures import classify
from src.models.transport import replay, sse_repair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

_ERROR_WITHIN = 4096
_WORDS = (b'"error"', b'"detail"', b'"message": "', b'"message":"')
_REDIRECTED, _REFUSED = 300, 400
_STREAMS = ("text/event-stream", "application/x-ndjson")


def is_stream(response: Any) -> bool:
    """Tell whether a response is to be read piece by piece, by its own word or by what was asked."""
    kind = response.headers.get("content-type", "")
    request = response.request
    if kind.startswith(_STREAMS) or "streamGenerate" in request.url.path:
        return True
    if replay.WHOLE in request.extensions:
        return False
    return b'"stream":true' in request.read()  # its content, which one that was redirected has not read yet


def watch(response: Any) -> None:
    """Raise the error that a whole reply, or a line of a stream of JSON lines, tells in place of text."""
    if response.status_code >= _REFUSED:
        response.read()
        _raise_odd_refusal(response)
    elif is_stream(response):
        response.iter_lines = partial(_lines, response.iter_lines, response.headers)
    else:
        response.read()
        _raise_no_object(response)


async def awatch(response: Any) -> None:
    """Do what `watch` does, for an asynchronous client."""
    if response.status_code >= _REFUSED:
        await response.aread()
        _raise_odd_refusal(response)
    elif is_stream(response):
        response.aiter_lines = partial(_alines, response.aiter_lines, response.headers)
    else:
        await response.aread()
        _raise_no_object(response)


def _raise_odd_refusal(response: Any) -> None:
    """Raise an error response whose JSON is no object: SDKs break on it before they look at its status."""
    told = _json(response.content)
    if not isinstance(told, dict | _NoJson):
        raise classify.from_status(response.status_code, told, response.headers)


def _raise_no_object(response: Any) -> None:
    """Raise what a whole reply means that is none."""
    raise_error(response.content, response.headers)
    if response.content.lstrip()[:1] != b"{" and not isinstance(_json(response.content), _NoJson):
        raise MalformedResponse("the reply is no JSON object")


class _NoJson:
    """Stand for a body that is no JSON."""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NoJson()


def mend(response: Any) -> None:
    """Hand a stream on in events that the SDK can read."""
    if _answers_a_stream(response):
        response.iter_bytes = partial(_mended, response.iter_bytes)


async def amend(response: Any) -> None:
    """Do what `mend` does, for an asynchronous client."""
    if _answers_a_stream(response):
        response.aiter_bytes = partial(_amended, response.aiter_bytes)


def _answers_a_stream(response: Any) -> bool:
    return response.status_code < _REDIRECTED and is_stream(response)


def _mended(pieces: Callable[..., Iterator[bytes]], *size: Any) -> Iterator[bytes]:
    stream = sse_repair.Mended()
    for piece in pieces(*size):
        lines = stream.feed(piece)
        if lines:
            yield lines
    yield stream.rest()


async def _amended(pieces: Callable[..., AsyncIterator[bytes]], *size: Any) -> AsyncIterator[bytes]:
    stream = sse_repair.Mended()
    async for piece in pieces(*size):
        lines = stream.feed(piece)
        if lines:
            yield lines
    yield stream.rest()


def raise_error(body: bytes, headers: Mapping[str, str]) -> None:
    """Raise the error that a body tells in place of a reply."""
    if not any(word in body[:_ERROR_WITHIN] for word in _WORDS):
        return
    told = _json(body)
    told = told[0] if isinstance(told, list) and told else told
    if not isinstance(told, dict) or told.get("candidates") or isinstance(told.get("message"), dict):
        return
    if told.get("error"):
        raise classify.from_status(None, told, headers)
    error = classify.incomplete_reply(told, "text")
    if not isinstance(error, MalformedResponse):
        raise error


def _lines(lines: Callable[[], Iterator[str]], headers: Mapping[str, str]) -> Iterator[str]:
    for line in lines():
        told = _value(line, headers)
        if told:
            yield told


async def _alines(lines: Callable[[], AsyncIterator[str]], headers: Mapping[str, str]) -> AsyncIterator[str]:
    async for line in lines():
        told = _value(line, headers)
        if told:
            yield told


def _value(line: str, headers: Mapping[str, str]) -> str:
    """Return the JSON of a line, also where it comes as the data of an event; raise the error that it tells."""
    told = line.removeprefix("\ufeff").removeprefix("data:").strip()
    if told == "[DONE]" or told.startswith((":", "event:", "id:", "retry:")):
        return ""
    raise_error(told.encode(), headers)
    if '"message"' in told or not told.startswith("{"):
        return told
    end = _json(told.encode())  # the last line, which tells counts alone
    return json.dumps({"message": {"role": "assistant"}, **end}) if isinstance(end, dict) and end.get("done") else told
