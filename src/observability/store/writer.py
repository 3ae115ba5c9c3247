"""Write to the store's file on one connection: threads commit in groups, and the file is replaced where it must be.

Rows are committed on their caller's thread. The thread that has the lock writes what all waiting threads brought, so
that one commit serves them all.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from dataclasses import astuple
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from src.observability.store import background, checkpoints, forks
from src.observability.store.connections import BUSY_S, insert, roll_back
from src.observability.store.file import StoreFile, is_busy, is_corrupt
from src.observability.store.ledger_records import insert_record
from src.observability.store.losses import record_losses
from src.observability.store.observation_inserts import observation_insert
from src.observability.store.records import SCORE_COLUMNS, ScoreRecord, SpanRecord
from src.observability.store.salvage import Salvage, continue_trail, trail_of
from src.observability.store.schema import SpoolError
from src.observability.store.size_limit import SizeLimit
from src.observability.store.tickets import IMPATIENT_S, Ticket, longest_wait_s
from src.observability.store.unconfirmed import last_number, note_moved
from src.observability.store.watermarks import undelivered_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from src.observability.store.tickets import StoredRecord

_log = logging.getLogger("moondev.spool")
_RETRY_OPEN_S: Final = 1.0
_PAUSE_S: Final = 0.05  # between two tries of a record that can be brought again
_CHECKPOINT_EVERY_BYTES: Final = 8_000_000  # of spans; then the log is moved into the file, in the background
_COMMIT_BYTES: Final = 12_000  # about what a commit writes besides the span: pages of rows and of the index

_INSERT_SCORE: Final = f"INSERT INTO scores ({', '.join(SCORE_COLUMNS)}) VALUES ({', '.join('?' * len(SCORE_COLUMNS))})"  # noqa: S608 - our own names


class Writer:
    """The connection that writes to one store.

    Args:
        path: The SQLite file, absolute.
        sync: `normal` survives the end of the process, `full` a power cut, for a disk sync at each commit.
        max_bytes: The most that rows may take.
        grace_s: How long rows stay beyond it after a notice that exist only here or are not judged.
        clock: Seconds since 1970.

    Attributes:
        connection: The open connection; None where it is opened at the next write.
        lock: Held by the thread that uses the connection.
        losses: How many records this process lost that the file does not count yet.
        open_error: Why the file could not be opened when that was last tried; None where it could.
    """

    def __init__(
        self, path: Path, *, sync: Literal["normal", "full"], max_bytes: int, grace_s: float, clock: Callable[[], float]
    ) -> None:
        self.path = path
        self.losses = 0
        self.lock = threading.Lock()
        self.connection: sqlite3.Connection | None = None
        self.open_error: SpoolError | None = None
        self._max_bytes = max_bytes
        self._file = StoreFile(path, sync, clock, self._see_to)
        self._queue: deque[Ticket] = deque()
        self._envelopes: dict[bytes, int] = {}
        self._limit = SizeLimit(path, max_bytes, grace_s=grace_s, clock=clock)
        self._uncheckpointed_bytes = 0
        self._impatient = False
        self._busy_s = BUSY_S  # how long the connection waits for a lock of another process
        self._retry_open_at = 0.0
        self._abandoned: list[sqlite3.Connection] = []
        self._locked_for_fork = False
        self._trail: str | None = None  # of a damaged file, which the new one goes on with
        forks.watch(self)

    # The connection.

    def open(self, patience_s: float = BUSY_S) -> sqlite3.Connection:
        """Return a connection to the file that is at the path now. Callers hold the lock, except for the first one.

        Args:
            patience_s: How long to wait where another process has locked the file.

        Raises:
            SpoolError: the file cannot be opened; the message says why.
        """
        if self.connection is not None and (trouble := self._file.trouble()):
            self._leave(trouble)
        if self.connection is None:
            self.connection = self._connect(patience_s)
        return self.connection

    def _connect(self, patience_s: float) -> sqlite3.Connection:
        if self.open_error is not None and time.monotonic() < self._retry_open_at:
            raise self.open_error
        self._busy_s = IMPATIENT_S if self._impatient or self.open_error else patience_s
        try:
            connection = self._file.open(self._busy_s)
        except Exception as error:
            if patience_s < BUSY_S and is_busy(error):
                raise  # another process has it for now: whoever needs it next waits longer, or tries again
            reason = error if isinstance(error, SpoolError) else SpoolError(f"{self.path} cannot be opened: {error}.")
            self.open_error, self._retry_open_at = reason, time.monotonic() + _RETRY_OPEN_S
            raise reason from error
        if self._trail is not None:
            continue_trail(connection, self._trail)
            self._trail = None
        if self.open_error is not None:
            _log.warning("The trace store %s can be opened again.", self.path)
        self.open_error = None
        self._envelopes.clear()  # it may be another file than before
        return connection

    def _disconnect(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None
        self._envelopes.clear()

    def close(self) -> None:
        """Close the connection; the next write opens it again."""
        with self.lock:
            self._disconnect()

    def _leave(self, trouble: str) -> None:
        """Give up a file that was moved, deleted or emptied by another program; count what was lost with it."""
        lost = 0 if self.connection is None else undelivered_rows(self.connection)
        self.losses += lost
        self._disconnect()
        if trouble == "emptied":
            self._file.set_aside("somebody has emptied it")
        else:
            _log.error("The trace store %s was moved or deleted; a new one begins.", self.path)
        if lost:
            _log.error("%d observations and scores that were not delivered are gone with it.", lost)

    def recover(self, error: sqlite3.DatabaseError) -> bool:
        """Begin a new file if an error of a reader means that this one is damaged; tell whether it does."""
        if not is_corrupt(error):
            return False
        with self.lock:
            try:
                self._replace_damaged(str(error))
                self.open()  # so that what is spent of budgets is in the new file when this returns
            except SpoolError as refusal:  # no store of ours: it stays, and writing to it is refused with an error
                _log.debug("%s", refusal)
                return False
        return True

    def _see_to(self, error: sqlite3.DatabaseError) -> bool:
        """Replace a file that could not be opened, since it is damaged. Callers hold the lock."""
        self._replace_damaged(str(error))
        return True

    def _replace_damaged(self, reason: str) -> None:
        """Set the damaged file aside, and move what can be read of it into a new one, in the background."""
        self._disconnect()
        damaged = self._file.set_aside(reason)
        if damaged is not None:
            self._trail = trail_of(damaged)
            with contextlib.suppress(RuntimeError):  # the interpreter is shutting down: it can be done by hand
                threading.Thread(target=self._salvage, args=(damaged,), name="spool-salvage", daemon=True).start()

    def _salvage(self, damaged: Path) -> None:
        salvage, moved = Salvage(damaged), 0
        try:
            with self.lock:
                self.open()  # even where nothing is moved, so that who reads finds a store
            for part in salvage.parts():
                with self.lock:
                    self._commit_records(part, moved_at=time.time())
                moved += len(part)
        except (SpoolError, sqlite3.Error) as error:
            _log.error("What is in %s was not moved to the new store: %s", damaged.name, error)
        with self.lock:
            self.losses += salvage.unreadable
        _log.error(
            "%d observations and scores that somebody still lacks were moved from %s; %s cannot be read and are lost.",
            moved, damaged.name, salvage.unreadable if salvage.complete else "an unknown number of others",
        )  # fmt: skip

    def before_fork(self) -> None:
        """Close the connection for the time of a fork: an SQLite connection must not cross it."""
        self._locked_for_fork = forks.acquire(self.lock)
        if self._locked_for_fork:
            self._disconnect()

    def after_fork(self, *, in_child: bool) -> None:
        """Allow writing again. In a child no other thread exists that waits for a commit."""
        if not in_child:
            if self._locked_for_fork:
                self.lock.release()
            return
        if self.connection is not None:  # a thread of the parent used it for too long: drop it without closing it
            self._abandoned.append(self.connection)
            self.connection = None
        self.lock = threading.Lock()
        self._queue = deque()
        self.losses = 0  # the parent records its own

    # Writing.

    def count_loss(self) -> None:
        """Count a record that was lost on its way here."""
        with self.lock:
            self.losses += 1

    def commit(self, record: StoredRecord, *, is_patient: bool = False) -> None:
        """Commit a record, together with those of threads that are waiting.

        Args:
            record: What to store.
            is_patient: Try again for as long as another process has the file locked, and leave the connection to
                others in between. Otherwise the record is lost after the usual wait for a lock.

        Raises:
            SpoolError: it could not be stored; it is counted in `losses`.
        """
        while True:
            ticket = Ticket(record, is_patient=is_patient)
            self._queue.append(ticket)
            with self.lock:
                if not ticket.done:
                    self._write_queue()
            if ticket.failure is None:
                return
            if not is_patient or not is_busy(ticket.failure):
                break
            if background.is_ending():
                self.count_loss()
                break
            time.sleep(_PAUSE_S)
        if isinstance(ticket.failure, SpoolError):
            raise SpoolError(str(ticket.failure)) from ticket.failure
        raise SpoolError(f"the trace store {self.path} could not be written: {ticket.failure}") from ticket.failure

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block in one transaction of the connection: commit at its end, roll back where it raises."""
        with self.lock:
            connection = self._begin()
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                roll_back(connection)
                raise

    def _write_queue(self) -> None:
        tickets = []
        while self._queue:
            tickets.append(self._queue.popleft())
        try:
            self._write([ticket.record for ticket in tickets], longest_wait_s(tickets))
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
        except BaseException:  # Ctrl-C in this thread: the waiting threads write their records themselves
            self._queue.extendleft(reversed(tickets))
            raise
        for ticket in tickets:
            ticket.done = True

    def _write_apart(self, tickets: Sequence[Ticket]) -> None:
        """Write each record in a transaction of its own, so that one that SQLite cannot take costs no other."""
        for ticket in tickets:
            try:
                self._write([ticket.record], longest_wait_s([ticket]))
            except Exception as error:  # noqa: BLE001 - handed to the record's own caller
                self._fail([ticket], error)

    def _fail(self, tickets: Sequence[Ticket], error: Exception) -> None:
        for ticket in tickets:
            ticket.failure = error
            if not (ticket.is_patient and is_busy(error)):
                self.losses += 1

    def _write(self, records: Sequence[StoredRecord], patience_s: float) -> None:
        try:
            self._commit_records(records, patience_s)
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            self._replace_damaged(str(error))
            self._commit_records(records)
        if self._limit.is_due:
            self._enforce_limit()
        if self._uncheckpointed_bytes >= min(_CHECKPOINT_EVERY_BYTES, self._max_bytes // 4):
            self._uncheckpointed_bytes = 0
            with contextlib.suppress(RuntimeError):  # the interpreter is shutting down
                move = partial(checkpoints.move_log, self.path, self.lock, self._max_bytes // 2)
                threading.Thread(target=move, name="spool-checkpoint", daemon=True).start()

    def _commit_records(
        self,
        records: Sequence[StoredRecord],
        patience_s: float = BUSY_S,
        *,
        moved_at: float | None = None,
    ) -> None:
        """Commit records; those that were moved from a damaged store are noted, as they may have been delivered."""
        connection = self._begin(patience_s)
        try:
            before = last_number(connection) if moved_at is not None else 0
            for record in records:
                if isinstance(record, SpanRecord):
                    self._insert(connection, record)
                elif isinstance(record, ScoreRecord):
                    insert(connection, _INSERT_SCORE, astuple(record))
                    self._limit.add(0)
                else:
                    insert_record(connection, record)
            if moved_at is not None:
                note_moved(connection, before, moved_at)
            recorded = record_losses(connection, self.losses)
            connection.execute("COMMIT")
        except BaseException:
            self._envelopes.clear()
            roll_back(connection)
            raise
        self.losses -= recorded

    def _begin(self, patience_s: float = BUSY_S) -> sqlite3.Connection:
        """Begin a transaction.

        After a lock could not be had in time, later transactions wait for it only briefly, until it can be had again.
        """
        connection = self.open(patience_s)
        self._set_busy_s(connection, IMPATIENT_S if self._impatient else patience_s)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if is_busy(error) and patience_s == BUSY_S:
                self._impatient = True
                self._set_busy_s(connection, IMPATIENT_S)
            raise
        if self._impatient:
            self._impatient = False
            self._set_busy_s(connection, BUSY_S)
        return connection

    def _set_busy_s(self, connection: sqlite3.Connection, seconds: float) -> None:
        if seconds != self._busy_s:
            connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
            self._busy_s = seconds

    def _insert(self, connection: sqlite3.Connection, record: SpanRecord) -> None:
        envelope_id = self._envelopes.get(record.envelope)
        if envelope_id is None:
            connection.execute("INSERT OR IGNORE INTO envelopes (body) VALUES (?)", (record.envelope,))
            row = connection.execute("SELECT id FROM envelopes WHERE body = ?", (record.envelope,)).fetchone()
            envelope_id = self._envelopes[record.envelope] = int(row[0])
        cursor = insert(connection, *observation_insert(record, envelope_id))
        connection.execute("INSERT INTO payloads (seq, span) VALUES (?, ?)", (cursor.lastrowid, record.span))
        self._uncheckpointed_bytes += len(record.span) + _COMMIT_BYTES
        self._limit.add(len(record.span))

    def _enforce_limit(self) -> None:
        """Drop the oldest rows if the file is too large: delivered ones first; others are counted as losses."""
        connection = self.connection
        if connection is None:
            return
        try:
            self._limit.check_level(connection)
            connection.execute("BEGIN IMMEDIATE")
            dropped = self._limit.drop(connection)
            record_losses(connection, dropped.undelivered if dropped else 0)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            roll_back(connection)
            _log.warning("The trace store %s could not be kept within its limit: %s", self.path, error)
            return
        if dropped is not None:
            self._limit.log(dropped)
