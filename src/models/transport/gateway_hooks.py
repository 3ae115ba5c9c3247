"""Correct replies of gateways that an SDK would misread, as response hooks of its HTTP client.

An error inside a 200 is raised, and a stream of events is passed through `sse_repair.StreamRepair`.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from src.models.errors import EmptyResponse, MalformedResponse
from src.models.failures import classify
from src.models.fields import is_blank
from src.models.transport import http_hooks, sse_repair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

_ERROR_PREFIX = 4096
_ERROR_KEYS = (b'"error"', b'"detail"', b'"message": "', b'"message":"')
_REDIRECTED, _REFUSED = 300, 400
_STREAMS = ("text/event-stream", "application/x-ndjson")


def is_stream(response: Any) -> bool:
    """Tell whether a response is a stream, by its content type or by the request."""
    kind = response.headers.get("content-type", "")
    request = response.request
    if kind.startswith(_STREAMS):
        return True
    if http_hooks.WHOLE in request.extensions:
        return False
    if "streamGenerate" in request.url.path:
        return True
    return b'"stream":true' in request.read()  # a redirected request has not read its content yet


def check_reply(response: Any) -> None:
    """Raise the error that a whole reply, or a line of a stream of JSON lines, holds in place of text."""
    if response.status_code >= _REFUSED:
        response.read()
        _raise_malformed_refusal(response)
    elif is_stream(response):
        response.iter_lines = partial(_read_lines, response.iter_lines, response.headers)
    else:
        response.read()
        _raise_malformed_reply(response)


async def acheck_reply(response: Any) -> None:
    """Do what `check_reply` does, for an asynchronous client."""
    if response.status_code >= _REFUSED:
        await response.aread()
        _raise_malformed_refusal(response)
    elif is_stream(response):
        response.aiter_lines = partial(_aread_lines, response.aiter_lines, response.headers)
    else:
        await response.aread()
        _raise_malformed_reply(response)


def _raise_malformed_refusal(response: Any) -> None:
    """Raise the error of a refusal whose JSON is not an object: SDKs break on it before they read its status."""
    body = _json(response.content)
    if not isinstance(body, dict | _NotJson):
        raise classify.from_status(response.status_code, body, response.headers)


def _raise_malformed_reply(response: Any) -> None:
    """Raise the error of a whole reply that holds one, or is not a JSON object, or is blank."""
    if response.status_code < _REDIRECTED and is_blank(response.content):
        raise EmptyResponse("the reply has no body")
    raise_error(response.content, response.headers)
    if response.content.lstrip()[:1] != b"{" and not isinstance(_json(response.content), _NotJson):
        raise MalformedResponse("the reply is no JSON object")


class _NotJson:
    """Stands for a body that is not JSON."""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NotJson()


def repair_stream(response: Any) -> None:
    """Repair a stream of events, so that the SDK can read it."""
    if _answers_a_stream(response):
        response.iter_bytes = partial(_repair, response.iter_bytes)


async def arepair_stream(response: Any) -> None:
    """Do what `repair_stream` does, for an asynchronous client."""
    if _answers_a_stream(response):
        response.aiter_bytes = partial(_arepair, response.aiter_bytes)


def _answers_a_stream(response: Any) -> bool:
    return response.status_code < _REDIRECTED and is_stream(response)


def _repair(pieces: Callable[..., Iterator[bytes]], *size: Any) -> Iterator[bytes]:
    stream = sse_repair.StreamRepair()
    for piece in pieces(*size):
        lines = stream.feed(piece)
        if lines:
            yield lines
    yield stream.flush()


async def _arepair(pieces: Callable[..., AsyncIterator[bytes]], *size: Any) -> AsyncIterator[bytes]:
    stream = sse_repair.StreamRepair()
    async for piece in pieces(*size):
        lines = stream.feed(piece)
        if lines:
            yield lines
    yield stream.flush()


def raise_error(body: bytes, headers: Mapping[str, str]) -> None:
    """Raise the error that a body holds in place of a reply."""
    if not any(word in body[:_ERROR_PREFIX] for word in _ERROR_KEYS):
        return
    value = _json(body)
    value = value[0] if isinstance(value, list) and value else value
    if not isinstance(value, dict) or value.get("candidates") or isinstance(value.get("message"), dict):
        return
    if value.get("error"):
        raise classify.from_status(None, value, headers)
    error = classify.incomplete_reply(value, "text")
    if not isinstance(error, MalformedResponse):
        raise error


def _read_lines(lines: Callable[[], Iterator[str]], headers: Mapping[str, str]) -> Iterator[str]:
    for line in lines():
        data = _json_of_line(line, headers)
        if data:
            yield data


async def _aread_lines(lines: Callable[[], AsyncIterator[str]], headers: Mapping[str, str]) -> AsyncIterator[str]:
    async for line in lines():
        data = _json_of_line(line, headers)
        if data:
            yield data


def _json_of_line(line: str, headers: Mapping[str, str]) -> str:
    """Return the JSON of a line, or of the data of an event; raise the error that it holds."""
    data = line.removeprefix("\ufeff").removeprefix("data:").strip()
    if data == "[DONE]" or data.startswith((":", "event:", "id:", "retry:")):
        return ""
    raise_error(data.encode(), headers)
    if '"message"' in data or not data.startswith("{"):
        return data
    last_line = _json(data.encode())  # the last line holds counts only
    return (
        json.dumps({"message": {"role": "assistant"}, **last_line})
        if isinstance(last_line, dict) and last_line.get("done")
        else data
    )
