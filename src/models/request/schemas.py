"""Turn what a caller asks for into a JSON Schema, and a model's text into the value that fits it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from src.models.errors import InvalidRequest
from src.models.types import ResponseFormat


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
        return _of_model(wanted)
    if isinstance(wanted, Mapping):
        found = _from_mapping(wanted)
        if found is not None:
            return found
    raise InvalidRequest(
        f"response_format is {wanted!r:.80}: give a Pydantic model class, a JSON Schema of type object, or "
        '{"type": "json_object"}.',
        parameter="response_format",
    )


def _of_model(wanted: Any) -> ResponseFormat:
    schema = strict_schema(wanted.model_json_schema())
    if schema.get("type", "object") != "object":
        raise InvalidRequest(
            f"response_format {wanted.__name__} is a JSON {schema['type']}; providers take objects alone: "
            "make it a field of a model.",
            parameter="response_format",
        )
    return ResponseFormat(_name(wanted.__name__), schema, wanted)


def _from_mapping(wanted: Mapping[str, Any]) -> ResponseFormat | None:
    kind = wanted.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return ResponseFormat("json_object", {"type": "object"})
    if kind == "json_schema":
        inner = wanted.get("json_schema") or wanted  # nested, as in Chat Completions, or flat, as in Responses
        if isinstance(inner, Mapping) and isinstance(inner.get("schema"), Mapping):
            return ResponseFormat(_name(inner.get("name")), _valid(inner["schema"]))
        return None
    if kind == "object" or "properties" in wanted or "$ref" in wanted:
        return ResponseFormat(_name(wanted.get("title")), _valid(wanted))
    return None


def _valid(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    problem = _problem(json.dumps(schema, default=str))
    if problem:
        raise InvalidRequest(f"response_format is not a valid JSON Schema: {problem}", parameter="response_format")
    return schema


@lru_cache(maxsize=128)
def _problem(text: str) -> str | None:
    """Return what is wrong with a schema; None for nothing."""
    import jsonschema

    schema = json.loads(text)
    try:
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except jsonschema.SchemaError as error:
        return f"{error.message:.200}"
    for pointer in re.findall(r'"\$ref": "([^"]*)"', json.dumps(schema)):
        if not _leads_somewhere(pointer, schema):
            return f"{pointer:.100} refers to nothing in it"
    return None


def _leads_somewhere(pointer: str, schema: Any) -> bool:
    """Tell whether a reference is one into this schema: nothing is fetched for one from elsewhere."""
    if not pointer.startswith("#/"):
        return pointer.startswith("#")  # an anchor, or the whole
    for step in pointer[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            schema = schema[int(name)] if isinstance(schema, list) else schema[name]
        except (KeyError, TypeError, ValueError, IndexError):
            return False
    return True


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
BOUNDS = (
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
    plain = {key: without_bounds(value) for key, value in schema.items() if key not in (*BOUNDS, "default")}
    bounds = [f"{key} {schema[key]}" for key in BOUNDS if key in schema and not isinstance(schema[key], Mapping)]
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
