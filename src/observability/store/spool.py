"""Keep observations and scores durably in one SQLite file that many processes and threads share.

A row is committed, on its caller's thread, before `append` returns: it survives `kill -9` (and, with sync="full",
power loss). Rows are numbered in the order of their commits, so how far a destination has got is one number.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from src.observability.store import forks
from src.observability.store.compression import packed
from src.observability.store.file import StoreFile, is_busy, is_corrupt
from src.observability.store.progress import Delivery, lease_owner
from src.observability.store.queries import BUSY_S
from src.observability.store.records import COLUMNS, Batch, ScoreRecord, SpanRecord, Stats, TraceRow, TraceSummary
from src.observability.store.salvage import Salvage
from src.observability.store.schema import SpoolError
from src.observability.store.size_limit import Limit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "Batch", "ScoreRecord", "SpanRecord", "Spool", "SpoolError", "Stats", "TraceRow", "TraceSummary", "lease_owner",
]  # fmt: skip

_log = logging.getLogger("moondev.spool")
_IMPATIENT_S = 0.1  # for a lock that was not had in time before, until it is had again
_TRY_AGAIN_S = 1.0  # to open a file that could not be opened
_CHECKPOINT_EVERY_BYTES = 8_000_000  # of spans: then what the log holds is moved into the file, in the background
_ROW_BYTES = 12_000  # about what a commit writes besides the span: pages of rows and of the index
_LONG_LOG_BYTES = 32_000_000
_DEFAULT_MAX_BYTES = 2 * 1024**3


_INSERT = f"INSERT INTO observations ({', '.join(COLUMNS)}, envelope) VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"  # noqa: S608 - our own names
_INSERT_SCORE = (
    f"INSERT INTO scores ({', '.join(ScoreRecord.__slots__)}) VALUES ({', '.join('?' * len(ScoreRecord.__slots__))})"  # noqa: S608 - our own names
)


class _Ticket:
    """Wait for one record's commit, which another thread may do."""

    __slots__ = ("done", "failure", "record")

    def __init__(self, record: SpanRecord | ScoreRecord) -> None:
        self.record = record
        self.done = False
        self.failure: BaseException | None = None


