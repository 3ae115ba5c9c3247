"""Delete delivered rows that are older than MOONDEV_TRACE_KEEP_DAYS, in the background, a few at a time.

A row goes when every destination has it that any process was set up for within that time; what one refused for good
stays. The space of deleted rows is given back to the disk little by little. All of it runs on a connection of its own:
a caller waits at most for one batch of some milliseconds.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from src.observability.redaction import redact_text
from src.observability.store.queries import connected
from src.observability.store.records import Accepts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path


_log = logging.getLogger("moondev.observability")
_DAY_S: Final = 86_400
_EVERY_S: Final = 3_600.0
_FIRST_WAIT_S: Final = 2.0
_SILENCE_S: Final = 30.0 * _DAY_S
_PAUSE_S: Final = 0.05
_BATCH: Final = 200
_SPARE_PAGES: Final = 1_000  # free pages that stay in the file, since new rows will need them
_LARGEST_REBUILT: Final = 16 * 1024 * 1024  # an older file without incremental vacuum is rebuilt while it is small

Kind = Literal["observation", "score"]


@dataclass(frozen=True, slots=True)
class RetentionStatus:
    """Hold what retention has done and has still to do. `waiting_for` names the destinations that lack old rows."""

    keep_days: int | None
    expired: int
    overdue: int
    waiting_for: tuple[str, ...]
    free_bytes: int
    last_run: float | None


class Retention:
    """Keep one store's rows for `keep_days` days; None keeps them all.

    Args:
        path: The store.
        keep_days: How long delivered rows are kept.
        destinations: What each destination takes that this process delivers to, or would if it were not offline.
        unsent_too: Whether rows go by age where there is no destination at all that they could be delivered to.
        clock: Seconds since 1970.
        pause: Waits between two batches; returns True to stop.
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
        """Look after the store on a daemon thread, soon and then each hour."""
        if self._keep_days is not None:
            self.thread = threading.Thread(target=self._run, name="moondev-retention", daemon=True)
            try:
                self.thread.start()
            except RuntimeError as error:  # too many threads: calls are recorded all the same
                _log.warning("Old rows of the trace store stay while this process lives: %s.", error)

    def stop(self) -> None:
        """End the thread; a batch that is under way is finished."""
        self._stop.set()

    def _run(self) -> None:
        with contextlib.suppress(Exception):  # the first pass, soon after, says why
            self.register_destinations()
        wait = _FIRST_WAIT_S
        while not self._stop.wait(wait):
            wait = _EVERY_S
            self._try(self.run_once)

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - the next pass tries again; nothing is lost by keeping rows
            _log.warning("Old rows of the trace store stay for now: %s", redact_text(str(error)))

    def run_once(self, *, force: bool = False) -> int:
        """Delete what is due and give back space; return how many rows went.

        Returns 0 at once where some process has done so within the last hour, unless `force` is set.
        """
        if self._keep_days is None:
            return 0
        self.register_destinations()
        with connected(self._path) as connection:
            if not (force or self._take_turn(connection)):
                return 0
            gone = self._expire(connection, "observation") + self._expire(connection, "score")
            if gone:
                _log.info("%d delivered rows older than %d days were deleted.", gone, self._keep_days)
            self._give_back(connection)
            return gone

    def register_destinations(self) -> None:
        """Note where this process delivers to, so that no other deletes what is still to go there."""
        now = self._clock()
        with connected(self._path) as connection, _transaction(connection):
            connection.executemany(
                "INSERT OR REPLACE INTO configured VALUES (?, ?, ?)",
                [(name, scores, now) for name, scores in self._destinations.items()],
            )

    def _take_turn(self, connection: sqlite3.Connection) -> bool:
        now = self._clock()
        with _transaction(connection):
            found = connection.execute("SELECT value FROM counters WHERE name = 'retention_ran'").fetchone()
            passed = None if found is None else now - found[0]
            if passed is not None and 0 <= passed < _EVERY_S:
                return False
            connection.execute("INSERT OR REPLACE INTO counters VALUES ('retention_ran', ?)", (int(now),))
        # After a month of silence the clock may be wrong: a pass that still finds it so in an hour deletes.
        return passed is None or passed < _SILENCE_S

    def _expire(self, connection: sqlite3.Connection, kind: Kind) -> int:
        assert self._keep_days is not None  # noqa: S101 - the caller has looked
        table, moment = _TABLES[kind]
        cutoff = int((self._clock() - self._keep_days * _DAY_S) * 1e9)
        cursor = gone = 0
        while True:
            with _transaction(connection):
                since = self._clock() - self._keep_days * _DAY_S
                upto = _delivered(connection, kind, since, unsent_too=self._unsent_too)
                rows = connection.execute(
                    f"SELECT seq, {moment} FROM {table} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT {_BATCH}",  # noqa: S608 - our own names
                    (cursor, upto),
                ).fetchall()
                old = [row[0] for row in rows if row[1] < cutoff]
                gone += _delete(connection, kind, old)
            if not old or self._pause(_PAUSE_S):
                return gone
            cursor = rows[-1][0]

    def _give_back(self, connection: sqlite3.Connection) -> None:
        """Cut free pages off the file, little by little, but for some that new rows will need."""
        if _pragma(connection, "auto_vacuum") == 0:
            _rebuild(connection)
            return
        while (free := _pragma(connection, "freelist_count")) > _SPARE_PAGES:
            # By executescript, which steps through all of the pages; execute would free a single one.
            connection.executescript(f"PRAGMA incremental_vacuum({_BATCH})")
            if _pragma(connection, "freelist_count") >= free or self._pause(_PAUSE_S):
                return


