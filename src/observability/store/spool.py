"""Keep observations and scores durably in one SQLite file that many processes and threads share.

A row is committed, on its caller's thread, before `append` returns: it survives `kill -9` (and, with sync="full", a
power cut). Rows are numbered in the order of their commits, so how far a destination has got is one number.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from src.observability.store.compression import compress
from src.observability.store.connections import BUSY_S
from src.observability.store.destination_names import accepted_by
from src.observability.store.file import is_busy
from src.observability.store.leases import lease_owner
from src.observability.store.ledger_records import insert_record
from src.observability.store.progress import Progress
from src.observability.store.queries import Queries
from src.observability.store.records import Batch, ScoreRecord, SpanRecord, Stats, TraceRow, TraceSummary
from src.observability.store.reused_connection import ReusedConnection
from src.observability.store.schema import SpoolError
from src.observability.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from src.observability.store.book_records import BookRow
    from src.observability.store.ledger_records import LedgerRecord
    from src.observability.store.records import Accepts
    from src.observability.store.row_kinds import KindName

__all__ = [
    "Batch", "ScoreRecord", "SpanRecord", "Spool", "SpoolError", "Stats", "TraceRow", "TraceSummary", "lease_owner",
]  # fmt: skip

_log = logging.getLogger("moondev.spool")
_DEFAULT_MAX_BYTES: Final = 2 * 1024**3
_FIRST_WAIT_S: Final = 0.25  # how long the start of tracing waits for a file that another process has locked


class Spool:
    """Open the store at `path`, creating folder (0700) and file (0600) where they are missing.

    Its work is done by three parts: the writer commits, the queries read, and the progress tracks what destinations
    have.

    Args:
        path: The SQLite file.
        sync: `normal` survives the end of the process, `full` a power cut, for a disk sync at each commit.
        max_bytes: The most that rows may take; the oldest go first, delivered ones before others.
        grace_s: How long after a notice that the limit comes near rows stay that exist only here or are not judged,
            even beyond the limit.
        clock: Seconds since 1970.
        retry_open: Where the file cannot be opened now, log why, and try again when there is something to store.

    Raises:
        SpoolError: the file cannot be opened, and `retry_open` is not set; the message says why.
    """

    def __init__(
        self,
        path: Path,
        *,
        sync: Literal["normal", "full"] = "normal",
        max_bytes: int = _DEFAULT_MAX_BYTES,
        grace_s: float = 0.0,
        clock: Callable[[], float] = time.time,
        retry_open: bool = False,
    ) -> None:
        self.path = Path(path).absolute()
        self._writer = Writer(self.path, sync=sync, max_bytes=max_bytes, grace_s=grace_s, clock=clock)
        self._reading = ReusedConnection(self.path)
        self._progress = Progress(self.path, self._writer.transaction, clock, self._reading.use)
        self._queries = Queries(self.path, self._reading.use)
        try:
            self._writer.open(_FIRST_WAIT_S if retry_open else BUSY_S)
        except SpoolError as error:
            if not retry_open:
                raise
            if is_busy(error):  # whoever stores something first waits for it
                return
            _log.error("Model calls are not recorded: %s It is tried again.", error)

    @property
    def problem(self) -> str | None:
        """Return why the file could not be opened when that was last tried; None where it could."""
        error = self._writer.open_error
        return None if error is None else str(error)

    @property
    def losses(self) -> int:
        """Return how many records this process lost that the file does not count yet."""
        return self._writer.losses

    def recover(self, error: sqlite3.DatabaseError) -> bool:
        """Begin a new file if an error of a reader means that this one is damaged; tell whether it does."""
        return self._writer.recover(error)

    def close(self) -> None:
        """Close the connections; a later append or read opens them again."""
        self._reading.close()
        self._writer.close()

    # Writing.

    def append(self, record: SpanRecord, *, is_patient: bool = False) -> None:
        """Store one observation; durable when this returns.

        Args:
            record: The observation.
            is_patient: Wait for as long as another process has the file locked, not only for the usual time.

        Raises:
            SpoolError: it could not be stored; it is counted in `losses`.
        """
        payload = compress(record.span)
        self._writer.commit(record if payload is record.span else replace(record, span=payload), is_patient=is_patient)

    def append_score(self, record: ScoreRecord, *, is_patient: bool = False) -> None:
        """Store one score; durable when this returns.

        Args:
            record: The score.
            is_patient: As for `append`.

        Raises:
            SpoolError: it could not be stored; it is counted in `losses`.
        """
        self._writer.commit(record, is_patient=is_patient)

    def append_ledger(self, record: LedgerRecord, *, is_patient: bool = False) -> None:
        """Store a record of the ledger; durable when this returns. A decision stays as it was stored first.

        Args:
            record: The record.
            is_patient: As for `append`.

        Raises:
            SpoolError: it could not be stored; it is counted in `losses`.
        """
        self._writer.commit(record, is_patient=is_patient)

    def append_ledger_rows(self, records: Sequence[LedgerRecord]) -> None:
        """Store many records of the ledger in one transaction: all of them or none.

        Raises:
            SpoolError: they could not be stored.
        """
        try:
            with self._writer.transaction() as connection:
                for record in records:
                    insert_record(connection, record)
        except sqlite3.Error as error:
            raise SpoolError(f"the trace store {self.path} could not be written: {error}") from error

    def append_book_rows(self, rows: Sequence[BookRow], *, after: dict[str, int]) -> None:
        """Store rows of paper books in one transaction: all of them or none.

        Args:
            rows: The rows.
            after: The number of each book's last event, as the rows were made from it.

        Raises:
            BookChangedError: another process has written to the book meanwhile.
            SpoolError: they could not be stored.
        """
        from src.observability.store.book_queries import append

        try:
            with self._writer.transaction() as connection:
                append(connection, rows, after=after)
        except sqlite3.Error as error:
            raise SpoolError(f"the trace store {self.path} could not be written: {error}") from error

    def count_loss(self) -> None:
        """Count an observation that was lost on its way here."""
        self._writer.count_loss()

    # Reading.

    def trace(self, trace_id: str) -> list[TraceRow]:
        """Return the observations of the trace whose id begins with `trace_id`, in the order they ended.

        Raises:
            ValueError: several traces begin so.
        """
        return self._queries.trace(trace_id)

    def traces(self, limit: int = 20) -> list[TraceSummary]:
        """Return the newest traces, newest first (looks at the last 50,000 observations)."""
        return self._queries.traces(limit)

    def rows_after(self, seq: int, limit: int = 500) -> list[TraceRow]:
        """Return the observations stored after a number, oldest first."""
        return self._queries.rows_after(seq, limit)

    def last_seq(self) -> int:
        """Return the number of the newest observation, 0 where there is none."""
        return self._queries.last_seq()

    def stats(self) -> Stats:
        """Return how much is stored, undelivered, set aside and lost."""
        return self._queries.stats(self.losses)

    def undelivered(self) -> dict[str, int]:
        """Return how many observations and scores each destination lacks, of those that it accepts."""
        return self._queries.undelivered()

    def refused_count(self) -> int:
        """Return how many rows destinations refused for good."""
        return self._queries.refused_count()

    def total_losses(self) -> int:
        """Return how many records were lost: by this process, and by all that recorded losses in the file."""
        return self.losses + self._queries.recorded_losses()

    # Delivering.

    def pending(self, destination: str, accepts: Accepts | None = None, *, patience_s: float = BUSY_S) -> int:
        """Return how many observations and scores a destination lacks, of those that it accepts.

        Args:
            destination: Its name.
            accepts: What to count; where it is not set, what the name says that the destination accepts.
            patience_s: How long to wait for a locked file.
        """
        accepts = accepted_by(destination) if accepts is None else accepts
        return self._queries.pending(destination, accepts, patience_s)

    def read_batch(self, destination: str, max_rows: int = 512, max_bytes: int = 3_000_000) -> Batch:
        """Return the oldest observations that a destination lacks; at least one where there is any.

        Raises:
            DamagedSpan: the first of them is damaged. Where a later one is, the batch ends before it.
        """
        return self._progress.read_batch(destination, max_rows, max_bytes)

    def read_scores(self, destination: str, max_rows: int = 100) -> list[tuple[int, ScoreRecord]]:
        """Return the oldest scores that a destination lacks, each with its number."""
        return self._progress.read_scores(destination, max_rows)

    def acknowledge(self, destination: str, upto_seq: int) -> None:
        """Record that a destination has all observations up to a number, those apart that are parked."""
        self._progress.acknowledge(destination, upto_seq)

    def acknowledge_scores(self, destination: str, upto_seq: int) -> None:
        """Record that a destination has all scores up to a number, those apart that are parked."""
        self._progress.acknowledge_scores(destination, upto_seq)

    def set_aside(self, destination: str, kind: KindName, seq: int, reason: str) -> None:
        """Record that a destination refuses a row for good. The row stays in the store."""
        self._progress.set_aside(destination, kind, seq, reason)

    def send_again(self, destination: str, owner: str) -> int | None:
        """Have what a destination refused sent to it again; return how many rows that are.

        Returns None where another process delivers to it now.
        """
        return self._progress.send_again(destination, owner)

    def stored_name(self, destination: str) -> str:
        """Return the name under which a destination's progress is kept: the first one that its project had."""
        return self._queries.stored_name(destination)

    def lease(self, destination: str, owner: str, kind: KindName = "observation") -> bool:
        """Take or renew the right to deliver rows to a destination; False where another living process has it."""
        return self._progress.lease(destination, owner, kind)

    def release(self, destination: str, owner: str, kind: KindName = "observation") -> None:
        """Give the right to deliver back."""
        self._progress.release(destination, owner, kind)

    @property
    def progress(self) -> Progress:
        """Return what tracks the destinations, for those who deliver to them."""
        return self._progress
