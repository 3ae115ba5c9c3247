"""Compute quantiles of durations: exactly while data are few, from histograms where they are many."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from src.insight.facts import day_columns
from src.insight.facts.filters import column_of, conditions, is_latency
from src.insight.facts.ranges import split, within
from src.insight.facts.records import Percentiles
from src.insight.facts.schema import BASE, DURATION, FIRST_TOKEN, first_key

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from src.insight.facts.filters import Filter

Measure = Literal["duration", "first_token"]
# Up to so many durations are sorted; beyond, a histogram is faster, and its error smaller than the noise.
MOST_EXACT: Final = 50_000
# Of more facts in the period they are not looked for one by one, even where the filter leaves few: that takes seconds.
MOST_READ: Final = 1_000_000
_MEASURES: Final = {"duration": (DURATION, "duration_us"), "first_token": (FIRST_TOKEN, "first_token_us")}
# Which bucket a time to the first token falls into is not stored: as schema.bucket_of does.
_BUCKET_OF_FIRST: Final = f"CAST(ceil(ln(max(first_token_us, 1) / 1000.0) / ln({BASE}) - 1e-9) AS INTEGER)"


_ANY_FIRST: Final = f"SELECT 1 FROM latency WHERE measure = {FIRST_TOKEN} LIMIT 1"


class Groups(NamedTuple):
    """The quantiles of each group, by the numbers of its names, and those of all groups together: None for nothing."""

    groups: dict[tuple[int, ...], Percentiles]
    all: Percentiles | None


def percentiles(
    connection: sqlite3.Connection,
    filter_: Filter,
    by: Sequence[str],
    shares: Sequence[float],
    measure: Measure,
) -> Groups:
    """Return the quantiles of each group, and of all.

    Raises:
        ValueError: a share is not from 0 to 1.
    """
    if any(not 0 <= share <= 1 for share in shares):
        raise ValueError(f"The shares are {tuple(shares)}: use numbers from 0 to 1, such as 0.95.")
    columns = [column_of(name) for name in by]
    with day_columns.one_moment(connection):
        histograms, is_whole = _histograms(connection, filter_, columns, measure)
        total = sum(sum(buckets.values()) for buckets in histograms.values())
        is_exact = is_whole and 0 < total <= MOST_EXACT and _is_soon_read(connection, filter_)
        exact = _durations(connection, filter_, columns, measure) if is_exact else {}
    if len(exact) == len(histograms) and exact:
        everything = _exact([duration for durations in exact.values() for duration in durations], shares)
    else:
        everything = _approximate(sum(map(Counter, histograms.values()), Counter()), shares)
    return Groups(
        groups={
            key: _exact(exact[key], shares) if key in exact else _approximate(buckets, shares)
            for key, buckets in histograms.items()
        },
        all=everything if total else None,
    )


def _histograms(
    connection: sqlite3.Connection, filter_: Filter, columns: Sequence[str], measure: Measure
) -> tuple[dict[tuple[int, ...], dict[int, int]], bool]:
    """Return the histogram of each group, and whether single facts are there of all that they count."""
    number, column = _MEASURES[measure]
    where, values = conditions(connection, filter_)
    keys = "".join(f"{name}, " for name in columns)
    bucket = "bucket" if measure == "duration" else _BUCKET_OF_FIRST
    facts = f"SELECT {keys} {bucket} AS bucket, 1 AS n FROM facts WHERE {column} IS NOT NULL {where}"
    is_whole = True
    histograms: dict[tuple[int, ...], dict[int, int]] = {}
    if is_latency(filter_, columns):
        parts = split(connection, filter_)
        daily = f"SELECT {keys} bucket, n FROM latency WHERE measure = {number} {where} {parts.days}"
        source = " UNION ALL ".join([daily, *(facts + within(since, until) for since, until in parts.edges)])
        expired = f"SELECT 1 FROM expired WHERE 1 {parts.days} LIMIT 1"
        is_whole = connection.execute(expired).fetchone() is None
    else:
        if number == FIRST_TOKEN and not connection.execute(_ANY_FIRST).fetchone():
            return {}, True  # nothing was streamed: single facts need not be looked at
        days, rest = day_columns.cover(connection, filter_)
        histograms = day_columns.histograms(connection, days, filter_, columns, column)
        source = " UNION ALL ".join(facts + within(since, until) for since, until in rest)
    statement = f"SELECT {keys} bucket, sum(n) FROM ({source}) GROUP BY {keys} bucket"
    for *key, bucket_number, n in connection.execute(statement, values) if source else ():
        buckets = histograms.setdefault(tuple(key), {})
        buckets[bucket_number] = buckets.get(bucket_number, 0) + n
    return histograms, is_whole


def _is_soon_read(connection: sqlite3.Connection, filter_: Filter) -> bool:
    """Tell whether the facts of a filter's period are few, as if they were spread evenly over time, or have an index.

    Counting them would take as long as reading them.
    """
    if filter_.session is not None:
        return True
    first, last, count = connection.execute(
        "SELECT (SELECT min(key) FROM facts), (SELECT max(key) FROM facts), "
        "(SELECT value FROM meta WHERE name = 'facts')"
    ).fetchone()
    if first is None or not count:
        return True
    since = first if filter_.since_ns is None else max(first_key(filter_.since_ns), first)
    until = last if filter_.until_ns is None else min(first_key(filter_.until_ns), last)
    return bool(count * max(until - since, 0) <= MOST_READ * max(last - first, 1))


def _durations(
    connection: sqlite3.Connection, filter_: Filter, columns: Sequence[str], measure: Measure
) -> dict[tuple[int, ...], list[int]]:
    """Return the durations of each group in microseconds."""
    column = _MEASURES[measure][1]
    where, values = conditions(connection, filter_)
    days, rest = day_columns.cover(connection, filter_)
    durations = day_columns.times_of(connection, days, filter_, columns, column)
    keys = "".join(f"{name}, " for name in columns)
    for since, until in rest:
        statement = f"SELECT {keys} {column} FROM facts WHERE {column} IS NOT NULL {where} {within(since, until)}"
        for *key, duration in connection.execute(statement, values):
            durations.setdefault(tuple(key), []).append(duration)
    return durations


def _exact(durations: list[int], shares: Iterable[float]) -> Percentiles:
    durations.sort()
    values = []
    for share in shares:
        place = share * (len(durations) - 1)
        below = int(place)
        above = min(below + 1, len(durations) - 1)
        values.append((durations[below] + (durations[above] - durations[below]) * (place - below)) / 1_000)
    return Percentiles(n=len(durations), values_ms=tuple(values), is_exact=True)


def _approximate(buckets: dict[int, int], shares: Iterable[float]) -> Percentiles:
    """Return quantiles of a histogram, as if the durations inside a bucket were spread evenly on its log scale."""
    n = sum(buckets.values())
    values = []
    for share in shares:
        rank, below = share * (n - 1) + 0.5, 0
        for bucket in sorted(buckets):
            count = buckets[bucket]
            if below + count >= rank:
                values.append(BASE ** (bucket - 1 + (rank - below) / count))
                break
            below += count
    return Percentiles(n=n, values_ms=tuple(values), is_exact=False)
