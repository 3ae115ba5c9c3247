"""Keep the requests that were sent, or were about to be, and whose outcome is not known.

Each is a range of rows, noted before the request is sent and removed with its acknowledgement. A range above its
destination's watermark is a request under way, or what a process that ended left; a range below it is parked: its rows
count as undelivered until the server was asked for them, while later rows are delivered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.observability.store.row_kinds import OBSERVATION

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from src.observability.store.row_kinds import RowKind


ANY_DESTINATION: Final = "*"  # for rows of a damaged store, which may have been delivered to anybody


@dataclass(frozen=True, slots=True)
class SentRange:
    """Rows that were sent together, from number `first` to `last`.

    Attributes:
        first: The first row's number.
        last: The last row's number.
        sent: When they were last sent, in seconds since 1970; 0 where they are known to be missing.
        since: When they were first sent.
        attempts: How often they were sent.
    """

    first: int
    last: int
    sent: float
    since: float
    attempts: int


def note(connection: sqlite3.Connection, destination: str, kind: RowKind, first: int, last: int, now: float) -> None:
    """Note that rows are about to be sent."""
    connection.execute(
        "INSERT INTO unconfirmed (destination, kind, first, last, sent, since, attempts) VALUES (?, ?, ?, ?, ?, ?, 1) "
        "ON CONFLICT (destination, kind, first) DO UPDATE SET last = excluded.last, sent = excluded.sent, "
        "attempts = attempts + 1",
        (destination, kind.name, first, last, now, now),
    )


def remove(connection: sqlite3.Connection, destination: str, kind: RowKind, first: int, last: int) -> None:
    """Remove the ranges that begin between two numbers."""
    connection.execute(
        "DELETE FROM unconfirmed WHERE destination = ? AND kind = ? AND first BETWEEN ? AND ?",
        (destination, kind.name, first, last),
    )


def put(connection: sqlite3.Connection, destination: str, kind: RowKind, ranges: Iterable[SentRange]) -> None:
    """Store ranges, in place of those that begin at the same rows."""
    connection.executemany(
        "INSERT OR REPLACE INTO unconfirmed (destination, kind, first, last, sent, since, attempts) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(destination, kind.name, item.first, item.last, item.sent, item.since, item.attempts) for item in ranges],
    )


def last_number(connection: sqlite3.Connection) -> int:
    """Return the number of the newest observation, 0 where there is none."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM observations").fetchone()[0])


def note_moved(connection: sqlite3.Connection, after: int, now: float) -> None:
    """Note the observations after a number as ones that any destination may have: they come from a damaged store."""
    last = last_number(connection)
    if last > after:
        moved = SentRange(first=after + 1, last=last, sent=0.0, since=now, attempts=1)
        put(connection, ANY_DESTINATION, OBSERVATION, [moved])


def adopt(connection: sqlite3.Connection, destination: str, kind: RowKind, first: int) -> None:
    """Make a range that is noted for any destination one of a certain destination."""
    connection.execute(
        "INSERT OR IGNORE INTO unconfirmed (destination, kind, first, last, sent, since, attempts) "
        "SELECT ?, kind, first, last, sent, since, attempts FROM unconfirmed "
        "WHERE destination = ? AND kind = ? AND first = ?",
        (destination, ANY_DESTINATION, kind.name, first),
    )


def parked(connection: sqlite3.Connection, destination: str, kind: RowKind, upto: int) -> list[SentRange]:
    """Return the parked ranges of a destination whose watermark is `upto`, oldest first."""
    rows = connection.execute(
        "SELECT first, last, sent, since, attempts FROM unconfirmed "
        "WHERE destination = ? AND kind = ? AND first <= ? ORDER BY first",
        (destination, kind.name, upto),
    )
    return [
        SentRange(first=first, last=last, sent=sent, since=since, attempts=attempts)
        for first, last, sent, since, attempts in rows
    ]


def next_noted(connection: sqlite3.Connection, destination: str, kind: RowKind, after: int) -> tuple[int, int] | None:
    """Return the first and last row of the first range above a watermark; None where there is none."""
    row = connection.execute(
        "SELECT first, last FROM unconfirmed WHERE destination IN (?, ?) AND kind = ? AND first > ? "
        "ORDER BY first LIMIT 1",
        (destination, ANY_DESTINATION, kind.name, after),
    ).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


def count_parked(connection: sqlite3.Connection, destination: str, kind: RowKind, upto: int) -> int:
    """Return how many rows are in parked ranges of a destination whose watermark is `upto`."""
    statement = f"SELECT count(*) FROM {kind.table} WHERE seq BETWEEN ? AND ?"  # noqa: S608 - our own names
    return sum(
        connection.execute(statement, (item.first, item.last)).fetchone()[0]
        for item in parked(connection, destination, kind, upto)
    )


def least_parked(connection: sqlite3.Connection, destination: str, kind: RowKind) -> int | None:
    """Return the number of the first row whose request is not confirmed; None where there is none."""
    row = connection.execute(
        "SELECT min(first) FROM unconfirmed WHERE destination = ? AND kind = ?", (destination, kind.name)
    ).fetchone()
    return None if row[0] is None else int(row[0])


def runs(numbers: Sequence[int], selected: set[int]) -> list[tuple[int, int]]:
    """Return the runs of neighbours among the selected of some rows, each by its first and last number."""
    neighbours: list[tuple[int, int]] = []
    previous_selected = False
    for number in numbers:
        if number in selected:
            neighbours.append((neighbours.pop()[0], number) if previous_selected else (number, number))
        previous_selected = number in selected
    return neighbours
