"""Compute up to which row destinations have everything; rows are numbered in the order of their commits."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING, Final

from src.observability.store.destination_names import accepted_by
from src.observability.store.row_kinds import KINDS, RowKind
from src.observability.store.unconfirmed import least_parked, parked

if TYPE_CHECKING:
    from collections.abc import Iterable

_FORGOTTEN_S: Final = 90 * 86_400  # a destination that no process was set up for in so long is not waited for


def acked(connection: sqlite3.Connection, destination: str, kind: RowKind) -> int:
    """Return up to which number one destination has the rows of a kind, those apart that are parked.

    `destination` is the name under which its progress is kept; the result is 0 where that is not known.
    """
    row = connection.execute(
        f"SELECT {kind.acked_column} FROM destinations WHERE name = ?",  # noqa: S608 - our own names
        (destination,),
    ).fetchone()
    return int(row[0]) if row else 0


def configured_upto(connection: sqlite3.Connection, kind: RowKind, since: float) -> int | None:
    """Return up to which number every destination has the rows that some process was set up for after `since`.

    Returns None where no such destination accepts rows of this kind.
    """
    names = _configured(connection, kind, since)
    return min((_confirmed(connection, name, kind) for name in names), default=None)


def delivered_upto(connection: sqlite3.Connection, kind: RowKind) -> int | None:
    """Return up to which number every destination has the rows of a kind; None where no destination accepts any.

    Where no process has registered its destinations, all that ever took rows count.
    """
    return min((_confirmed(connection, name, kind) for name in _waited_for(connection, kind)), default=None)


def count_lacking(connection: sqlite3.Connection, kind: RowKind, numbers: Iterable[int]) -> int:
    """Return how many of some rows a destination lacks; 0 where no destination accepts any."""
    names = _waited_for(connection, kind)
    if not names:
        return 0
    upto = min(acked(connection, name, kind) for name in names)
    doubtful = [(item.first, item.last) for name in names for item in parked(connection, name, kind, upto)]
    return sum(number > upto or any(first <= number <= last for first, last in doubtful) for number in numbers)


def undelivered_rows(connection: sqlite3.Connection) -> int:
    """Return how many rows some destination lacks, as far as the file can be read."""
    count = 0
    for kind in KINDS:
        with contextlib.suppress(sqlite3.Error):
            upto = delivered_upto(connection, kind)
            if upto is not None:
                statement = f"SELECT seq FROM {kind.table} WHERE seq > ?"  # noqa: S608 - our own names
                count += count_lacking(connection, kind, (row[0] for row in connection.execute(statement, (upto,))))
    return count


def _configured(connection: sqlite3.Connection, kind: RowKind, since: float) -> list[str]:
    rows = connection.execute(
        "SELECT DISTINCT coalesce(a.canonical, c.name) FROM configured c LEFT JOIN aliases a USING (name) "
        "WHERE c.seen > ? AND c.scores <> ?",
        (since, kind.refused_by),
    )
    return [row[0] for row in rows]


def _waited_for(connection: sqlite3.Connection, kind: RowKind) -> list[str]:
    """Return the destinations that rows of a kind are kept for."""
    names = _configured(connection, kind, time.time() - _FORGOTTEN_S)
    if names:
        return names
    rows = connection.execute("SELECT name FROM destinations").fetchall()
    return [name for (name,) in rows if accepted_by(name) is not kind.refused_by]


def _confirmed(connection: sqlite3.Connection, destination: str, kind: RowKind) -> int:
    """Return up to which number one destination has the rows of a kind without exception."""
    upto, least = acked(connection, destination, kind), least_parked(connection, destination, kind)
    return upto if least is None else min(upto, least - 1)
