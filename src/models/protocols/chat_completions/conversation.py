"""Write a conversation, its tools and its reply format as Chat Completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from src.models.fields import data_url
from src.models.protocols import tool_calls
from src.models.request import strict_schemas, tools
from src.models.types import Message, ModelRequest, Part, RawPart, TextPart, ToolCall

if TYPE_CHECKING:
    from src.models.capabilities import Capabilities

_PROTOCOL = "chat"  # in ToolCall.replay


def response_format(request: ModelRequest, can: Capabilities) -> dict[str, Any] | None:
    """Return the `response_format` parameter; None where the format is asked for in words."""
    response_format = request.response_format
    if response_format is None or can.structured == "instructed":
        return None
    if can.structured == "json_object" or response_format.name == "json_object":
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "json_schema": strict_schemas.json_schema_format(response_format, bounds=can.schema_bounds),
    }


def tool(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool as this protocol defines it; a tool that is not a function is sent as it is."""
    function = None if isinstance(definition.get("function"), Mapping) else tools.function(definition)
    if function is None:
        return definition
    schema = {"parameters": function.schema} if function.schema is not None else {}
    return {"type": "function", "function": {**function.common_fields(), **schema}}


def tool_choice(choice: Any) -> Any:
    """Return the `tool_choice` parameter; a form that is not known is sent as it is."""
    parsed = None if choice is None else tools.choice(choice)
    if parsed is None:
        return choice
    if parsed.mode == "named":
        return {"type": "function", "function": {"name": parsed.name}}
    return "required" if parsed.mode == "any" else parsed.mode


def messages(request: ModelRequest, can: Capabilities) -> list[dict[str, Any]]:
    """Return the turns of a conversation."""
    if can.system_role == "merged" and request.system is not None:
        return _merged(request, can)
    return [_message(message, can, request.model) for message in request.messages]


def replay_text(model: str, extra: Any, thoughts: Any) -> str:
    """Return what a tool call carries into the next turn: its own extra content, and the thoughts before it.

    openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks: models that sign their thoughts want them
    back; ai.google.dev/gemini-api/docs/openai puts the signature into extra_content.
    """
    candidates = {"extra_content": extra, "reasoning_details": thoughts if isinstance(thoughts, list) else None}
    state = {name: value for name, value in candidates.items() if value}
    return tool_calls.pack(_PROTOCOL, model, state)


def _replayed(call: ToolCall, model: str) -> dict[str, Any]:
    """Return what a tool call of the same model carries; nothing where another model made it."""
    return tool_calls.unpack(_PROTOCOL, model, call) or {}


def _merged(request: ModelRequest, can: Capabilities) -> list[dict[str, Any]]:
    """Put the system prompt before the first user message, for models that take none."""
    others = [message for message in request.messages if message.role != "system"]
    turns = [_message(message, can, request.model) for message in others]
    for item in turns:
        if item["role"] == "user" and isinstance(item["content"], str):
            item["content"] = f"{request.system}\n\n{item['content']}"
            return turns
    return [{"role": "user", "content": request.system}, *turns]


def _message(message: Message, can: Capabilities, model: str) -> dict[str, Any]:
    role = can.system_role if message.role == "system" else message.role
    content: Any = message.content
    if not isinstance(content, str):
        content = [_part(part) for part in content]
    turn: dict[str, Any] = {"role": role, "content": content}
    if message.tool_calls:
        turn["tool_calls"] = [_tool_call(call, model) for call in message.tool_calls]
        turn["content"] = content or None
        thoughts = _replayed(message.tool_calls[0], model).get("reasoning_details")
        if thoughts:
            turn["reasoning_details"] = thoughts
    if message.reasoning and can.keep_reasoning:
        turn["reasoning_content"] = message.reasoning
    if message.tool_call_id:
        turn["tool_call_id"] = message.tool_call_id
    if message.name:
        turn["name"] = message.name
    return turn


def _tool_call(call: ToolCall, model: str) -> dict[str, Any]:
    item: dict[str, Any] = {"id": call.id, "type": "function"}
    extra = _replayed(call, model).get("extra_content")
    if extra:
        item["extra_content"] = extra
    return {**item, "function": {"name": call.name, "arguments": call.arguments}}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, RawPart):
        return dict(part.content)
    detail = {"detail": part.detail} if part.detail else {}
    return {"type": "image_url", "image_url": {"url": data_url(part), **detail}}
