"""Split a range of time into whole days, which daily totals answer, and the rest, which facts answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.insight.facts.schema import DAY_NS, day_of, first_key

if TYPE_CHECKING:
    import sqlite3

    from src.insight.facts.filters import Filter


@dataclass(frozen=True, slots=True)
class Split:
    """A range of time in parts.

    Attributes:
        first_day: The first whole day; None where there is no first.
        end_day: The first day that is too late; None where there is none.
        edges: The parts of days that remain, as times from and until.
        since_ns: Where the parts begin: before the range does, where the facts of a part of a day are deleted, so that
            the whole day is taken.
        until_ns: Where they end.
    """

    first_day: int | None
    end_day: int | None
    edges: tuple[tuple[int, int], ...]
    since_ns: int | None
    until_ns: int | None

    @property
    def days(self) -> str:
        """Return the whole days as conditions on the column `day`, beginning with AND."""
        since = "" if self.first_day is None else f" AND day >= {self.first_day}"
        return since if self.end_day is None else f"{since} AND day < {self.end_day}"


def split(connection: sqlite3.Connection, filter_: Filter) -> Split:
    """Return a filter's range in parts."""
    since, until = filter_.since_ns, filter_.until_ns
    since = None if since is None else _whole_where_expired(connection, since, later=False)
    until = None if until is None else _whole_where_expired(connection, until, later=True)
    first = None if since is None else -(-since // DAY_NS)
    end = None if until is None else until // DAY_NS
    edges: list[tuple[int, int]] = []
    if since is not None and until is not None and (since >= until or -(-since // DAY_NS) > until // DAY_NS):
        return Split(0, 0, ((since, until),) if since < until else (), since, until)
    if since is not None and first is not None and since < first * DAY_NS:
        edges.append((since, first * DAY_NS))
    if until is not None and end is not None and until > end * DAY_NS:
        edges.append((end * DAY_NS, until))
    return Split(first, end, tuple(edges), since, until)


def _whole_where_expired(connection: sqlite3.Connection, ns: int, *, later: bool) -> int:
    """Return a time, moved to its day's beginning or end where facts of that day are deleted."""
    day = day_of(ns)
    if ns == day * DAY_NS or not connection.execute("SELECT 1 FROM expired WHERE day = ?", (day,)).fetchone():
        return ns
    return (day + int(later)) * DAY_NS


def within(since_ns: int | None, until_ns: int | None) -> str:
    """Return a range as conditions on facts, beginning with AND; keys bound what is read."""
    parts = []
    if since_ns is not None:
        parts.append(f" AND key >= {first_key(since_ns)} AND start_ns >= {since_ns}")
    if until_ns is not None:
        parts.append(f" AND key < {first_key(until_ns) + 2**32} AND start_ns < {until_ns}")
    return "".join(parts)
