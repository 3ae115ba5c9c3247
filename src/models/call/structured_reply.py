"""Parse a structured reply and validate it against its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from src.models import strict_json
from src.models.request import validation
from src.models.request.validation import DoesNotFit

if TYPE_CHECKING:
    from src.models.types import Completion, ResponseFormat

__all__ = ["DoesNotFit", "parse", "repair_instruction", "value_of"]


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
    if response_format.model is not None:
        return validation.by_model(value, response_format.model)
    return validation.by_schema(value, response_format.schema)


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
