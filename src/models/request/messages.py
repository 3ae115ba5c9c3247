"""Read the messages of a conversation in any form that callers write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from src.models.errors import InvalidRequest
from src.models.request import content_parts, finite
from src.models.types import Message, ModelResponse, Role, TextPart, ToolCall

ROLES = ("system", "user", "assistant", "tool")
_ROLE_ALIASES = {
    "developer": "system",
    "model": "assistant",
    "function": "tool",
    "human": "user",
    "ai": "assistant",
}
# Content blocks of Anthropic's form that are fields of a Message here, or messages of their own.
_NO_CONTENT = frozenset({"tool_result", "tool_use", "thinking", "redacted_thinking"})


def prompt_messages(system_prompt: object, user_content: object) -> tuple[Message, ...]:
    """Return the messages of a single prompt; a system prompt of None sends none.

    Raises:
        InvalidRequest: either is not a text (or, for the user, a list of texts and images).
    """
    if isinstance(system_prompt, list):  # of texts, which Anthropic's SDK accepts too
        system_prompt = content_parts.read(system_prompt, "system_prompt")
        if not isinstance(system_prompt, str) and all(isinstance(part, TextPart) for part in system_prompt):
            return (Message(role="system", content=system_prompt), *prompt_messages(None, user_content))
    if system_prompt is not None and not isinstance(system_prompt, str):
        raise InvalidRequest(f"system_prompt is {type(system_prompt).__name__}, not a text.", parameter="system_prompt")
    user = Message(role="user", content=content_parts.read(user_content, "user_content"))
    if not user.content:
        raise InvalidRequest("user_content is empty: there is nothing to ask.", parameter="user_content")
    return (Message(role="system", content=system_prompt), user) if system_prompt is not None else (user,)


def chat_messages(messages: object) -> tuple[Message, ...]:
    """Return the messages of a conversation: Message records, replies, or OpenAI's or Anthropic's dictionaries.

    Raises:
        InvalidRequest: there are none, or one cannot be read; the error names its position.
    """
    if isinstance(messages, str):
        return prompt_messages(None, messages)
    if not isinstance(messages, Iterable) or isinstance(messages, Mapping):
        raise InvalidRequest(f"messages is {type(messages).__name__}, not a list of messages.", parameter="messages")
    conversation = tuple(message for position, item in enumerate(messages) for message in _messages(item, position))
    if not conversation:
        raise InvalidRequest("messages is empty: there is nothing to ask.", parameter="messages")
    return conversation


def _messages(item: object, position: int) -> Iterator[Message]:
    """Yield the messages in one item; an item in Anthropic's form may hold several tool results."""
    parameter = f"messages[{position}]"
    if isinstance(item, Message):
        is_text = isinstance(item.content, str)
        yield item if is_text else replace(item, content=content_parts.read(item.content, parameter))
        return
    if isinstance(item, ModelResponse):
        yield Message(role="assistant", content=item.content, tool_calls=item.tool_calls, reasoning=item.reasoning)
        return
    fields = content_parts.as_mapping(item)
    if not isinstance(fields, Mapping):
        raise InvalidRequest(f"{parameter} is {type(item).__name__}, not a message.", parameter=parameter)
    role_name = str(fields.get("role", ""))
    role = _ROLE_ALIASES.get(role_name, role_name)
    if role not in ROLES:
        raise InvalidRequest(
            f"{parameter} has the role {role_name!r}; known are {', '.join(ROLES)}.", parameter=parameter
        )
    content = fields.get("content", fields.get("parts"))
    if not isinstance(content, list | tuple):
        yield _message(fields, role, content, parameter)
        return
    blocks = [content_parts.as_mapping(block) for block in content]
    results = [block for block in blocks if _type(block) == "tool_result"]
    yield from (_tool_result(block, parameter) for block in results)
    if len(results) < len(blocks) or not blocks:
        yield _message(fields, role, blocks, parameter)


def _message(fields: Mapping[str, Any], role: str, content: Any, parameter: str) -> Message:
    calls = [_tool_call(call, parameter) for call in fields.get("tool_calls") or ()]
    reasoning = fields.get("reasoning_content") or fields.get("reasoning")
    if isinstance(content, list):
        calls += [_tool_use(block, parameter) for block in content if _type(block) == "tool_use"]
        reasoning = reasoning or "".join(
            str(block.get("thinking", "")) for block in content if _type(block) == "thinking"
        )
        content = [block for block in content if _type(block) not in _NO_CONTENT]
    return Message(
        role=cast("Role", role),
        content="" if content is None else content_parts.read(content, parameter),
        tool_calls=tuple(calls),
        tool_call_id=fields.get("tool_call_id"),
        name=fields.get("name"),
        reasoning=reasoning or None,
    )


def _tool_result(block: Any, parameter: str) -> Message:
    """Return the message of a tool's result, which Anthropic's form puts into the user's message."""
    content = block.get("content")
    result = "" if content is None else content_parts.read(content, parameter)
    return Message(role="tool", content=result, tool_call_id=str(block.get("tool_use_id") or ""))


def _type(block: object) -> Any:
    return block.get("type") if isinstance(block, Mapping) else None


def _tool_use(block: Mapping[str, Any], parameter: str) -> ToolCall:
    """Return a tool call, which Anthropic's form puts into the content."""
    arguments = block.get("input")
    return ToolCall(
        id=str(block.get("id") or ""),
        name=str(block.get("name") or ""),
        arguments=arguments if isinstance(arguments, str) else finite.json_text(arguments or {}, parameter),
    )


def _tool_call(call: Any, parameter: str) -> ToolCall:
    if isinstance(call, ToolCall):
        return call
    fields: Any = content_parts.as_mapping(call)
    try:
        function = fields["function"]
        arguments = function["arguments"]
        return ToolCall(
            id=str(fields.get("id", "")),
            name=function["name"],
            arguments=arguments if isinstance(arguments, str) else finite.json_text(arguments, parameter),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(
            f"{parameter} has a tool call that cannot be read: {error!r}.", parameter=parameter
        ) from error
