"""Parse a structured reply and check it against its schema."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.models.types import Completion, ResponseFormat

_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL | re.IGNORECASE)


class DoesNotFit(ValueError):
    """The text is not JSON, or not what the schema asks for; the message says where."""


def repair_instruction(problem: str, *, tool: bool = False) -> str:
    """Say what was wrong with a reply, or with a call of a tool, and ask for it again."""
    if tool:
        return f"Your tool call cannot be read: {problem}. Call the tool again, with arguments that fit its definition."
    return f"Your reply does not fit: {problem}. Reply again with only the corrected JSON object."


def value_of(completion: Completion, wanted: ResponseFormat | None) -> object:
    """Return the value of a reply that was to be structured; None where it was not, or where it calls tools instead.

    Raises:
        DoesNotFit: it does not fit.
    """
    return None if wanted is None or completion.tool_calls else parse(completion.content, wanted)


def parse(text: str, wanted: ResponseFormat) -> object:
    """Return the value in a reply: an instance of the Pydantic model, or the decoded JSON.

    Strict: the whole text must be one JSON object (a code fence around it is allowed).

    Raises:
        DoesNotFit: it is not, or it does not fit the schema.
    """
    fenced = _FENCE.match(text)
    body = fenced.group(1) if fenced else text
    try:
        value = json.loads(body)
    except ValueError as error:
        raise DoesNotFit(f"not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise DoesNotFit(f"a JSON object is needed, not {type(value).__name__}")
    if wanted.model is not None:
        return _as_model(value, wanted.model)
    return _checked(value, wanted.schema)


def _as_model(value: dict[str, Any], model: Any) -> object:
    import pydantic

    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc'])) or 'the object'}: {item['msg']}" for item in error.errors()[:5]]
        raise DoesNotFit("; ".join(problems)) from error


def _checked(value: dict[str, Any], schema: Mapping[str, object]) -> object:
    import jsonschema

    try:
        jsonschema.validate(value, schema)
    except jsonschema.ValidationError as error:
        where = ".".join(map(str, error.absolute_path)) or "the object"
        raise DoesNotFit(f"{where}: {error.message:.200}") from error
    return value
