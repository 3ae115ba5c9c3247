"""Read JSON that decides something: a text with two readings is refused, where `json.loads` takes one of them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable


def loads(text: str, *, parse_float: Callable[[str], Any] | None = None) -> Any:
    """Return the value of a JSON text.

    Args:
        text: One JSON value.
        parse_float: Makes the number of a literal with a point or an exponent; by default a float.

    Raises:
        ValueError: the text is no JSON, an object has a key twice, a number is NaN, infinite or beyond what a float
            can hold, or the nesting is too deep to be read.
    """
    decoder = _DECODER if parse_float is None else _decoder(parse_float)
    try:
        return decoder.decode(text.removeprefix("\ufeff"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _decoder(parse_float: Callable[[str], Any]) -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=parse_float)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys: set[str] = set()
        for key, _ in pairs:
            if key in keys:
                raise ValueError(f"the key {json.dumps(key[:60])} occurs more than once in an object")
            keys.add(key)
    return value


def _finite(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):
        raise ValueError(f"{literal:.40} is too large for a number")
    return number


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


_DECODER: Final = _decoder(_finite)  # making one takes as long as reading a short text
