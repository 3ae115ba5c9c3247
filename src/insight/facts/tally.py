"""Add up facts by day, and add the sums to the tables that are kept by day."""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, Final

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
    from collections.abc import Sequence

    from src.insight.facts.conversion import FactRow


def _add(table: str, keys: Sequence[str], sums: Sequence[str]) -> str:
    places = ", ".join("?" * (len(keys) + len(sums)))
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in sums)
    columns = ", ".join([*keys, *sums])
    return f"INSERT INTO {table} ({columns}) VALUES ({places}) ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"


_ADD_DAILY: Final = _add("daily", ("day", *DAILY_KEYS), MEASURES)
_ADD_LATENCY: Final = _add("latency", ("day", "measure", *LATENCY_KEYS, "bucket"), ("n",))
_ADD_RETRIES: Final = _add("retries", ("day", *RETRY_KEYS), ("n",))


class Tally:
    """The sums of some facts."""

    def __init__(self) -> None:
        self._daily: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._latency: dict[tuple[int, ...], int] = {}
        self._retries: dict[tuple[int, ...], int] = {}

    def add(self, row: FactRow, retried: Sequence[int]) -> None:
        """Add a fact.

        Args:
            row: The fact.
            retried: The numbers of the categories of its attempts that were tried again.
        """
        day = day_of(row.start_ns)
        key = (
            day, row.type, row.error, row.category, row.agent, row.model, row.provider, row.symbol, row.environment,
            row.prompt_name, row.prompt_version,
        )  # fmt: skip
        values = (
            1, row.unpriced, row.cost_nano or 0, row.is_unmeasured, row.input_tokens or 0, row.output_tokens or 0,
            row.cached_tokens or 0, row.written_tokens or 0, row.reasoning_tokens or 0, row.duration_us,
            row.first_token_us is not None, row.first_token_us or 0, row.attempts or 0, (row.attempts or 1) > 1,
            row.repaired, row.is_cut,
        )  # fmt: skip
        sums = self._daily.get(key)
        self._daily[key] = values if sums is None else tuple(map(add, sums, values))
        place_of = (row.type, row.error, row.agent, row.model, row.provider, row.environment)
        bucket = (day, DURATION, *place_of, row.bucket)
        self._latency[bucket] = self._latency.get(bucket, 0) + 1
        if row.first_token_us is not None:
            bucket = (day, FIRST_TOKEN, *place_of, bucket_of(row.first_token_us))
            self._latency[bucket] = self._latency.get(bucket, 0) + 1
        for category in retried:
            cell = (day, row.agent, row.model, row.provider, row.environment, category)
            self._retries[cell] = self._retries.get(cell, 0) + 1

    def write(self, connection: sqlite3.Connection) -> None:
        """Add the sums to the tables, inside a transaction."""
        connection.executemany(_ADD_DAILY, ((*key, *sums) for key, sums in self._daily.items()))
        connection.executemany(_ADD_LATENCY, ((*key, n) for key, n in self._latency.items()))
        connection.executemany(_ADD_RETRIES, ((*key, n) for key, n in self._retries.items()))
