"""Keep the store within its size: the oldest rows go, those that every destination has before all others."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.observability.store.queries import SCORES_ONLY, bytes_used

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

_log = logging.getLogger("moondev.spool")
_LEAST_STEP_BYTES: Final = 64_000
_MOST_STEP_BYTES: Final = 1_000_000
_SAY_EVERY_S: Final = 60.0
_MOST_ROWS: Final = 2_000  # in one go, for which all callers wait
ROW_BYTES: Final = 300  # about what a row takes besides its span
_FORGOTTEN_S: Final = 90 * 86_400  # a destination that nobody was set up for in so long is not waited for


@dataclass(frozen=True, slots=True)
class _Table:
    """Name one kind of row: its tables, the column that says how far a destination has got, and a row's size."""

    kind: str
    tables: tuple[str, ...]
    acked: str
    size: str
    takes: str  # which destinations of the table `configured` take this kind


_KINDS: Final = (
    _Table(
        "observation", ("observations", "payloads"), "acked",
        "(SELECT length(span) FROM payloads p WHERE p.seq = t.seq)", "scores <> 2",
    ),
    _Table(
        "score", ("scores",), "scores_acked",
        "coalesce(length(comment), 0) + coalesce(length(metadata), 0)", "scores <> 0",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dropped:
    """Hold how many rows went, and how many of them some destination still lacked."""

    rows: int
    undelivered: int


class Limit:
    """Look at a store's size each time so many bytes came, and say what it cost to keep it."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._step = min(max(max_bytes // 64, _LEAST_STEP_BYTES), _MOST_STEP_BYTES)
        self._since = self._step  # a process that stores little looks once, too
        self._said_at: float | None = None
        self._rows = self._undelivered = 0

    def add(self, size: int) -> None:
        """Note that a row came, whose span takes so many bytes."""
        self._since += size + ROW_BYTES

    @property
    def due(self) -> bool:
        """Tell whether it is time to look."""
        return self._since >= self._step

    def drop(self, connection: sqlite3.Connection) -> Dropped | None:
        """Drop what is too much, inside a transaction."""
        self._since = 0
        return drop_oldest(connection, self._max_bytes, self._step)

    def say(self, dropped: Dropped) -> None:
        """Log what the limit cost, at once and then at most once a minute."""
        self._rows += dropped.rows
        self._undelivered += dropped.undelivered
        now = time.monotonic()
        if self._said_at is not None and now - self._said_at < _SAY_EVERY_S:
            return
        self._said_at = now
        _log.error(
            "The trace store %s reached its limit of %d MB: the oldest rows were dropped (%d, of them %d undelivered). "
            "Raise MOONDEV_TRACE_MAX_MB.",
            self._path, self._max_bytes // 1024**2, self._rows, self._undelivered,
        )  # fmt: skip
        self._rows = self._undelivered = 0


def drop_oldest(connection: sqlite3.Connection, max_bytes: int, spare: int) -> Dropped | None:
    """Drop rows where they take more than `max_bytes`, and `spare` more; None where they do not.

    To be called inside a transaction. Drops at most some thousand rows, and never the newest one of a kind, from which
    numbers go on.
    """
    excess = bytes_used(connection) - max_bytes
    if excess <= 0:
        return None
    wanted, rows, undelivered = excess + spare, 0, 0
    delivered = {table.kind: delivered_upto(connection, table.kind) for table in _KINDS}
    for only_delivered in (True, False):
        for table in _KINDS:
            if wanted <= 0:
                break
            upto = delivered[table.kind]
            numbers, freed = _oldest(connection, table, (upto or 0) if only_delivered else None, wanted)
            for name in table.tables:
                connection.executemany(f"DELETE FROM {name} WHERE seq = ?", numbers)  # noqa: S608 - our own names
            wanted -= freed
            rows += len(numbers)
            undelivered += 0 if upto is None else sum(number > upto for (number,) in numbers)
    return Dropped(rows, undelivered)


def _oldest(
    connection: sqlite3.Connection, table: _Table, upto: int | None, wanted: int
) -> tuple[list[tuple[int]], int]:
    """Return the oldest rows that together take `wanted` bytes.

    With `upto` those up to that number, without what was refused for good; else of all.
    """
    main = table.tables[0]
    kept = "" if upto is None else "AND seq NOT IN (SELECT seq FROM set_aside WHERE kind = :kind)"
    found = connection.execute(
        f"SELECT seq, {table.size} FROM {main} t WHERE seq < (SELECT max(seq) FROM {main}) "  # noqa: S608 - our own names
        f"AND (:upto IS NULL OR seq <= :upto) {kept} ORDER BY seq LIMIT {_MOST_ROWS}",
        {"kind": table.kind, "upto": upto},
    )
    numbers: list[tuple[int]] = []
    freed = 0
    for number, size in found:
        if freed >= wanted:
            break
        numbers.append((number,))
        freed += (size or 0) + ROW_BYTES
    found.close()
    return numbers, freed


def delivered_upto(connection: sqlite3.Connection, kind: str) -> int | None:
    """Return up to which number every destination has the rows of a kind; None where no destination takes any."""
    table = next(item for item in _KINDS if item.kind == kind)
    since = time.time() - _FORGOTTEN_S
    known, upto = connection.execute(
        f"SELECT count(*), min(coalesce(d.{table.acked}, 0)) FROM configured c LEFT JOIN destinations d USING (name) "  # noqa: S608 - our own names
        f"WHERE c.{table.takes} AND c.seen > ?",
        (since,),
    ).fetchone()
    if not known:  # a store that is used without settings
        upto = connection.execute(
            f"SELECT min({table.acked}) FROM destinations WHERE name NOT LIKE ?",  # noqa: S608 - our own names
            (f"{SCORES_ONLY}%" if kind == "observation" else "otlp:%",),
        ).fetchone()[0]
    return None if upto is None else int(upto)
