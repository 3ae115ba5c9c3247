"""Turn a caller's arguments into one validated request, or say what is wrong with them."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, cast

from src.models.errors import InvalidRequest
from src.models.request import content as parts
from src.models.request.schemas import response_format
from src.models.types import Message, ModelRequest, ModelResponse, Role, Timeouts, ToolCall

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
_ALIASES = {
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "stop_sequences": "stop",
}


def prompt_messages(system_prompt: object, user_content: object) -> tuple[Message, ...]:
    """Return the messages of a single question; a system prompt of None sends none.

    Raises:
        InvalidRequest: either is not a text (or, for the user, a list of texts and images).
    """
    if isinstance(system_prompt, list):  # of texts, as Anthropic's SDK takes them too
        system_prompt = parts.content(system_prompt, "system_prompt")
    if system_prompt is not None and not isinstance(system_prompt, str):
        raise InvalidRequest(f"system_prompt is {type(system_prompt).__name__}, not a text.", parameter="system_prompt")
    user = Message("user", parts.content(user_content, "user_content"))
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
        yield item if plain else replace(item, content=parts.content(item.content, where))
        return
    if isinstance(item, ModelResponse):
        yield Message("assistant", item.content, item.tool_calls, reasoning=item.reasoning)
        return
    told = parts.plain(item)
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
    blocks = [parts.plain(block) for block in content]
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
        content="" if content is None else parts.content(content, where),
        tool_calls=tuple(calls),
        tool_call_id=told.get("tool_call_id"),
        name=told.get("name"),
        reasoning=thoughts or None,
    )


def _result(block: Any, where: str) -> Message:
    """Return a tool's result that Anthropic's form says as a part of the user's turn."""
    content = block.get("content")
    known = "" if content is None else parts.content(content, where)
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
    told: Any = parts.plain(call)
    try:
        function = told["function"]
        arguments = function["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        return ToolCall(str(told.get("id", "")), function["name"], text)
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(f"{where} has a tool call that cannot be read: {error!r}.", parameter=where) from error


def build(model: str, messages: tuple[Message, ...], timeouts: Timeouts, arguments: Mapping[str, Any]) -> ModelRequest:
    """Return the request for these messages and options. Options that we do not know go to the provider as they are.

    Raises:
        InvalidRequest: an option has a value that cannot be meant; `parameter` names it.
    """
    given = {_ALIASES.get(name, name): value for name, value in arguments.items() if value is not None}
    given.pop("stream", None)
    known = {name: given.pop(name) for name in _CHECKS if name in given}
    checked = {name: _CHECKS[name](name, value) for name, value in known.items()}
    wanted = response_format(given.pop("response_format", None))
    limits = _timeouts(timeouts, given)
    extra = given.pop("options", None) or {}
    return ModelRequest(
        model=model,
        messages=messages,
        timeouts=limits,
        response_format=wanted,
        options={**given, **extra},
        **checked,
    )


def _timeouts(default: Timeouts, given: dict[str, Any]) -> Timeouts:
    """Take `timeout` (a number of seconds for the whole call, or Timeouts) out of the options."""
    asked = given.pop("timeout", None)
    if asked is None:
        asked = given.pop("timeout_s", None)
    if asked is None:
        return default
    if isinstance(asked, Timeouts):
        return asked
    seconds = _number("timeout", asked)
    if seconds <= 0:
        raise InvalidRequest(f"timeout is {asked!r}: give seconds above 0.", parameter="timeout")
    return replace(default, total=seconds, read=min(default.read, seconds), connect=min(default.connect, seconds))


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise InvalidRequest(f"{name} is {value!r}, not a number.", parameter=name)
    return float(value)


def _temperature(name: str, value: object) -> float:
    number = _number(name, value)
    if not 0 <= number <= 2:
        raise InvalidRequest(f"{name} is {value!r}; models take 0 to 2.", parameter=name)
    return number


def _share(name: str, value: object) -> float:
    number = _number(name, value)
    if not 0 <= number <= 1:
        raise InvalidRequest(f"{name} is {value!r}; models take 0 to 1.", parameter=name)
    return number


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise InvalidRequest(f"{name} is {value!r}, not a whole number above 0.", parameter=name)
    return int(value)


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise InvalidRequest(f"{name} is {value!r}, not a whole number.", parameter=name)
    return int(value)


def _stop(name: str, value: object) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) and text for text in texts):
        raise InvalidRequest(f"{name} is {value!r:.60}: give a text or a list of texts.", parameter=name)
    return tuple(texts)


def _word(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"{name} is {value!r:.60}, not a word.", parameter=name)
    return value


def _tools(name: str, value: object) -> tuple[Mapping[str, object], ...]:
    if not isinstance(value, Sequence) or not all(isinstance(tool, Mapping) for tool in value):
        raise InvalidRequest(f"{name} is {value!r:.60}: give a list of tool definitions.", parameter=name)
    return tuple(value)


def _as_given(name: str, value: object) -> object:  # noqa: ARG001 - one shape for all checks
    return value


_CHECKS: dict[str, Any] = {
    "temperature": _temperature,
    "max_tokens": _count,
    "top_p": _share,
    "stop": _stop,
    "seed": _whole,
    "reasoning_effort": _word,
    "tools": _tools,
    "tool_choice": _as_given,
}
assert set(_CHECKS) <= {item.name for item in fields(ModelRequest)}  # noqa: S101 - a slip here would lose an option
