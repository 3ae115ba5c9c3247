"""Track how far each destination has got, and let one process at a time deliver to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from src.observability.store.compression import DamagedSpan, decompress
from src.observability.store.connections import connect
from src.observability.store.leases import LEASE_S, is_free
from src.observability.store.records import SCORE_COLUMNS, Batch, BatchRow, ScoreRecord, by_column
from src.observability.store.row_kinds import KINDS, OBSERVATION, SCORE
from src.observability.store.watermarks import acked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from src.observability.store.row_kinds import KindName, RowKind

_SELECT_SPANS: Final = (
    "SELECT o.seq, e.body, p.span FROM observations o JOIN payloads p USING (seq) "
    "JOIN envelopes e ON e.id = o.envelope WHERE o.seq > ? ORDER BY o.seq LIMIT ?"
)
_SELECT_SCORES: Final = f"SELECT seq, {', '.join(SCORE_COLUMNS)} FROM scores WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 - our own names


class Progress:
    """The destinations' watermarks, leases and refused rows.

    Args:
        path: The store's file; what is to be delivered is read on connections of its own.
        transaction: Opens a transaction on the connection that writes, and commits it.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        clock: Callable[[], float],
    ) -> None:
        self._path = path
        self._transaction = transaction
        self._clock = clock

    def read_batch(self, destination: str, max_rows: int, max_bytes: int) -> Batch:
        """Return the oldest observations that a destination lacks; at least one where there is any.

        Raises:
            DamagedSpan: the first of them is damaged. Where a later one is, the batch ends before it.
        """
        rows: list[BatchRow] = []
        size, more = 0, False
        with connect(self._path) as connection:
            after = acked(connection, destination, OBSERVATION)
            for seq, envelope, payload in connection.execute(_SELECT_SPANS, (after, max_rows)):
                try:
                    span = decompress(payload)
                except DamagedSpan as error:
                    more = True
                    if rows:
                        break
                    error.seq = seq
                    raise
                size += len(span)
                if rows and size > max_bytes:
                    more = True
                    break
                rows.append(BatchRow(seq=seq, envelope=envelope, span=span))
        return Batch(rows=tuple(rows), more=more or len(rows) == max_rows)

    def read_scores(self, destination: str, max_rows: int) -> list[tuple[int, ScoreRecord]]:
        """Return the oldest scores that a destination lacks, each with its number."""
        with connect(self._path) as connection:
            after = acked(connection, destination, SCORE)
            rows = connection.execute(_SELECT_SCORES, (after, max_rows)).fetchall()
        return [(seq, ScoreRecord(**by_column(SCORE_COLUMNS, tuple(values)))) for seq, *values in rows]

    def acknowledge(self, destination: str, upto_seq: int) -> None:
        """Record that a destination has all observations up to a number."""
        self._advance(OBSERVATION, destination, upto_seq)

    def acknowledge_scores(self, destination: str, upto_seq: int) -> None:
        """Record that a destination has all scores up to a number."""
        self._advance(SCORE, destination, upto_seq)

    def _advance(self, kind: RowKind, destination: str, upto_seq: int) -> None:
        column = kind.acked_column
        with self._transaction() as connection:
            connection.execute(
                f"INSERT INTO destinations (name, {column}) VALUES (?, ?) "  # noqa: S608 - our own names
                f"ON CONFLICT (name) DO UPDATE SET {column} = max({column}, excluded.{column})",
                (destination, upto_seq),
            )

    def set_aside(self, destination: str, kind: KindName, seq: int, reason: str) -> None:
        """Record that a destination refuses a row for good. The row stays in the store."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO set_aside (destination, kind, seq, reason, at) VALUES (?, ?, ?, ?, ?)",
                (destination, kind, seq, reason, self._clock()),
            )

    def send_again(self, destination: str, owner: str) -> int | None:
        """Move a destination's watermarks back to before what it refused; return how many rows it had refused.

        Returns None where another process delivers to it now. What was stored after the first refused row is sent again
        too, under the ids that it has.
        """
        if not self.lease(destination, owner):
            return None
        refused = 0
        with self._transaction() as connection:
            for kind in KINDS:
                count, first = connection.execute(
                    "SELECT count(*), min(seq) FROM set_aside WHERE destination = ? AND kind = ?",
                    (destination, kind.name),
                ).fetchone()
                if count:
                    refused += count
                    column = kind.acked_column
                    connection.execute(
                        f"UPDATE destinations SET {column} = min({column}, ?) WHERE name = ?",  # noqa: S608 - our own names
                        (first - 1, destination),
                    )
            connection.execute("DELETE FROM set_aside WHERE destination = ?", (destination,))
        self.release(destination, owner)
        return refused

    def lease(self, destination: str, owner: str) -> bool:
        """Take or renew the right to deliver to a destination; False where another living process has it."""
        now = self._clock()
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO destinations (name) VALUES (?)", (destination,))
            holder, until = connection.execute(
                "SELECT owner, lease_until FROM destinations WHERE name = ?", (destination,)
            ).fetchone()
            free = is_free(holder, until, owner=owner, now=now)
            if free:
                connection.execute(
                    "UPDATE destinations SET owner = ?, lease_until = ? WHERE name = ?",
                    (owner, now + LEASE_S, destination),
                )
        return free

    def release(self, destination: str, owner: str) -> None:
        """Give the right to deliver back."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE destinations SET owner = NULL, lease_until = 0 WHERE name = ? AND owner = ?",
                (destination, owner),
            )
