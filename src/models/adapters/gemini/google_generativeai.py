"""Talk to Gemini through the old google-generativeai, over REST."""

from __future__ import annotations

import codecs
import importlib
import json
import re
from collections import deque
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from src.models.fields import snake_case
from src.models.protocols.generate_content import finish_reasons, reply
from src.models.transport import gateway_hooks, threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.models.types import Timeouts

_UNKNOWN = ("seed", "thinking_config", "response_json_schema")
# What the replies of the running call said. The SDK's own records know no thoughts: they would be text among the rest.
_said: ContextVar[deque[dict[str, Any]] | None] = ContextVar("moondev_gemini_said", default=None)
_REFUSED: Final = 400
# What stands between the replies of a stream: of the array that the SDK asks for, or of events, as gateways send them.
_BETWEEN: Final = re.compile(r"(?:[\s,\[\]\ufeff]+|data:(?:[ ]?\[DONE\])?|(?:event|id|retry)?:[^\n]*\n)*")


class Legacy:
    """Talk through google-generativeai; it has no asyncio over REST, so the template runs it in threads.

    Its `configure` would set key and address for the whole process, for code beside this too and for every model here,
    so the clients are made as that function makes them, and each model has its own.
    """

    def __init__(self, key: str | None, address: str) -> None:
        self._sdk: Any = importlib.import_module("google.generativeai")  # an extra, not always installed
        language: Any = importlib.import_module("google.ai.generativelanguage")
        how = {"transport": "rest", "client_options": {"api_key": key, "api_endpoint": address}}
        self.client = language.GenerativeServiceClient(**how)
        self.client.transport._session.hooks["response"].append(_watch)
        self._models = language.ModelServiceClient(**how)

    def _model(self, payload: dict[str, Any]) -> Any:
        model = self._sdk.GenerativeModel(payload["model"], system_instruction=payload["system"] or None)
        model._client = self.client
        return model

    @staticmethod
    def _arguments(payload: dict[str, Any], timeouts: Timeouts) -> dict[str, Any]:
        config = {name: value for name, value in payload["config"].items() if name not in _UNKNOWN}
        told: dict[str, Any] = {
            "contents": payload["contents"],
            "generation_config": config,
            "request_options": {"timeout": timeouts.read, "retry": None},
        }
        if payload["tools"]:
            told["tools"] = payload["tools"]
        if payload["tool_choice"]:
            told["tool_config"] = {"function_calling_config": payload["tool_choice"]}
        return told

    def generate(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        """Return a whole reply."""
        generate = partial(self._model(payload).generate_content, **self._arguments(payload, timeouts))
        return threads.within(timeouts.total, _whole, generate)

    def stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Any:
        """Return a stream."""
        said: deque[dict[str, Any]] = deque()
        token = _said.set(said)
        try:
            found = self._model(payload).generate_content(**self._arguments(payload, timeouts), stream=True)
        finally:
            _said.reset(token)
        return (snake_case(said.popleft()) if said else _as_dict(event) for event in found)

    def names(self) -> list[str]:
        """Return the names of the models that generate text."""
        found = self._sdk.list_models(client=self._models)
        return [item.name for item in found if "generateContent" in item.supported_generation_methods]


def _whole(generate: Callable[[], Any]) -> Any:
    said: deque[dict[str, Any]] = deque()
    token = _said.set(said)
    try:
        found = generate()
    finally:
        _said.reset(token)
    return snake_case(said.pop()) if said else _as_dict(found)


def _watch(response: Any, *_: object, stream: bool = False, **__: object) -> None:
    """Keep what a reply says, and raise an error: the SDK drops one with status 200, and breaks on loose ones."""
    said = _said.get()
    if response.status_code >= _REFUSED:
        raise reply.refusal(response.status_code, _json(response.content), response.headers)
    if response.status_code != 200 or said is None:
        return
    if stream:
        response.iter_content = partial(_array, response.iter_content, response.headers, said)
        return
    gateway_hooks.raise_error(response.content, response.headers)
    told = _json(finish_reasons.worded(response.content))
    if isinstance(told, dict):  # anything else is for the SDK to judge
        said.append(told)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _array(
    pieces: Callable[..., Iterator[bytes]], headers: Any, said: deque[dict[str, Any]], **_: object
) -> Iterator[str]:
    """Yield the replies of a stream as the one array that the SDK reads, and keep each."""
    decode, held, mark = codecs.getincrementaldecoder("utf-8")("replace"), "", "["
    for piece in pieces(None):
        held += decode.decode(piece)
        while True:
            held = held[_BETWEEN.match(held).end() :]  # type: ignore[union-attr] # it matches nothing too
            try:
                told, end = json.JSONDecoder().raw_decode(held)
            except ValueError:  # not all of it has come
                break
            gateway_hooks.raise_error(held[:end].encode(), headers)
            if isinstance(told, dict):
                said.append(json.loads(finish_reasons.worded(held[:end].encode())))
            yield mark + held[:end]
            held, mark = held[end:], ","
    yield held or (mark if mark == "[" else "") + "]"


def _as_dict(response: Any) -> dict[str, Any]:
    proto = response._result
    return type(proto).to_dict(proto, use_integers_for_enums=False)  # type: ignore[no-any-return] # proto-plus
