"""Convert a JSON Schema to the schema of the old SDK, which has fewer keywords."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.models.request.schemas import without_bounds

_COPIED = ("description", "enum", "required", "nullable")


class _NotExpressible(Exception):
    """The schema has what the old SDK has no keyword for: a choice between types, free keys, a reference to itself."""


def convert(json_schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schema as the old SDK takes it; None where it cannot be expressed."""
    plain = without_bounds(json_schema)
    definitions = plain.get("$defs") or plain.get("definitions")
    try:
        return _convert(plain, definitions if isinstance(definitions, Mapping) else {}, ())
    except _NotExpressible:
        return None


def _convert(schema: Mapping[str, Any], definitions: Mapping[str, Any], ancestors: tuple[str, ...]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.rpartition("/")[2]
        if name in ancestors or not isinstance(definitions.get(name), Mapping):
            raise _NotExpressible(reference)
        siblings = {key: value for key, value in schema.items() if key != "$ref"}
        return _convert({**definitions[name], **siblings}, definitions, (*ancestors, name))
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return _convert_choice(schema, word, definitions, ancestors)
    kind = schema.get("type")
    if isinstance(kind, list):
        kinds = [member for member in kind if member != "null"]
        if len(kinds) != 1:
            raise _NotExpressible(str(kind))
        return {**_convert({**schema, "type": kinds[0]}, definitions, ancestors), "nullable": True}
    return _convert_type(schema, definitions, ancestors)


def _convert_choice(
    schema: Mapping[str, Any], word: str, definitions: Mapping[str, Any], ancestors: tuple[str, ...]
) -> dict[str, Any]:
    """Convert a choice that leaves one type beside null.

    Raises:
        _NotExpressible: it leaves another number of types.
    """
    options = [option for option in schema[word] if option.get("type") != "null"]
    if len(options) != 1:
        raise _NotExpressible(word)
    siblings = {key: value for key, value in schema.items() if key != word}
    converted = _convert({**options[0], **siblings}, definitions, ancestors)
    return {**converted, "nullable": True} if len(options) < len(schema[word]) else converted


def _convert_type(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], ancestors: tuple[str, ...]
) -> dict[str, Any]:
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    kind = schema.get("type") or ("object" if "properties" in schema else "string" if values else None)
    converted = {key: schema[key] for key in _COPIED if key in schema}
    if not isinstance(kind, str):
        raise _NotExpressible(str(kind))
    converted["type"] = kind.upper()
    if values is not None and all(isinstance(value, str) for value in values):
        converted["enum"] = list(values)
    elif values is not None:  # of texts alone there
        converted.pop("enum", None)
        converted["description"] = f"{converted.get('description', '')} (one of {values})".strip()
    if kind == "object":
        properties = schema.get("properties")
        if not isinstance(properties, Mapping) or not properties:
            raise _NotExpressible("free keys")
        converted["properties"] = {name: _convert(item, definitions, ancestors) for name, item in properties.items()}
    if kind == "array":
        converted["items"] = _convert(schema.get("items") or {}, definitions, ancestors)
    return converted
