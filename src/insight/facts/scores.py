"""Read scores of the store, in the order of their numbers, and add them to the facts file.

A score comes late, and a later one of the same id, name and day replaces the earlier, as Langfuse's server does: the
sums of its day lose the old value and gain the new one.
"""

from __future__ import annotations

from collections import defaultdict
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
_EMPTY: Final = (
    "DELETE FROM score_daily WHERE day = ? AND name = ? AND type = ? AND environment = ? AND text = ? AND n = 0"
)

ScoreRow: TypeAlias = tuple[Any, ...]
Place: TypeAlias = tuple[Any, ...]  # id, day and name: what makes two scores the same one


def read(store: sqlite3.Connection, after: int, limit: int) -> list[ScoreRow]:
    """Return the scores after a number."""
    return store.execute(_SELECT, (after, limit)).fetchall()


def add(facts_file: sqlite3.Connection, rows: Sequence[ScoreRow], names: Names, *, after: int, is_rescan: bool) -> int:
    """Add scores to the facts file, inside a transaction; return how many numbers between them are of deleted rows.

    A score replaces an earlier one of its id, name and day, as it does at a server: in the sums of its day too.

    Args:
        facts_file: The connection to it.
        rows: What was read.
        names: Numbers texts.
        after: The number after which they were read.
        is_rescan: As of observations: a score of a day of which some were deleted is counted only where it is known.
    """
    if not rows:
        return 0
    expired = {row[0] for row in facts_file.execute("SELECT day FROM expired_scores")} if is_rescan else set()
    facts = [_fact(row, names) for row in rows]
    before = _before(facts_file, facts)
    latest: dict[Place, ScoreRow] = {}
    for fact in facts:
        place = fact[1:4]
        if place in before or fact[2] not in expired:
            latest[place] = fact
    replaced = [before[place] for place in latest if place in before]
    facts_file.executemany("DELETE FROM scores WHERE key = ?", ((row[0],) for row in replaced))
    facts_file.executemany(_INSERT, latest.values())
    sums: defaultdict[tuple[int, ...], list[float]] = defaultdict(lambda: [0, 0.0])
    for sign, items in ((-1, (row[1:] for row in replaced)), (1, map(_sums_of, latest.values()))):
        for *key, value in items:
            cell = sums[tuple(key)]
            cell[0] += sign
            cell[1] += sign * (value or 0.0)
    facts_file.executemany(_ADD, ((*key, n, total) for key, (n, total) in sums.items()))
    facts_file.executemany(_EMPTY, sums)
    return int(rows[-1][0]) - after - len(rows)


def _fact(row: ScoreRow, names: Names) -> ScoreRow:
    seq, id_, trace, span, session, name, value, type_, timestamp_ns, environment = row
    return (
        seq, id_, day_of(timestamp_ns), names[name], names[type_], names[environment], names[session],
        binary_id(trace), binary_id(span), timestamp_ns, float(value) if isinstance(value, (int, float)) else None,
        names[value] if isinstance(value, str) else 0,
    )  # fmt: skip


def _sums_of(fact: ScoreRow) -> ScoreRow:
    """Return by what a score is summed up, and its number."""
    return (fact[2], fact[3], fact[4], fact[5], fact[11], fact[10])


def _before(facts_file: sqlite3.Connection, facts: Sequence[ScoreRow]) -> dict[Place, ScoreRow]:
    """Return the scores in the file that have the id, the name and the day of one of these: keys and what sums need.

    Day by day, as the table's index is ordered: ids alone would be looked for all over it, and a table of millions is
    not in memory.
    """
    ids: defaultdict[int, list[str]] = defaultdict(list)
    for fact in facts:
        ids[fact[2]].append(fact[1])
    before: dict[Place, ScoreRow] = {}
    for day, day_ids in ids.items():
        rows = facts_file.execute(
            "SELECT id, day, name, key, day, name, type, environment, text, value FROM scores "
            f"WHERE day = ? AND id IN ({', '.join('?' * len(day_ids))})",
            (day, *sorted(day_ids)),
        )
        before.update((row[:3], row[3:]) for row in rows)
    return before
