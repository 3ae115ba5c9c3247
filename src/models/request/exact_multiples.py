"""Check `multipleOf` in decimal arithmetic, as people read numbers: 19.99 is a multiple of 0.01.

In binary arithmetic it is not: github.com/python-jsonschema/jsonschema/issues/1234. Pydantic allows a float for some
rounding: not enough for 5 of 100 prices in cents, and so much that 0.000000001 passes for a multiple of 0.01.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from decimal import Decimal


def is_multiple(value: float | Decimal, step: float | Decimal) -> bool:
    """Tell whether a finite number is a whole multiple of a step, both as they are written in decimal."""
    return (_exact(value) / _exact(step)).denominator == 1


def _exact(number: float | Decimal) -> Fraction:
    return Fraction(float.__repr__(number)) if isinstance(number, float) else Fraction(number)


@lru_cache(maxsize=16)
def schema_validator(kind: Any) -> Any:
    """Return a validator class of jsonschema whose `multipleOf` is exact."""
    import jsonschema

    names = [name for name in ("multipleOf", "divisibleBy") if name in kind.VALIDATORS]  # the latter in draft 3
    extend: Any = jsonschema.validators.extend  # which its type information leaves out
    return extend(kind, dict.fromkeys(names, _multiple_of))


def _multiple_of(validator: Any, step: float, instance: Any, _: Mapping[str, Any]) -> Iterator[Any]:
    import jsonschema

    if validator.is_type(instance, "number") and not is_multiple(instance, step):
        yield jsonschema.ValidationError(f"{instance!r} is not a multiple of {step}")


@lru_cache(maxsize=128)
def model_validator(model: Any) -> Any:
    """Return a validator for a Pydantic model that checks its steps exactly; None where its own serves."""
    from pydantic_core import SchemaError, SchemaValidator

    schema = model.__pydantic_core_schema__
    exact = with_exact_steps(schema)
    if exact == schema:
        return None
    try:
        return SchemaValidator(exact, _use_prebuilt=False)  # else it takes the finished validators of the classes in it
    except SchemaError:
        return None


def with_exact_steps(schema: Any) -> Any:
    """Return a core schema in which a function checks the steps of floats and decimals."""
    if isinstance(schema, list | tuple):
        return type(schema)(with_exact_steps(item) for item in schema) if type(schema) in (list, tuple) else schema
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") in ("float", "decimal") and schema.get("multiple_of"):
        plain = {name: value for name, value in schema.items() if name not in ("multiple_of", "ref")}
        check = {"type": "no-info", "function": _step_check(schema["multiple_of"])}
        reference = {"ref": schema["ref"]} if "ref" in schema else {}
        return {"type": "function-after", "function": check, "schema": plain, **reference}
    return {name: value if name == "metadata" else with_exact_steps(value) for name, value in schema.items()}


def _step_check(step: float | Decimal) -> Callable[[Any], Any]:
    from pydantic_core import PydanticKnownError

    def check(value: Any) -> Any:
        if not is_multiple(value, step):
            raise PydanticKnownError("multiple_of", {"multiple_of": float(step)})
        return value

    return check
