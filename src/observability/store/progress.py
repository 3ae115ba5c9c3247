"""Track how far each destination has got, and let one process at a time deliver to it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from src.observability.store import aliases, connections, unconfirmed
from src.observability.store.collector_handover import take_over
from src.observability.store.compression import DamagedSpan, decompress
from src.observability.store.leases import LEASE_S, LONGEST_LEASE_S, is_free
from src.observability.store.records import SCORE_COLUMNS, Batch, BatchRow, ScoreRecord, SpanIdentity, by_column
from src.observability.store.row_kinds import KINDS, OBSERVATION, SCORE, kind_named
from src.observability.store.watermarks import acked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from src.observability.store.row_kinds import KindName, RowKind
    from src.observability.store.unconfirmed import SentRange

_SPAN_COLUMNS: Final = "o.seq, e.body, p.span"
_SPANS: Final = "FROM observations o JOIN payloads p USING (seq) JOIN envelopes e ON e.id = o.envelope"
_SELECT_SPANS: Final = (
    f"SELECT {_SPAN_COLUMNS} {_SPANS} WHERE o.seq > :after AND (:before IS NULL OR o.seq < :before) "
    "ORDER BY o.seq LIMIT :most"
)
_SELECT_SCORES: Final = f"SELECT seq, {', '.join(SCORE_COLUMNS)} FROM scores"  # noqa: S608 - our own names


class Progress:
    """The destinations' watermarks, leases, unconfirmed requests and refused rows.

    A destination is known by any of its names: see `aliases`.

    Args:
        path: The store's file.
        transaction: Opens a transaction on the connection that writes, and commits it.
        clock: Seconds since 1970.
        connect: Opens a connection for a block, on which what is to be delivered is read.
    """

    def __init__(
        self,
        path: Path,
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        clock: Callable[[], float],
        connect: Callable[[Path], AbstractContextManager[sqlite3.Connection]] = connections.connect,
    ) -> None:
        self._path = path
        self._connect = connect
        self._transaction = transaction
        self._clock = clock

    def now(self) -> float:
        """Return the time, in seconds since 1970."""
        return self._clock()

    # Rows to send.

    def read_batch(self, destination: str, max_rows: int, max_bytes: int) -> Batch:
        """Return the oldest observations that a destination lacks; at least one where there is any.

        It ends before rows that were noted as about to be sent.

        Raises:
            DamagedSpan: the first of them is damaged. Where a later one is, the batch ends before it.
        """
        rows: list[BatchRow] = []
        size, more = 0, False
        with self._connect(self._path) as connection:
            name = aliases.canonical(connection, destination)
            after = acked(connection, name, OBSERVATION)
            noted = unconfirmed.next_noted(connection, name, OBSERVATION, after)
            limits = {"after": after, "before": noted[0] if noted else None, "most": max_rows}
            with closing(connection.execute(_SELECT_SPANS, limits)) as cursor:
                for seq, envelope, payload in cursor:
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

    def read_rows(self, numbers: Sequence[int]) -> list[BatchRow]:
        """Return observations by their numbers, those that can be read."""
        rows: list[BatchRow] = []
        with self._connect(self._path) as connection:
            for number in numbers:
                statement = f"SELECT {_SPAN_COLUMNS} {_SPANS} WHERE o.seq = ?"
                row = connection.execute(statement, (number,)).fetchone()
                if row is None:
                    continue
                seq, envelope, payload = row
                try:
                    rows.append(BatchRow(seq=seq, envelope=envelope, span=decompress(payload)))
                except DamagedSpan:
                    continue
        return rows

    def read_identities(self, first: int, last: int) -> list[SpanIdentity]:
        """Return by what a server knows the observations from one number to another."""
        with self._connect(self._path) as connection:
            rows = connection.execute(
                "SELECT seq, trace_id, span_id, start_ns FROM observations WHERE seq BETWEEN ? AND ? ORDER BY seq",
                (first, last),
            )
            return [
                SpanIdentity(seq=seq, trace_id=trace_id, span_id=span_id, start_ns=start_ns)
                for seq, trace_id, span_id, start_ns in rows
            ]

    def read_scores(self, destination: str, max_rows: int) -> list[tuple[int, ScoreRecord]]:
        """Return the oldest scores that a destination lacks, each with its number."""
        with self._connect(self._path) as connection:
            after = acked(connection, aliases.canonical(connection, destination), SCORE)
            rows = connection.execute(
                f"{_SELECT_SCORES} WHERE seq > ? ORDER BY seq LIMIT ?", (after, max_rows)
            ).fetchall()
        return [_score(row) for row in rows]

    def read_scores_between(self, first: int, last: int) -> list[tuple[int, ScoreRecord]]:
        """Return the scores from one number to another."""
        with self._connect(self._path) as connection:
            rows = connection.execute(f"{_SELECT_SCORES} WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last))
            return [_score(row) for row in rows]

    # What became of it.

    def note(self, destination: str, owner: str, first: int, last: int) -> bool:
        """Note that observations are about to be sent, so that they are asked for if no answer is ever seen.

        The lease is extended for the time of the request. Returns False, and notes nothing, where it is lost.
        """
        now = self._clock()
        with self._transaction() as connection:
            name = aliases.canonical(connection, destination)
            held = connection.execute(
                "UPDATE destinations SET lease_until = ? WHERE name = ? AND owner = ?",
                (now + LONGEST_LEASE_S, name, owner),
            ).rowcount
            if held:
                unconfirmed.note(connection, name, OBSERVATION, first, last, now)
        return bool(held)

    def forget_note(self, destination: str, first: int) -> None:
        """Take a note back: the request was not stored."""
        with self._transaction() as connection:
            name = aliases.canonical(connection, destination)
            unconfirmed.remove(connection, name, OBSERVATION, first, first)

    def park_noted(self, destination: str) -> bool:
        """Let the watermark pass the rows noted directly above it; they count as undelivered until they are confirmed.

        Returns whether there were any.
        """
        with self._connect(self._path) as connection:  # mostly there are none, and callers are not held up
            name = aliases.canonical(connection, destination)
            if unconfirmed.next_noted(connection, name, OBSERVATION, acked(connection, name, OBSERVATION)) is None:
                return False
        with self._transaction() as connection:
            name = aliases.canonical(connection, destination)
            after = acked(connection, name, OBSERVATION)
            noted = unconfirmed.next_noted(connection, name, OBSERVATION, after)
            if noted is None:
                return False
            row = connection.execute("SELECT min(seq) FROM observations WHERE seq > ?", (after,)).fetchone()
            if row[0] is not None and row[0] < noted[0]:
                return False
            unconfirmed.adopt(connection, name, OBSERVATION, noted[0])
            _advance(connection, OBSERVATION, name, noted[1])
        return True

    def parked(self, destination: str, kind: KindName) -> list[SentRange]:
        """Return the parked ranges of a destination, oldest first."""
        with self._connect(self._path) as connection:
            name, row_kind = aliases.canonical(connection, destination), kind_named(kind)
            return unconfirmed.parked(connection, name, row_kind, acked(connection, name, row_kind))

    def replace_parked(
        self,
        destination: str,
        kind: KindName,
        item: SentRange,
        remaining: Sequence[tuple[int, int]],
        *,
        sent: float,
        attempts: int,
    ) -> None:
        """Keep only some rows of a parked range parked.

        Args:
            destination: The destination.
            kind: The kind of its rows.
            item: The range; earlier calls may have divided it.
            remaining: The runs of its rows that are still not confirmed.
            sent: When those were last sent; 0 where they are known to be missing.
            attempts: How often they were sent.
        """
        ranges = [replace(item, first=first, last=last, sent=sent, attempts=attempts) for first, last in remaining]
        with self._transaction() as connection:
            name, row_kind = aliases.canonical(connection, destination), kind_named(kind)
            unconfirmed.remove(connection, name, row_kind, item.first, item.last)
            unconfirmed.put(connection, name, row_kind, ranges)

    def acknowledge(self, destination: str, upto_seq: int) -> None:
        """Record that a destination has all observations up to a number, those apart that are parked."""
        with self._transaction() as connection:
            name = aliases.canonical(connection, destination)
            after = acked(connection, name, OBSERVATION)
            unconfirmed.remove(connection, name, OBSERVATION, after + 1, upto_seq)
            _advance(connection, OBSERVATION, name, upto_seq)

    def acknowledge_scores(
        self,
        destination: str,
        upto_seq: int,
        *,
        refused: Sequence[tuple[int, str]] = (),
        later: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Record that a destination has all scores up to a number.

        Args:
            destination: The destination.
            upto_seq: The number.
            refused: Those that it refuses for good, each with the reason.
            later: The runs of those that it did not take now.
        """
        now = self._clock()
        with self._transaction() as connection:
            name = aliases.canonical(connection, destination)
            for first, last in later:
                unconfirmed.note(connection, name, SCORE, first, last, now)
            self._set_aside(connection, name, SCORE, refused)
            _advance(connection, SCORE, name, upto_seq)

    def set_aside(self, destination: str, kind: KindName, seq: int, reason: str) -> None:
        """Record that a destination refuses a row for good. The row stays in the store."""
        with self._transaction() as connection:
            name = aliases.canonical(connection, destination)
            self._set_aside(connection, name, kind_named(kind), [(seq, reason)])

    def _set_aside(
        self, connection: sqlite3.Connection, name: str, kind: RowKind, refused: Sequence[tuple[int, str]]
    ) -> None:
        connection.executemany(
            "INSERT OR REPLACE INTO set_aside (destination, kind, seq, reason, at) VALUES (?, ?, ?, ?, ?)",
            [(name, kind.name, seq, reason, self._clock()) for seq, reason in refused],
        )

    def send_again(self, destination: str, owner: str) -> int | None:
        """Have what a destination refused sent to it again; return how many rows that are.

        Returns None where another process delivers to it now.
        """
        if not all(self.lease(destination, owner, kind.name) for kind in KINDS):
            for kind in KINDS:
                self.release(destination, owner, kind.name)
            return None
        refused = 0
        with self._transaction() as connection:
            name = aliases.canonical(connection, destination)
            for kind in KINDS:
                upto = acked(connection, name, kind)
                rows = connection.execute(
                    f"SELECT seq FROM set_aside JOIN {kind.table} USING (seq) "  # noqa: S608 - our own names
                    "WHERE destination = ? AND kind = ? AND seq <= ? ORDER BY seq",
                    (name, kind.name, upto),
                ).fetchall()
                numbers = [row[0] for row in rows]
                refused += len(numbers)
                ranges = [
                    unconfirmed.SentRange(first=first, last=last, sent=0.0, since=self._clock(), attempts=0)
                    for first, last in unconfirmed.runs(_numbers_between(connection, kind, numbers), set(numbers))
                ]
                unconfirmed.put(connection, name, kind, ranges)
            connection.execute("DELETE FROM set_aside WHERE destination = ?", (name,))
        for kind in KINDS:
            self.release(destination, owner, kind.name)
        return refused

    # Whose it is.

    def project_of(self, destination: str) -> str | None:
        """Return the project that a destination was seen to be; None where its server was not asked yet."""
        with self._connect(self._path) as connection:
            return aliases.project_of(connection, destination)

    def unite(self, destination: str, *, unique_key: bool, project: str | None = None) -> None:
        """Keep the progress of all names of one destination together: see `aliases.unite` and `take_over`."""
        with self._transaction() as connection:
            aliases.unite(connection, destination, unique_key=unique_key, project=project)
            take_over(connection, destination, self._clock())

    def may_be_ahead(self, destination: str) -> bool:
        """Tell whether another Langfuse destination, which may be the same project, has rows that this one lacks."""
        parts = aliases.split_name(destination)
        if parts is None:
            return False
        with self._connect(self._path) as connection:
            own = aliases.canonical(connection, destination)
            upto = acked(connection, own, OBSERVATION)
            others = connection.execute(
                "SELECT count(*) FROM destinations WHERE name <> ? AND name LIKE ? AND acked > ?",
                (own, f"{parts.prefix.value}%", upto),
            )
            return bool(others.fetchone()[0])

    def lease(self, destination: str, owner: str, kind: KindName = "observation", *, for_s: float = LEASE_S) -> bool:
        """Take or renew the right to deliver rows to a destination; False where another living process has it."""
        now, row_kind = self._clock(), kind_named(kind)
        with self._transaction() as connection:
            name = aliases.canonical(connection, destination)
            connection.execute("INSERT OR IGNORE INTO destinations (name) VALUES (?)", (name,))
            holder, until = connection.execute(
                f"SELECT {row_kind.owner_column}, {row_kind.lease_column} FROM destinations WHERE name = ?",  # noqa: S608 - our own names
                (name,),
            ).fetchone()
            free = is_free(holder, until, owner=owner, now=now)
            if free:
                connection.execute(
                    f"UPDATE destinations SET {row_kind.owner_column} = ?, {row_kind.lease_column} = ? WHERE name = ?",  # noqa: S608 - our own names
                    (owner, now + for_s, name),
                )
        return free

    def release(self, destination: str, owner: str, kind: KindName = "observation") -> None:
        """Give the right to deliver back."""
        row_kind = kind_named(kind)
        with self._transaction() as connection:
            connection.execute(
                f"UPDATE destinations SET {row_kind.owner_column} = NULL, {row_kind.lease_column} = 0 "  # noqa: S608 - our own names
                f"WHERE name = ? AND {row_kind.owner_column} = ?",
                (aliases.canonical(connection, destination), owner),
            )


def _advance(connection: sqlite3.Connection, kind: RowKind, name: str, upto_seq: int) -> None:
    column = kind.acked_column
    connection.execute(
        f"INSERT INTO destinations (name, {column}) VALUES (?, ?) "  # noqa: S608 - our own names
        f"ON CONFLICT (name) DO UPDATE SET {column} = max({column}, excluded.{column})",
        (name, upto_seq),
    )


def _numbers_between(connection: sqlite3.Connection, kind: RowKind, numbers: Sequence[int]) -> list[int]:
    """Return the numbers of all rows from the first to the last of some."""
    if not numbers:
        return []
    statement = f"SELECT seq FROM {kind.table} WHERE seq BETWEEN ? AND ? ORDER BY seq"  # noqa: S608 - our own names
    return [row[0] for row in connection.execute(statement, (numbers[0], numbers[-1]))]


def _score(row: tuple[object, ...]) -> tuple[int, ScoreRecord]:
    seq, *values = row
    return int(seq), ScoreRecord(**by_column(SCORE_COLUMNS, tuple(values)))  # type: ignore[call-overload] # a row of the table