class Spool(Delivery):
    """Open the store at `path`, making folder (0700) and file (0600) where they are missing.

    Args:
        path: The SQLite file.
        sync: `normal` survives the end of the process, `full` the loss of power, for a disk sync at each commit.
        max_bytes: The most that rows may take; the oldest go first, delivered ones before others.
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
        clock: Callable[[], float] = time.time,
        retry_open: bool = False,
    ) -> None:
        self.path = Path(path).absolute()
        self.losses = 0
        self._max_bytes = max_bytes
        self._clock = clock
        self._file = StoreFile(self.path, sync, clock)
        self._queue: deque[_Ticket] = deque()
        self._lock = threading.Lock()
        self._envelopes: dict[bytes, int] = {}
        self._limit = Limit(self.path, max_bytes)
        self._log_bytes = 0
        self._impatient = False
        self._shut: tuple[float, SpoolError] | None = None
        self._abandoned: list[sqlite3.Connection] = []
        self._connection: sqlite3.Connection | None = None
        self._locked_for_fork = False
        forks.watch(self)
        try:
            self._writer()
        except SpoolError as error:
            if not retry_open:
                raise
            _log.error("Model calls are not recorded: %s It is tried again.", error)

    @property
    def problem(self) -> str | None:
        """Say why the file could not be opened when that was last tried; None where it could."""
        return None if self._shut is None else str(self._shut[1])

    # Opening.

    def _writer(self) -> sqlite3.Connection:
        """Return the connection that writes, to the file that is at the path now."""
        if self._connection is not None and (trouble := self._file.trouble()):
            self._leave(trouble)
        if self._connection is None:
            self._connection = self._opened()
        return self._connection

    def _opened(self) -> sqlite3.Connection:
        if self._shut is not None and time.monotonic() < self._shut[0]:
            raise self._shut[1]
        try:
            connection = self._file.open(_IMPATIENT_S if self._impatient or self._shut else BUSY_S)
        except Exception as error:
            told = error if isinstance(error, SpoolError) else SpoolError(f"{self.path} cannot be opened: {error}.")
            self._shut = (time.monotonic() + _TRY_AGAIN_S, told)
            raise told from error
        if self._shut is not None:
            _log.warning("The trace store %s can be opened again.", self.path)
        self._shut = None
        self._envelopes.clear()  # it may be another file than before
        return connection

    def _leave(self, trouble: str) -> None:
        """Turn away from a file that was moved, deleted or emptied by somebody else."""
        lost = self._undelivered_anywhere()
        self.losses += lost
        self._disconnect()
        if trouble == "emptied":
            self._file.keep_aside("somebody has emptied it")
        else:
            _log.error("The trace store %s was moved or deleted; a new one begins.", self.path)
        if lost:
            _log.error("%d observations and scores that were not delivered are gone with it.", lost)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._envelopes.clear()

    def recover(self, error: sqlite3.DatabaseError) -> bool:
        """Begin a new file where a reader found this one damaged; False where it is not."""
        if not is_corrupt(error):
            return False
        with self._lock:
            self._replace_damaged(str(error))
        return True

    def _replace_damaged(self, why: str) -> None:
        """Keep the damaged file, begin a new one, and move over, in the background, what can still be read."""
        self._disconnect()
        kept = self._file.keep_aside(why)
        if kept is not None:
            with contextlib.suppress(RuntimeError):  # the interpreter is shutting down: it can be done by hand
                threading.Thread(target=self._salvage, args=(kept,), name="spool-salvage", daemon=True).start()

    def _salvage(self, kept: Path) -> None:
        salvage, moved = Salvage(kept), 0
        try:
            for part in salvage.parts():
                with self._lock:
                    self._transaction(part)
                moved += len(part)
        except (SpoolError, sqlite3.Error) as error:
            _log.error("What is in %s was not moved to the new store: %s", kept.name, error)
        with self._lock:
            self.losses += salvage.unreadable
        _log.error(
            "%d observations and scores that somebody still lacks were moved from %s; %s cannot be read and are lost.",
            moved, kept.name, salvage.unreadable if salvage.complete else "an unknown number of others",
        )  # fmt: skip

    def before_fork(self) -> None:
        """Close the connection for the time of a fork: SQLite's must not cross it."""
        self._locked_for_fork = forks.taken(self._lock)
        if self._locked_for_fork and self._connection is not None:
            self._connection.close()
            self._connection = None

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; the next append opens a connection. In a child no other thread is waiting for a commit."""
        if not in_child:
            if self._locked_for_fork:
                self._lock.release()
            return
        if self._connection is not None:  # it was in use for too long: forget it without closing it
            self._abandoned.append(self._connection)
            self._connection = None
        self._lock = threading.Lock()
        self._queue = deque()
        self.losses = 0  # the parent's, which it notes itself

    def close(self) -> None:
        """Close the connection; a later append opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def count_loss(self) -> None:
        """Count an observation that was lost on its way here."""
        with self._lock:
            self.losses += 1

    # Writing.

    def append(self, record: SpanRecord) -> None:
        """Store one observation; durable when this returns.

        Raises:
            SpoolError: it could not be stored; it is counted in `losses`.
        """
        kept = packed(record.span)
        self._commit(record if kept is record.span else replace(record, span=kept))

    def append_score(self, record: ScoreRecord) -> None:
        """Store one score; durable when this returns.

        Raises:
            SpoolError: it could not be stored; it is counted in `losses`.
        """
        self._commit(record)

    def _commit(self, record: SpanRecord | ScoreRecord) -> None:
        """Commit a record, together with those of threads that are waiting: one commit serves them all."""
        ticket = _Ticket(record)
        self._queue.append(ticket)
        with self._lock:
            if not ticket.done:
                self._write_queue()
        if ticket.failure is not None:
            said = f"the trace store {self.path} could not be written: {ticket.failure}"
            raise SpoolError(
                str(ticket.failure) if isinstance(ticket.failure, SpoolError) else said
            ) from ticket.failure

    def _write_queue(self) -> None:
        tickets = []
        while self._queue:
            tickets.append(self._queue.popleft())
        try:
            self._write([ticket.record for ticket in tickets])
        except (SpoolError, sqlite3.DatabaseError) as error:
            if len(tickets) > 1 and isinstance(error, sqlite3.IntegrityError):
                self._write_apart(tickets)
            else:
                self._fail(tickets, error)
        except Exception as error:  # noqa: BLE001 - handed to the record's own caller
            if len(tickets) > 1:
                self._write_apart(tickets)
            else:
                self._fail(tickets, error)
        except BaseException:  # Ctrl-C in this thread: those who wait do it themselves
            self._queue.extendleft(reversed(tickets))
            raise
        for ticket in tickets:
            ticket.done = True

    def _write_apart(self, tickets: Sequence[_Ticket]) -> None:
        """Write each record by itself: one that SQLite cannot take must not cost the others."""
        for ticket in tickets:
            try:
                self._write([ticket.record])
            except Exception as error:  # noqa: BLE001 - as above
                self._fail([ticket], error)

    def _fail(self, tickets: Sequence[_Ticket], error: Exception) -> None:
        self.losses += len(tickets)
        for ticket in tickets:
            ticket.failure = error

    def _write(self, records: Sequence[SpanRecord | ScoreRecord]) -> None:
        try:
            self._transaction(records)
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            self._replace_damaged(str(error))
            self._transaction(records)
        if self._limit.due:
            self._keep_within_limit()
        if self._log_bytes >= min(_CHECKPOINT_EVERY_BYTES, self._max_bytes // 4):
            self._log_bytes = 0
            with contextlib.suppress(RuntimeError):  # the interpreter is shutting down
                threading.Thread(target=self._checkpoint, name="spool-checkpoint", daemon=True).start()

    def _checkpoint(self) -> None:
        """Move the log into the file, on a connection of its own; writers go on meanwhile.

        A log is written from its beginning again once all of it was moved, which busy writers keep from happening: when
        it is long, they wait while the little is moved that came in between.
        """
        log = self.path.with_name(self.path.name + "-wal")
        try:
            with self._reader() as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                if log.stat().st_size > min(_LONG_LOG_BYTES, self._max_bytes // 2):
                    with self._lock:
                        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except (sqlite3.Error, OSError) as error:
            _log.debug("The trace store's log was not moved: %s", error)  # a later commit does it

    def _transaction(self, records: Sequence[SpanRecord | ScoreRecord]) -> None:
        connection = self._begin()
        try:
            for record in records:
                if isinstance(record, SpanRecord):
                    self._insert(connection, record)
                else:
                    connection.execute(_INSERT_SCORE, astuple(record))
                    self._limit.add(0)
            noted = _note(connection, self.losses)
            connection.execute("COMMIT")
        except BaseException:
            self._envelopes.clear()
            _roll_back(connection)
            raise
        self.losses -= noted

    def _begin(self) -> sqlite3.Connection:
        """Begin a transaction. Who did not get the lock in time waits only briefly, until it is to be had again."""
        connection = self._writer()
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if is_busy(error) and not self._impatient:
                self._impatient = True
                connection.execute(f"PRAGMA busy_timeout = {int(_IMPATIENT_S * 1000)}")
            raise
        if self._impatient:
            self._impatient = False
            connection.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")
        return connection

    def _insert(self, connection: sqlite3.Connection, r: SpanRecord) -> None:
        envelope = self._envelopes.get(r.envelope)
        if envelope is None:
            connection.execute("INSERT OR IGNORE INTO envelopes (body) VALUES (?)", (r.envelope,))
            found = connection.execute("SELECT id FROM envelopes WHERE body = ?", (r.envelope,)).fetchone()
            envelope = self._envelopes[r.envelope] = int(found[0])
        cursor = connection.execute(
            _INSERT,
            (
                r.trace_id, r.span_id, r.parent_span_id, r.name, r.type, r.start_ns, r.end_ns, r.level,
                r.status_message, r.provider, r.model, r.agent, r.session_id, r.error_category, r.input_tokens,
                r.output_tokens, r.cost_usd, envelope,
            ),
        )  # fmt: skip
        connection.execute("INSERT INTO payloads (seq, span) VALUES (?, ?)", (cursor.lastrowid, r.span))
        self._log_bytes += len(r.span) + _ROW_BYTES
        self._limit.add(len(r.span))

    def _keep_within_limit(self) -> None:
        """Drop the oldest rows where the file is too large: delivered ones first, others loudly."""
        connection = self._connection
        if connection is None:
            return
        try:
            connection.execute("BEGIN IMMEDIATE")
            dropped = self._limit.drop(connection)
            _note(connection, dropped.undelivered if dropped else 0)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(connection)
            _log.warning("The trace store %s could not be kept within its limit: %s", self.path, error)
            return
        if dropped is not None:
            self._limit.say(dropped)


def _note(connection: sqlite3.Connection, losses: int) -> int:
    """Write down how many were lost, inside a transaction; return that number."""
    if losses:
        connection.execute(
            "INSERT INTO counters VALUES ('losses', ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            (losses,),
        )
    return losses


def _roll_back(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
