"""Read the texts of stored observations: inputs, outputs and error messages, redacted as the store has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from src.insight.facts.decoding import attributes_of
from src.observability import attributes as names

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_SELECT: Final = (
    "SELECT o.seq, o.trace_id, o.span_id, o.status_message, p.span FROM observations o JOIN payloads p USING (seq)"
)
_FIELDS: Final = {names.INPUT: "input", names.OUTPUT: "output"}


class Stored(NamedTuple):
    """One observation as it was read; `payload` is its span as it is stored."""

    seq: int
    trace_id: str
    span_id: str
    status_message: str | None
    payload: bytes


def after(store: sqlite3.Connection, seq: int, limit: int) -> list[Stored]:
    """Return the observations after a number."""
    rows = store.execute(f"{_SELECT} WHERE o.seq > ? ORDER BY o.seq LIMIT ?", (seq, limit))
    return [Stored._make(row) for row in rows]


def numbers_after(store: sqlite3.Connection, seq: int) -> list[int]:
    """Return the numbers of the observations after a number, the newest first."""
    rows = store.execute("SELECT seq FROM observations WHERE seq > ? ORDER BY seq DESC", (seq,))
    return [row[0] for row in rows]


def before(store: sqlite3.Connection, seq: int, least: int, limit: int) -> list[Stored]:
    """Return the observations before a number and from another one on, the newest first."""
    rows = store.execute(f"{_SELECT} WHERE o.seq < ? AND o.seq >= ? ORDER BY o.seq DESC LIMIT ?", (seq, least, limit))
    return [Stored._make(row) for row in rows]


def numbered(store: sqlite3.Connection, numbers: Sequence[int]) -> list[Stored]:
    """Return observations by their numbers, the newest first; those that are gone lack."""
    places = ", ".join(map(str, numbers))
    rows = store.execute(f"{_SELECT} WHERE o.seq IN ({places}) ORDER BY o.seq DESC")
    return [Stored._make(row) for row in rows]


def texts_of(row: Stored) -> dict[str, str]:
    """Return the texts of an observation by their fields: input, output, error."""
    attributes = attributes_of(row.payload, names.TEXTS) or {}
    texts = {_FIELDS.get(name, name): value for name, value in attributes.items() if isinstance(value, str)}
    if row.status_message:
        texts["error"] = row.status_message
    return texts
