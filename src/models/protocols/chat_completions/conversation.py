"""Say a conversation and a schema in the words of Chat Completions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from src.models.fields import data_url
from src.models.request import strict_schemas, tools
from src.models.types import Message, ModelRequest, Part, RawPart, TextPart, ToolCall

if TYPE_CHECKING:
    from src.models.capabilities import Capabilities

_REPLAY = "chat:"


def response_format(request: ModelRequest, can: Capabilities) -> dict[str, Any] | None:
    """Return how a reply's form is asked for."""
    wanted = request.response_format
    if wanted is None or can.structured == "instructed":
        return None
    if can.structured == "json_object" or wanted.name == "json_object":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": strict_schemas.json_schema_format(wanted, bounds=can.schema_bounds)}


def tool(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool as this protocol defines it; one that is no function goes as it is."""
    found = None if isinstance(given.get("function"), Mapping) else tools.function(given)
    if found is None:
        return given
    schema = {"parameters": found.schema} if found.schema is not None else {}
    return {"type": "function", "function": {**found.common_fields(), **schema}}


def tool_choice(given: Any) -> Any:
    """Return which tool is to be called."""
    found = tools.choice(given)
    if found is None:
        return given
    if found.mode == "named":
        return {"type": "function", "function": {"name": found.name}}
    return "required" if found.mode == "any" else found.mode


def messages(request: ModelRequest, can: Capabilities) -> list[dict[str, Any]]:
    """Return the turns of a conversation."""
    if can.system_role == "merged" and request.system is not None:
        return _merged(request, can)
    return [_message(message, can, request.model) for message in request.messages]


def replay(model: str, extra: Any, thoughts: Any) -> str:
    """Return what a tool call keeps for the next turn: its own extra content, and the thoughts before it.

    openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks: models that sign their thoughts want them
    back; ai.google.dev/gemini-api/docs/openai puts the signature into extra_content.
    """
    told = {"extra_content": extra, "reasoning_details": thoughts if isinstance(thoughts, list) else None}
    kept = {name: value for name, value in told.items() if value}
    return f"{_REPLAY}{model}:{json.dumps(kept, default=str)}" if kept else ""


def _kept(call: ToolCall, model: str) -> dict[str, Any]:
    """Return what a call of the same model has kept."""
    start = f"{_REPLAY}{model}:"
    if not call.replay.startswith(start):
        return {}
    kept: dict[str, Any] = json.loads(call.replay.removeprefix(start))
    return kept


def _merged(request: ModelRequest, can: Capabilities) -> list[dict[str, Any]]:
    """Put the system prompt before the first user message, for models that take none."""
    rest = [message for message in request.messages if message.role != "system"]
    told = [_message(message, can, request.model) for message in rest]
    for item in told:
        if item["role"] == "user" and isinstance(item["content"], str):
            item["content"] = f"{request.system}\n\n{item['content']}"
            return told
    return [{"role": "user", "content": request.system}, *told]


def _message(message: Message, can: Capabilities, model: str) -> dict[str, Any]:
    role = can.system_role if message.role == "system" else message.role
    content: Any = message.content
    if not isinstance(content, str):
        content = [_part(part) for part in content]
    told: dict[str, Any] = {"role": role, "content": content}
    if message.tool_calls:
        told["tool_calls"] = [_tool_call(call, model) for call in message.tool_calls]
        told["content"] = content or None
        thoughts = _kept(message.tool_calls[0], model).get("reasoning_details")
        if thoughts:
            told["reasoning_details"] = thoughts
    if message.reasoning and can.keep_reasoning:
        told["reasoning_content"] = message.reasoning
    if message.tool_call_id:
        told["tool_call_id"] = message.tool_call_id
    if message.name:
        told["name"] = message.name
    return told


def _tool_call(call: ToolCall, model: str) -> dict[str, Any]:
    told: dict[str, Any] = {"id": call.id, "type": "function"}
    extra = _kept(call, model).get("extra_content")
    if extra:
        told["extra_content"] = extra
    return {**told, "function": {"name": call.name, "arguments": call.arguments}}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, RawPart):
        return dict(part.content)
    detail = {"detail": part.detail} if part.detail else {}
    return {"type": "image_url", "image_url": {"url": data_url(part), **detail}}
