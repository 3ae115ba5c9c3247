"""Refuse numbers that JSON cannot write: an encoder makes null of them, or of them what servers refuse."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from src.models.errors import InvalidRequest
from src.models.types import Message, RawPart

if TYPE_CHECKING:
    from collections.abc import Iterable


def check(name: str, value: object) -> None:
    """Check an option, and all that is nested in it.

    Raises:
        InvalidRequest: a number in it is NaN or infinite; the message says where, `parameter` is the option's name.
    """
    if value is None or type(value) in (str, int, bool):
        return
    try:
        if b"null" not in orjson.dumps(value):  # which it makes of such numbers
            return
    except (TypeError, ValueError):  # of what only an SDK's own encoder takes
        pass
    for path, number in _numbers(value, name, 0):
        raise InvalidRequest(
            f"{path} is {number!r}, which JSON cannot write: give a finite number, or leave it out. Nothing was sent.",
            parameter=name,
        )


def check_messages(messages: Iterable[Message]) -> None:
    """Check the parts of messages that are sent as they are.

    Raises:
        InvalidRequest: as `check` raises it; the message names the position.
    """
    for position, message in enumerate(messages):
        if isinstance(message.content, str):
            continue
        for part in message.content:
            if isinstance(part, RawPart):
                check(f"messages[{position}]", part.content)


def json_text(value: object, name: str) -> str:
    """Return a value's JSON.

    Raises:
        InvalidRequest: a number in it is NaN or infinite.
    """
    check(name, value)
    return json.dumps(value, ensure_ascii=False)


def refuse_constant(text: str) -> Any:
    """Refuse NaN and Infinity in a JSON text, as the `parse_constant` of `json.loads`.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{text} is no JSON")


def _plain(value: object) -> object:
    """Return the fields of a model of pydantic's, the items of an array of numpy's; None for anything else."""
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if hasattr(value, "tolist"):  # numpy's arrays and scalars
        return value.tolist()
    return None


def _numbers(value: object, path: str, depth: int) -> Iterator[tuple[str, object]]:
    """Yield the numbers that are not finite, with their paths."""
    if depth > 100:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _numbers(item, f"{path}[{position}]", depth + 1)
    elif isinstance(value, float | Decimal | numbers.Real):
        if not math.isfinite(value):
            yield path, value
    elif not isinstance(value, str | None) and (plain := _plain(value)) is not None:
        yield from _numbers(plain, path, depth + 1)
