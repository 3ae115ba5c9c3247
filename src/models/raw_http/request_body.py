"""Read the messages and parameters of a request's body as far as possible; the request itself is sent unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from src.models.errors import InvalidRequest
from src.models.fields import text
from src.models.raw_http import embeddings
from src.models.request import content_parts, messages
from src.models.types import ImagePart, Message, Part, TextPart

if TYPE_CHECKING:
    from src.models.raw_http.addresses import Route
    from src.models.types import Role

_NOT_PARAMETERS = frozenset(
    {"model", "messages", "system", "prompt", "input", "instructions", "contents", "systemInstruction",
     "system_instruction", "images", "options", "generationConfig", "generation_config", "tools", "content", "requests"}
)  # fmt: skip


def body_of(arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON object that `post(url, data, json, **options)` sends; empty where it sends none."""
    data = arguments[0] if arguments else options.get("data")
    json_value = arguments[1] if len(arguments) > 1 else options.get("json")
    for value in (json_value, data, options.get("content")):
        body = _decoded(value)
        if isinstance(body, Mapping):
            return body
    return {}


def _decoded(value: Any) -> Any:
    if not isinstance(value, str | bytes | bytearray):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None


def model_of(body: Mapping[str, Any], route: Route) -> str:
    """Return the requested model."""
    return route.model or text(body, "model") or "unknown"


def messages_of(body: Mapping[str, Any], route: Route) -> tuple[Message, ...]:
    """Return the messages; one that cannot be parsed is recorded as its JSON."""
    if route.is_for_embeddings:
        asked = embeddings.texts_of(body)
        return () if asked is None else (Message("user", _as_text(asked)),)
    if route.protocol == "gemini":
        return tuple(_gemini_messages(body))
    system = body.get("system") or body.get("instructions")
    result = [Message("system", system if isinstance(system, str) else _as_text(system))] if system else []
    turns = body.get("messages")
    if turns is None:
        turns = body.get("input") if route.protocol == "responses" else body.get("prompt")
    images = _images(body)
    if isinstance(turns, str):
        result.append(Message("user", (TextPart(turns), *images) if images else turns))
    elif isinstance(turns, list) and all(isinstance(turn, Mapping) for turn in turns):
        result += [_message(turn) for turn in turns]
    elif turns is not None:
        result.append(Message("user", _as_text(turns)))
    return tuple(result)


def parameters_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return all other parameters, by the provider's own names."""
    parameters = {name: value for name, value in body.items() if name not in _NOT_PARAMETERS and value is not None}
    for inner in ("options", "generationConfig", "generation_config"):
        if isinstance(body.get(inner), Mapping):
            parameters.update(body[inner])
    return parameters


def tools_of(body: Mapping[str, Any]) -> tuple[Mapping[str, object], ...]:
    """Return the tools of the request."""
    tools = body.get("tools")
    return tuple(tool for tool in tools if isinstance(tool, Mapping)) if isinstance(tools, list) else ()


def _message(turn: Mapping[str, Any]) -> Message:
    images = _images(turn)
    try:
        (message,) = messages.chat_messages([{name: value for name, value in turn.items() if name != "images"}])
    except (InvalidRequest, TypeError, ValueError, AttributeError):
        return Message(_role(turn.get("role")), _as_text(turn.get("content", turn)))
    return Message(message.role, (TextPart(message.text), *images)) if images else message


def _role(role: object) -> Role:
    return {"system": "system", "developer": "system", "assistant": "assistant", "model": "assistant"}.get(
        str(role), "user"
    )  # type: ignore[return-value] # the values are roles


def _gemini_messages(body: Mapping[str, Any]) -> Iterable[Message]:
    system = body.get("systemInstruction") or body.get("system_instruction")
    if system:
        yield Message("system", "\n".join(part.text for part in _gemini_parts(system) if isinstance(part, TextPart)))
    contents = body.get("contents")
    for content in contents if isinstance(contents, list) else [contents]:
        parts = tuple(_gemini_parts(content))
        plain = all(isinstance(part, TextPart) for part in parts)
        joined_text = "\n".join(part.text for part in parts if isinstance(part, TextPart))
        yield Message(
            _role(content.get("role") if isinstance(content, Mapping) else ""), joined_text if plain else parts
        )


def _gemini_parts(content: Any) -> Iterable[Part]:
    items = content.get("parts") if isinstance(content, Mapping) else content
    for part in items if isinstance(items, list) else [items]:
        inline = (part.get("inlineData") or part.get("inline_data")) if isinstance(part, Mapping) else None
        if isinstance(part, str):
            yield TextPart(part)
        elif isinstance(inline, Mapping):
            kind = inline.get("mimeType") or inline.get("mime_type") or "image/png"
            yield _image(inline.get("data"), str(kind))
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str):
            yield TextPart(part["text"])
        elif part is not None:
            yield TextPart(_as_text(part))


def _images(holder: Mapping[str, Any]) -> tuple[Part, ...]:
    """Return the images that Ollama takes beside the text of a message."""
    items = holder.get("images")
    return tuple(_image(item, "image/png") for item in items) if isinstance(items, list) else ()


def _image(data: Any, media_type: str) -> Part:
    try:
        return content_parts.image_url(f"data:{media_type};base64,{data}")
    except InvalidRequest:
        return ImagePart(media_type)


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
