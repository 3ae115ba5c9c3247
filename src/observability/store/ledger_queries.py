"""Read the ledger: decisions in the order they were written, with their outcomes and results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from src.observability.store.ledger_records import (
    DECISION_COLUMNS,
    OUTCOME_COLUMNS,
    REPLY_COLUMNS,
    RESULT_COLUMNS,
    DecisionRecord,
    OutcomeRecord,
    ReplyRecord,
    ResultRecord,
)
from src.observability.store.records import by_column
from src.observability.store.schema import LEDGER_SINCE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_CHUNK: Final = 500  # ids in one statement


def has_ledger(connection: sqlite3.Connection) -> bool:
    """Tell whether a file is new enough to have a ledger."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0]) >= LEDGER_SINCE


def decisions_after(
    connection: sqlite3.Connection, seq: int, limit: int, *, run_id: str | None = None
) -> list[tuple[int, DecisionRecord]]:
    """Return the decisions after a number, oldest first, each with its number."""
    if not has_ledger(connection):
        return []
    where = "AND run_id = ?" if run_id is not None else "AND (? IS NULL)"
    cursor = connection.execute(
        f"SELECT seq, {', '.join(DECISION_COLUMNS)} FROM decisions WHERE seq > ? {where} ORDER BY seq LIMIT ?",  # noqa: S608 - our own names
        (seq, run_id, limit),
    )
    return [(row[0], _decision(row[1:])) for row in cursor]


def newest_decisions(connection: sqlite3.Connection, limit: int) -> list[DecisionRecord]:
    """Return the newest decisions, newest first."""
    if not has_ledger(connection):
        return []
    cursor = connection.execute(
        f"SELECT {', '.join(DECISION_COLUMNS)} FROM decisions ORDER BY seq DESC LIMIT ?",  # noqa: S608 - our own names
        (limit,),
    )
    return [_decision(row) for row in cursor]


def decisions_of_trace(connection: sqlite3.Connection, trace_id: str) -> list[DecisionRecord]:
    """Return the decisions that were made in a trace, oldest first."""
    if not has_ledger(connection):
        return []
    cursor = connection.execute(
        f"SELECT {', '.join(DECISION_COLUMNS)} FROM decisions WHERE trace_id = ? ORDER BY seq",  # noqa: S608 - our own names
        (trace_id,),
    )
    return [_decision(row) for row in cursor]


def decisions_by_id(connection: sqlite3.Connection, beginning: str) -> list[DecisionRecord]:
    """Return the decisions whose id begins so; at most three."""
    if not has_ledger(connection):
        return []
    cursor = connection.execute(
        f"SELECT {', '.join(DECISION_COLUMNS)} FROM decisions WHERE id >= ? AND id < ? ORDER BY id LIMIT 3",  # noqa: S608 - our own names
        (beginning, beginning + "\U0010ffff"),
    )
    return [_decision(row) for row in cursor]


def _decision(row: tuple[Any, ...]) -> DecisionRecord:
    values = by_column(DECISION_COLUMNS, row)
    flags = {name: bool(values[name]) for name in ("cost_unknown", "derived")}
    return DecisionRecord(**{**values, **flags})


def outcomes_of(connection: sqlite3.Connection, ids: Sequence[str]) -> list[OutcomeRecord]:
    """Return the outcomes of decisions."""
    rows: list[OutcomeRecord] = []
    for part in _parts(ids):
        cursor = connection.execute(
            f"SELECT {', '.join(OUTCOME_COLUMNS)} FROM outcomes WHERE decision_id IN ({_marks(part)})",  # noqa: S608 - our own names
            part,
        )
        for row in cursor:
            values = by_column(OUTCOME_COLUMNS, row)
            values["correct"] = None if values["correct"] is None else bool(values["correct"])
            rows.append(OutcomeRecord(**values))
    return rows


def results_of(connection: sqlite3.Connection, ids: Sequence[str]) -> list[ResultRecord]:
    """Return what decisions really earned."""
    return [
        ResultRecord(**by_column(RESULT_COLUMNS, row))
        for part in _parts(ids)
        for row in connection.execute(
            f"SELECT {', '.join(RESULT_COLUMNS)} FROM results WHERE decision_id IN ({_marks(part)})",  # noqa: S608 - our own names
            part,
        )
    ]


def trace_costs(connection: sqlite3.Connection, trace_ids: Sequence[str]) -> dict[str, tuple[float | None, bool]]:
    """Return what traces cost by their ids: the known part, and whether another part is unknown."""
    costs: dict[str, tuple[float | None, bool]] = {}
    for part in _parts(trace_ids):
        cursor = connection.execute(
            "SELECT trace_id, sum(cost_usd), max(CASE WHEN cost_unknown IS NULL "  # noqa: S608 - our own names
            "THEN cost_usd IS NULL AND type IN ('generation', 'embedding') ELSE cost_unknown END) "
            f"FROM observations WHERE trace_id IN ({_marks(part)}) GROUP BY trace_id",
            part,
        )
        costs.update({trace_id: (known, bool(unknown)) for trace_id, known, unknown in cursor})
    return costs


def reply(connection: sqlite3.Connection, key: str) -> ReplyRecord | None:
    """Return the vote on an exact request, None where there is none."""
    if not has_ledger(connection):
        return None
    row = connection.execute(f"SELECT {', '.join(REPLY_COLUMNS)} FROM replies WHERE key = ?", (key,)).fetchone()  # noqa: S608 - our own names
    return None if row is None else ReplyRecord(**by_column(REPLY_COLUMNS, row))


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)]


def _marks(part: Sequence[str]) -> str:
    return ", ".join("?" * len(part))
