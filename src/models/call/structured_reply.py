"""Parse a structured reply and validate it against its schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from src.models import strict_json
from src.models.call import exact_multiples

if TYPE_CHECKING:
    from src.models.types import Completion, ResponseFormat


_LONGEST_PROBLEM = 1_000


class DoesNotFit(ValueError):
    """The text is not JSON, or violates the schema; the message says where."""


def repair_instruction(problem: str, *, tool: bool = False) -> str:
    """Return the message that tells a model what is wrong with its reply, or tool call, and requests a new one."""
    if tool:
        return f"Your tool call cannot be read: {problem}. Call the tool again, with arguments that fit its definition."
    return f"Your reply does not fit: {problem}. Reply again with only the corrected JSON object."


def value_of(completion: Completion, response_format: ResponseFormat | None) -> object:
    """Return the value of a structured reply; None where no structure was requested, or where it calls tools instead.

    Raises:
        DoesNotFit: the reply is not JSON, or violates the schema.
    """
    return None if response_format is None or completion.tool_calls else parse(completion.content, response_format)


def parse(text: str, response_format: ResponseFormat) -> object:
    """Return the value in a reply: an instance of the Pydantic model, or the decoded JSON.

    Strict: the whole text must be one JSON object (a code fence around it is allowed) with one reading. Whatever the
    caller's own validators raise means that the value does not fit.

    Raises:
        DoesNotFit: the text is no such object, or violates the schema.
    """
    try:
        value = strict_json.loads(_unfenced(text))
    except ValueError as error:
        raise DoesNotFit(f"not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise DoesNotFit(f"a JSON object is needed, not {type(value).__name__}")
    if _repeats_the_schema(value, response_format.schema):
        raise DoesNotFit("it repeats the JSON Schema: an object that fits the schema is needed")
    try:
        if response_format.model is not None:
            return _validated_by_model(value, response_format.model)
        return _validated_by_schema(value, response_format.schema)
    except DoesNotFit:
        raise
    except Exception as error:
        raise DoesNotFit(f"its values cannot be processed ({_described(error)})") from error


def _unfenced(text: str) -> str:
    """Return the text inside a code fence, where that is all there is."""
    body = text.strip()
    if not (body.startswith("```") and body.endswith("```")):
        return text
    language, _, fenced = body[3:].partition("\n")
    return fenced[:-3] if fenced and language.strip().lower() in ("", "json") else text


def _repeats_the_schema(value: dict[str, Any], schema: Mapping[str, object]) -> bool:
    """Tell whether a value is the schema that the model was shown, or wraps its keys as the schema does."""
    declared, repeated = schema.get("properties"), value.get("properties")
    if not isinstance(declared, Mapping) or not isinstance(repeated, Mapping) or "properties" in declared:
        return False
    return declared.keys() == repeated.keys()


def _validated_by_model(value: dict[str, Any], model: Any) -> object:
    import pydantic

    exact = exact_multiples.model_validator(model)
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
        raise DoesNotFit("; ".join(problems)[:_LONGEST_PROBLEM]) from refusal


def _validated_by_schema(value: dict[str, Any], schema: Mapping[str, object]) -> object:
    import jsonschema

    kind = exact_multiples.schema_validator(jsonschema.validators.validator_for(schema))
    # Without its "$schema", which would lead a reference to the whole back to the library's own class.
    validator = kind({name: rule for name, rule in schema.items() if name != "$schema"})
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    if error is not None:
        path = ".".join(map(str, error.absolute_path)) or "the object"
        raise DoesNotFit(f"{path:.200}: {error.message:.200}") from error
    return value


def _described(error: Exception) -> str:
    """Return an exception of a caller's validator as text for the model, without secrets."""
    from src.observability.redaction import redact_text

    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a validator's own exception may have no text
        text = ""
    return redact_text(f"{type(error).__name__}: {text:.200}" if text else type(error).__name__)
