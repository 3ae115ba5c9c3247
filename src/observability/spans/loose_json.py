"""Write as JSON what no JSON library takes as it is: keys of any type, cycles, objects that fail."""

from __future__ import annotations

import json
import math
from datetime import date, time
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DEEPEST: Final = 100
_LONGEST_INT_BITS: Final = 10_000  # Python refuses to write integers above 4,300 digits
_CIRCULAR: Final = "[circular reference]"
_TOO_DEEP: Final = f"[more than {_DEEPEST} levels]"


def text(value: object, plain: Callable[[object], object]) -> str:
    """Return a value as JSON; never raises.

    Args:
        value: Anything.
        plain: Returns a value that JSON can hold, or one that holds some, in place of an object.
    """
    try:
        return json.dumps(_Copy(plain).of(value, 0))
    except Exception as error:  # noqa: BLE001 - an object that lies about its type must not stop a trade
        return json.dumps(_failure(value, error))


def key_text(key: object) -> str:
    """Return the key of a mapping as text; never raises."""
    try:
        return _key_text(key)
    except Exception as error:  # noqa: BLE001 - a hostile __str__ must not stop a trade
        return _failure(key, error)


def _key_text(key: object) -> str:
    if isinstance(key, Enum):
        return _key_text(key.value)
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, bool):
        return json.dumps(key)
    if isinstance(key, bytes):
        return key.decode("utf-8", "backslashreplace")
    if isinstance(key, date | time):  # a datetime too, and pandas' timestamps
        return key.isoformat()
    scalar = getattr(key, "item", None)
    if callable(scalar) and getattr(getattr(key, "dtype", None), "kind", "O") not in "OMm":  # numpy's numbers and texts
        return _key_text(scalar())
    return str(key)


class _Copy:
    """A copy of one value, made of what JSON can hold."""

    def __init__(self, plain: Callable[[object], object]) -> None:
        self._plain = plain
        self._path: set[int] = set()  # ids of the objects that are being copied, to notice cycles

    def of(self, value: object, depth: int) -> object:
        if value is None or type(value) in (str, bool):
            return value
        if type(value) is int:
            return value if value.bit_length() <= _LONGEST_INT_BITS else hex(value)
        if type(value) is float:
            return value if math.isfinite(value) else None
        if id(value) in self._path:
            return _CIRCULAR
        if depth >= _DEEPEST:
            return _TOO_DEEP
        self._path.add(id(value))
        try:
            return self._container(value, depth + 1)
        except Exception as error:  # noqa: BLE001 - one item that fails costs no other
            return _failure(value, error)
        finally:
            self._path.discard(id(value))

    def _container(self, value: object, depth: int) -> object:
        if type(value) is dict:
            return self._mapping(value, depth)
        if type(value) in (list, tuple):
            return [self.of(item, depth) for item in value]  # type: ignore[attr-defined] # a list or a tuple
        return self.of(self._plain(value), depth)

    def _mapping(self, value: Mapping[object, object], depth: int) -> dict[str, object]:
        copy: dict[str, object] = {}
        for key, item in value.items():
            name = key_text(key)
            while name in copy:  # such as 1 beside "1"
                name = f"{name} ({type(key).__name__})"
            copy[name] = self.of(item, depth)
        return copy


def _failure(value: object, error: Exception) -> str:
    return f"[not encodable: {type(value).__name__}, {type(error).__name__}]"
