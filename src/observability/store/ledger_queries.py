"""Read the ledger: decisions in the order they were written, with their outcomes and results."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, TypeVar

from src.observability.store.compression import decompress
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
from src.observability.store.records import OBSERVATION_COLUMNS, TraceRow, by_column
from src.observability.store.schema import LEDGER_SINCE, readable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_Id = TypeVar("_Id", int, str)
_CHUNK: Final = 500  # ids in one statement
_FLAGS: Final = (DECISION_COLUMNS.index("cost_unknown"), DECISION_COLUMNS.index("derived"))
_CORRECT: Final = OUTCOME_COLUMNS.index("correct")
# Columns whose few values are those of thousands of rows: each is kept in memory once.
_REPEATED: Final = frozenset(
    {
        "symbol", "action", "status", "venue", "timeframe", "horizons", "agent", "agent_version", "prompt_name",
        "prompt_version", "prompt_hash", "models", "environment", "book", "run_id", "session_id", "horizon",
        "exit_reason", "costs", "source",
    }
)  # fmt: skip
_REPEATED_IN_DECISIONS: Final = [index for index, name in enumerate(DECISION_COLUMNS) if name in _REPEATED]
_REPEATED_IN_OUTCOMES: Final = [index for index, name in enumerate(OUTCOME_COLUMNS) if name in _REPEATED]


def has_ledger(connection: sqlite3.Connection) -> bool:
    """Tell whether a file is new enough to have a ledger."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0]) >= LEDGER_SINCE


def decisions_after(
    connection: sqlite3.Connection, seq: int, limit: int, *, run_id: str | None, times: tuple[int, int]
) -> list[tuple[int, DecisionRecord]]:
    """Return the decisions after a number that were made between two times, oldest first, each with its number."""
    if not has_ledger(connection):
        return []
    where = "AND run_id = ?" if run_id is not None else "AND (? IS NULL)"
    cursor = connection.execute(
        f"SELECT seq, {', '.join(DECISION_COLUMNS)} FROM decisions WHERE seq > ? {where} "  # noqa: S608 - our own names
        "AND time_ns >= ? AND time_ns < ? ORDER BY seq LIMIT ?",
        (seq, run_id, *times, limit),
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
    """Return the decisions whose id has this beginning; at most three."""
    if not has_ledger(connection):
        return []
    cursor = connection.execute(
        f"SELECT {', '.join(DECISION_COLUMNS)} FROM decisions WHERE id >= ? AND id < ? ORDER BY id LIMIT 3",  # noqa: S608 - our own names
        (beginning, beginning + "\U0010ffff"),
    )
    return [_decision(row) for row in cursor]


def decisions_with_ids(connection: sqlite3.Connection, ids: Sequence[str]) -> list[DecisionRecord]:
    """Return the decisions of some ids, as far as there are any."""
    if not has_ledger(connection):
        return []
    return [
        _decision(row)
        for part in _parts(ids)
        for row in connection.execute(
            f"SELECT {', '.join(DECISION_COLUMNS)} FROM decisions WHERE id IN ({_marks(part)})",  # noqa: S608 - our own names
            part,
        )
    ]


def numbered_decisions(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[tuple[int, DecisionRecord]]:
    """Return the decisions of some numbers, as far as there are any, each with its number."""
    if not has_ledger(connection):
        return []
    return [
        (row[0], _decision(row[1:]))
        for part in _parts(numbers)
        for row in connection.execute(
            f"SELECT seq, {', '.join(DECISION_COLUMNS)} FROM decisions WHERE seq IN ({_marks(part)})",  # noqa: S608 - our own names
            part,
        )
    ]


def traces_of_decisions(connection: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, str | None]:
    """Return the traces of the decisions of some numbers, by their numbers."""
    return {
        row[0]: row[1]
        for part in _parts(numbers)
        for row in connection.execute(
            f"SELECT seq, trace_id FROM decisions WHERE seq IN ({_marks(part)})",  # noqa: S608 - our own names
            part,
        )
    }


def generations_by_agent(connection: sqlite3.Connection, since_ns: int) -> dict[str | None, int]:
    """Return how many generations each agent has that ended since a time."""
    statement = "SELECT agent, count(*) FROM observations WHERE type = 'generation' AND end_ns >= ? GROUP BY agent"
    return dict(connection.execute(statement, (since_ns,)).fetchall())


def deciding_traces(connection: sqlite3.Connection) -> frozenset[bytes]:
    """Return the ids of the traces whose programs wrote decisions, outside back-tests, as bytes."""
    if not has_ledger(connection):
        return frozenset()
    statement = (
        "SELECT trace_id FROM decisions WHERE trace_id IS NOT NULL AND NOT derived AND environment != 'backtest'"
    )
    return frozenset(bytes.fromhex(row[0]) for row in connection.execute(statement))


def generations_after(
    connection: sqlite3.Connection, seq: int, agents: Sequence[str], since_ns: int, limit: int
) -> list[TraceRow]:
    """Return the generations of some agents after a number, that ended since a time, in the order they were stored."""
    columns = ("seq", *OBSERVATION_COLUMNS, "span")
    cursor = connection.execute(
        f"SELECT {readable(connection, columns)} FROM observations JOIN payloads USING (seq) "  # noqa: S608 - our own names
        f"WHERE seq > ? AND type = 'generation' AND end_ns >= ? AND agent IN ({_marks(agents)}) ORDER BY seq LIMIT ?",
        (seq, since_ns, *agents, limit),
    )
    return [TraceRow(**by_column(columns, (*values, decompress(payload)))) for *values, payload in cursor]


def _decision(row: tuple[Any, ...]) -> DecisionRecord:
    """Return the record of a row of DECISION_COLUMNS, by position: by name takes three times as long."""
    values = _shared(row, _REPEATED_IN_DECISIONS)
    for index in _FLAGS:
        values[index] = bool(values[index])
    return DecisionRecord(*values)


def _shared(row: Sequence[Any], indices: Sequence[int]) -> list[Any]:
    """Return a row's values, in which repeated texts are the same objects as those of other rows."""
    values = list(row)
    for index in indices:
        if isinstance(values[index], str):
            values[index] = sys.intern(values[index])
    return values


def outcomes_of(connection: sqlite3.Connection, ids: Sequence[str]) -> list[OutcomeRecord]:
    """Return the outcomes of decisions."""
    rows: list[OutcomeRecord] = []
    for part in _parts(ids):
        cursor = connection.execute(
            f"SELECT {', '.join(OUTCOME_COLUMNS)} FROM outcomes WHERE decision_id IN ({_marks(part)})",  # noqa: S608 - our own names
            part,
        )
        for row in cursor:
            values = _shared(row, _REPEATED_IN_OUTCOMES)
            values[_CORRECT] = None if values[_CORRECT] is None else bool(values[_CORRECT])
            rows.append(OutcomeRecord(*values))
    return rows


def results_of(connection: sqlite3.Connection, ids: Sequence[str]) -> list[ResultRecord]:
    """Return the results of decisions: what they really earned."""
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


def _parts(ids: Sequence[_Id]) -> list[Sequence[_Id]]:
    return [ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)]


def _marks(part: Sequence[object]) -> str:
    return ", ".join("?" * len(part))


def decision_of(row: tuple[Any, ...]) -> DecisionRecord:
    """Return the decision in a row of `DECISION_COLUMNS`."""
    return _decision(row)
