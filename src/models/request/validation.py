"""Validate what a model wrote by the caller's Pydantic model or JSON Schema."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from src.models.request import exact_multiples, plain_numbers
from src.observability.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LONGEST_CAUSE: Final = 20_000  # characters; a longer text is not searched for secrets, and so not shown
_LONGEST_READ: Final = 4_000
_LONGEST_PROBLEM: Final = 1_000
_NO_NUMBERS: Final = frozenset({"inf", "infinity", "nan"})
_LONGEST_NO_NUMBER: Final = 40
# 65.000 is sixty-five to one writer and 65,000 to another. A decimal's own form in JSON is such a text.
_TWO_READINGS: Final = re.compile(r"\s*[+-]?[1-9]\d{0,2}\.\d{3}\s*")


class DoesNotFit(ValueError):
    """What a model wrote is not JSON, or violates the schema; the message says where."""


def by_model(value: object, model: Any) -> Any:
    """Return an instance of a Pydantic model. Whatever its validators raise means that the value does not fit.

    Raises:
        DoesNotFit: the value violates the model.
    """
    try:
        instance = _by_model(value, model)
        is_finite = not (_names_no_number(value) and _has_no_number(instance.model_dump()))
        if doubtful := [text for text in _texts(value) if _TWO_READINGS.fullmatch(text)]:
            _refuse_two_readings(doubtful, instance.model_dump())
    except DoesNotFit:
        raise
    except Exception as error:
        raise DoesNotFit(f"its values cannot be processed ({_described(error)})") from error
    if not is_finite:
        raise DoesNotFit("a finite number is needed: Infinity and NaN are none")
    return instance


def by_schema(value: dict[str, Any], schema: Mapping[str, object]) -> object:
    """Return a value that fits a JSON Schema.

    Raises:
        DoesNotFit: the value violates the schema.
    """
    try:
        return _by_schema(value, schema)
    except DoesNotFit:
        raise
    except Exception as error:  # such as a recursion
        raise DoesNotFit(f"its values cannot be processed ({_described(error)})") from error


def _by_model(value: object, model: Any) -> Any:
    import pydantic

    exact = exact_multiples.model_validator(model)
    if plain_numbers.has_truth_value(value):
        exact = plain_numbers.model_validator(model) or exact
    try:
        return model.model_validate(value) if exact is None else exact.validate_python(value)
    except pydantic.ValidationError as error:
        refusal = error
    try:  # a strict model takes a date as text from JSON alone
        text = json.dumps(value)
        return model.model_validate_json(text) if exact is None else exact.validate_json(text)
    except pydantic.ValidationError:
        items = refusal.errors(include_context=False, include_url=False, include_input=False)[:5]
        problems = [f"{'.'.join(map(str, item['loc'])) or 'the object'}: {item['msg']}" for item in items]
        raise DoesNotFit("; ".join(problems)[:_LONGEST_PROBLEM]) from _without_secrets(refusal)


def _names_no_number(value: object) -> bool:
    """Tell whether a text somewhere in a value is one that Pydantic takes for an infinite number, or for NaN."""
    if isinstance(value, str):
        return len(value) <= _LONGEST_NO_NUMBER and value.strip().lstrip("+-").lower() in _NO_NUMBERS
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_names_no_number(item) for item in items)


def _has_no_number(value: object) -> bool:
    if isinstance(value, float | Decimal):
        return not math.isfinite(value)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple | set) else ()
    return any(_has_no_number(item) for item in items)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _refuse_two_readings(texts: Sequence[str], dumped: object) -> None:
    """Raise where a text such as 65.000 was read as a number: the model may have meant 65,000."""
    numbers = set(_numbers(dumped))
    for text in texts:
        if float(text) in numbers:
            raise DoesNotFit(f'"{text.strip()}" has two readings: write the number without quotes and separators')


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield value
    elif isinstance(value, dict | list | tuple | set | frozenset):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _numbers(item)


def _by_schema(value: dict[str, Any], schema: Mapping[str, object]) -> object:
    import jsonschema

    kind = exact_multiples.schema_validator(jsonschema.validators.validator_for(schema))
    # Without its "$schema", which would lead a reference to the whole back to the library's own class.
    validator = kind({name: rule for name, rule in schema.items() if name != "$schema"})
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    if error is not None:
        path = ".".join(map(str, error.absolute_path)) or "the object"
        shown = redact_text(f"{path:.200}: {error.message[:_LONGEST_READ]}")  # it quotes the reply
        raise DoesNotFit(f"{shown:.400}") from _without_secrets(error)
    return value


def _without_secrets(error: Exception) -> Exception | None:
    """Return the cause to chain; None where its text, which quotes the reply, holds a secret."""
    text = str(error)
    return error if len(text) <= _LONGEST_CAUSE and redact_text(text) == text else None


def _described(error: Exception) -> str:
    """Return an exception of a caller's validator as text for the model, without secrets."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a validator's own exception may have no text
        text = ""
    return redact_text(f"{type(error).__name__}: {text:.200}" if text else type(error).__name__)
