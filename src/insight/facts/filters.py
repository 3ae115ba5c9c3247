"""Say which observations a question is about, and turn that into SQL over the facts file."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from src.insight.facts.schema import DAILY_KEYS, LATENCY_KEYS, NANO
from src.observability.store.records import BILLED_TYPES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Sequence

Choice: TypeAlias = str | tuple[str, ...] | None
Status = Literal["ok", "error"]
BILLED: Final = BILLED_TYPES
# What rows can be grouped by; `status` is ok or error.
Dimension = Literal[
    "type", "status", "category", "agent", "model", "provider", "symbol", "environment", "prompt_name",
    "prompt_version", "requested_model", "session", "user", "finish_reason", "member", "vote", "name",
]  # fmt: skip
DIMENSIONS: Final[tuple[str, ...]] = get_args(Dimension)


# The environment of judges' calls and of trials of prompts, which are about other calls and no work of their own.
EVALUATION: Final = "evaluation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which observations a question is about; None leaves a field out.

    A field of names takes one name or several; the empty text stands for observations without one.

    Attributes:
        agent: The agent that asked.
        model: The model that answered, or was asked where none did.
        provider: The provider.
        symbol: The market's symbol.
        session: The session.
        user: The user.
        environment: Where the call took place, such as `production`.
        status: `ok`, or `error` for those that ended in an error.
        category: The category of the error.
        tag: One of the trace's tags.
        prompt_name: The name of the prompt.
        prompt_version: The version of the prompt.
        requested_model: The model that was asked for.
        member: The label of the swarm's member.
        finish_reason: Why the reply ended.
        since_ns: The earliest start, in nanoseconds since 1970.
        until_ns: The first start that is too late.
        min_cost_usd: The least known cost.
        min_latency_ms: The least duration.
        without_environment: An environment that is left out.
        type: The types of observations; those that a provider bills where not set, None for all.
    """

    agent: Choice = None
    model: Choice = None
    provider: Choice = None
    symbol: Choice = None
    session: Choice = None
    user: Choice = None
    environment: Choice = None
    status: Status | None = None
    category: Choice = None
    tag: str | None = None
    prompt_name: Choice = None
    prompt_version: Choice = None
    requested_model: Choice = None
    member: Choice = None
    finish_reason: Choice = None
    since_ns: int | None = None
    until_ns: int | None = None
    min_cost_usd: float | None = None
    min_latency_ms: float | None = None
    without_environment: str | None = None
    type: Choice = BILLED

    def __post_init__(self) -> None:
        """Refuse a status that does not exist: it would select nothing, and look like an answer."""
        if self.status not in (None, "ok", "error"):
            raise ValueError(f"The status is {self.status!r}: use ok or error.")
        for name, least in (("cost", self.min_cost_usd), ("latency", self.min_latency_ms)):
            if least is not None and not math.isfinite(least):
                raise ValueError(f"The least {name} is {least}: give a finite number.")

    def of_the_environment_left_out(self) -> Filter | None:
        """Return the filter of what is left out by its environment; None where nothing is."""
        if self.without_environment is None:
            return None
        return replace(self, without_environment=None, environment=self.without_environment)

    def needs(self) -> set[str]:
        """Return the columns of `facts` that the filter reads, times apart."""
        names = {item.name for item in fields(self) if getattr(self, item.name) is not None}
        renamed = {"status": "error", "tag": "tags", "min_cost_usd": "cost_nano", "min_latency_ms": "duration_us",
                   "without_environment": "environment"}  # fmt: skip
        return {renamed.get(name, name) for name in names - {"since_ns", "until_ns"}}


_NAMED: Final = (
    "type", "agent", "model", "provider", "symbol", "session", "user", "environment", "category", "prompt_name",
    "prompt_version", "requested_model", "member", "finish_reason",
)  # fmt: skip


_FEW: Final = 8

# The texts of tags that have one of them.
_WITH_TAG: Final = (
    "SELECT id FROM names WHERE text LIKE '[%' AND json_valid(text) "
    "AND EXISTS (SELECT 1 FROM json_each(text) t WHERE t.value = :tag)"
)


def column_of(dimension: str) -> str:
    """Return the column that holds a dimension.

    Raises:
        ValueError: there is no such dimension.
    """
    if dimension not in DIMENSIONS:
        raise ValueError(f"{dimension!r} is nothing to group by: use {', '.join(DIMENSIONS)}.")
    return "error" if dimension == "status" else dimension


