"""Turn any value into the text of a span attribute; never raises, whatever the value."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any

import orjson

from src.observability.spans import loose_json

_MOST_ITEMS = 1_000
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS


def text(value: object) -> str:
    """Return a string as it is and anything else as JSON."""
    return value if type(value) is str else json_text(value)


def json_text(value: object) -> str:
    """Return a value as JSON, strings in quotes, as Langfuse's SDK writes metadata."""
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS).decode()
    except Exception:  # noqa: BLE001 - keys that are tuples, cycles, long integers, lone surrogates: a copy without them
        return loose_json.text(value, _plain)


def _plain(value: object) -> object:
    """Return a value that JSON can hold in place of one that it cannot."""
    if isinstance(value, bytes | bytearray | memoryview):
        return summary(bytes(value))
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    plain = getattr(value, "tolist", None)
    if hasattr(value, "dtype") and callable(plain):  # of numpy and pandas; large ones in their own short form
        return plain() if getattr(value, "size", 0) <= _MOST_ITEMS else str(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, str | int | float | dict | list | tuple):  # subclasses, such as an enum's str
        return _builtin(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _builtin(value: str | float | dict[object, object] | list[object] | tuple[object, ...]) -> object:
    for kind in (str, bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return dict(value) if isinstance(value, dict) else list(value)  # type: ignore[arg-type] # scalars returned above


def mapping(value: object) -> Mapping[Any, object]:
    """Return metadata as a mapping, whatever a program passes as metadata."""
    if value is None:
        return {}
    return value if isinstance(value, Mapping) else {"value": value}


def set_attributes(span: Any, attributes: Mapping[str, Any]) -> None:
    """Set attributes that are known to be texts, numbers, or tuples of texts.

    The SDK would validate each value again, which takes longer than all else it does. That is skipped where the SDK
    stores attributes in the private field that we know.
    """
    stored = getattr(getattr(span, "_attributes", None), "_dict", None)
    if type(stored) is dict:
        stored.update(attributes)
    else:
        span.set_attributes(attributes)


def remove_attributes(span: Any, attributes: Collection[str]) -> None:
    """Remove attributes of an open span, of ours or of the SDK; a span that keeps its own otherwise keeps them."""
    scope = getattr(span, "scope", None)
    if scope is not None:
        rest = {name: value for name, value in scope.attributes.items() if name not in attributes}
        span.scope = dataclasses.replace(scope, attributes=rest)
        return
    stored = getattr(getattr(span, "_attributes", None), "_dict", None)
    if type(stored) is dict:
        for name in attributes:
            stored.pop(name, None)


def summary(data: bytes) -> dict[str, object]:
    """Describe bytes, such as an image, by size and hash: their content is not stored."""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def moment(ns: int) -> str:
    """Return a time in nanoseconds since 1970 as Langfuse reads it: ISO 8601 in UTC, in quotes."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f'"{time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))}.{rest // 1000:06d}Z"'
