"""Say a conversation and a schema in the words of Chat Completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.models.reading import data_url
from src.models.structured import without_bounds
from src.models.types import Message, ModelRequest, Part, TextPart

if TYPE_CHECKING:
    from src.models.capabilities import Capabilities


def response_format(request: ModelRequest, can: Capabilities) -> dict[str, Any] | None:
    """Return how a reply's form is asked for."""
    wanted = request.response_format
    if wanted is None or can.structured == "instructed":
        return None
    if can.structured == "json_object" or wanted.name == "json_object":
        return {"type": "json_object"}
    schema = dict(wanted.schema) if can.schema_bounds else without_bounds(wanted.schema)
    return {"type": "json_schema", "json_schema": {"name": wanted.name, "schema": schema, "strict": True}}


def messages(request: ModelRequest, can: Capabilities) -> list[dict[str, Any]]:
    """Return the turns of a conversation."""
    if can.system_role == "merged" and request.system is not None:
        return _merged(request, can)
    return [_message(message, can) for message in request.messages]


def _merged(request: ModelRequest, can: Capabilities) -> list[dict[str, Any]]:
    """Put the system prompt before the first user message, for models that take none."""
    rest = [message for message in request.messages if message.role != "system"]
    told = [_message(message, can) for message in rest]
    for item in told:
        if item["role"] == "user" and isinstance(item["content"], str):
            item["content"] = f"{request.system}\n\n{item['content']}"
            return told
    return [{"role": "user", "content": request.system}, *told]


def _message(message: Message, can: Capabilities) -> dict[str, Any]:
    role = can.system_role if message.role == "system" else message.role
    content: Any = message.content
    if not isinstance(content, str):
        content = [_part(part) for part in content]
    told: dict[str, Any] = {"role": role, "content": content}
    if message.tool_calls:
        told["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
        told["content"] = content or None
    if message.reasoning and can.keep_reasoning:
        told["reasoning_content"] = message.reasoning
    if message.tool_call_id:
        told["tool_call_id"] = message.tool_call_id
    if message.name:
        told["name"] = message.name
    return told


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": data_url(part)}}