_TABLES: Final[dict[Kind, tuple[str, str]]] = {
    "observation": ("observations", "end_ns"),
    "score": ("scores", "timestamp_ns"),
}


def _delivered(connection: sqlite3.Connection, kind: Kind, since: float, *, unsent_too: bool) -> int:
    """Return up to which number every destination has the rows; the newest row always stays.

    Numbers go on from the newest row, so without it they would begin again, and be taken for delivered.
    """
    table = _TABLES[kind][0]
    newest = connection.execute(f"SELECT coalesce(max(seq), 0) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
    column = "acked" if kind == "observation" else "scores_acked"
    acked = connection.execute(
        f"SELECT min(coalesce(d.{column}, 0)) FROM configured c LEFT JOIN destinations d USING (name) "  # noqa: S608 - our own names
        "WHERE c.seen > ? AND c.scores <> ?",
        (since, Accepts.SCORES if kind == "observation" else Accepts.OBSERVATIONS),
    ).fetchone()[0]
    if acked is None:  # nobody takes these
        return int(newest - 1) if unsent_too else 0
    return int(min(acked, newest - 1))


def _delete(connection: sqlite3.Connection, kind: Kind, numbers: Sequence[int]) -> int:
    if not numbers:
        return 0
    kept = {row[0] for row in connection.execute("SELECT seq FROM set_aside WHERE kind = ?", (kind,))}
    rows = [(number,) for number in numbers if number not in kept]
    for table in ("observations", "payloads") if kind == "observation" else ("scores",):
        connection.executemany(f"DELETE FROM {table} WHERE seq = ?", rows)  # noqa: S608 - our own names
    connection.execute(
        "INSERT INTO counters VALUES ('expired', ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        (len(rows),),
    )
    return len(rows)


def _rebuild(connection: sqlite3.Connection) -> None:
    """Give an older file the way to shrink, while it is small: a rebuild holds the file for its whole time."""
    if _pragma(connection, "page_count") * _pragma(connection, "page_size") > _LARGEST_REBUILT:
        return
    with contextlib.suppress(sqlite3.OperationalError):  # somebody is reading: another time
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")


def read_status(path: Path, keep_days: int | None, *, clock: Callable[[], float] = time.time) -> RetentionStatus:
    """Return what retention has done to a store, and what it still has to do."""
    with connected(path) as connection:
        counters = dict(connection.execute("SELECT name, value FROM counters").fetchall())
        overdue, lacking = 0, []
        if keep_days is not None:
            cutoff = int((clock() - keep_days * _DAY_S) * 1e9)
            overdue = connection.execute("SELECT count(*) FROM observations WHERE end_ns < ?", (cutoff,)).fetchone()[0]
            lacking = connection.execute(
                "SELECT c.name FROM configured c LEFT JOIN destinations d USING (name) "
                "WHERE c.seen > ? AND c.scores <> ? AND "
                "coalesce(d.acked, 0) < (SELECT coalesce(max(seq), 0) FROM observations WHERE end_ns < ?) ORDER BY 1",
                (clock() - keep_days * _DAY_S, Accepts.SCORES, cutoff),
            ).fetchall()
        return RetentionStatus(
            keep_days=keep_days,
            expired=counters.get("expired", 0),
            overdue=overdue,
            waiting_for=tuple(row[0] for row in lacking),
            free_bytes=_pragma(connection, "freelist_count") * _pragma(connection, "page_size"),
            last_run=counters.get("retention_ran"),
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
