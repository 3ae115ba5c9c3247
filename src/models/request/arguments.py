"""Turn a caller's arguments into one validated request."""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from src.models.errors import InvalidRequest
from src.models.request import finite, functions, tools
from src.models.request.schemas import response_format
from src.models.types import Message, ModelRequest, PromptLink, Timeouts

_ALIASES = {
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "stop_sequences": "stop",
}
_LAST_VERSION = 65_535  # Langfuse's server stores a prompt's version in 16 bits


def build_request(
    model: str,
    messages: tuple[Message, ...],
    timeouts: Timeouts,
    arguments: Mapping[str, Any],
    *,
    written: Mapping[str, object] | None = None,
) -> ModelRequest:
    """Return the request for these messages and options. Unknown options go to the provider unchanged.

    `written` is the conversation in the body's own fields, which takes the messages' place there.

    Raises:
        InvalidRequest: an option has an impossible value; `parameter` names it.
    """
    options = {_ALIASES.get(name, name): value for name, value in arguments.items() if value is not None}
    options.pop("stream", None)
    checked = {
        name: check(_spelled(name, arguments), options.pop(name)) for name, check in _CHECKS.items() if name in options
    }
    structured = response_format(options.pop("response_format", None))
    call_timeouts = _timeouts(timeouts, options)
    prompt = prompt_link(options.pop("langfuse_prompt", None))
    extra = options.pop("options", None) or {}
    for name, value in (*options.items(), *extra.items()):
        finite.check(name, value)
    finite.check("tools", checked.get("tools"))
    finite.check("tool_choice", checked.get("tool_choice"))
    finite.check("response_format", structured.schema if structured is not None else None)
    finite.check_messages(messages)
    return ModelRequest(
        model=model,
        messages=messages,
        timeouts=call_timeouts,
        response_format=structured,
        options={**options, **extra},
        prompt=prompt,
        written=written,
        **checked,
    )


def prompt_link(prompt: object) -> PromptLink | None:
    """Return the name and version of a prompt; None for a fallback of Langfuse's SDK, which is no version of any.

    Args:
        prompt: What `get_prompt` of Langfuse or of `src.prompts` returned, that with its variables filled in, or a
            mapping with `name` and `version` of Langfuse's prompt management.

    Raises:
        InvalidRequest: it is neither.
    """
    if prompt is None or getattr(prompt, "is_fallback", False):
        return None
    whole = getattr(prompt, "prompt", None)
    if getattr(whole, "digest", None) is not None:
        return _own_link(whole, dict(prompt.variables))  # type: ignore[attr-defined] # a prompt that is filled in
    if getattr(prompt, "digest", None) is not None:
        return _own_link(prompt, None)
    read = prompt.get if isinstance(prompt, Mapping) else functools.partial(getattr, prompt)
    name, version = read("name", None), read("version", None)
    is_version = isinstance(version, int) and not isinstance(version, bool) and 0 <= version <= _LAST_VERSION
    if not isinstance(name, str) or not name or not is_version:
        raise InvalidRequest(
            f"langfuse_prompt is a {type(prompt).__name__} without a name and a version from 0 to {_LAST_VERSION}: "
            "give what get_prompt returned, or {'name': ..., 'version': ...}.",
            parameter="langfuse_prompt",
        )
    return PromptLink(name=name, version=version)


def _own_link(prompt: Any, variables: dict[str, str] | None) -> PromptLink:
    """Return the link of a prompt of `src.prompts`, which lies above this layer."""
    return PromptLink(
        name=prompt.name,
        version=prompt.langfuse_version,
        local_version=None if prompt.source == "langfuse" else prompt.version,
        digest=prompt.digest[:16],
        variables=variables,
    )


def _spelled(name: str, arguments: Mapping[str, Any]) -> str:
    """Return an option's name as the caller has written it, for errors."""
    if arguments.get(name) is not None:
        return name
    return next((alias for alias, meant in _ALIASES.items() if meant == name and alias in arguments), name)


def _timeouts(default: Timeouts, options: dict[str, Any]) -> Timeouts:
    """Pop `timeout` (a number of seconds for the whole call, or Timeouts) from the options."""
    name = "timeout" if "timeout" in options else "timeout_s"
    timeout = options.pop(name, None)
    options.pop("timeout_s", None)
    if timeout is None:
        return default
    if isinstance(timeout, Timeouts):
        return check_timeouts(name, timeout)
    seconds = _seconds(name, timeout)
    return replace(default, total=seconds, read=min(default.read, seconds), connect=min(default.connect, seconds))


def check_timeouts(name: str, timeouts: Timeouts) -> Timeouts:
    """Return timeouts that can be kept.

    Raises:
        InvalidRequest: one of them is not a number of seconds above 0; the error names it.
    """
    for part in ("connect", "read", "total"):
        _seconds(f"{name}.{part}", getattr(timeouts, part))
    return timeouts


def _seconds(name: str, value: object) -> float:
    seconds = _number(name, value)
    if seconds <= 0:
        raise InvalidRequest(f"{name} is {value!r}: give seconds above 0.", parameter=name)
    return seconds


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise InvalidRequest(f"{name} is {value!r}, not a number.", parameter=name)
    return float(value)


def _temperature(name: str, value: object) -> float:
    number = _number(name, value)
    if not 0 <= number <= 2:
        raise InvalidRequest(f"{name} is {value!r}; models take 0 to 2.", parameter=name)
    return number


def _probability(name: str, value: object) -> float:
    number = _number(name, value)
    if not 0 <= number <= 1:
        raise InvalidRequest(f"{name} is {value!r}; models take 0 to 1.", parameter=name)
    return number


def _positive_integer(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise InvalidRequest(f"{name} is {value!r}, not a whole number above 0.", parameter=name)
    return int(value)


def _integer(name: str, value: object) -> int:
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
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise InvalidRequest(f"{name} is {value!r:.60}: give a list of functions or tool definitions.", parameter=name)
    if all(isinstance(tool, Mapping) for tool in value):
        return tuple(value)
    definitions = tuple(functions.definition(tool) for tool in value)
    names = [tool.name for item in definitions if (tool := tools.function(item)) is not None]
    twice = next((item for item in names if names.count(item) > 1), None)
    if twice is not None:
        raise InvalidRequest(
            f"{name} holds two tools named {twice}: a model could not tell them apart.", parameter=name
        )
    return definitions


def _tool_choice(name: str, value: object) -> object:  # noqa: ARG001 - one shape for all checks
    return functions.name_of(value) if callable(value) else value


_CHECKS: dict[str, Any] = {
    "temperature": _temperature,
    "max_tokens": _positive_integer,
    "top_p": _probability,
    "stop": _stop,
    "seed": _integer,
    "reasoning_effort": _word,
    "tools": _tools,
    "tool_choice": _tool_choice,
}
assert set(_CHECKS) <= {item.name for item in fields(ModelRequest)}  # noqa: S101 - a slip here would lose an option
