"""Read the response format that a caller requests as a JSON Schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from src.models.errors import InvalidRequest
from src.models.types import ResponseFormat


def response_format(value: object) -> ResponseFormat | None:
    """Return the format that a caller requests; None for plain text.

    Args:
        value: None, a Pydantic model class, a JSON Schema, or OpenAI's own forms
            `{"type": "json_object"}` and `{"type": "json_schema", "json_schema": {...}}`.

    Raises:
        InvalidRequest: the value is none of these.
    """
    if value is None or isinstance(value, ResponseFormat):
        return value
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        return _from_model(value)
    if isinstance(value, Mapping):
        structured = _from_mapping(value)
        if structured is not None:
            return structured
    raise InvalidRequest(
        f"response_format is {value!r:.80}: give a Pydantic model class, a JSON Schema of type object, or "
        '{"type": "json_object"}.',
        parameter="response_format",
    )


def _from_model(model: Any) -> ResponseFormat:
    try:
        schema = _closed_schema(model.model_json_schema())
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise InvalidRequest(
            f"response_format {model.__name__} has no JSON Schema: {reason:.200}", parameter="response_format"
        ) from error
    if schema.get("type", "object") != "object":
        raise InvalidRequest(
            f"response_format {model.__name__} is a JSON {schema['type']}; providers take objects alone: "
            "make it a field of a model.",
            parameter="response_format",
        )
    return ResponseFormat(name=_name(model.__name__), schema=schema, model=model)


def _from_mapping(value: Mapping[str, Any]) -> ResponseFormat | None:
    kind = value.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return ResponseFormat(name="json_object", schema={"type": "object"})
    if kind == "json_schema":
        inner = value.get("json_schema") or value  # nested, as in Chat Completions, or flat, as in Responses
        if isinstance(inner, Mapping) and isinstance(inner.get("schema"), Mapping):
            return ResponseFormat(name=_name(inner.get("name")), schema=_valid(inner["schema"]))
        return None
    if kind == "object" or "properties" in value or "$ref" in value:
        return ResponseFormat(name=_name(value.get("title")), schema=_valid(value))
    return None


def _valid(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    problem = _problem(json.dumps(schema, default=str))
    if problem:
        raise InvalidRequest(f"response_format is not a valid JSON Schema: {problem}", parameter="response_format")
    return schema


@lru_cache(maxsize=128)
def _problem(text: str) -> str | None:
    """Return what makes a schema invalid; None for nothing."""
    import jsonschema

    schema = json.loads(text)
    try:
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except jsonschema.SchemaError as error:
        return f"{error.message:.200}"
    for pointer in re.findall(r'"\$ref": "([^"]*)"', json.dumps(schema)):
        if not _resolves(pointer, schema):
            return f"{pointer:.100} refers to nothing in it"
        if _is_endless(pointer, schema):
            return f"{pointer:.100} refers to itself"
    return None


def _is_endless(pointer: str, schema: Any) -> bool:
    """Tell whether a chain of references leads back to itself, so that no value could ever be judged."""
    visited = set()
    while pointer not in visited:
        visited.add(pointer)
        target = _target(pointer, schema)
        following = target.get("$ref") if isinstance(target, dict) else None
        if not isinstance(following, str):
            return False
        pointer = following
    return True


_NOTHING = object()


def _resolves(pointer: str, schema: Any) -> bool:
    """Tell whether a reference points into this schema; external ones are never fetched."""
    if not pointer.startswith("#"):
        return False
    return not pointer.startswith("#/") or _target(pointer, schema) is not _NOTHING  # else an anchor, or the whole


def _target(pointer: str, schema: Any) -> Any:
    """Return the part of a schema that a reference points to; anchors are not looked up."""
    if not pointer.startswith("#/"):
        return schema if pointer == "#" else _NOTHING
    for step in pointer[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            schema = schema[int(name)] if isinstance(schema, list) else schema[name]
        except (KeyError, TypeError, ValueError, IndexError):
            return _NOTHING
    return schema


def _name(title: object) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", title)[:64] if isinstance(title, str) and title else "reply"


def _closed_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema in which every object requires all its keys and allows no others, as strict modes demand."""
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        schema = {**schema, "additionalProperties": False, "required": list(schema["properties"])}
    return {key: _closed(value) for key, value in schema.items()}


def _closed(value: Any) -> Any:
    if isinstance(value, dict):
        return _closed_schema(value)
    return [_closed(item) for item in value] if isinstance(value, list) else value


# The keywords that strict modes refuse: platform.openai.com/docs/guides/structured-outputs#supported-schemas and
# docs.claude.com/en/docs/build-with-claude/structured-outputs#json-schema-limitations
BOUNDS = (
    "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems",
    "maxItems", "uniqueItems", "minProperties", "maxProperties", "pattern",
)  # fmt: skip


def without_bounds(schema: Any) -> Any:
    """Return a schema whose descriptions state its bounds, for providers that refuse them as keywords.

    A reply is validated against the caller's schema in any case.
    """
    if isinstance(schema, list):
        return [without_bounds(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    plain = {key: without_bounds(value) for key, value in schema.items() if key not in (*BOUNDS, "default")}
    bounds = [f"{key} {schema[key]}" for key in BOUNDS if key in schema and not isinstance(schema[key], Mapping)]
    if bounds:
        description = schema.get("description")
        plain["description"] = f"{description} ({', '.join(bounds)})" if description else ", ".join(bounds)
    return plain


def instruction(structured: ResponseFormat) -> str:
    """Return the instruction that states the schema, for models that take none as a parameter."""
    return (
        "Reply with one JSON object and nothing else: no code fence, no explanation. "
        f"It must fit this JSON Schema: {json.dumps(structured.schema, separators=(',', ':'))}"
    )
