"""Parse a structured reply and validate it against its schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.models.types import Completion, ResponseFormat

_FENCE = "```"
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

    Strict: the whole text must be one JSON object (a code fence around it is allowed).

    Raises:
        DoesNotFit: the text is no JSON object, or violates the schema.
    """
    try:
        value = json.loads(_unfenced(text))
    except ValueError as error:
        raise DoesNotFit(f"not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise DoesNotFit(f"a JSON object is needed, not {type(value).__name__}")
    if response_format.model is not None:
        return _validated_by_model(value, response_format.model)
    return _validated_by_schema(value, response_format.schema)


def _unfenced(text: str) -> str:
    """Return a text without the code fence around it."""
    body = text.strip()
    if not (body.startswith(_FENCE) and body.endswith(_FENCE)):
        return text
    first_line, line_end, rest = body[len(_FENCE) : -len(_FENCE)].partition("\n")
    return rest if line_end and first_line.strip().lower() in ("", "json") else text


def _validated_by_model(value: dict[str, Any], model: Any) -> object:
    import pydantic

    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc'])) or 'the object'}: {item['msg']}" for item in error.errors()[:5]]
        raise DoesNotFit("; ".join(problems)[:_LONGEST_PROBLEM]) from error


def _validated_by_schema(value: dict[str, Any], schema: Mapping[str, object]) -> object:
    import jsonschema

    try:
        jsonschema.validate(value, schema)
    except jsonschema.ValidationError as error:
        path = ".".join(map(str, error.absolute_path)) or "the object"
        raise DoesNotFit(f"{path:.200}: {error.message:.200}") from error
    return value
