"""Read the body of a response by its protocol, whole or as the lines of a stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from src.models.call.stream_assembly import StreamAssembly
from src.models.errors import MalformedResponse, ModelError
from src.models.failures import classify
from src.models.fields import snake_case
from src.models.pricing.reported import reported_cost
from src.models.protocols import ollama, responses
from src.models.protocols.chat_completions import reply as chat_completions
from src.models.protocols.chat_completions.usage import usage as chat_usage
from src.models.protocols.generate_content import reply as generate_content
from src.models.protocols.messages import reply as messages
from src.models.raw_http import embeddings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from src.models.raw_http.addresses import Route
    from src.models.types import Chunk, Completion, Cost, Usage


def completion(body: bytes, route: Route, model: str) -> Completion:
    """Return the reply that a body holds.

    Raises:
        ModelError: it is not a reply of this protocol, or is an error.
    """
    if route.is_for_embeddings:
        return embeddings.completion(body, route, model)
    events = _events(body)
    if events is not None:
        assembly = StreamAssembly()
        for event in events:
            for chunk in read_event(event, route, model):
                assembly.add(chunk)
        assembly.flush()
        return assembly.completion()
    try:
        value = json.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise MalformedResponse(f"the reply is no JSON but {body[:80]!r}") from error
    return _read_whole(value, route, model)


def refusal(status: int, body: bytes, headers: Mapping[str, str], route: Route) -> ModelError:
    """Return the error for an error response."""
    content = _json(body) or body.decode("utf-8", "replace")
    if route.protocol.startswith("gemini"):
        return generate_content.refusal(status, content, headers)
    return classify.from_status(status, content, headers)


def _events(body: bytes) -> list[Any] | None:
    """Return the events of a stream, sent as server-sent events or as one JSON value a line; None for a whole reply."""
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    if lines and lines[0].startswith((b"data:", b"event:", b":")):
        data = [line[5:].strip() for line in lines if line.startswith(b"data:")]
        return [event for event in map(_json, data) if event is not None]
    if len(lines) > 1 and all(line.startswith(b"{") and line.endswith(b"}") for line in (lines[0], lines[-1])):
        events = [_json(line) for line in lines]
        return None if any(event is None for event in events) else events
    return None


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None  # [DONE], or a comment


def _read_whole(value: Any, route: Route, model: str) -> Completion:
    match route.protocol:
        case "responses":
            return responses.read(value, _DefaultRules(route.provider))
        case "messages":
            return messages.read(value, model)
        case "gemini":
            return generate_content.read(snake_case(value), model)
        case "ollama_chat" | "ollama_generate":
            assembly = StreamAssembly()
            for chunk in ollama.read_chunks(value):
                assembly.add(chunk)
            assembly.flush()
            return assembly.completion()
    return chat_completions.read(value, _DefaultRules(route.provider), model)


def read_event(event: Any, route: Route, model: str) -> Iterable[Chunk]:
    """Return the chunks in one event of a stream.

    Raises:
        ModelError: it is an error.
    """
    match route.protocol:
        case "responses":
            return responses.read_event(event, _DefaultRules(route.provider))
        case "messages":
            return messages.read_event(event)
        case "gemini":
            return generate_content.read_event(snake_case(event), model)
        case "ollama_chat" | "ollama_generate":
            return ollama.read_chunks(event)
    return chat_completions.read_event(event, _DefaultRules(route.provider), model)


class _DefaultRules:
    """Reads usage and cost as a provider's own adapter does."""

    custom_tools: ClassVar[bool] = True

    def __init__(self, provider: str) -> None:
        self._provider = provider

    def _usage(self, usage: Any) -> Usage | None:
        return chat_usage(usage)

    def _reported_cost(self, usage: Any) -> Cost | None:
        return reported_cost(self._provider, usage)
