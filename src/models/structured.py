"""Turn what a caller asks for into a JSON Schema, and a model's text into the value that fits it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from src.models.errors import InvalidRequest
from src.models.types import ResponseFormat

if TYPE_CHECKING:
    from src.models.types import Completion

_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL | re.IGNORECASE)


class DoesNotFit(ValueError):
    """The text is not JSON, or not what the schema asks for; the message says where."""


def response_format(wanted: object) -> ResponseFormat | None:
    """Return the format that a caller means.

    Args:
        wanted: None, a Pydantic model class, a JSON Schema, or OpenAI's own forms
            `{"type": "json_object"}` and `{"type": "json_schema", "json_schema": {...}}`.

    Raises:
        InvalidRequest: it is none of these.
    """
    if wanted is None or isinstance(wanted, ResponseFormat):
        return wanted
    if isinstance(wanted, type) and hasattr(wanted, "model_json_schema"):
        return ResponseFormat(wanted.__name__, strict_schema(wanted.model_json_schema()), wanted)
    if isinstance(wanted, Mapping):
        found = _from_mapping(wanted)
        if found is not None:
            return found
    raise InvalidRequest(
        f"response_format is {wanted!r:.80}: give a Pydantic model class, a JSON Schema of type object, or "
        '{"type": "json_object"}.',
        parameter="response_format",
    )


def _from_mapping(wanted: Mapping[str, Any]) -> ResponseFormat | None:
    kind = wanted.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return ResponseFormat("json_object", {"type": "object"})
    if kind == "json_schema":
        inner = wanted.get("json_schema") or {}
        if isinstance(inner, Mapping) and isinstance(inner.get("schema"), Mapping):
            return ResponseFormat(str(inner.get("name") or "reply"), inner["schema"])
        return None
    if kind == "object" or "properties" in wanted or "$ref" in wanted:
        return ResponseFormat(_name(wanted.get("title")), wanted)
    return None


def _name(title: object) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", title)[:64] if isinstance(title, str) and title else "reply"


def strict_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema in which every object names all its keys and allows no others, as strict modes demand."""
    return {key: _strict(value) for key, value in _close(schema).items()}


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return strict_schema(value)
    return [_strict(item) for item in value] if isinstance(value, list) else value


def _close(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        return {**schema, "additionalProperties": False, "required": list(schema["properties"])}
    return schema


# What strict modes refuse: platform.openai.com/docs/guides/structured-outputs#supported-schemas and
# docs.claude.com/en/docs/build-with-claude/structured-outputs#json-schema-limitations
_BOUNDS = (
    "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems",
    "maxItems", "uniqueItems", "minProperties", "maxProperties", "pattern",
)  # fmt: skip


def without_bounds(schema: Any) -> Any:
    """Return a schema whose bounds are said in its descriptions, for providers that refuse them as keywords.

    A reply is checked against the whole schema here in any case.
    """
    if isinstance(schema, list):
        return [without_bounds(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    plain = {key: without_bounds(value) for key, value in schema.items() if key not in (*_BOUNDS, "default")}
    bounds = [f"{key} {schema[key]}" for key in _BOUNDS if key in schema and not isinstance(schema[key], Mapping)]
    if bounds:
        said = schema.get("description")
        plain["description"] = f"{said} ({', '.join(bounds)})" if said else ", ".join(bounds)
    return plain


def instruction(wanted: ResponseFormat) -> str:
    """Say in words what the schema demands, for models that take no schema."""
    return (
        "Reply with one JSON object and nothing else: no code fence, no explanation. "
        f"It must fit this JSON Schema: {json.dumps(wanted.schema, separators=(',', ':'))}"
    )


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
    except jsonschema.SchemaError as error:
        raise InvalidRequest(
            f"response_format is not a valid JSON Schema: {error.message:.200}", parameter="response_format"
        ) from error
    return value
