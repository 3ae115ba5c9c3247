"""Refuse `true` and `false` where a number is needed: Pydantic takes them for 1 and 0 unless a model is strict."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from src.models.request import exact_multiples

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBERS: Final = frozenset({"int", "float", "timedelta"})
_CHOICES: Final = frozenset({"literal", "enum"})


def has_truth_value(value: object) -> bool:
    """Tell whether there is `true` or `false` somewhere in a value of JSON."""
    if isinstance(value, bool):
        return True
    items: Iterable[object] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(has_truth_value(item) for item in items)


@lru_cache(maxsize=128)
def model_validator(model: Any) -> Any:
    """Return a validator for a Pydantic model whose numbers are no truth values; None where its own serves."""
    from pydantic_core import SchemaError, SchemaValidator

    schema = model.__pydantic_core_schema__
    plain = _with_plain_numbers(exact_multiples.with_exact_steps(schema))
    if plain == schema:
        return None
    try:
        return SchemaValidator(plain, _use_prebuilt=False)
    except SchemaError:
        return None


def _with_plain_numbers(schema: Any) -> Any:
    """Return a core schema in which a function looks at what numbers, and choices among numbers, are made of."""
    if isinstance(schema, list | tuple):
        return type(schema)(_with_plain_numbers(item) for item in schema) if type(schema) in (list, tuple) else schema
    if not isinstance(schema, dict):
        return schema
    inner = {name: value if name == "metadata" else _with_plain_numbers(value) for name, value in schema.items()}
    if not _is_of_numbers(schema):
        return inner
    plain = {name: value for name, value in inner.items() if name != "ref"}
    check = {"type": "no-info", "function": _refuse_truth_values}
    reference = {"ref": schema["ref"]} if "ref" in schema else {}
    return {"type": "function-before", "function": check, "schema": plain, **reference}


def _is_of_numbers(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    if not isinstance(kind, str):
        return False
    if kind in _CHOICES:
        choices = schema.get("expected") or schema.get("members") or ()
        values = [getattr(choice, "value", choice) for choice in choices]
        return any(isinstance(value, int | float) for value in values) and not any(
            isinstance(value, bool) for value in values
        )
    return kind in _NUMBERS


def _refuse_truth_values(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no number")  # noqa: TRY004 - a validator raises ValueError
    return value
