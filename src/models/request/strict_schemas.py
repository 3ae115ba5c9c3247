"""Say a JSON Schema as strict modes take it, or tell that they cannot.

platform.openai.com/docs/guides/structured-outputs#supported-schemas: every object names all its keys and is closed, a
reference stands alone, and of the words that choose and combine there is `anyOf`. What is sent may say less than the
caller's schema, never more: a reply is checked against that one here in any case.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from src.models.request.schemas import BOUNDS, without_bounds

if TYPE_CHECKING:
    from src.models.types import ResponseFormat

_WORDS = frozenset(
    {"type", "title", "description", "enum", "const", "format", "required", "additionalProperties", "$ref", *BOUNDS}
)
# What says nothing that a reply must fit.
_IDLE = frozenset(
    {"default", "example", "examples", "discriminator", "deprecated", "readOnly", "writeOnly", "$schema", "$id",
     "$comment"}
)  # fmt: skip
_DEFS = ("$defs", "definitions")
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})


class _Unsayable(Exception):
    """The schema leaves open what a strict mode wants closed, or says it in words that are not known there."""


def schema(given: Mapping[str, Any], *, bounds: bool) -> dict[str, Any] | None:
    """Return the schema; None where it cannot be said without changing what it means.

    Args:
        given: The caller's schema.
        bounds: Whether bounds on lengths and numbers are taken; otherwise descriptions say them.
    """
    return _schema(json.dumps(given, default=str), bounds)


@lru_cache(maxsize=128)
def _schema(text: str, bounds: bool) -> dict[str, Any] | None:
    given = json.loads(text)
    plain: Mapping[str, Any] = given if bounds else without_bounds(given)
    named = {f"#/{word}/{name}": inner for word in _DEFS for name, inner in _mapping(plain.get(word)).items()}
    root = {word: value for word, value in plain.items() if word not in _DEFS}
    if "$ref" in root:  # Pydantic says a model that refers to itself so; the root must be an object
        root = {**_mapping(named.get(root["$ref"])), **{word: root[word] for word in root if word != "$ref"}}
    try:
        told = _node(root, named)
        for pointer, inner in named.items():
            word, name = pointer[2:].split("/", 1)
            told.setdefault(word, {})[name] = _node(inner, named)
    except _Unsayable:
        return None
    return told if told.get("type") == "object" else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _node(given: Any, named: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not given.keys() & {
        "type",
        "$ref",
        "anyOf",
        "oneOf",
        "allOf",
        "enum",
        "const",
    }:
        raise _Unsayable("anything at all")
    given = {word: value for word, value in given.items() if word not in _IDLE}
    if "$ref" in given:
        return _reference(given, named)
    parts = given.pop("allOf", None)
    if parts is not None:
        if len(parts) != 1:
            raise _Unsayable("allOf")
        return _node({**_mapping(parts[0]), **given}, named)
    told = {word: given.pop(word) for word in list(given) if word in _WORDS}
    choices = given.pop("anyOf", None) or given.pop("oneOf", None)
    if choices:
        told["anyOf"] = [_node(one, named) for one in choices]
    properties, items = given.pop("properties", None), given.pop("items", None)
    if given:
        raise _Unsayable(", ".join(given))
    kind: Any = told.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "object" in kinds:
        told.update(_closed(told, _mapping(properties), named))
    if "array" in kinds:
        told["items"] = _node(items, named)
    return _with_known_format(told)


def _reference(given: dict[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Return a reference alone; what stood beside it, such as a description, goes where it can be said."""
    pointer = given.pop("$ref")
    if pointer != "#" and pointer not in named:
        raise _Unsayable(pointer)
    if not given:
        return {"$ref": pointer}
    return {"anyOf": [{"$ref": pointer}], **{word: given[word] for word in ("title", "description") if word in given}}


def _closed(told: Mapping[str, Any], properties: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rest of an object; one whose keys are free, or may be left out, cannot be said."""
    if not properties or told.get("additionalProperties") not in (None, False):
        raise _Unsayable("free keys")
    if set(told.get("required") or ()) != set(properties):
        raise _Unsayable("keys that may be left out")
    inside = {name: _node(inner, named) for name, inner in properties.items()}
    return {"properties": inside, "required": list(properties), "additionalProperties": False}


def _with_known_format(told: dict[str, Any]) -> dict[str, Any]:
    unknown = told.get("format")
    if unknown is None or unknown in _FORMATS:
        return told
    said = f"format {unknown}"
    rest = {word: value for word, value in told.items() if word != "format"}
    return {**rest, "description": f"{told['description']} ({said})" if told.get("description") else said}


def json_schema_format(wanted: ResponseFormat, *, bounds: bool) -> dict[str, Any]:
    """Return how OpenAI's APIs are told a schema: strictly where it can be said so, else as it is."""
    told = schema(wanted.schema, bounds=bounds)
    said = dict(wanted.schema) if told is None else told
    return {"name": wanted.name, "schema": said, "strict": told is not None}
