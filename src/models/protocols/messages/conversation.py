"""Say a conversation and its tools in the words of Anthropic's Messages API."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from src.models.errors import InvalidRequest
from src.models.fields import field
from src.models.request import tools
from src.models.types import Message, ModelRequest, Part, RawPart, TextPart, ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence

_KINDS = ("auto", "any", "none")
_REPLAY = "claude:"


def messages(request: ModelRequest) -> list[dict[str, Any]]:
    """Return the turns; neighbours of one role become one. An empty turn of the model is refused, and left out."""
    told: list[dict[str, Any]] = []
    for message in request.messages:
        role = "assistant" if message.role == "assistant" else "user"
        content = _content(message, request.model)
        if message.role == "system" or (role == "assistant" and not content):
            continue
        if told and told[-1]["role"] == role:
            told[-1]["content"] = [*_blocks(told[-1]["content"]), *_blocks(content)]
        else:
            told.append({"role": role, "content": content})
    return told


def replay(thoughts: Sequence[Mapping[str, str]], model: str) -> str:
    """Return thoughts as a tool call keeps them: they must come back when the conversation goes on.

    Those that nobody has signed, as servers that imitate this one tell them, would be refused.
    """
    signed = [thought for thought in thoughts if thought.get("signature") or thought.get("data")]
    return f"{_REPLAY}{model}:{json.dumps(signed)}" if signed else ""


def replayed(call: ToolCall, model: str) -> list[dict[str, Any]]:
    """Return the thoughts that a call has kept, where the same model is asked again: others refuse them.

    platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5#thinking-blocks-are-tied-to-the-model-that-produced-them
    """
    start = f"{_REPLAY}{model}:"
    return json.loads(call.replay.removeprefix(start)) if call.replay.startswith(start) else []


def tool(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool as Anthropic defines it; one that is no function, or in this form, goes as it is."""
    found = None if "input_schema" in given else tools.function(given)
    if found is None:
        return given
    schema = found.schema or {"type": "object", "properties": {}}
    return {**found.extra, **found.common_fields(), "input_schema": schema}


def tool_choice(request: ModelRequest, *, one_at_a_time: bool) -> dict[str, Any] | None:
    """Return which tool is to be called, said in either of OpenAI's forms or in Anthropic's."""
    choice: Any = request.tool_choice
    found = tools.choice(choice)
    if found is not None:
        kept = choice if isinstance(choice, Mapping) and choice.get("type") in (*_KINDS, "tool") else {}
        told = {"type": "tool", "name": found.name} if found.mode == "named" else {"type": found.mode}
        choice = {**kept, **told}
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
    """Return an id as this API takes it: other providers' hold other characters."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", text)


def _tool_use(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise InvalidRequest(f"The arguments of the tool call {call.name} are no JSON object.", parameter="messages")
    return {"type": "tool_use", "id": _id(call.id), "name": call.name, "input": arguments}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, RawPart):
        return dict(part.content)
    if part.data is None:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    data = base64.b64encode(part.data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": part.media_type, "data": data}}
