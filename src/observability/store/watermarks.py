"""Compute up to which row destinations have everything; rows are numbered in the order of their commits."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import Final

from src.observability.store.destination_names import accepted_by
from src.observability.store.row_kinds import KINDS, RowKind

_FORGOTTEN_S: Final = 90 * 86_400  # a destination that no process was set up for in so long is not waited for


def acked(connection: sqlite3.Connection, destination: str, kind: RowKind) -> int:
    """Return up to which number one destination has the rows of a kind; 0 where it is not known."""
    row = connection.execute(
        f"SELECT {kind.acked_column} FROM destinations WHERE name = ?",  # noqa: S608 - our own names
        (destination,),
    ).fetchone()
    return int(row[0]) if row else 0


def configured_upto(connection: sqlite3.Connection, kind: RowKind, since: float) -> int | None:
    """Return up to which number every destination has the rows that some process was set up for after `since`.

    Returns None where no such destination accepts rows of this kind.
    """
    upto = connection.execute(
        f"SELECT min(coalesce(d.{kind.acked_column}, 0)) FROM configured c LEFT JOIN destinations d USING (name) "  # noqa: S608 - our own names
        "WHERE c.seen > ? AND c.scores <> ?",
        (since, kind.refused_by),
    ).fetchone()[0]
    return None if upto is None else int(upto)


def delivered_upto(connection: sqlite3.Connection, kind: RowKind) -> int | None:
    """Return up to which number every destination has the rows of a kind; None where no destination accepts any.

    Where no process has registered its destinations, all that ever took rows count.
    """
    upto = configured_upto(connection, kind, time.time() - _FORGOTTEN_S)
    if upto is not None:
        return upto
    watermarks = connection.execute(f"SELECT name, {kind.acked_column} FROM destinations").fetchall()  # noqa: S608 - our own names
    return min((number for name, number in watermarks if accepted_by(name) is not kind.refused_by), default=None)


def undelivered_rows(connection: sqlite3.Connection) -> int:
    """Return how many rows some destination lacks, as far as the file can be read."""
    count = 0
    for kind in KINDS:
        with contextlib.suppress(sqlite3.Error):
            upto = delivered_upto(connection, kind)
            if upto is not None:
                statement = f"SELECT count(*) FROM {kind.table} WHERE seq > ?"  # noqa: S608 - our own names
                count += connection.execute(statement, (upto,)).fetchone()[0]
    return count
