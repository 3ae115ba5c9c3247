"""Find the dearest and the longest facts by the columns of whole days, so that few single facts are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from src.insight.facts.day_columns import NONE, days_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from src.insight.facts.filters import Filter

# Of more, looking each up takes longer than reading all facts.
MOST_MARKS: Final = 1_000


class Mark(NamedTuple):
    """What tells a fact from all others in columns: its start in nanoseconds, and the number of its id."""

    start_ns: int
    span: int


def outermost(
    connection: sqlite3.Connection, days: Sequence[int], filter_: Filter, column: str, limit: int, *, ascending: bool
) -> Iterator[Mark]:
    """Yield the facts of days with the greatest, or the least, known values of a column; of equal ones any."""
    import numpy

    best: list[Any] = [numpy.zeros(0, "int64")] * 3  # values, starts, ids
    for day in days_of(connection, days, filter_):
        values = day[column]
        rows = numpy.flatnonzero(values != NONE)
        values = -values[rows] if ascending else values[rows]
        if len(best[0]) == limit:  # no other can be among them any more
            is_better = values > best[0].min()
            rows, values = rows[is_better], values[is_better]
        if not len(rows):
            continue
        parts = (values, day["start_ns"][rows], day.narrow("span")[rows])
        joined = [numpy.concatenate(pair) for pair in zip(best, parts, strict=True)]
        first = numpy.argsort(joined[0], kind="stable")[::-1][:limit]
        best = [part[first] for part in joined]
    yield from map(Mark, best[1].tolist(), best[2].tolist())
