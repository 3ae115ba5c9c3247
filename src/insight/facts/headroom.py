"""Say how much of providers' rate limits was left, by provider and model: over time, and where to read the newest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from src.insight.facts.filters import conditions
from src.insight.facts.ranges import within
from src.insight.facts.rows import text_id
from src.insight.facts.schema import DAY_NS, NANO

if TYPE_CHECKING:
    import sqlite3

    from src.insight.facts.filters import Filter
    from src.insight.facts.names import NamesById

RECENT_DAYS: Final = 7
_HOURLY_NS: Final = 3 * DAY_NS  # up to which hours are told apart
_HOUR_NS: Final = 3_600 * NANO


@dataclass(frozen=True, slots=True)
class Headroom:
    """How much of the rate limits of one model was left in one day or hour.

    Attributes:
        start_ns: Its beginning, in UTC.
        provider: The provider.
        model: The model.
        n: How many calls were told their limits.
        least: The least share that was left, 0 to 1.
        mean: The mean share that was left.
    """

    start_ns: int
    provider: str | None
    model: str | None
    n: int
    least: float
    mean: float


@dataclass(frozen=True, slots=True)
class NewestLimits:
    """The newest call of one model that was told its rate limits."""

    provider: str | None
    model: str | None
    n: int
    trace_id: str
    span_id: str
    start_ns: int


@dataclass(frozen=True, slots=True)
class HeadroomFigures:
    """What providers told of their rate limits.

    Attributes:
        points: How much was left, in the order of time.
        step: How long one of them is: `day` or `hour`.
        since_ns: The first start of calls that are counted; None where all are.
        newest: The newest call of each provider and model that was told its limits.
    """

    points: tuple[Headroom, ...]
    step: str
    since_ns: int | None
    newest: tuple[NewestLimits, ...]


def figures(connection: sqlite3.Connection, names: NamesById, filter_: Filter) -> HeadroomFigures:
    """Return what providers told; of the newest days, where the filter names no beginning."""
    last = connection.execute("SELECT start_ns FROM facts ORDER BY key DESC LIMIT 1").fetchone()
    end_ns = filter_.until_ns if filter_.until_ns is not None else last[0] if last is not None else 0
    if filter_.since_ns is None and end_ns:
        filter_ = replace(filter_, since_ns=max((end_ns - 1) // DAY_NS - RECENT_DAYS + 1, 0) * DAY_NS)
    step = "hour" if end_ns - _first_ns(connection, filter_, end_ns) <= _HOURLY_NS else "day"
    return HeadroomFigures(
        points=tuple(_points(connection, names, filter_, _HOUR_NS if step == "hour" else DAY_NS)),
        step=step,
        since_ns=filter_.since_ns,
        newest=tuple(_newest(connection, names, filter_)),
    )


def _first_ns(connection: sqlite3.Connection, filter_: Filter, end_ns: int) -> int:
    where, values = _where(connection, filter_)
    row = connection.execute(f"SELECT start_ns FROM facts WHERE {where} ORDER BY key LIMIT 1", values).fetchone()
    return int(row[0]) if row is not None else end_ns


def _points(connection: sqlite3.Connection, names: NamesById, filter_: Filter, step_ns: int) -> list[Headroom]:
    where, values = _where(connection, filter_)
    rows = connection.execute(
        f"SELECT start_ns - start_ns % {step_ns} AS moment, provider, model, count(*), min(headroom), avg(headroom) "
        f"FROM facts WHERE {where} GROUP BY moment, provider, model ORDER BY moment",
        values,
    )
    return [
        Headroom(moment, names.text(provider), names.text(model), n, least, mean)
        for moment, provider, model, n, least, mean in rows
    ]


def _newest(connection: sqlite3.Connection, names: NamesById, filter_: Filter) -> list[NewestLimits]:
    where, values = _where(connection, filter_)
    # SQLite takes columns outside of a single max() from the row that has it.
    rows = connection.execute(
        f"SELECT provider, model, count(*), max(start_ns), trace, span FROM facts WHERE {where} "
        "GROUP BY provider, model",
        values,
    )
    items = [
        NewestLimits(names.text(provider), names.text(model), n, text_id(trace) or "", text_id(span) or "", start_ns)
        for provider, model, n, start_ns, trace, span in rows
    ]
    return sorted(items, key=lambda item: (item.provider or "", item.model or ""))


def _where(connection: sqlite3.Connection, filter_: Filter) -> tuple[str, dict[str, object]]:
    where, values = conditions(connection, filter_)
    return f"headroom IS NOT NULL {where} {within(filter_.since_ns, filter_.until_ns)}", values
