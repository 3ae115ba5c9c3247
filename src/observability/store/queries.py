"""Read the store, each time on a connection of its own: readers never hold up the traced code."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from src.observability.store import forks
from src.observability.store.compression import unpacked
from src.observability.store.records import COLUMNS, Stats, TraceRow, TraceSummary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUSY_S: Final = 15.0
# How the names of destinations begin that take scores too, and scores alone.
LANGFUSE: Final = "langfuse"
SCORES_ONLY: Final = "langfuse-scores:"
_SELECT = f"SELECT seq, {', '.join(COLUMNS)}, span FROM observations JOIN payloads USING (seq)"  # noqa: S608 - our own names


class Reading:
    """Answer questions about what is stored."""

    path: Path
    losses: int

    @contextlib.contextmanager
    def _reader(self, patience_s: float = BUSY_S) -> Iterator[sqlite3.Connection]:
        """Open a connection of its own: readers never hold up the traced code."""
        with connected(self.path, patience_s) as connection:
            yield connection

    def trace(self, trace_id: str) -> list[TraceRow]:
        """Return the observations of the trace whose id begins with `trace_id`, in the order they ended.

        Raises:
            ValueError: several traces begin so.
        """
        with self._reader() as connection:
            ids = connection.execute(
                "SELECT DISTINCT trace_id FROM observations WHERE trace_id >= ? AND trace_id < ? LIMIT 3",
                (trace_id, trace_id + "g"),
            ).fetchall()
            if len(ids) > 1:
                raise ValueError(f"Several traces begin with {trace_id!r}: give more of the id.")
            if not ids:
                return []
            rows = connection.execute(f"{_SELECT} WHERE trace_id = ? ORDER BY seq", ids[0]).fetchall()
        return [_row(found) for found in rows]

    def rows_after(self, seq: int, limit: int = 500) -> list[TraceRow]:
        """Return the observations stored after a number, oldest first."""
        with self._reader() as connection:
            rows = connection.execute(f"{_SELECT} WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)).fetchall()
        return [_row(found) for found in rows]

    def last_seq(self) -> int:
        """Return the number of the newest observation, 0 where there is none."""
        with self._reader() as connection:
            return int(connection.execute("SELECT coalesce(max(seq), 0) FROM observations").fetchone()[0])

    def traces(self, limit: int = 20) -> list[TraceSummary]:
        """Return the newest traces, newest first (looks at the last 50,000 observations)."""
        with self._reader() as connection:
            ids = connection.execute(
                "SELECT trace_id, max(seq) AS newest FROM (SELECT trace_id, seq FROM observations ORDER BY seq DESC "
                "LIMIT 50000) GROUP BY trace_id ORDER BY newest DESC LIMIT ?",
                (limit,),
            ).fetchall()
            return [_summary(connection, row[0]) for row in ids]

    def stats(self) -> Stats:
        """Return how much is stored, undelivered, set aside and lost."""
        with self._reader() as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM destinations")]
            lost = connection.execute("SELECT value FROM counters WHERE name = 'losses'").fetchone()
            refusal = connection.execute("SELECT reason FROM set_aside ORDER BY at DESC LIMIT 1").fetchone()
            return Stats(
                observations=connection.execute("SELECT count(*) FROM observations").fetchone()[0],
                scores=connection.execute("SELECT count(*) FROM scores").fetchone()[0],
                bytes=bytes_used(connection),
                oldest_ns=connection.execute("SELECT end_ns FROM observations ORDER BY seq LIMIT 1").fetchone()[0]
                if connection.execute("SELECT 1 FROM observations LIMIT 1").fetchone()
                else None,
                undelivered={name: self._pending(connection, name) for name in names},
                set_aside=connection.execute("SELECT count(*) FROM set_aside").fetchone()[0],
                refusal=refusal[0] if refusal else None,
                losses=self.losses + (lost[0] if lost else 0),
            )

    def pending(self, destination: str, *, scores: bool = True, patience_s: float = BUSY_S) -> int:
        """Return how many observations (and scores) a destination lacks, of those that it takes."""
        with self._reader(patience_s) as connection:
            return self._pending(connection, destination, scores=scores)

    def _pending(self, connection: sqlite3.Connection, destination: str, *, scores: bool = True) -> int:
        count = 0
        for table, column, takes in (
            ("observations", "acked", not destination.startswith(SCORES_ONLY)),
            ("scores", "scores_acked", scores and destination.startswith(LANGFUSE)),
        ):
            if takes:
                acked = self._acked(connection, destination, column)
                count += connection.execute(f"SELECT count(*) FROM {table} WHERE seq > ?", (acked,)).fetchone()[0]  # noqa: S608 - our own names
        return count

    @staticmethod
    def _acked(connection: sqlite3.Connection, destination: str, column: str) -> int:
        found = connection.execute(
            f"SELECT {column} FROM destinations WHERE name = ?",  # noqa: S608 - our own names
            (destination,),
        ).fetchone()
        return int(found[0]) if found else 0


def _row(found: tuple[Any, ...]) -> TraceRow:
    row = TraceRow(*found)
    return replace(row, span=unpacked(row.span))


def _summary(connection: sqlite3.Connection, trace_id: str) -> TraceSummary:
    rows = connection.execute(
        "SELECT name, session_id, start_ns, end_ns, level, input_tokens, output_tokens, cost_usd, parent_span_id "
        "FROM observations WHERE trace_id = ? ORDER BY start_ns",
        (trace_id,),
    ).fetchall()
    root = next((row for row in rows if row[8] is None), rows[0])
    return TraceSummary(
        trace_id=trace_id,
        name=root[0],
        session_id=root[1],
        start_ns=min(row[2] for row in rows),
        end_ns=max(row[3] for row in rows),
        observations=len(rows),
        errors=sum(row[4] == "ERROR" for row in rows),
        input_tokens=_sum(row[5] for row in rows),
        output_tokens=_sum(row[6] for row in rows),
        cost_usd=_sum(row[7] for row in rows),
    )


def _sum(values: Any) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


@contextlib.contextmanager
def connected(path: Path, patience_s: float = BUSY_S) -> Iterator[sqlite3.Connection]:
    """Use a connection for a short time, to a store that is there: a missing one is not made."""
    with forks.brief():
        connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=patience_s, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            yield connection
        finally:
            connection.close()


def bytes_used(connection: sqlite3.Connection) -> int:
    """Return how many bytes the rows of a store take."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
