"""Hand out what destinations lack, note what they have, and let one process at a time deliver."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from src.observability.store.compression import DamagedSpan, unpacked
from src.observability.store.queries import Reading
from src.observability.store.records import Batch, ScoreRecord
from src.observability.store.size_limit import delivered_upto

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

_LEASE_S: Final = 30.0


class Delivery(Reading):
    """Keep for each destination how far it has got, and who delivers to it."""

    _clock: Callable[[], float]
    _lock: threading.Lock
    _connection: sqlite3.Connection | None

    def _begin(self) -> sqlite3.Connection:
        raise NotImplementedError

    def read_batch(self, destination: str, max_rows: int = 512, max_bytes: int = 3_000_000) -> Batch:
        """Return the oldest observations that a destination lacks; at least one where there is any.

        Raises:
            DamagedSpan: the first of them is damaged; what precedes one is returned without it.
        """
        rows: list[tuple[int, bytes, bytes]] = []
        size, more = 0, False
        with self._reader() as connection:
            found = connection.execute(
                "SELECT o.seq, e.body, p.span FROM observations o JOIN payloads p USING (seq) "
                "JOIN envelopes e ON e.id = o.envelope WHERE o.seq > ? ORDER BY o.seq LIMIT ?",
                (self._acked(connection, destination, "acked"), max_rows),
            )
            for seq, envelope, kept in found:
                try:
                    span = unpacked(kept)
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
                rows.append((seq, envelope, span))
        return Batch(tuple(rows), more or len(rows) == max_rows)

    def read_scores(self, destination: str, max_rows: int = 100) -> list[tuple[int, ScoreRecord]]:
        """Return the oldest scores that a destination lacks, each behind its number."""
        with self._reader() as connection:
            found = connection.execute(
                f"SELECT seq, {', '.join(ScoreRecord.__slots__)} FROM scores WHERE seq > ? ORDER BY seq LIMIT ?",  # noqa: S608 - our own names
                (self._acked(connection, destination, "scores_acked"), max_rows),
            ).fetchall()
        return [(row[0], ScoreRecord(*row[1:])) for row in found]

    def acknowledge(self, destination: str, upto_seq: int) -> None:
        """Note that a destination has all observations up to a number."""
        self._advance("acked", destination, upto_seq)

    def acknowledge_scores(self, destination: str, upto_seq: int) -> None:
        """Note that a destination has all scores up to a number."""
        self._advance("scores_acked", destination, upto_seq)

    def _advance(self, column: str, destination: str, upto_seq: int) -> None:
        self._execute(
            f"INSERT INTO destinations (name, {column}) VALUES (?, ?) "  # noqa: S608 - our own names
            f"ON CONFLICT (name) DO UPDATE SET {column} = max({column}, excluded.{column})",
            (destination, upto_seq),
        )

    def set_aside(self, destination: str, kind: Literal["observation", "score"], seq: int, reason: str) -> None:
        """Note that a destination refuses a row for good. The row stays in the store."""
        self._execute(
            "INSERT OR REPLACE INTO set_aside VALUES (?, ?, ?, ?, ?)", (destination, kind, seq, reason, self._clock())
        )

    def send_again(self, destination: str, owner: str) -> int | None:
        """Have a destination be sent once more what it refused for good; return how many rows those were.

        Returns None where another process is delivering to it now. What was stored after the first of them is sent
        again too, under the ids that it has.
        """
        if not self.lease(destination, owner):
            return None
        refused = 0
        with self._writing() as connection:
            for kind, column in (("observation", "acked"), ("score", "scores_acked")):
                count, first = connection.execute(
                    "SELECT count(*), min(seq) FROM set_aside WHERE destination = ? AND kind = ?", (destination, kind)
                ).fetchone()
                if count:
                    refused += count
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
        with self._writing() as connection:
            connection.execute("INSERT OR IGNORE INTO destinations (name) VALUES (?)", (destination,))
            held, until = connection.execute(
                "SELECT owner, lease_until FROM destinations WHERE name = ?", (destination,)
            ).fetchone()
            # One that ends later than any can was taken before the clock was set back.
            over = not now <= until <= now + _LEASE_S
            free = held in (None, owner) or over or not _lives(held)
            if free:
                connection.execute(
                    "UPDATE destinations SET owner = ?, lease_until = ? WHERE name = ?",
                    (owner, now + _LEASE_S, destination),
                )
        return bool(free)

    def release(self, destination: str, owner: str) -> None:
        """Give the right to deliver back."""
        self._execute(
            "UPDATE destinations SET owner = NULL, lease_until = 0 WHERE name = ? AND owner = ?", (destination, owner)
        )

    def _execute(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._writing() as connection:
            connection.execute(statement, values)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Have the block in one transaction."""
        with self._lock:
            connection = self._begin()
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _undelivered_anywhere(self) -> int:
        """Return how many rows some destination lacks, as far as the connection that writes can see its file."""
        connection, count = self._connection, 0
        if connection is None:
            return 0
        for kind, table in (("observation", "observations"), ("score", "scores")):
            with contextlib.suppress(sqlite3.Error):
                upto = delivered_upto(connection, kind)
                if upto is None:
                    continue
                count += connection.execute(f"SELECT count(*) FROM {table} WHERE seq > ?", (upto,)).fetchone()[0]  # noqa: S608 - our own names
        return count


def _lives(owner: str) -> bool:
    """Tell whether the process that took a lease is alive; one on another host is taken to be."""
    host, _, pid = owner.partition("|")
    number = pid.partition("|")[0]
    if host != _host() or not number.isdecimal():
        return True
    try:
        os.kill(int(number), 0)
        # One that was killed stays in the list until its parent asks for its exit code.
        return Path(f"/proc/{number}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except (OSError, IndexError):
        return True


def _host() -> str:
    import socket

    return socket.gethostname()


def lease_owner() -> str:
    """Return a name for this process and use: host, process id, and something that no other has."""
    return f"{_host()}|{os.getpid()}|{os.urandom(4).hex()}"
