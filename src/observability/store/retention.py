"""Delete delivered rows that are older than MOONDEV_TRACE_KEEP_DAYS, in the background, a few at a time.

A row is deleted once every destination has it that any process was set up for within that time; a row that a
destination refused for good stays. The space of deleted rows is given back to the disk little by little. All of this
runs on a connection of its own, so that a traced call waits at most for one batch of some milliseconds.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.observability.redaction import redact_text
from src.observability.store.aliases import canonical
from src.observability.store.connections import connect, pragma, transaction
from src.observability.store.deletions import note_deleted
from src.observability.store.row_kinds import KINDS, OBSERVATION, RowKind
from src.observability.store.watermarks import configured_upto

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from src.observability.store.records import Accepts

_log = logging.getLogger("moondev.observability")
_DAY_S: Final = 86_400
_EVERY_S: Final = 3_600.0
_FIRST_WAIT_S: Final = 2.0
_SILENCE_S: Final = 30.0 * _DAY_S
_PAUSE_S: Final = 0.05
_BATCH: Final = 200  # rows, or pages, that are freed in one transaction
_SPARE_PAGES: Final = 1_000  # free pages that stay in the file, since new rows will need them
_TURN_S: Final = 2  # how long a batch announces that others follow
RUNNING_UNTIL: Final = "retention_until"  # the counter with the time until which a pass is under way
_LARGEST_REBUILT: Final = 16 * 1024 * 1024  # an older file without incremental vacuum is rebuilt while it is small


@dataclass(frozen=True, slots=True)
class RetentionStatus:
    """What retention has deleted, and what it has still to delete.

    `overdue` counts the rows that are too old and still there; `waiting_for` names the destinations that lack some.
    """

    keep_days: int | None
    expired: int
    overdue: int
    waiting_for: tuple[str, ...]
    free_bytes: int
    last_run: float | None


class Retention:
    """The deletion of one store's old rows.

    Args:
        path: The store's file.
        keep_days: How long delivered rows are kept; None keeps them all.
        destinations: What each destination accepts, by name: those that this process delivers to, or would if it were
            not offline.
        unsent_too: Whether rows are deleted by age where no destination accepts them at all.
        clock: Seconds since 1970.
        pause: Waits between two batches, and returns True to stop.
    """

    def __init__(
        self,
        path: Path,
        keep_days: int | None,
        destinations: Mapping[str, Accepts] | None = None,
        *,
        unsent_too: bool = False,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], bool] | None = None,
    ) -> None:
        self._path = path
        self._keep_days = keep_days
        self._unsent_too = unsent_too
        self._destinations = dict(destinations or {})
        self._clock = clock
        self._stop = threading.Event()
        self._pause = pause or self._stop.wait
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Delete what is due on a daemon thread, soon and then each hour."""
        if self._keep_days is not None:
            self.thread = threading.Thread(target=self._run, name="moondev-retention", daemon=True)
            try:
                self.thread.start()
            except RuntimeError as error:  # too many threads: calls are recorded all the same
                _log.warning("Old rows of the trace store stay while this process lives: %s.", error)

    def stop(self) -> None:
        """End the thread once the batch that it works on is finished."""
        self._stop.set()

    def _run(self) -> None:
        with contextlib.suppress(Exception):  # the first pass, soon after, logs why
            self.register_destinations()
        wait = _FIRST_WAIT_S
        while not self._stop.wait(wait):
            wait = _EVERY_S
            try:
                self.run_once()
            except Exception as error:  # noqa: BLE001 - the next pass tries again; nothing is lost by keeping rows
                _log.warning("Old rows of the trace store stay for now: %s", redact_text(str(error)))

    def run_once(self, *, force: bool = False) -> int:
        """Delete what is due and give back space; return how many rows were deleted.

        Returns 0 at once where a process has done so within the last hour, unless `force` is set.
        """
        if self._keep_days is None:
            return 0
        self.register_destinations()
        with connect(self._path) as connection:
            if not (force or self._take_turn(connection)):
                return 0
            deleted = sum(self._expire(connection, kind, self._keep_days) for kind in KINDS)
            self._announce(connection, 0)
            if deleted:
                _log.info("%d delivered rows older than %d days were deleted.", deleted, self._keep_days)
            self._give_back(connection)
            return deleted

    def register_destinations(self) -> None:
        """Record where this process delivers to, so that no other process deletes what is still to be sent there."""
        if not self._destinations:
            return
        now = self._clock()
        with connect(self._path) as connection, transaction(connection):
            connection.executemany(
                "INSERT OR REPLACE INTO configured (name, scores, seen) VALUES (?, ?, ?)",
                [(canonical(connection, name), accepts, now) for name, accepts in self._destinations.items()],
            )

    def _take_turn(self, connection: sqlite3.Connection) -> bool:
        """Tell whether this process may delete now: no other did within the last hour."""
        now = self._clock()
        with transaction(connection):
            last_run = connection.execute("SELECT value FROM counters WHERE name = 'retention_ran'").fetchone()
            passed = None if last_run is None else now - last_run[0]
            if passed is not None and 0 <= passed < _EVERY_S:
                return False
            connection.execute("INSERT OR REPLACE INTO counters VALUES ('retention_ran', ?)", (int(now),))
        # After a month without a pass the clock may be wrong, so this one deletes nothing; the next, in an hour, does.
        return passed is None or passed < _SILENCE_S

    def _expire(self, connection: sqlite3.Connection, kind: RowKind, keep_days: int) -> int:
        """Delete the rows of a kind that are due; return how many."""
        cutoff = int((self._clock() - keep_days * _DAY_S) * 1e9)
        after = deleted = 0
        while True:
            with transaction(connection):
                since = self._clock() - keep_days * _DAY_S
                upto = _deletable_upto(connection, kind, since, unsent_too=self._unsent_too)
                rows = connection.execute(
                    f"SELECT seq, {kind.time_column} FROM {kind.table} WHERE seq > ? AND seq <= ? "  # noqa: S608 - our own names
                    f"ORDER BY seq LIMIT {_BATCH}",
                    (after, upto),
                ).fetchall()
                due = [seq for seq, time_ns in rows if time_ns < cutoff]
                deleted += _delete(connection, kind, due)
                if due:
                    self._announce(connection, _TURN_S)
            if not due or self._pause(_PAUSE_S):
                return deleted
            after = rows[-1][0]

    def _announce(self, connection: sqlite3.Connection, seconds: int) -> None:
        """Say for how long this pass goes on at least, so that others who read much take turns with it."""
        until = int(self._clock()) + seconds if seconds else 0
        connection.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (RUNNING_UNTIL, until))

    def _give_back(self, connection: sqlite3.Connection) -> None:
        """Cut free pages off the file, little by little, except for some that new rows will need."""
        if pragma(connection, "auto_vacuum") == 0:
            _rebuild(connection)
            return
        while (free := pragma(connection, "freelist_count")) > _SPARE_PAGES:
            # executescript steps through all of the pages; execute would free a single one.
            connection.executescript(f"PRAGMA incremental_vacuum({_BATCH})")
            if pragma(connection, "freelist_count") >= free or self._pause(_PAUSE_S):
                return


