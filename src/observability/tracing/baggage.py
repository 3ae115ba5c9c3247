"""Write a run's session, user and tags as W3C baggage, and read them; never a secret, never more than a little.

The names are those that Langfuse's SDK gives its own baggage, so that either reads the other's. Environment and
metadata stay at home: a process has its own environment, and market data has no place in headers.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_plus

from src.observability.redaction import redact_text
from src.observability.spans.scope import Scope

_log = logging.getLogger("moondev.observability")
_SESSION: Final = "langfuse_session_id"
_USER: Final = "langfuse_user_id"
_TAGS: Final = "langfuse_tags"
# Names the trace whose root is in the process that wrote the baggage.
_TRACE: Final = "langfuse_trace_id"
_LONGEST: Final = 200
_MOST_TAGS: Final = 20
_LONGEST_HEADER: Final = 8192  # what W3C asks everybody to take
_MOST_WRITTEN: Final = 4096  # so that others' baggage has room beside ours


@dataclass(frozen=True, slots=True)
class Told:
    """Hold what a baggage header says: a scope, where it has one of our names, and the trace it claims."""

    scope: Scope | None = None
    trace_id: str | None = None


NOTHING: Final = Told()


def encode(scope: Scope, trace_id: str = "") -> str:
    """Return the header's value; empty where there is nothing to say. What holds a secret is left out and logged."""
    tags = [tag for tag in scope.tags[:_MOST_TAGS] if _fit(tag)]
    entries = {
        _TRACE: trace_id,
        _SESSION: scope.session_id if _fit(scope.session_id) else None,
        _USER: scope.user_id if _fit(scope.user_id) else None,
        _TAGS: json.dumps(tags, separators=(",", ":")) if tags else None,
    }
    told = [f"{name}={quote(value, safe='')}" for name, value in entries.items() if value]
    while told and sum(map(len, told)) > _MOST_WRITTEN:
        told.pop()
    return ",".join(told)


def _fit(text: str | None) -> bool:
    """Tell whether a value may stand in a header: short, and without a secret."""
    if not text or len(text) > _LONGEST:
        return False
    if redact_text(text) != text:
        _log.warning("A session, user or tag looks like a secret: it is not written into headers.")
        return False
    return True


def decode(header: str) -> Told:
    """Return what a header says; parts that are malformed, too long or not ours are left out."""
    if not header or len(header) > _LONGEST_HEADER:
        return NOTHING
    found: dict[str, str] = {}
    for entry in header.split(","):
        name, equals, value = entry.partition(";")[0].partition("=")
        if equals and name.strip() in (_SESSION, _USER, _TAGS, _TRACE):
            found[name.strip()] = unquote_plus(value.strip())
    session, user = (_id(found.get(name)) for name in (_SESSION, _USER))
    tags = _tags(found.get(_TAGS, ""))
    scope = Scope(session_id=session, user_id=user, tags=tags) if session or user or tags else None
    return Told(scope, found.get(_TRACE))


def _id(text: str | None) -> str | None:
    return text if text and len(text) <= _LONGEST and text.isascii() and text.isprintable() else None


def _tags(text: str) -> tuple[str, ...]:
    """Return tags written as a JSON list, else as words between commas."""
    try:
        given = json.loads(text) if text.startswith("[") else text.split(",")
    except ValueError:
        return ()
    if not isinstance(given, list):
        return ()
    tags = [tag.strip() for tag in given if isinstance(tag, str)]
    return tuple(tag for tag in tags if tag and len(tag) <= _LONGEST and tag.isprintable())[:_MOST_TAGS]
