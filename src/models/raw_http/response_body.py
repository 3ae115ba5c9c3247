"""Read what a reply says, by the protocol that it is in, whole or as the lines of a stream."""

from __future__ import annotations

import importlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from src.models import providers
from src.models.call.stream_assembly import Pieces
from src.models.errors import MalformedResponse, ModelError
from src.models.failures import classify
from src.models.fields import count, field, snake, text
from src.models.protocols import responses
from src.models.types import Chunk, Completion, ToolDelta, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from src.models.raw_http.addresses import Route


def completion(body: bytes, route: Route, model: str) -> Completion:
    """Return what a reply's body says.

    Raises:
        ModelError: it is no reply of this protocol, or the error of one.
    """
    events = _events(body)
    if events is not None:
        pieces = Pieces()
        for event in events:
            for chunk in _chunks(event, route, model):
                pieces.take(chunk)
        pieces.last()
        return pieces.completion()
    try:
        told = json.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise MalformedResponse(f"the reply is no JSON but {body[:80]!r}") from error
    found: Completion = _whole(told, route, model)
    return found


def refusal(status: int, body: bytes, headers: Mapping[str, str], route: Route) -> ModelError:
    """Return what an error response means."""
    told = _json(body) or body.decode("utf-8", "replace")
    if route.protocol == "gemini":
        found: ModelError = _reading("gemini").refusal(status, told, headers)
        return found
    return classify.from_status(status, told, headers)


def _events(body: bytes) -> list[Any] | None:
    """Return the events of a stream, which came as server-sent events or as a JSON value on each line."""
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    if lines and lines[0].startswith((b"data:", b"event:", b":")):
        told = [line[5:].strip() for line in lines if line.startswith(b"data:")]
        return [event for event in map(_json, told) if event is not None]
    if len(lines) > 1 and all(line.startswith(b"{") and line.endswith(b"}") for line in (lines[0], lines[-1])):
        found = [_json(line) for line in lines]
        return None if any(event is None for event in found) else found
    return None


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None  # [DONE], or a comment


def _whole(told: Any, route: Route, model: str) -> Any:  # a Completion
    match route.protocol:
        case "responses":
            return responses.read(told, _Accounts(route.provider))
        case "messages":
            return _reading("claude").reply(told, model)
        case "gemini":
            return _reading("gemini").reply(snake(told), model)
        case "ollama_chat" | "ollama_generate":
            pieces = Pieces()
            for chunk in _ollama(told):
                pieces.take(chunk)
            pieces.last()
            return pieces.completion()
    return _reading("openai_compatible").reply(told, _Accounts(route.provider), model)


def _chunks(event: Any, route: Route, model: str) -> Any:  # Chunks
    match route.protocol:
        case "responses":
            return responses.read_event(event, _Accounts(route.provider))
        case "messages":
            return _reading("claude").event(event)
        case "gemini":
            return _reading("gemini").event(snake(event), model)
        case "ollama_chat" | "ollama_generate":
            return _ollama(event)
    return _reading("openai_compatible").event(event, _Accounts(route.provider), model)


@cache
def _reading(adapter: str) -> Any:
    """Return how an adapter reads replies; adapters are loaded when they are needed, and by name."""
    return importlib.import_module(f"src.models.adapters.{adapter}.reading")


def _ollama(told: Any) -> Iterator[Chunk]:
    """Read what Ollama says: docs.ollama.com/api/chat, docs.ollama.com/api/generate."""
    message = field(told, "message")
    if message is None and not isinstance(field(told, "response"), str):
        raise MalformedResponse(
            f"the reply has neither message nor response: {text(told, 'error') or 'no reason told'}"
        )
    prompt, output = count(told, "prompt_eval_count"), count(told, "eval_count")
    yield Chunk(
        content=text(message, "content") or text(told, "response"),
        reasoning=text(message, "thinking") or text(told, "thinking"),
        finish_reason=text(told, "done_reason") or ("stop" if field(told, "done") else None),
        model=text(told, "model") or None,
        usage=None if prompt is None and output is None else Usage(input=prompt, output=output),
        tool_deltas=tuple(_called(call) for call in field(message, "tool_calls") or ()),
    )


def _called(call: Any) -> ToolDelta:
    function = field(call, "function")
    return ToolDelta(-1, "", text(function, "name"), json.dumps(field(function, "arguments") or {}, ensure_ascii=False))


class _Accounts:
    """Count what a reply took, as its provider's own adapter does."""

    custom_tools: ClassVar[bool] = True

    def __init__(self, provider: str) -> None:
        self._adapter: Any = providers.PROVIDERS[provider].load() if provider in providers.PROVIDERS else None

    def _usage(self, usage: Any) -> Usage | None:
        found: Usage | None = _reading("openai_compatible").usage(usage)
        return found

    def _reported_cost(self, usage: Any) -> float | None:
        told = getattr(self._adapter, "_reported_cost", None)
        return told(self, usage) if told is not None else None
