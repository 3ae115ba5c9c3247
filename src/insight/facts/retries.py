"""Count the attempts that failed and were tried again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from src.insight.facts import day_columns
from src.insight.facts.filters import column_of, conditions, fits, ids_of
from src.insight.facts.names import NamesById
from src.insight.facts.ranges import split, within
from src.insight.facts.schema import RETRY_KEYS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from src.insight.facts.filters import Dimension, Filter


def counts_deleted(filter_: Filter) -> bool:
    """Tell whether attempts of observations that the store has deleted are counted for a filter."""
    return fits(replace(filter_, type=None).needs(), RETRY_KEYS)


def retries(connection: sqlite3.Connection, filter_: Filter, by: Sequence[Dimension]) -> dict[tuple[int, ...], int]:
    """Return how many attempts there were for each group, by the numbers of its names.

    Args:
        connection: The facts file.
        filter_: Which observations; `category` is that of the attempt here, not of the observation.
        by: What to group by; `category` as above.
    """
    columns = [column_of(name) for name in by]
    whole = replace(filter_, type=None)
    counts: Counter[tuple[int, ...]] = Counter()
    with day_columns.one_moment(connection):
        ranges: Sequence[tuple[int | None, int | None]] = ((filter_.since_ns, filter_.until_ns),)
        if fits(whole.needs() | set(columns), RETRY_KEYS):
            parts = split(connection, filter_)
            ranges = parts.edges
            counts.update(_daily(connection, whole, columns, parts.days))
        for since_ns, until_ns in ranges:
            counts.update(_single(connection, replace(whole, since_ns=since_ns, until_ns=until_ns), columns))
    return {key: n for key, n in counts.items() if n}


def _daily(
    connection: sqlite3.Connection, filter_: Filter, columns: Sequence[str], days: str
) -> dict[tuple[int, ...], int]:
    where, values = conditions(connection, filter_)
    keys = "".join(f"{name}, " for name in columns)
    rows = connection.execute(f"SELECT {keys} n FROM retries WHERE 1 {where} {days}", values)
    counts: Counter[tuple[int, ...]] = Counter()
    for *key, n in rows:
        counts[tuple(key)] += n
    return counts


def _single(connection: sqlite3.Connection, filter_: Filter, columns: Sequence[str]) -> dict[tuple[int, ...], int]:
    """Count the attempts of single facts, whose categories stand in one text with commas."""
    choice = (filter_.category,) if isinstance(filter_.category, str) else filter_.category
    texts = NamesById(connection)
    counts: Counter[tuple[int, ...]] = Counter()
    keys = [name for name in columns if name != "category"]
    for (*key, retried), n in _by_retried(connection, replace(filter_, category=None), keys).items():
        for category in filter(None, (texts.text(retried) or "").split(",")):
            if choice is None or category in choice:
                others = iter(key)
                number = next(iter(ids_of(connection, (category,))), 0)
                counts[tuple(number if name == "category" else next(others) for name in columns)] += n
    return counts


def _by_retried(connection: sqlite3.Connection, filter_: Filter, keys: Sequence[str]) -> Counter[tuple[int, ...]]:
    """Count facts that needed more than one attempt, by keys and the number of the text of their categories."""
    where, values = conditions(connection, filter_)
    names = ", ".join([*keys, "retried"])
    with day_columns.one_moment(connection):
        days, rest = day_columns.cover(connection, filter_)
        counts = day_columns.counts(connection, days, filter_, [*keys, "retried"], "retried")
        for since, until in rest:
            rows = connection.execute(
                f"SELECT {names}, count(*) FROM facts WHERE retried <> 0 {where} {within(since, until)} "
                f"GROUP BY {names}",
                values,
            )
            for *key, n in rows:
                counts[tuple(key)] += n
    return counts