def fits(columns: Collection[str], keys: Sequence[str]) -> bool:
    """Tell whether a table that is kept by `keys` knows all columns."""
    return set(columns) <= set(keys)


def is_daily(filter_: Filter, columns: Sequence[str] = ()) -> bool:
    """Tell whether daily totals answer a question that groups by some columns, whole days assumed."""
    return fits(filter_.needs() | set(columns), DAILY_KEYS)


def is_latency(filter_: Filter, columns: Sequence[str] = ()) -> bool:
    """Tell whether latency histograms answer a question that groups by some columns, whole days assumed."""
    return fits(filter_.needs() | set(columns), LATENCY_KEYS)


def conditions(connection: sqlite3.Connection, filter_: Filter) -> tuple[str, dict[str, object]]:
    """Return a filter as conditions of a WHERE clause and their parameters, times apart.

    The conditions begin with AND, or are empty.
    """
    parts: list[str] = []
    values: dict[str, object] = {}
    for name in _NAMED:
        choice = getattr(filter_, name)
        if choice is not None:
            ids = ids_of(connection, (choice,) if isinstance(choice, str) else choice)
            parts.append(f"{name} IN ({', '.join(map(str, ids)) or '-1'})")
            if name == "session" and 0 not in ids:
                parts.append("session <> 0")  # without it SQLite does not see that the index has all of these
    if filter_.status is not None:
        parts.append(f"error = {int(filter_.status == 'error')}")
    if filter_.without_environment is not None:
        ids = ids_of(connection, (filter_.without_environment,))
        parts.append(f"environment NOT IN ({', '.join(map(str, ids)) or '-1'})")
    if filter_.tag is not None:
        parts.append(f"tags IN ({_WITH_TAG})")
        values["tag"] = filter_.tag
    if filter_.min_cost_usd is not None:
        parts.append("cost_nano >= :min_cost")
        values["min_cost"] = round(filter_.min_cost_usd * NANO)
    if filter_.min_latency_ms is not None:
        parts.append("duration_us >= :min_latency")
        values["min_latency"] = round(filter_.min_latency_ms * 1_000)
    return "".join(f" AND {part}" for part in parts), values


def choices(connection: sqlite3.Connection, filter_: Filter) -> list[tuple[str, Callable[[Any], Any]]]:
    """Return a filter as tests of columns, times apart: each takes an array of a column, and returns which rows fit."""
    tests: list[tuple[str, Callable[[Any], Any]]] = []

    def is_in(ids: Sequence[int], *, invert: bool = False) -> Callable[[Any], Any]:
        return lambda column: is_among(column, ids) ^ invert

    for name in _NAMED:
        choice = getattr(filter_, name)
        if choice is not None:
            tests.append((name, is_in(ids_of(connection, (choice,) if isinstance(choice, str) else choice))))
    if filter_.status is not None:
        tests.append(("error", is_in([int(filter_.status == "error")])))
    if filter_.without_environment is not None:
        tests.append(("environment", is_in(ids_of(connection, (filter_.without_environment,)), invert=True)))
    if filter_.tag is not None:
        rows = connection.execute(_WITH_TAG, {"tag": filter_.tag})
        tests.append(("tags", is_in([row[0] for row in rows])))
    if filter_.min_cost_usd is not None:
        least_nano = round(filter_.min_cost_usd * NANO)
        tests.append(("cost_nano", lambda column: column >= least_nano))  # what stands for none is less than any cost
    if filter_.min_latency_ms is not None:
        least_us = round(filter_.min_latency_ms * 1_000)
        tests.append(("duration_us", lambda column: column >= least_us))
    return tests


def is_among(column: Any, ids: Sequence[int]) -> Any:
    """Return which numbers of an array are among some; a few are compared one by one, which is faster."""
    import numpy

    if not 0 < len(ids) <= _FEW:
        return numpy.isin(column, ids)
    result = column == ids[0]
    for number in ids[1:]:
        result |= column == number
    return result


def ids_of(connection: sqlite3.Connection, texts: Sequence[str]) -> list[int]:
    """Return the numbers of the names that the file knows; 0 for the empty text."""
    ids = [0] if "" in texts else []
    for text in texts:
        row = connection.execute("SELECT id FROM names WHERE text = ?", (text,)).fetchone()
        if row is not None and text:
            ids.append(int(row[0]))
    return ids
