"""Write a conversation and its tools as Anthropic's Messages API takes them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from src.models.fields import field
from src.models.protocols import tool_calls
from src.models.request import tools
from src.models.types import Message, ModelRequest, Part, RawPart, TextPart, ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence

_MODES = ("auto", "any", "none")
_PROTOCOL = "claude"  # in ToolCall.replay


def fields(request: ModelRequest) -> dict[str, Any]:
    """Return the fields of the body that hold the conversation."""
    return {"messages": messages(request), "system": system(request)}


def messages(request: ModelRequest) -> list[dict[str, Any]]:
    """Return the turns; adjacent ones of a role are merged, and empty assistant turns, which are refused, omitted."""
    turns: list[dict[str, Any]] = []
    for message in request.messages:
        role = "assistant" if message.role == "assistant" else "user"
        content = _content(message, request.model)
        if message.role == "system" or (role == "assistant" and not content):
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] = [*_blocks(turns[-1]["content"]), *_blocks(content)]
        else:
            turns.append({"role": role, "content": content})
    return turns


def system(request: ModelRequest) -> str | list[dict[str, Any]] | None:
    """Return the system prompt: a text, or blocks where a part of it is marked for the cache."""
    contents = [message.content for message in request.messages if message.role == "system"]
    if all(isinstance(content, str) for content in contents):
        return request.system
    return [
        block
        for content in contents
        for block in _blocks(content if isinstance(content, str) else [_part(part) for part in content])
    ]


def replay_text(thoughts: Sequence[Mapping[str, str]], model: str) -> str:
    """Return what a tool call carries into the next turn: the thoughts before it, which must be sent back.

    Unsigned thoughts, as compatible servers send them, would be refused and are left out.
    """
    signed = [thought for thought in thoughts if thought.get("signature") or thought.get("data")]
    return tool_calls.pack(_PROTOCOL, model, signed)


def replayed(call: ToolCall, model: str) -> list[dict[str, Any]]:
    """Return the thoughts that a tool call carries, for the model that had them: others refuse them.

    platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5#thinking-blocks-are-tied-to-the-model-that-produced-them
    """
    return tool_calls.unpack(_PROTOCOL, model, call) or []


def tool(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool as Anthropic defines it; one that is not a function, or in this form already, is sent as it is."""
    function = None if "input_schema" in definition else tools.function(definition)
    if function is None:
        return definition
    schema = function.schema or {"type": "object", "properties": {}}
    return {**function.extra, **function.common_fields(), "input_schema": schema}


def tool_choice(request: ModelRequest, *, one_at_a_time: bool) -> dict[str, Any] | None:
    """Return the `tool_choice` parameter, from either of OpenAI's forms or from Anthropic's."""
    choice: Any = request.tool_choice
    parsed = tools.choice(choice)
    if parsed is not None:
        options = choice if isinstance(choice, Mapping) and choice.get("type") in (*_MODES, "tool") else {}
        selection = {"type": "tool", "name": parsed.name} if parsed.mode == "named" else {"type": parsed.mode}
        choice = {**options, **selection}
    if one_at_a_time and request.tools and field(choice, "type") != "none":
        return {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return dict(choice) if choice is not None else None


def _blocks(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _content(message: Message, model: str) -> Any:
    content = message.content if isinstance(message.content, str) else [_part(part) for part in message.content]
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": _id(message.tool_call_id or ""), "content": content}]
    if not message.tool_calls:
        return content
    blocks = [[*replayed(call, model), _tool_use(call)] for call in message.tool_calls]
    text = _blocks(content) if content else []
    blocks[0][-1:-1] = text  # after the thoughts
    return [block for group in blocks for block in group]


def _id(text: str) -> str:
    """Return an id in the characters that this API takes; ids of other providers hold more."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", text)


def _tool_use(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": _id(call.id), "name": call.name, "input": tool_calls.arguments_object(call)}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        mark = {} if part.cache_control is None else {"cache_control": dict(part.cache_control)}
        return {"type": "text", "text": part.text, **mark}
    if isinstance(part, RawPart):
        return dict(part.content)
    if part.data is None:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    data = base64.b64encode(part.data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": part.media_type, "data": data}}
