"""Add up facts by day, and add the sums to the tables that are kept by day."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from src.insight.facts.conversion import FactRow
from src.insight.facts.schema import (
    DAILY_KEYS,
    DURATION,
    FIRST_TOKEN,
    LATENCY_KEYS,
    MEASURES,
    RETRY_KEYS,
    bucket_of,
    day_of,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from src.insight.facts.conversion import Batch
    from src.insight.facts.numbering import Names

    Columns: TypeAlias = Mapping[str, Sequence[Any]]


def _add(table: str, keys: Sequence[str], sums: Sequence[str]) -> str:
    places = ", ".join("?" * (len(keys) + len(sums)))
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in sums)
    columns = ", ".join([*keys, *sums])
    return f"INSERT INTO {table} ({columns}) VALUES ({places}) ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"


_ADD_DAILY: Final = _add("daily", ("day", *DAILY_KEYS), MEASURES)
_ADD_LATENCY: Final = _add("latency", ("day", "measure", *LATENCY_KEYS, "bucket"), ("n",))
_ADD_RETRIES: Final = _add("retries", ("day", *RETRY_KEYS), ("n",))


def add_sums(connection: sqlite3.Connection, batch: Batch, names: Names) -> None:
    """Add some facts to the sums by day, inside a transaction; at least one fact."""
    column = dict(zip(FactRow._fields, zip(*batch.rows, strict=True), strict=True))
    days = [day_of(start_ns) for start_ns in column["start_ns"]]
    connection.executemany(_ADD_DAILY, ((*key, *sums) for key, sums in _daily(batch, column, days).items()))
    connection.executemany(_ADD_LATENCY, ((*key, n) for key, n in _latency(column, days).items()))
    connection.executemany(_ADD_RETRIES, ((*key, n) for key, n in _retries(batch, days, names).items()))


def _daily(batch: Batch, column: Columns, days: Sequence[int]) -> dict[tuple[int, ...], tuple[int, ...]]:
    attempts = column["attempts"]
    measured: dict[str, Iterable[int]] = {
        "n": repeat(1, len(days)),
        "unmeasured": batch.unmeasured,
        "first_tokens": [passed is not None for passed in column["first_token_us"]],
        "retried": [(sent or 1) > 1 for sent in attempts],
        "cut": batch.cut,
    }
    values = zip(*(measured.get(name) or [value or 0 for value in column[name]] for name in MEASURES), strict=True)
    groups: defaultdict[tuple[int, ...], list[tuple[int, ...]]] = defaultdict(list)
    keys = zip(days, *(column[name] for name in DAILY_KEYS), strict=True)
    for key, value in zip(keys, values, strict=True):
        groups[key].append(value)
    return {key: tuple(map(sum, zip(*items, strict=True))) for key, items in groups.items()}


def _latency(column: Columns, days: Sequence[int]) -> Counter[tuple[int, ...]]:
    places = [column[name] for name in LATENCY_KEYS]
    buckets = Counter(zip(days, repeat(DURATION, len(days)), *places, column["bucket"], strict=True))
    streamed = [number for number, passed in enumerate(column["first_token_us"]) if passed is not None]
    for number in streamed:
        place = (days[number], FIRST_TOKEN, *(values[number] for values in places))
        buckets[*place, bucket_of(column["first_token_us"][number])] += 1
    return buckets


def _retries(batch: Batch, days: Sequence[int], names: Names) -> Counter[tuple[int, ...]]:
    cells: Counter[tuple[int, ...]] = Counter()
    for row, day, retried in zip(batch.rows, days, batch.retried, strict=True):
        for category in filter(None, retried.split(",")) if retried else ():
            cells[day, row.agent, row.model, row.provider, row.environment, names[category]] += 1
    return cells
