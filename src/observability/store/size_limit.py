"""Keep a store within its size: the oldest rows go, those that every destination has before all others.

Rows that some destination lacks, and those of traces whose decision has no outcome yet, go last. Where the user has set
no limit they go only some days after the first notice that the limit comes near (`fullness.py`): meanwhile the store
grows beyond its limit, unless the disk is nearly full, since a full one would take no call at all.
"""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.observability.store.connections import bytes_used
from src.observability.store.deletions import note_deleted
from src.observability.store.fullness import LEVELS, NOTICE, fullness, notice, open_decisions
from src.observability.store.row_kinds import KINDS, RowKind
from src.observability.store.watermarks import count_lacking, delivered_upto

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger("moondev.spool")
_LEAST_STEP_BYTES: Final = 64_000
_MOST_STEP_BYTES: Final = 1_000_000
_LOG_EVERY_S: Final = 60.0
_WARN_EVERY_S: Final = 86_400.0  # that the limit comes near
_CHECK_EVERY_S: Final = 600.0  # at what the limit would take: that counts rows, which takes some milliseconds
_MOST_ROWS: Final = 2_000  # that are dropped in one transaction, for which all callers wait
_ROW_BYTES: Final = 300  # about what a row takes besides its span
_LEAST_FREE_BYTES: Final = 1024**3  # of the disk


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many rows were dropped, and how many of them some destination still lacked."""

    rows: int
    undelivered: int


class SizeLimit:
    """Check a store's size each time that enough bytes were added, and log what it costs to keep the limit.

    Args:
        path: The store's file.
        max_bytes: The most that rows may take.
        grace_s: How long after the first notice rows stay that exist only here or are not judged; 0 where they go at
            the limit.
        clock: Seconds since 1970.
    """

    def __init__(
        self, path: Path, max_bytes: int, *, grace_s: float = 0.0, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._grace_s = grace_s
        self._clock = clock
        self._step = min(max(max_bytes // 64, _LEAST_STEP_BYTES), _MOST_STEP_BYTES)
        self._added = self._step  # so that a process that stores little checks once, too
        self._logged_at: float | None = None
        self._rows = self._undelivered = 0
        self._warned_at: dict[float, float] = {}
        self._last_check: tuple[float, float] | None = None  # when, and at what share of the limit
        self._unjudged: set[str] = set()  # traces
        self._decisions_upto = 0  # up to which decision they are known
        self._passed: dict[RowKind, int] = {}  # up to which number no row is both delivered and judged

    def add(self, size: int) -> None:
        """Count a new row, whose span takes `size` bytes."""
        self._added += size + _ROW_BYTES

    @property
    def is_due(self) -> bool:
        """Tell whether enough was added to check the size."""
        return self._added >= self._step

    # Telling.

    def check_level(self, connection: sqlite3.Connection) -> None:
        """Note and log, once a day for each level, that the limit comes near, where rows would be lost at it."""
        share = bytes_used(connection) / self._max_bytes
        level, now = next((item for item in LEVELS if share >= item), None), time.monotonic()
        if (
            self._last_check is not None
            and now - self._last_check[0] < _CHECK_EVERY_S
            and (level or 0.0) <= self._last_check[1]
        ):
            return
        self._last_check = (now, level or 0.0)
        self._unjudged, self._decisions_upto, self._passed = set(), 0, {}
        state = None if level is None else fullness(connection, self._max_bytes, self._grace_s)
        if state is None or state.level is None:
            if notice(connection) is not None:
                connection.execute("DELETE FROM counters WHERE name = ?", (NOTICE,))
            return
        connection.execute("INSERT OR IGNORE INTO counters VALUES (?, ?)", (NOTICE, int(self._clock())))
        if now - self._warned_at.get(state.level, -_WARN_EVERY_S) >= _WARN_EVERY_S:
            self._warned_at[state.level] = now
            state = fullness(connection, self._max_bytes, self._grace_s)  # with the notice
            _log.warning("The trace store %s: %s", self._path, state.sentence)

    def log(self, dropped: Dropped) -> None:
        """Log what was dropped: the first time at once, then at most once a minute."""
        self._rows += dropped.rows
        self._undelivered += dropped.undelivered
        now = time.monotonic()
        if self._logged_at is not None and now - self._logged_at < _LOG_EVERY_S:
            return
        self._logged_at = now
        _log.error(
            "The trace store %s reached its limit of %d MB: the oldest rows were dropped (%d, of them %d undelivered). "
            "Raise MOONDEV_TRACE_MAX_MB.",
            self._path, self._max_bytes // 1024**2, self._rows, self._undelivered,
        )  # fmt: skip
        self._rows = self._undelivered = 0

    # Dropping.

    def drop(self, connection: sqlite3.Connection) -> Dropped | None:
        """Drop what exceeds the limit, and a step more; return None where nothing goes.

        Call it inside a transaction. It drops at most some thousand rows, and never the newest row of a kind, from
        which numbers go on.
        """
        self._added = 0
        excess = bytes_used(connection) - self._max_bytes
        if excess <= 0:
            return None
        for number, trace_id in open_decisions(connection, self._decisions_upto):
            self._unjudged.add(trace_id)
            self._decisions_upto = number
        to_free, rows, undelivered = excess + self._step, 0, 0
        watermarks = {kind: delivered_upto(connection, kind) for kind in KINDS}
        for is_last in (False, True):
            if is_last and to_free > 0 and not self._may_lose(connection):
                break
            for kind in KINDS:
                if to_free <= 0:
                    break
                upto = None if is_last else watermarks[kind] or 0
                numbers, freed = self._oldest(connection, kind, upto, to_free)
                undelivered += count_lacking(connection, kind, (number for (number,) in numbers)) if is_last else 0
                for table in kind.tables:
                    connection.executemany(f"DELETE FROM {table} WHERE seq = ?", numbers)  # noqa: S608 - our own names
                note_deleted(connection, kind, [number for (number,) in numbers])
                to_free -= freed
                rows += len(numbers)
        return Dropped(rows=rows, undelivered=undelivered) if rows else None

    def _may_lose(self, connection: sqlite3.Connection) -> bool:
        """Tell whether rows that exist only here, or are not judged, may go: the notice was given long enough ago."""
        if not self._grace_s:
            return True
        since = notice(connection)
        if since is not None and self._clock() - since >= self._grace_s:
            return True
        try:
            return shutil.disk_usage(self._path.parent).free < _LEAST_FREE_BYTES
        except OSError:
            return False

    def _oldest(
        self, connection: sqlite3.Connection, kind: RowKind, upto: int | None, to_free: int
    ) -> tuple[list[tuple[int]], int]:
        """Return the numbers of the oldest rows that together take `to_free` bytes, and how many bytes they take.

        With `upto` only rows up to that number count, without those that a destination refused for good or whose
        decision has no outcome yet; else all do.
        """
        passed = self._passed.get(kind, 0) if upto is not None else 0
        without_refused = "" if upto is None else "AND seq NOT IN (SELECT seq FROM set_aside WHERE kind = :kind)"
        cursor = connection.execute(
            f"SELECT seq, trace_id, {kind.size_sql} FROM {kind.table} t "  # noqa: S608 - our own names
            f"WHERE seq > :passed AND seq < (SELECT max(seq) FROM {kind.table}) "
            f"AND (:upto IS NULL OR seq <= :upto) {without_refused} ORDER BY seq",
            {"kind": kind.name, "upto": upto, "passed": passed},
        )
        numbers: list[tuple[int]] = []
        freed = 0
        for number, trace_id, size in cursor:
            if freed >= to_free or len(numbers) == _MOST_ROWS:
                break
            passed = number
            if upto is not None and trace_id in self._unjudged:
                continue
            numbers.append((number,))
            freed += (size or 0) + _ROW_BYTES
        cursor.close()
        if upto is not None and self._unjudged:
            self._passed[kind] = passed
        return numbers, freed
