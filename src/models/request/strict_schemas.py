"""Translate a JSON Schema into the subset that strict modes accept.

platform.openai.com/docs/guides/structured-outputs#supported-schemas: every object requires all its keys and is closed,
a reference stands alone, and the only combining keyword is `anyOf`. A translation may be looser than the caller's
schema, never tighter: replies are validated against the caller's schema in any case.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from src.models.request.schemas import BOUNDS, without_bounds

if TYPE_CHECKING:
    from src.models.types import ResponseFormat

_KEYWORDS: Final = frozenset(
    {"type", "title", "description", "enum", "const", "format", "required", "additionalProperties", "$ref", *BOUNDS}
)
# Keywords that constrain nothing; they are dropped.
_ANNOTATIONS: Final = frozenset(
    {"default", "example", "examples", "discriminator", "deprecated", "readOnly", "writeOnly", "$schema", "$id",
     "$comment"}
)  # fmt: skip
# A schema with none of these accepts any value.
_CONSTRAINTS: Final = frozenset({"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"})
_DEFINITIONS: Final = ("$defs", "definitions")
_FORMATS: Final = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})


class _NotStrict(Exception):
    """The schema leaves open what strict modes want closed, or uses a keyword that they do not know."""


def json_schema_format(structured: ResponseFormat, *, bounds: bool) -> dict[str, Any]:
    """Return the `json_schema` object of OpenAI's APIs: strict where the schema can be translated, else as it is.

    Args:
        structured: The format that the caller requests.
        bounds: Whether the model accepts bounds on lengths and numbers; otherwise descriptions state them.
    """
    strict = _strict(json.dumps(structured.schema, default=str), bounds)
    schema = dict(structured.schema) if strict is None else strict
    return {"name": structured.name, "schema": schema, "strict": strict is not None}


@lru_cache(maxsize=128)
def _strict(text: str, bounds: bool) -> dict[str, Any] | None:
    """Return the translation of a schema; None where it would change what the schema means."""
    schema = json.loads(text)
    plain: Mapping[str, Any] = schema if bounds else without_bounds(schema)
    definitions = {
        f"#/{keyword}/{name}": definition
        for keyword in _DEFINITIONS
        for name, definition in _mapping(plain.get(keyword)).items()
    }
    root = {keyword: value for keyword, value in plain.items() if keyword not in _DEFINITIONS}
    if "$ref" in root:  # Pydantic writes a self-referring model so; the root must be an object
        siblings = {keyword: value for keyword, value in root.items() if keyword != "$ref"}
        root = {**_mapping(definitions.get(root["$ref"])), **siblings}
    try:
        strict = _node(root, definitions)
        for pointer, definition in definitions.items():
            keyword, name = pointer[2:].split("/", 1)
            strict.setdefault(keyword, {})[name] = _node(definition, definitions)
    except _NotStrict:
        return None
    return strict if strict.get("type") == "object" else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _node(schema: Any, definitions: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or not schema.keys() & _CONSTRAINTS:
        raise _NotStrict("anything at all")
    rest = {keyword: value for keyword, value in schema.items() if keyword not in _ANNOTATIONS}
    if "$ref" in rest:
        return _reference(rest, definitions)
    parts = rest.pop("allOf", None)
    if parts is not None:
        if len(parts) != 1:
            raise _NotStrict("allOf")
        return _node({**_mapping(parts[0]), **rest}, definitions)
    strict = {keyword: rest.pop(keyword) for keyword in list(rest) if keyword in _KEYWORDS}
    choices = rest.pop("anyOf", None) or rest.pop("oneOf", None)
    if choices:
        strict["anyOf"] = [_node(choice, definitions) for choice in choices]
    properties, items = rest.pop("properties", None), rest.pop("items", None)
    if rest:
        raise _NotStrict(", ".join(rest))
    kind: Any = strict.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "object" in kinds:
        strict.update(_object(strict, _mapping(properties), definitions))
    if "array" in kinds:
        strict["items"] = _node(items, definitions)
    return _with_known_format(strict)


def _reference(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return a reference alone; a title or description beside it moves to an `anyOf` around it."""
    pointer = schema["$ref"]
    if pointer != "#" and pointer not in definitions:
        raise _NotStrict(pointer)
    if len(schema) == 1:
        return {"$ref": pointer}
    siblings = {keyword: schema[keyword] for keyword in ("title", "description") if keyword in schema}
    return {"anyOf": [{"$ref": pointer}], **siblings}


def _object(schema: Mapping[str, Any], properties: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's properties; raise where its keys are open or may be left out."""
    if not properties or schema.get("additionalProperties") not in (None, False):
        raise _NotStrict("free keys")
    if set(schema.get("required") or ()) != set(properties):
        raise _NotStrict("keys that may be left out")
    strict = {name: _node(value, definitions) for name, value in properties.items()}
    return {"properties": strict, "required": list(properties), "additionalProperties": False}


def _with_known_format(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose format, where strict modes do not know it, is stated in its description."""
    if schema.get("format") is None or schema["format"] in _FORMATS:
        return schema
    note = f"format {schema['format']}"
    rest = {keyword: value for keyword, value in schema.items() if keyword != "format"}
    return {**rest, "description": f"{schema['description']} ({note})" if schema.get("description") else note}
