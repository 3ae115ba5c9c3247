"""Convert a JSON Schema to what Anthropic's structured outputs take."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any


def native(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a schema as the API takes it, by the SDK's own conversion; None where the result would mean another.

    Every object is closed there, so a mapping with free keys, or a schema that refers to itself, has no equivalent:
    platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
    """
    return _native(json.dumps({name: value for name, value in schema.items() if name != "$schema"}, default=str))


@lru_cache(maxsize=64)
def _native(text: str) -> dict[str, Any] | None:
    import anthropic

    schema: dict[str, Any] = json.loads(text)
    if _is_open(schema) or _is_recursive(schema):
        return None
    try:
        return anthropic.transform_schema(schema)
    except (ValueError, TypeError, AttributeError, AssertionError):
        return None


def _is_open(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(_is_open(item) for item in schema)
    if not isinstance(schema, Mapping):
        return False
    has_free_keys = schema.get("type") == "object" and not schema.get("properties")
    allows_more_keys = schema.get("additionalProperties") not in (None, False) or "patternProperties" in schema
    return has_free_keys or allows_more_keys or any(_is_open(item) for item in schema.values())


def _is_recursive(schema: Mapping[str, Any]) -> bool:
    value = schema.get("$defs")
    defs: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    references = {name: set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(inner))) for name, inner in defs.items()}
    for name in defs:
        seen: set[str] = set()
        reachable = set(references[name])
        while reachable:
            seen |= reachable
            reachable = {target for reached in reachable for target in references.get(reached, ())} - seen
        if name in seen:
            return True
    return '"$ref": "#"' in json.dumps(schema)
