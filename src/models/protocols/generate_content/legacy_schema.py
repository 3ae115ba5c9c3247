"""Say a JSON Schema as the old SDK's own kind of schema, which knows fewer words, or tell that it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.models.request.schemas import without_bounds

_KEPT = ("description", "enum", "required", "nullable")


class _Unsayable(Exception):
    """The schema needs words that there are none for: a choice between types, free keys, itself."""


def schema(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schema; None where it cannot be said."""
    plain = without_bounds(given)
    named = plain.get("$defs") or plain.get("definitions")
    try:
        return _said(plain, named if isinstance(named, Mapping) else {}, ())
    except _Unsayable:
        return None


def _said(given: Mapping[str, Any], named: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
    refers = given.get("$ref")
    if isinstance(refers, str):
        name = refers.rpartition("/")[2]
        if name in within or not isinstance(named.get(name), Mapping):
            raise _Unsayable(refers)
        beside = {key: value for key, value in given.items() if key != "$ref"}
        return _said({**named[name], **beside}, named, (*within, name))
    for word in ("anyOf", "oneOf", "allOf"):
        if word in given:
            return _only_one(given, word, named, within)
    kind = given.get("type")
    if isinstance(kind, list):
        kinds = [one for one in kind if one != "null"]
        if len(kinds) != 1:
            raise _Unsayable(str(kind))
        return {**_said({**given, "type": kinds[0]}, named, within), "nullable": True}
    return _simple(given, named, within)


def _only_one(given: Mapping[str, Any], word: str, named: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
    """Say a choice that leaves one type, or none at all."""
    options = [one for one in given[word] if one.get("type") != "null"]
    if len(options) != 1:
        raise _Unsayable(word)
    beside = {key: value for key, value in given.items() if key != word}
    told = _said({**options[0], **beside}, named, within)
    return {**told, "nullable": True} if len(options) < len(given[word]) else told


def _simple(given: Mapping[str, Any], named: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
    values = given.get("enum", [given["const"]] if "const" in given else None)
    kind = given.get("type") or ("object" if "properties" in given else "string" if values else None)
    told = {key: given[key] for key in _KEPT if key in given}
    if not isinstance(kind, str):
        raise _Unsayable(str(kind))
    told["type"] = kind.upper()
    if values is not None and all(isinstance(value, str) for value in values):
        told["enum"] = list(values)
    elif values is not None:  # of texts alone there
        told.pop("enum", None)
        told["description"] = f"{told.get('description', '')} (one of {values})".strip()
    if kind == "object":
        properties = given.get("properties")
        if not isinstance(properties, Mapping) or not properties:
            raise _Unsayable("free keys")
        told["properties"] = {name: _said(item, named, within) for name, item in properties.items()}
    if kind == "array":
        told["items"] = _said(given.get("items") or {}, named, within)
    return told
