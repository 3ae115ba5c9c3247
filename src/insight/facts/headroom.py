"""Say how much of providers' rate limits was left, by provider and model: over time, and where to read the newest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from src.insight.facts import day_columns
from src.insight.facts.filters import conditions
from src.insight.facts.ranges import within
from src.insight.facts.rows import text_id
from src.insight.facts.schema import DAY_NS, NANO

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

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
    with day_columns.one_moment(connection):
        return _figures(connection, names, filter_)


def _figures(connection: sqlite3.Connection, names: NamesById, filter_: Filter) -> HeadroomFigures:
    last = connection.execute("SELECT start_ns FROM facts ORDER BY key DESC LIMIT 1").fetchone()
    end_ns = filter_.until_ns if filter_.until_ns is not None else last[0] if last is not None else 0
    if filter_.since_ns is None and end_ns:
        filter_ = replace(filter_, since_ns=max((end_ns - 1) // DAY_NS - RECENT_DAYS + 1, 0) * DAY_NS)
    by_day = _by_day(connection, filter_)
    is_long = any(group.start_ns + DAY_NS <= end_ns - _HOURLY_NS for group in by_day)
    if is_long or end_ns - _first_ns(connection, filter_, end_ns) > _HOURLY_NS:
        step, groups = "day", by_day
    else:
        step, groups = "hour", _groups(connection, filter_, _HOUR_NS)
    return HeadroomFigures(
        points=tuple(
            Headroom(group.start_ns, names.text(group.provider), names.text(group.model), group.n, group.least,
                     group.mean)
            for group in groups
        ),
        step=step,
        since_ns=filter_.since_ns,
        newest=tuple(_newest(connection, names, filter_, groups)),
    )  # fmt: skip


class _Group(NamedTuple):
    """The calls of one provider and model in one day or hour, by the numbers of their names."""

    start_ns: int
    provider: int
    model: int
    n: int
    least: float
    mean: float


def _first_ns(connection: sqlite3.Connection, filter_: Filter, end_ns: int) -> int:
    where, values = _where(connection, filter_)
    row = connection.execute(f"SELECT start_ns FROM facts WHERE {where} ORDER BY key LIMIT 1", values).fetchone()
    return int(row[0]) if row is not None else end_ns


def _by_day(connection: sqlite3.Connection, filter_: Filter) -> list[_Group]:
    """Return the groups of each day, whole days out of their columns."""
    days, rest = day_columns.cover(connection, filter_)
    cells = day_columns.least_and_sums(connection, days, filter_, ("provider", "model"))
    parts = [
        _Group(day * DAY_NS, provider, model, n, least, total / n)
        for (day, provider, model), (n, least, total) in cells.items()
    ]
    for since, until in rest:
        parts += _groups(connection, replace(filter_, since_ns=since, until_ns=until), DAY_NS)
    return sorted(parts)


def _groups(connection: sqlite3.Connection, filter_: Filter, step_ns: int) -> list[_Group]:
    where, values = _where(connection, filter_)
    rows = connection.execute(
        f"SELECT start_ns - start_ns % {step_ns} AS moment, provider, model, count(*), min(headroom), avg(headroom) "
        f"FROM facts WHERE {where} GROUP BY moment, provider, model ORDER BY moment",
        values,
    )
    return [_Group(*row) for row in rows]


def _newest(
    connection: sqlite3.Connection, names: NamesById, filter_: Filter, groups: Sequence[_Group]
) -> list[NewestLimits]:
    counts: Counter[tuple[int, int]] = Counter()
    last_day: dict[tuple[int, int], int] = {}
    for group in groups:  # in the order of time
        counts[group.provider, group.model] += group.n
        last_day[group.provider, group.model] = group.start_ns // DAY_NS * DAY_NS
    items = []
    for day_ns in sorted(set(last_day.values())):
        since = max(day_ns, filter_.since_ns or 0)
        until = min(day_ns + DAY_NS, filter_.until_ns or day_ns + DAY_NS)
        where, values = _where(connection, replace(filter_, since_ns=since, until_ns=until))
        rows = connection.execute(
            f"SELECT provider, model, trace, span, max(start_ns) FROM facts WHERE {where} GROUP BY provider, model",
            values,
        )
        for provider, model, trace, span, start_ns in rows:
            if last_day.get((provider, model)) == day_ns:
                items.append(
                    NewestLimits(
                        names.text(provider), names.text(model), counts[provider, model], text_id(trace) or "",
                        text_id(span) or "", start_ns,
                    )
                )  # fmt: skip
    return sorted(items, key=lambda item: (item.provider or "", item.model or ""))


def _where(connection: sqlite3.Connection, filter_: Filter) -> tuple[str, dict[str, object]]:
    where, values = conditions(connection, filter_)
    return f"headroom IS NOT NULL {where} {within(filter_.since_ns, filter_.until_ns)}", values
