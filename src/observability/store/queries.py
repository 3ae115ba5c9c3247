"""Read what a store holds, each time on a connection of its own: readers never hold up the traced code."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from src.observability.store import connections
from src.observability.store.aliases import canonical
from src.observability.store.compression import decompress
from src.observability.store.connections import BUSY_S, bytes_used
from src.observability.store.destination_names import accepted_by
from src.observability.store.records import (
    BILLED_TYPES,
    FACT_COLUMNS,
    OBSERVATION_COLUMNS,
    Accepts,
    SpanFacts,
    Stats,
    TraceRow,
    TraceSummary,
    by_column,
)
from src.observability.store.row_kinds import KINDS
from src.observability.store.schema import readable
from src.observability.store.unconfirmed import count_parked
from src.observability.store.watermarks import acked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from pathlib import Path

    Connect: TypeAlias = Callable[[Path, float], AbstractContextManager[sqlite3.Connection]]

_TRACE_COLUMNS: Final = ("seq", *OBSERVATION_COLUMNS)
_SUMMARY_COLUMNS: Final = (
    "name", "session_id", "start_ns", "end_ns", "level", "input_tokens", "output_tokens", "cost_usd", "cost_unknown",
    "parent_span_id", "type",
)  # fmt: skip


class Queries:
    """The questions that readers ask a store.

    Args:
        path: The SQLite file.
        connect: Opens a connection for a block.
    """

    def __init__(self, path: Path, connect: Connect = connections.connect) -> None:
        self._path = path
        self._connect = connect

    def trace(self, trace_id: str) -> list[TraceRow]:
        """Return the observations of the trace whose id begins with `trace_id`, in the order they ended.

        Raises:
            ValueError: several traces begin so.
        """
        with self._connect(self._path, BUSY_S) as connection:
            ids = connection.execute(
                "SELECT DISTINCT trace_id FROM observations WHERE trace_id >= ? AND trace_id < ? LIMIT 3",
                (trace_id, trace_id + "g"),
            ).fetchall()
            if len(ids) > 1:
                raise ValueError(
                    f"Several traces begin with {trace_id!r}, such as {ids[0][0]} and {ids[1][0]}: give more of the id."
                )
            if not ids:
                return []
            rows = connection.execute(
                f"{_select(connection)} WHERE trace_id = ? ORDER BY end_ns, seq", ids[0]
            ).fetchall()
        return [_trace_row(row) for row in rows]

    def rows_after(self, seq: int, limit: int) -> list[TraceRow]:
        """Return the observations stored after a number, oldest first."""
        with self._connect(self._path, BUSY_S) as connection:
            statement = f"{_select(connection)} WHERE seq > ? ORDER BY seq LIMIT ?"
            rows = connection.execute(statement, (seq, limit)).fetchall()
        return [_trace_row(row) for row in rows]

    def last_seq(self) -> int:
        """Return the number of the newest observation, 0 where there is none."""
        with self._connect(self._path, BUSY_S) as connection:
            return int(connection.execute("SELECT coalesce(max(seq), 0) FROM observations").fetchone()[0])

    def traces(self, limit: int) -> list[TraceSummary]:
        """Return the newest traces, newest first (looks at the last 50,000 observations)."""
        with self._connect(self._path, BUSY_S) as connection:
            ids = connection.execute(
                "SELECT trace_id, max(seq) AS newest FROM (SELECT trace_id, seq FROM observations ORDER BY seq DESC "
                "LIMIT 50000) GROUP BY trace_id ORDER BY newest DESC LIMIT ?",
                (limit,),
            ).fetchall()
            return [_summary(connection, row[0]) for row in ids]

    def stats(self, unrecorded_losses: int) -> Stats:
        """Return how much is stored, undelivered, set aside and lost.

        Args:
            unrecorded_losses: Losses of this process that the file does not count yet.
        """
        with self._connect(self._path, BUSY_S) as connection:
            oldest = connection.execute("SELECT end_ns FROM observations ORDER BY seq LIMIT 1").fetchone()
            refusal = connection.execute("SELECT reason FROM set_aside ORDER BY at DESC LIMIT 1").fetchone()
            return Stats(
                observations=_count(connection, "observations"),
                scores=_count(connection, "scores"),
                bytes=bytes_used(connection),
                oldest_ns=oldest[0] if oldest else None,
                undelivered=_undelivered(connection),
                set_aside=_count(connection, "set_aside"),
                refusal=refusal[0] if refusal else None,
                losses=unrecorded_losses + _recorded_losses(connection),
            )

    def undelivered(self) -> dict[str, int]:
        """Return how many observations and scores each destination lacks, of those that it accepts."""
        with self._connect(self._path, BUSY_S) as connection:
            return _undelivered(connection)

    def refused_count(self) -> int:
        """Return how many rows destinations refused for good."""
        with self._connect(self._path, BUSY_S) as connection:
            return _count(connection, "set_aside")

    def recorded_losses(self) -> int:
        """Return how many losses all processes have recorded in the file."""
        with self._connect(self._path, BUSY_S) as connection:
            return _recorded_losses(connection)

    def pending(self, destination: str, accepts: Accepts, patience_s: float = BUSY_S) -> int:
        """Return how many rows a destination lacks, of those that it accepts."""
        with self._connect(self._path, patience_s) as connection:
            return _pending(connection, canonical(connection, destination), accepts)

    def stored_name(self, destination: str) -> str:
        """Return the name under which a destination's progress is kept."""
        with self._connect(self._path, BUSY_S) as connection:
            return canonical(connection, destination)


