"""Read scores of the store, in the order of their numbers, and add them to the facts file.

A score comes late, and a later one of the same id, name and day replaces the earlier, as Langfuse's server does: the
sums of its day lose the old value and gain the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from src.insight.facts.rows import binary_id
from src.insight.facts.schema import day_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from src.insight.facts.numbering import Names

_SELECT: Final = (
    "SELECT seq, id, trace_id, observation_id, session_id, name, value, data_type, timestamp_ns, environment "
    "FROM scores WHERE seq > ? ORDER BY seq LIMIT ?"
)
_INSERT: Final = (
    "INSERT INTO scores (seq, id, day, name, type, environment, session, trace, span, timestamp_ns, value, text) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ADD: Final = (
    "INSERT INTO score_daily VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (day, name, type, environment, text) "
    "DO UPDATE SET n = n + excluded.n, total = total + excluded.total"
)


ScoreRow: TypeAlias = tuple[Any, ...]


def read(store: sqlite3.Connection, after: int, limit: int) -> list[ScoreRow]:
    """Return the scores after a number."""
    return store.execute(_SELECT, (after, limit)).fetchall()


def add(facts_file: sqlite3.Connection, rows: Sequence[ScoreRow], names: Names, *, after: int, is_rescan: bool) -> int:
    """Add scores to the facts file, inside a transaction; return how many numbers between them are of deleted rows.

    Args:
        facts_file: The connection to it.
        rows: What was read.
        names: Numbers texts.
        after: The number after which they were read.
        is_rescan: As of observations: a score of a day of which some were deleted is counted only where it is known.
    """
    expired = {row[0] for row in facts_file.execute("SELECT day FROM expired_scores")} if is_rescan else set()
    for row in rows:
        _add_one(facts_file, row, names, expired)
    return rows[-1][0] - after - len(rows) if rows else 0


def _add_one(facts_file: sqlite3.Connection, row: ScoreRow, names: Names, expired: set[int]) -> None:
    seq, id_, trace, span, session, name, value, type_, timestamp_ns, environment = row
    day, name_number = day_of(timestamp_ns), names[name]
    before = facts_file.execute(
        "SELECT key, day, name, type, environment, text, value FROM scores WHERE id = ? AND name = ? AND day = ?",
        (id_, name_number, day),
    ).fetchone()
    if before is None and day in expired:
        return
    if before is not None:
        facts_file.execute("DELETE FROM scores WHERE key = ?", (before[0],))
        facts_file.execute(_ADD, (*before[1:6], -1, -(before[6] or 0.0)))
        facts_file.execute(
            "DELETE FROM score_daily "
            "WHERE day = ? AND name = ? AND type = ? AND environment = ? AND text = ? AND n = 0",
            before[1:6],
        )
    number = float(value) if isinstance(value, (int, float)) else None
    text = names[value] if isinstance(value, str) else 0
    type_number, environment_number = names[type_], names[environment]
    facts_file.execute(
        _INSERT,
        (
            seq, id_, day, name_number, type_number, environment_number, names[session], binary_id(trace),
            binary_id(span), timestamp_ns, number, text,
        ),
    )  # fmt: skip
    facts_file.execute(_ADD, (day, name_number, type_number, environment_number, text, 1, number or 0.0))
