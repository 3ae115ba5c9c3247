"""Encode a run's session, user and tags as W3C baggage, and decode them; never a secret, and few bytes.

The names are those of the baggage of Langfuse's SDK, so that each reads what the other wrote. Environment and metadata
are not sent: a process has its own environment, and market data does not belong in headers.
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
_LONGEST_HEADER: Final = 8192  # W3C requires implementations to accept as much
_MOST_WRITTEN: Final = 4096  # leaves room for the baggage of others


@dataclass(frozen=True, slots=True)
class Baggage:
    """The content of a baggage header: a scope, where it has one of our names, and the trace that it claims."""

    scope: Scope | None = None
    trace_id: str | None = None


EMPTY: Final = Baggage()


def encode(scope: Scope, trace_id: str = "") -> str:
    """Return the header's value, maybe empty; a value that holds a secret is left out and logged."""
    tags = [tag for tag in scope.tags[:_MOST_TAGS] if _may_be_sent(tag)]
    entries = {
        _TRACE: trace_id,
        _SESSION: scope.session_id if _may_be_sent(scope.session_id) else None,
        _USER: scope.user_id if _may_be_sent(scope.user_id) else None,
        _TAGS: json.dumps(tags, separators=(",", ":")) if tags else None,
    }
    members = [f"{name}={quote(value, safe='')}" for name, value in entries.items() if value]
    while members and sum(map(len, members)) > _MOST_WRITTEN:
        members.pop()
    return ",".join(members)


def _may_be_sent(text: str | None) -> bool:
    """Tell whether a value may be sent in a header: short, and without a secret."""
    if not text or len(text) > _LONGEST:
        return False
    if redact_text(text) != text:
        _log.warning("A session, user or tag looks like a secret: it is not written into headers.")
        return False
    return True


def decode(header: str) -> Baggage:
    """Return the content of a header; members that are malformed, too long or not ours are left out."""
    if not header or len(header) > _LONGEST_HEADER:
        return EMPTY
    values: dict[str, str] = {}
    for entry in header.split(","):
        name, equals, value = entry.partition(";")[0].partition("=")
        if equals and name.strip() in (_SESSION, _USER, _TAGS, _TRACE):
            values[name.strip()] = unquote_plus(value.strip())
    session, user = (_id(values.get(name)) for name in (_SESSION, _USER))
    tags = _tags(values.get(_TAGS, ""))
    scope = Scope(session_id=session, user_id=user, tags=tags) if session or user or tags else None
    return Baggage(scope=scope, trace_id=values.get(_TRACE))


def _id(text: str | None) -> str | None:
    return text if text and len(text) <= _LONGEST and text.isascii() and text.isprintable() else None


def _tags(text: str) -> tuple[str, ...]:
    """Return tags from a JSON list, or from words between commas."""
    try:
        entries = json.loads(text) if text.startswith("[") else text.split(",")
    except ValueError:
        return ()
    if not isinstance(entries, list):
        return ()
    tags = [tag.strip() for tag in entries if isinstance(tag, str)]
    return tuple(tag for tag in tags if tag and len(tag) <= _LONGEST and tag.isprintable())[:_MOST_TAGS]