def _deletable_upto(connection: sqlite3.Connection, kind: RowKind, since: float, *, unsent_too: bool) -> int:
    """Return up to which number rows may be deleted by age: every destination has them; the newest row always stays.

    Numbers go on from the newest row. Without it they would begin again, and new rows would count as delivered.
    """
    newest = connection.execute(f"SELECT coalesce(max(seq), 0) FROM {kind.table}").fetchone()[0]  # noqa: S608 - our own names
    upto = configured_upto(connection, kind, since)
    if upto is None:  # no destination accepts these
        return int(newest - 1) if unsent_too else 0
    return int(min(upto, newest - 1))


def _delete(connection: sqlite3.Connection, kind: RowKind, numbers: Sequence[int]) -> int:
    """Delete rows, except those that a destination refused for good; return how many were deleted."""
    if not numbers:
        return 0
    refused = {row[0] for row in connection.execute("SELECT seq FROM set_aside WHERE kind = ?", (kind.name,))}
    rows = [(number,) for number in numbers if number not in refused]
    for table in kind.tables:
        connection.executemany(f"DELETE FROM {table} WHERE seq = ?", rows)  # noqa: S608 - our own names
    note_deleted(connection, kind, [number for (number,) in rows])
    connection.execute(
        "INSERT INTO counters VALUES ('expired', ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        (len(rows),),
    )
    return len(rows)


def _rebuild(connection: sqlite3.Connection) -> None:
    """Let an older file give back space from now on, if it is small: a rebuild locks the file for its whole time."""
    if pragma(connection, "page_count") * pragma(connection, "page_size") > _LARGEST_REBUILT:
        return
    with contextlib.suppress(sqlite3.OperationalError):  # a reader has the file open: the next pass tries again
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")


def read_status(path: Path, keep_days: int | None, *, clock: Callable[[], float] = time.time) -> RetentionStatus:
    """Return the state of retention: what it has deleted from a store, and what is overdue."""
    with connect(path) as connection:
        counters = dict(connection.execute("SELECT name, value FROM counters").fetchall())
        overdue, waiting_for = 0, []
        if keep_days is not None:
            since = clock() - keep_days * _DAY_S
            cutoff = int(since * 1e9)
            overdue = connection.execute("SELECT count(*) FROM observations WHERE end_ns < ?", (cutoff,)).fetchone()[0]
            waiting_for = connection.execute(
                "SELECT c.name FROM configured c LEFT JOIN destinations d USING (name) "
                "WHERE c.seen > ? AND c.scores <> ? AND "
                "coalesce(d.acked, 0) < (SELECT coalesce(max(seq), 0) FROM observations WHERE end_ns < ?) ORDER BY 1",
                (since, OBSERVATION.refused_by, cutoff),
            ).fetchall()
        return RetentionStatus(
            keep_days=keep_days,
            expired=counters.get("expired", 0),
            overdue=overdue,
            waiting_for=tuple(row[0] for row in waiting_for),
            free_bytes=pragma(connection, "freelist_count") * pragma(connection, "page_size"),
            last_run=counters.get("retention_ran"),
        )
