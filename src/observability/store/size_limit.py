"""Keep a store within its size: the oldest rows go, those that every destination has before all others."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.observability.store.connections import bytes_used
from src.observability.store.deletions import note_deleted
from src.observability.store.fullness import LEVELS, fullness
from src.observability.store.row_kinds import KINDS, RowKind
from src.observability.store.watermarks import count_lacking, delivered_upto

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

_log = logging.getLogger("moondev.spool")
_LEAST_STEP_BYTES: Final = 64_000
_MOST_STEP_BYTES: Final = 1_000_000
_LOG_EVERY_S: Final = 60.0
_WARN_EVERY_S: Final = 86_400.0  # that the limit comes near
_MOST_ROWS: Final = 2_000  # that are dropped in one transaction, for which all callers wait
_ROW_BYTES: Final = 300  # about what a row takes besides its span


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many rows were dropped, and how many of them some destination still lacked."""

    rows: int
    undelivered: int


class SizeLimit:
    """Check a store's size each time that enough bytes were added, and log what it costs to keep the limit."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._step = min(max(max_bytes // 64, _LEAST_STEP_BYTES), _MOST_STEP_BYTES)
        self._added = self._step  # so that a process that stores little checks once, too
        self._logged_at: float | None = None
        self._rows = self._undelivered = 0
        self._warned_at: dict[float, float] = {}

    def add(self, size: int) -> None:
        """Count a new row, whose span takes `size` bytes."""
        self._added += size + _ROW_BYTES

    @property
    def due(self) -> bool:
        """Tell whether enough was added to check the size."""
        return self._added >= self._step

    def drop(self, connection: sqlite3.Connection) -> Dropped | None:
        """Drop rows where the limit is exceeded; call it inside a transaction."""
        self._added = 0
        return drop_oldest(connection, self._max_bytes, self._step)

    def warn(self, connection: sqlite3.Connection) -> None:
        """Log, once a day for each level, that the limit comes near, where rows would be lost at it."""
        if bytes_used(connection) < LEVELS[-1] * self._max_bytes:
            return
        state, now = fullness(connection, self._max_bytes), time.monotonic()
        if state.level is None or now - self._warned_at.get(state.level, -_WARN_EVERY_S) < _WARN_EVERY_S:
            return
        self._warned_at[state.level] = now
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


def drop_oldest(connection: sqlite3.Connection, max_bytes: int, spare: int) -> Dropped | None:
    """Drop what exceeds `max_bytes`, and `spare` bytes more; return None where nothing exceeds it.

    Call it inside a transaction. It drops at most some thousand rows, and never the newest row of a kind, from which
    numbers go on.
    """
    excess = bytes_used(connection) - max_bytes
    if excess <= 0:
        return None
    to_free, rows, undelivered = excess + spare, 0, 0
    watermarks = {kind: delivered_upto(connection, kind) for kind in KINDS}
    for only_delivered in (True, False):
        for kind in KINDS:
            if to_free <= 0:
                break
            upto = watermarks[kind]
            numbers, freed = _oldest(connection, kind, (upto or 0) if only_delivered else None, to_free)
            undelivered += 0 if only_delivered else count_lacking(connection, kind, (number for (number,) in numbers))
            for table in kind.tables:
                connection.executemany(f"DELETE FROM {table} WHERE seq = ?", numbers)  # noqa: S608 - our own names
            note_deleted(connection, kind, [number for (number,) in numbers])
            to_free -= freed
            rows += len(numbers)
    return Dropped(rows=rows, undelivered=undelivered)


def _oldest(
    connection: sqlite3.Connection, kind: RowKind, upto: int | None, to_free: int
) -> tuple[list[tuple[int]], int]:
    """Return the numbers of the oldest rows that together take `to_free` bytes, and how many bytes they take.

    With `upto` only rows up to that number count, without those that a destination refused for good; else all do.
    """
    without_refused = "" if upto is None else "AND seq NOT IN (SELECT seq FROM set_aside WHERE kind = :kind)"
    cursor = connection.execute(
        f"SELECT seq, {kind.size_sql} FROM {kind.table} t WHERE seq < (SELECT max(seq) FROM {kind.table}) "  # noqa: S608 - our own names
        f"AND (:upto IS NULL OR seq <= :upto) {without_refused} ORDER BY seq LIMIT {_MOST_ROWS}",
        {"kind": kind.name, "upto": upto},
    )
    numbers: list[tuple[int]] = []
    freed = 0
    for number, size in cursor:
        if freed >= to_free:
            break
        numbers.append((number,))
        freed += (size or 0) + _ROW_BYTES
    cursor.close()
    return numbers, freed
