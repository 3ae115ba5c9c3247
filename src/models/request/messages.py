"""Read a conversation's messages in the forms that callers write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from src.models.errors import InvalidRequest
from src.models.request import content_parts
from src.models.types import Message, ModelResponse, Role, ToolCall

ROLES = ("system", "user", "assistant", "tool")


_ROLE_ALIASES = {
    "developer": "system",
    "model": "assistant",
    "function": "tool",
    "human": "user",
    "ai": "assistant",
}


# Parts of the content, in Anthropic's form, that are here fields of a turn or turns of their own.
_TURNS_OF_THEIR_OWN = frozenset({"tool_result", "tool_use", "thinking", "redacted_thinking"})


def prompt_messages(system_prompt: object, user_content: object) -> tuple[Message, ...]:
    """Return the messages of a single question; a system prompt of None sends none.

    Raises:
        InvalidRequest: either is not a text (or, for the user, a list of texts and images).
    """
    if isinstance(system_prompt, list):  # of texts, as Anthropic's SDK takes them too
        system_prompt = content_parts.read(system_prompt, "system_prompt")
    if system_prompt is not None and not isinstance(system_prompt, str):
        raise InvalidRequest(f"system_prompt is {type(system_prompt).__name__}, not a text.", parameter="system_prompt")
    user = Message("user", content_parts.read(user_content, "user_content"))
    if not user.content:
        raise InvalidRequest("user_content is empty: there is nothing to ask.", parameter="user_content")
    return (Message("system", system_prompt), user) if system_prompt is not None else (user,)


def chat_messages(messages: object) -> tuple[Message, ...]:
    """Return the messages of a conversation, given as Message records or as OpenAI-style dictionaries.

    Raises:
        InvalidRequest: there are none, or one cannot be read; the error names its position.
    """
    if isinstance(messages, str):
        return prompt_messages(None, messages)
    if not isinstance(messages, Iterable) or isinstance(messages, Mapping):
        raise InvalidRequest(f"messages is {type(messages).__name__}, not a list of messages.", parameter="messages")
    found = tuple(message for position, item in enumerate(messages) for message in _messages(item, position))
    if not found:
        raise InvalidRequest("messages is empty: there is nothing to ask.", parameter="messages")
    return found


def _messages(item: object, position: int) -> Iterator[Message]:
    """Yield the turn that an item is; one in Anthropic's form may hold several results of tools."""
    where = f"messages[{position}]"
    if isinstance(item, Message):
        plain = isinstance(item.content, str)
        yield item if plain else replace(item, content=content_parts.read(item.content, where))
        return
    if isinstance(item, ModelResponse):
        yield Message("assistant", item.content, item.tool_calls, reasoning=item.reasoning)
        return
    told = content_parts.as_mapping(item)
    if not isinstance(told, Mapping):
        raise InvalidRequest(f"{where} is {type(item).__name__}, not a message.", parameter=where)
    given = str(told.get("role", ""))
    role = _ROLE_ALIASES.get(given, given)
    if role not in ROLES:
        raise InvalidRequest(f"{where} has the role {given!r}; known are {', '.join(ROLES)}.", parameter=where)
    content = told.get("content", told.get("parts"))
    if not isinstance(content, list | tuple):
        yield _turn(told, role, content, where)
        return
    blocks = [content_parts.as_mapping(block) for block in content]
    results = [block for block in blocks if _kind(block) == "tool_result"]
    yield from (_result(block, where) for block in results)
    if len(results) < len(blocks) or not blocks:
        yield _turn(told, role, blocks, where)


def _turn(told: Mapping[str, Any], role: str, content: Any, where: str) -> Message:
    calls = [_tool_call(call, where) for call in told.get("tool_calls") or ()]
    thoughts = told.get("reasoning_content") or told.get("reasoning")
    if isinstance(content, list):
        calls += [_tool_use(block) for block in content if _kind(block) == "tool_use"]
        thoughts = thoughts or "".join(
            str(block.get("thinking", "")) for block in content if _kind(block) == "thinking"
        )
        content = [block for block in content if _kind(block) not in _TURNS_OF_THEIR_OWN]
    return Message(
        role=cast("Role", role),
        content="" if content is None else content_parts.read(content, where),
        tool_calls=tuple(calls),
        tool_call_id=told.get("tool_call_id"),
        name=told.get("name"),
        reasoning=thoughts or None,
    )


def _result(block: Any, where: str) -> Message:
    """Return a tool's result that Anthropic's form says as a part of the user's turn."""
    content = block.get("content")
    known = "" if content is None else content_parts.read(content, where)
    return Message("tool", known, tool_call_id=str(block.get("tool_use_id") or ""))


def _kind(block: object) -> Any:
    return block.get("type") if isinstance(block, Mapping) else None


def _tool_use(block: Mapping[str, Any]) -> ToolCall:
    """Return a call of a tool that Anthropic's form says as a part of the content."""
    arguments = block.get("input")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    return ToolCall(str(block.get("id") or ""), str(block.get("name") or ""), text)


def _tool_call(call: Any, where: str) -> ToolCall:
    if isinstance(call, ToolCall):
        return call
    told: Any = content_parts.as_mapping(call)
    try:
        function = told["function"]
        arguments = function["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        return ToolCall(str(told.get("id", "")), function["name"], text)
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(f"{where} has a tool call that cannot be read: {error!r}.", parameter=where) from error
