"""Keep observations and scores durably in one SQLite file that many processes and threads share.

A row is committed, on its caller's thread, before `append` returns: it survives `kill -9` (and, with sync="full",
power loss). Rows are numbered in the order of their commits, so how far a destination has got is one number.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import threading
import time
from collections import deque
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from src.observability import forking
from src.observability.packing import packed
from src.observability.spool_delivery import Delivery, lease_owner
from src.observability.spool_reading import BUSY_S, SCORES_ONLY, bytes_used
from src.observability.spool_records import COLUMNS, Batch, ScoreRecord, SpanRecord, Stats, TraceRow, TraceSummary
from src.observability.spool_schema import SpoolError, migrate, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "Batch", "ScoreRecord", "SpanRecord", "Spool", "SpoolError", "Stats", "TraceRow", "TraceSummary", "lease_owner",
]  # fmt: skip

_log = logging.getLogger("moondev.spool")
_CHECK_EVERY = 1000
_CHECKPOINT_EVERY_BYTES = 8_000_000  # of spans: then what the log holds is moved into the file, in the background
_ROW_BYTES = 12_000  # about what a commit writes besides the span: pages of rows and of the index
_LONG_LOG_BYTES = 32_000_000
_LAST_RESORT_PAGES = 32_000  # where that did not happen, a commit does it
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

    Raises:
        SpoolError: the file cannot be opened; the message says why.
    """

    def __init__(
        self,
        path: Path,
        *,
        sync: Literal["normal", "full"] = "normal",
        max_bytes: int = _DEFAULT_MAX_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = Path(path)
        self.losses = 0
        self._sync = sync
        self._max_bytes = max_bytes
        self._clock = clock
        self._queue: deque[_Ticket] = deque()
        self._lock = threading.Lock()
        self._envelopes: dict[bytes, int] = {}
        self._since_check = 0
        self._log_bytes = 0
        self._abandoned: list[sqlite3.Connection] = []
        self._connection: sqlite3.Connection | None = self._open()
        self._locked_for_fork = False
        forking.watch(self)

    # Opening.

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._create()
        except OSError as error:
            raise SpoolError(f"the trace store {self.path} cannot be written: {error.strerror}.") from error
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise SpoolError(f"the trace store {self.path} cannot be opened: {error}.") from error
            self._move_aside(error)
            return self._connect()

    def _create(self) -> None:
        """Make the file where it is missing.

        One that exists is not opened here: to close it again would drop all locks that this process has on it (fcntl's
        rule), and another process could then delete the log that we write.
        """
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            if not os.access(self.path, os.R_OK | os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.path)) from None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            prepare(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._sync == 'full' else 'NORMAL'}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_LAST_RESORT_PAGES}")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            migrate(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _move_aside(self, error: Exception) -> None:
        """Keep a broken file under another name, so that it can be looked at, and make room for a new one."""
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(self._clock()))
        kept = self.path.with_name(f"{self.path.name}.corrupt-{stamp}-{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            self.path.replace(kept)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).replace(kept.with_name(kept.name + suffix))
        self._envelopes.clear()
        _log.error(
            "The trace store %s is damaged (%s). It is kept as %s; a new one begins.", self.path, error, kept.name
        )

    def before_fork(self) -> None:
        """Close the connection for the time of a fork: SQLite's must not cross it."""
        self._locked_for_fork = forking.taken(self._lock)
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

    def close(self) -> None:
        """Close the connection; a later append opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

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
            raise SpoolError(f"the trace store {self.path} could not be written: {ticket.failure}") from ticket.failure

    def _write_queue(self) -> None:
        tickets = []
        while self._queue:
            tickets.append(self._queue.popleft())
        try:
            self._write([ticket.record for ticket in tickets])
        except Exception as error:  # noqa: BLE001 - handed to each record's own caller
            self.losses += len(tickets)
            for ticket in tickets:
                ticket.failure = error
        for ticket in tickets:
            ticket.done = True

    def _write(self, records: Sequence[SpanRecord | ScoreRecord]) -> None:
        try:
            self._transaction(records)
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            self._move_aside(error)
            self._transaction(records)
        self._since_check += len(records)
        if self._since_check >= _CHECK_EVERY:
            self._since_check = 0
            self._keep_within_limit()
        if self._log_bytes >= _CHECKPOINT_EVERY_BYTES:
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
                if log.stat().st_size > _LONG_LOG_BYTES:
                    with self._lock:
                        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except (sqlite3.Error, OSError) as error:
            _log.debug("The trace store's log was not moved: %s", error)  # a later commit does it

    def _transaction(self, records: Sequence[SpanRecord | ScoreRecord]) -> None:
        if self._connection is None:
            self._connection = self._open()
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for record in records:
                if isinstance(record, SpanRecord):
                    self._insert(connection, record)
                else:
                    connection.execute(_INSERT_SCORE, astuple(record))
            if self.losses:
                self._persist_losses(connection)
            connection.execute("COMMIT")
        except BaseException:
            self._envelopes.clear()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

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

    def _persist_losses(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO counters VALUES ('losses', ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            (self.losses,),
        )
        self.losses = 0

    def _keep_within_limit(self) -> None:
        """Drop the oldest rows where the file is too large: delivered ones first, others loudly."""
        connection = self._connection
        if connection is None or bytes_used(connection) <= self._max_bytes:
            return
        delivered = connection.execute(
            "SELECT min(acked) FROM destinations WHERE name NOT LIKE ?", (f"{SCORES_ONLY}%",)
        ).fetchone()[0]
        rows = connection.execute("SELECT min(seq), max(seq) FROM observations").fetchone()
        if rows[0] is None:
            return
        upto = min(rows[0] + max((rows[1] - rows[0]) // 20, _CHECK_EVERY), rows[1] - 1)
        lost = 0 if delivered is None else max(upto - max(delivered, rows[0] - 1), 0)
        if delivered is not None and delivered >= rows[0]:
            upto, lost = min(upto, delivered), 0
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM observations WHERE seq <= ?", (upto,))
        connection.execute("DELETE FROM payloads WHERE seq <= ?", (upto,))
        if lost:
            self.losses += lost
            self._persist_losses(connection)
        connection.execute("COMMIT")
        _log.error(
            "The trace store %s reached its limit of %d MB: the oldest rows were dropped, %d of them undelivered. "
            "Raise MOONDEV_TRACE_MAX_MB.",
            self.path, self._max_bytes // 1024**2, lost,
        )  # fmt: skip

    def _writer(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    """Tell a damaged file from a full disk, a lock, or a folder that may not be written."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
