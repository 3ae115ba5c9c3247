"""Read what a reply says, by the protocol that it is in, whole or as the lines of a stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from src.models.call.stream_assembly import StreamAssembly
from src.models.errors import MalformedResponse, ModelError
from src.models.failures import classify
from src.models.fields import snake_case
from src.models.pricing.reported import reported_usd
from src.models.protocols import ollama, responses
from src.models.protocols.chat_completions import reply as chat_completions
from src.models.protocols.generate_content import reply as generate_content
from src.models.protocols.messages import reply as messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.models.raw_http.addresses import Route
    from src.models.types import Completion, Usage


def completion(body: bytes, route: Route, model: str) -> Completion:
    """Return what a reply's body says.

    Raises:
        ModelError: it is no reply of this protocol, or the error of one.
    """
    events = _events(body)
    if events is not None:
        assembly = StreamAssembly()
        for event in events:
            for chunk in _chunks(event, route, model):
                assembly.add(chunk)
        assembly.flush()
        return assembly.completion()
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
        found: ModelError = generate_content.refusal(status, told, headers)
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
            return messages.reply(told, model)
        case "gemini":
            return generate_content.reply(snake_case(told), model)
        case "ollama_chat" | "ollama_generate":
            assembly = StreamAssembly()
            for chunk in ollama.generated(told):
                assembly.add(chunk)
            assembly.flush()
            return assembly.completion()
    return chat_completions.reply(told, _Accounts(route.provider), model)


def _chunks(event: Any, route: Route, model: str) -> Any:  # Chunks
    match route.protocol:
        case "responses":
            return responses.read_event(event, _Accounts(route.provider))
        case "messages":
            return messages.event(event)
        case "gemini":
            return generate_content.event(snake_case(event), model)
        case "ollama_chat" | "ollama_generate":
            return ollama.generated(event)
    return chat_completions.event(event, _Accounts(route.provider), model)


class _Accounts:
    """Count what a reply took, as its provider's own adapter does."""

    custom_tools: ClassVar[bool] = True

    def __init__(self, provider: str) -> None:
        self._provider = provider

    def _usage(self, usage: Any) -> Usage | None:
        return chat_completions.usage(usage)

    def _reported_cost(self, usage: Any) -> float | None:
        return reported_usd(self._provider, usage)
