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
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from src.observability import forking
from src.observability.spool_schema import SpoolError, migrate, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Batch", "ScoreRecord", "SpanRecord", "Spool", "SpoolError", "Stats", "TraceRow", "TraceSummary"]

_log = logging.getLogger("moondev.spool")
_BUSY_S = 15.0
# How the names of destinations begin that take scores too, and scores alone.
_LANGFUSE = "langfuse"
_SCORES_ONLY = "langfuse-scores:"
_LEASE_S = 30.0
_CHECK_EVERY = 1000
_CHECKPOINT_EVERY_BYTES = 8_000_000  # of spans: then what the log holds is moved into the file, in the background
_ROW_BYTES = 12_000  # about what a commit writes besides the span: pages of rows and of the index
_LONG_LOG_BYTES = 32_000_000
_LAST_RESORT_PAGES = 32_000  # where that did not happen, a commit does it
_DEFAULT_MAX_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """Hold one finished observation, redacted and encoded; the fields before `envelope` are for queries."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    type: str
    start_ns: int
    end_ns: int
    level: str
    status_message: str | None
    provider: str | None
    model: str | None
    agent: str | None
    session_id: str | None
    error_category: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    envelope: bytes
    span: bytes


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """Hold one score on a trace, an observation or a session; `metadata` is JSON."""

    id: str
    trace_id: str | None
    observation_id: str | None
    session_id: str | None
    name: str
    value: float | str
    data_type: Literal["NUMERIC", "CATEGORICAL", "BOOLEAN"]
    comment: str | None
    timestamp_ns: int
    environment: str
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class TraceRow:
    """Hold one stored observation as readers see it."""

    seq: int
    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    type: str
    start_ns: int
    end_ns: int
    level: str
    status_message: str | None
    provider: str | None
    model: str | None
    agent: str | None
    session_id: str | None
    error_category: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    span: bytes


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """Hold one trace in a line; `cost_usd` is None where no observation of it has a known cost."""

    trace_id: str
    name: str
    session_id: str | None
    start_ns: int
    end_ns: int
    observations: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Hold what is to be delivered next: (seq, envelope, span) in order."""

    rows: tuple[tuple[int, bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """Hold the state of the store. `undelivered` counts observations and scores by destination."""

    observations: int
    scores: int
    bytes: int
    oldest_ns: int | None
    undelivered: dict[str, int]
    set_aside: int
    losses: int


_COLUMNS = tuple(name for name in SpanRecord.__slots__ if name not in ("envelope", "span"))
_INSERT = f"INSERT INTO observations ({', '.join(_COLUMNS)}, envelope) VALUES ({', '.join('?' * (len(_COLUMNS) + 1))})"  # noqa: S608 - our own names
_INSERT_SCORE = (
    f"INSERT INTO scores ({', '.join(ScoreRecord.__slots__)}) VALUES ({', '.join('?' * len(ScoreRecord.__slots__))})"  # noqa: S608 - our own names
)
_SELECT = f"SELECT seq, {', '.join(_COLUMNS)}, span FROM observations JOIN payloads USING (seq)"  # noqa: S608 - our own names


class _Ticket:
    """Wait for one record's commit, which another thread may do."""

    __slots__ = ("done", "failure", "record")

    def __init__(self, record: SpanRecord | ScoreRecord) -> None:
        self.record = record
        self.done = False
        self.failure: BaseException | None = None


class Spool:
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
            self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=64
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
        self._commit(record)

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
        if connection is None or _bytes_used(connection) <= self._max_bytes:
            return
        delivered = connection.execute(
            "SELECT min(acked) FROM destinations WHERE name NOT LIKE ?", (f"{_SCORES_ONLY}%",)
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

    # Delivering.

    def read_batch(self, destination: str, max_rows: int = 512, max_bytes: int = 3_000_000) -> Batch:
        """Return the oldest observations that a destination lacks; at least one where there is any."""
        rows: list[tuple[int, bytes, bytes]] = []
        size = 0
        with self._reader() as connection:
            found = connection.execute(
                "SELECT o.seq, e.body, p.span FROM observations o JOIN payloads p USING (seq) "
                "JOIN envelopes e ON e.id = o.envelope WHERE o.seq > ? ORDER BY o.seq LIMIT ?",
                (self._acked(connection, destination, "acked"), max_rows),
            )
            for row in found:
                size += len(row[2])
                if rows and size > max_bytes:
                    break
                rows.append(row)
        return Batch(tuple(rows))

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

    def pending(self, destination: str, *, scores: bool = True) -> int:
        """Return how many observations (and scores) a destination lacks, of those that it takes."""
        with self._reader() as connection:
            return self._pending(connection, destination, scores=scores)

    def _pending(self, connection: sqlite3.Connection, destination: str, *, scores: bool = True) -> int:
        count = 0
        for table, column, takes in (
            ("observations", "acked", not destination.startswith(_SCORES_ONLY)),
            ("scores", "scores_acked", scores and destination.startswith(_LANGFUSE)),
        ):
            if takes:
                acked = self._acked(connection, destination, column)
                count += connection.execute(f"SELECT count(*) FROM {table} WHERE seq > ?", (acked,)).fetchone()[0]  # noqa: S608 - our own names
        return count

    def lease(self, destination: str, owner: str) -> bool:
        """Take or renew the right to deliver to a destination; False where another living process has it."""
        now = self._clock()
        with self._lock:
            connection = self._writer()
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute("INSERT OR IGNORE INTO destinations (name) VALUES (?)", (destination,))
                held = connection.execute(
                    "SELECT owner, lease_until FROM destinations WHERE name = ?", (destination,)
                ).fetchone()
                free = held[0] in (None, owner) or held[1] < now or not _lives(held[0])
                if free:
                    connection.execute(
                        "UPDATE destinations SET owner = ?, lease_until = ? WHERE name = ?",
                        (owner, now + _LEASE_S, destination),
                    )
            finally:
                connection.execute("COMMIT")
        return bool(free)

    def release(self, destination: str, owner: str) -> None:
        """Give the right to deliver back."""
        self._execute(
            "UPDATE destinations SET owner = NULL, lease_until = 0 WHERE name = ? AND owner = ?", (destination, owner)
        )

    def _execute(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._lock:
            self._writer().execute(statement, values)

    def _writer(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    @staticmethod
    def _acked(connection: sqlite3.Connection, destination: str, column: str) -> int:
        found = connection.execute(
            f"SELECT {column} FROM destinations WHERE name = ?",  # noqa: S608 - our own names
            (destination,),
        ).fetchone()
        return int(found[0]) if found else 0

    # Reading.

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Open a connection of its own: readers never hold up the traced code."""
        with forking.brief():
            connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
            try:
                yield connection
            finally:
                connection.close()

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
            found = connection.execute(f"{_SELECT} WHERE trace_id = ? ORDER BY seq", ids[0]).fetchall()
        return [TraceRow(*row) for row in found]

    def rows_after(self, seq: int, limit: int = 500) -> list[TraceRow]:
        """Return the observations stored after a number, oldest first."""
        with self._reader() as connection:
            found = connection.execute(f"{_SELECT} WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)).fetchall()
        return [TraceRow(*row) for row in found]

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
            return Stats(
                observations=connection.execute("SELECT count(*) FROM observations").fetchone()[0],
                scores=connection.execute("SELECT count(*) FROM scores").fetchone()[0],
                bytes=_bytes_used(connection),
                oldest_ns=connection.execute("SELECT end_ns FROM observations ORDER BY seq LIMIT 1").fetchone()[0]
                if connection.execute("SELECT 1 FROM observations LIMIT 1").fetchone()
                else None,
                undelivered={name: self._pending(connection, name) for name in names},
                set_aside=connection.execute("SELECT count(*) FROM set_aside").fetchone()[0],
                losses=self.losses + (lost[0] if lost else 0),
            )


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


def _bytes_used(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    """Tell a damaged file from a full disk, a lock, or a folder that may not be written."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _lives(owner: str) -> bool:
    """Tell whether the process that took a lease is alive; one on another host is taken to be."""
    host, _, pid = owner.partition("|")
    if host != _host() or not pid.partition("|")[0].isdecimal():
        return True
    try:
        os.kill(int(pid.partition("|")[0]), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _host() -> str:
    import socket

    return socket.gethostname()


def lease_owner() -> str:
    """Return a name for this process and use: host, process id, and something that no other has."""
    return f"{_host()}|{os.getpid()}|{os.urandom(4).hex()}"