def _pending(connection: sqlite3.Connection, destination: str, accepts: Accepts) -> int:
    count = 0
    for kind in KINDS:
        if accepts is not kind.refused_by:
            upto = acked(connection, destination, kind)
            statement = f"SELECT count(*) FROM {kind.table} WHERE seq > ?"  # noqa: S608 - our own names
            count += connection.execute(statement, (upto,)).fetchone()[0]
            count += count_parked(connection, destination, kind, upto)
    return count


def _undelivered(connection: sqlite3.Connection) -> dict[str, int]:
    names = [row[0] for row in connection.execute("SELECT name FROM destinations")]
    return {name: _pending(connection, name, accepted_by(name)) for name in names}


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - our own names


def _recorded_losses(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM counters WHERE name = 'losses'").fetchone()
    return int(row[0]) if row else 0


def _select(connection: sqlite3.Connection) -> str:
    columns = readable(connection, (*_TRACE_COLUMNS, *FACT_COLUMNS, "span"))
    return f"SELECT {columns} FROM observations JOIN payloads USING (seq)"  # noqa: S608 - our own names


def _trace_row(values: tuple[Any, ...]) -> TraceRow:
    columns, facts, payload = values[: len(_TRACE_COLUMNS)], values[len(_TRACE_COLUMNS) : -1], values[-1]
    return TraceRow(**by_column(_TRACE_COLUMNS, columns), span=decompress(payload), facts=SpanFacts(*facts))


def _summary(connection: sqlite3.Connection, trace_id: str) -> TraceSummary:
    columns = readable(connection, _SUMMARY_COLUMNS)
    cursor = connection.execute(
        f"SELECT {columns} FROM observations WHERE trace_id = ? ORDER BY start_ns",  # noqa: S608 - our own names
        (trace_id,),
    )
    rows = [by_column(_SUMMARY_COLUMNS, values) for values in cursor]
    unpriced = [row for row in rows if _is_unpriced(row)]
    costs = [Decimal(str(row["cost_usd"])) for row in rows if row["cost_usd"] is not None]
    cost_usd = float(sum(costs)) if costs else None
    root = next((row for row in rows if row["parent_span_id"] is None), rows[0])
    return TraceSummary(
        trace_id=trace_id,
        name=root["name"],
        session_id=root["session_id"],
        start_ns=min(row["start_ns"] for row in rows),
        end_ns=max(row["end_ns"] for row in rows),
        observations=len(rows),
        errors=sum(row["level"] == "ERROR" for row in rows),
        input_tokens=_known_sum(row["input_tokens"] for row in rows),
        output_tokens=_known_sum(row["output_tokens"] for row in rows),
        cost_usd=0.0 if cost_usd is None and not unpriced else cost_usd,
        cost_unknown=bool(unpriced),
    )


def _is_unpriced(row: dict[str, Any]) -> bool:
    """Tell whether some part of an observation's cost is not known."""
    if row["cost_unknown"] is None:
        return row["cost_usd"] is None and row["type"] in BILLED_TYPES
    return bool(row["cost_unknown"])


def _known_sum(values: Iterable[Any]) -> Any:
    """Return the sum of the values that are known, None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
