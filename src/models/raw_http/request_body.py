"""Read what a request's body asks, as far as it can be read: it is sent as it is, whatever is found here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from src.models.errors import InvalidRequest
from src.models.fields import text
from src.models.request import content_parts, messages
from src.models.types import ImagePart, Message, Part, TextPart

if TYPE_CHECKING:
    from src.models.raw_http.addresses import Route
    from src.models.types import Role

_NOT_PARAMETERS = frozenset(
    {"model", "messages", "system", "prompt", "input", "instructions", "contents", "systemInstruction",
     "system_instruction", "images", "options", "generationConfig", "generation_config", "tools"}
)  # fmt: skip


def body_of(arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON that `post(url, data, json, **options)` sends; empty where it is none."""
    data = arguments[0] if arguments else options.get("data")
    given = arguments[1] if len(arguments) > 1 else options.get("json")
    for value in (given, data, options.get("content")):
        found = _decoded(value)
        if isinstance(found, Mapping):
            return found
    return {}


def _decoded(value: Any) -> Any:
    if not isinstance(value, str | bytes | bytearray):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None


def model_of(body: Mapping[str, Any], route: Route) -> str:
    """Return the model that is asked."""
    return route.model or text(body, "model") or "unknown"


def messages_of(body: Mapping[str, Any], route: Route) -> tuple[Message, ...]:
    """Return the messages; one that cannot be read is shown as the JSON that it is."""
    if route.protocol == "gemini":
        return tuple(_gemini(body))
    system = body.get("system") or body.get("instructions")
    found = [Message("system", system if isinstance(system, str) else _shown(system))] if system else []
    asked = body.get("messages")
    if asked is None:
        asked = body.get("input") if route.protocol == "responses" else body.get("prompt")
    images = _images(body)
    if isinstance(asked, str):
        found.append(Message("user", (TextPart(asked), *images) if images else asked))
    elif isinstance(asked, list) and all(isinstance(one, Mapping) for one in asked):
        found += [_message(one) for one in asked]
    elif asked is not None:
        found.append(Message("user", _shown(asked)))
    return tuple(found)


def parameters_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything else that is asked, by the provider's own names."""
    found = {name: value for name, value in body.items() if name not in _NOT_PARAMETERS and value is not None}
    for inner in ("options", "generationConfig", "generation_config"):
        if isinstance(body.get(inner), Mapping):
            found.update(body[inner])
    return found


def tools_of(body: Mapping[str, Any]) -> tuple[Mapping[str, object], ...]:
    """Return the tools that are offered."""
    tools = body.get("tools")
    return tuple(one for one in tools if isinstance(one, Mapping)) if isinstance(tools, list) else ()


def _message(told: Mapping[str, Any]) -> Message:
    images = _images(told)
    try:
        (message,) = messages.chat_messages([{name: value for name, value in told.items() if name != "images"}])
    except (InvalidRequest, TypeError, ValueError, AttributeError):
        return Message(_role(told.get("role")), _shown(told.get("content", told)))
    return Message(message.role, (TextPart(message.text), *images)) if images else message


def _role(told: object) -> Role:
    return {"system": "system", "developer": "system", "assistant": "assistant", "model": "assistant"}.get(
        str(told), "user"
    )  # type: ignore[return-value] # the values are roles


def _gemini(body: Mapping[str, Any]) -> Iterable[Message]:
    system = body.get("systemInstruction") or body.get("system_instruction")
    if system:
        yield Message("system", "\n".join(part.text for part in _parts(system) if isinstance(part, TextPart)))
    contents = body.get("contents")
    for content in contents if isinstance(contents, list) else [contents]:
        parts = tuple(_parts(content))
        plain = all(isinstance(part, TextPart) for part in parts)
        said = "\n".join(part.text for part in parts if isinstance(part, TextPart))
        yield Message(_role(content.get("role") if isinstance(content, Mapping) else ""), said if plain else parts)


def _parts(content: Any) -> Iterable[Part]:
    told = content.get("parts") if isinstance(content, Mapping) else content
    for part in told if isinstance(told, list) else [told]:
        inline = (part.get("inlineData") or part.get("inline_data")) if isinstance(part, Mapping) else None
        if isinstance(part, str):
            yield TextPart(part)
        elif isinstance(inline, Mapping):
            kind = inline.get("mimeType") or inline.get("mime_type") or "image/png"
            yield _image(inline.get("data"), str(kind))
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str):
            yield TextPart(part["text"])
        elif part is not None:
            yield TextPart(_shown(part))


def _images(told: Mapping[str, Any]) -> tuple[Part, ...]:
    """Return the images that Ollama takes beside a text."""
    given = told.get("images")
    return tuple(_image(one, "image/png") for one in given) if isinstance(given, list) else ()


def _image(data: Any, media_type: str) -> Part:
    try:
        return content_parts.image_url(f"data:{media_type};base64,{data}")
    except InvalidRequest:
        return ImagePart(media_type)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
