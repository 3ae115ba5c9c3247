"""Turn a caller's arguments into one validated request, or say what is wrong with them."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from src.models.errors import InvalidRequest
from src.models.request.schemas import response_format
from src.models.types import Message, ModelRequest, Timeouts

_ALIASES = {
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "stop_sequences": "stop",
}


def build_request(
    model: str, messages: tuple[Message, ...], timeouts: Timeouts, arguments: Mapping[str, Any]
) -> ModelRequest:
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
