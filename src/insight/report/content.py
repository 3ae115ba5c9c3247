"""Gather what a report says."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from src.insight.facts.reader import NOTHING
from src.insight.facts.schema import DAY_NS, NANO
from src.insight.figures.groups import DIMENSIONS, Group, groups, key_text
from src.insight.figures.noise import FEWEST_BLOCKS, Change, blocks_of, changes, judged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.insight.facts.filters import Filter
    from src.insight.facts.reader import FactsReader, Step
    from src.insight.facts.records import Freshness, Totals

_HOUR_NS: Final = 3_600 * NANO
_MOST_COMPARED: Final = 20  # groups that are compared with the period before, the dearest first


@dataclass(frozen=True, slots=True)
class Failures:
    """How many calls ended in an error, or how many attempts were tried again, for one reason; None is unknown."""

    category: str | None
    n: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed against the period before.

    Attributes:
        since_ns: When the period before began, in nanoseconds since 1970.
        until_ns: When it ended: where this one begins.
        block: By what the figures are blocked: `day`, or `hour` where the periods are short.
        total: The changes of all calls together.
        groups: The changes of groups, by their keys.
        new: The keys of groups that have calls in this period alone.
        gone: The keys of groups that have calls in the period before alone.
    """

    since_ns: int
    until_ns: int
    block: Step
    total: Sequence[Change]
    groups: Sequence[tuple[str | None, Sequence[Change]]]
    new: Sequence[str | None]
    gone: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says.

    Attributes:
        filter: Which calls it is about.
        by: By what they are grouped.
        since_ns: From when on; where the calls of a day are partly deleted the whole day is taken. None where open.
        until_ns: Until when.
        total: All of them.
        groups: The groups.
        days: Each day that has calls.
        errors: Why calls failed, the commonest first.
        retries: Why attempts were tried again, of whole days.
        comparison: What changed against the period before; None where the report has no beginning, or nothing was
            recorded before it.
        freshness: How far the facts have read the store.
        left_out: The sums of the environment that is left out; None where none is.
    """

    filter: Filter
    by: str | None
    since_ns: int | None
    until_ns: int | None
    total: Group
    groups: Sequence[Group]
    days: Sequence[Group]
    errors: Sequence[Failures]
    retries: Sequence[Failures]
    comparison: Comparison | None
    freshness: Freshness
    left_out: Totals | None = None


def make_report(reader: FactsReader, filter_: Filter, by: str | None, *, now_ns: int) -> Report:
    """Return a report.

    Args:
        reader: The facts.
        filter_: Which calls.
        by: By what to group them: one of `groups.BY`, or None.
        now_ns: The present, where the report has no end.

    Raises:
        ValueError: `by` is none of them.
    """
    since_ns, until_ns = reader.effective_range(filter_)
    days = groups(reader, filter_, "day")
    return Report(
        filter=filter_,
        by=by,
        since_ns=since_ns,
        until_ns=until_ns,
        total=groups(reader, filter_, None)[0],
        groups=days if by == "day" else groups(reader, filter_, by) if by is not None else (),
        days=days,
        errors=_failures(
            {row.key: row.totals.n for row in reader.grouped(replace(filter_, status="error"), ("category",))}
        )
        if filter_.status in (None, "error")
        else (),
        retries=_failures(reader.retries(filter_, ("category",))),
        comparison=compared(reader, filter_, by, now_ns=now_ns),
        freshness=reader.freshness(),
        left_out=_left_out(reader, filter_),
    )


def _left_out(reader: FactsReader, filter_: Filter) -> Totals | None:
    besides = filter_.of_the_environment_left_out()
    return None if besides is None else reader.totals(besides)


def _failures(counts: dict[tuple[str | None, ...], int]) -> list[Failures]:
    items = [Failures(category=key[0], n=n) for key, n in counts.items() if n]
    return sorted(items, key=lambda item: (-item.n, str(item.category)))


def compared(reader: FactsReader, filter_: Filter, by: str | None, *, now_ns: int) -> Comparison | None:
    """Return what changed against the period of the same length before; None where nothing was recorded then.

    Neither time to come nor time before the first recorded day counts: days without calls would look like a change.
    """
    first_day = reader.freshness().first_day
    if filter_.since_ns is None or first_day is None:
        return None
    until_ns = now_ns if filter_.until_ns is None else min(filter_.until_ns, now_ns)
    length = until_ns - filter_.since_ns
    now = replace(filter_, until_ns=until_ns)
    began_ns = max(first_day * DAY_NS, filter_.since_ns - length)
    if length <= 0 or began_ns >= filter_.since_ns:
        return None
    before = replace(filter_, since_ns=began_ns, until_ns=filter_.since_ns)
    hourly = length < FEWEST_BLOCKS * DAY_NS and not (reader.expired_in(now) or reader.expired_in(before))
    block: Step = "hour" if hourly else "day"
    dimensions = DIMENSIONS.get(by or "", ())
    old, new = _Period(reader, before, block, dimensions), _Period(reader, now, block, dimensions)
    keys = [key for key in new.dearest(_MOST_COMPARED) if key in old.points] if dimensions else []
    total, *of_groups = judged([_changes(old, new, key, block) for key in (None, *keys)])
    return Comparison(
        since_ns=old.since_ns,
        until_ns=old.until_ns,
        block=block,
        total=total,
        groups=[(key_text(key), items) for key, items in zip(keys, of_groups, strict=True)],
        new=_keys(new, old) if dimensions else (),
        gone=_keys(old, new) if dimensions else (),
    )


class _Period:
    """The sums of a period's blocks, for each group."""

    def __init__(self, reader: FactsReader, filter_: Filter, block: Step, dimensions: Sequence[str]) -> None:
        since, until = reader.effective_range(filter_) if block == "day" else (filter_.since_ns, filter_.until_ns)
        self.since_ns, self.until_ns = since or 0, until or 0
        self.total = {point.start_ns: point.totals for point in reader.series(filter_, block)}
        self.points: dict[tuple[str | None, ...], dict[int, Totals]] = {}
        if dimensions:
            for point in reader.series(filter_, block, dimensions):  # type: ignore[arg-type] # dimensions of the facts
                self.points.setdefault(point.key, {})[point.start_ns] = point.totals

    def dearest(self, count: int) -> list[tuple[str | None, ...]]:
        """Return the keys of the dearest groups."""
        cost = {
            key: (sum(totals.cost_nano for totals in points.values()), sum(totals.n for totals in points.values()))
            for key, points in self.points.items()
        }
        return heapq.nlargest(count, cost, key=lambda key: (cost[key], tuple(map(str, key))))


def _changes(old: _Period, new: _Period, key: tuple[str | None, ...] | None, block: Step) -> list[Change]:
    block_ns = DAY_NS if block == "day" else _HOUR_NS
    before, now = (
        blocks_of(
            period.total if key is None else period.points.get(key, {}), period.since_ns, period.until_ns, block_ns
        )
        for period in (old, new)
    )
    return changes(before, now, block)


def _keys(there: _Period, not_there: _Period) -> list[str | None]:
    return [key_text(key) for key in there.points if key not in not_there.points]


def others(rows: Sequence[Group], shown: int) -> Totals | None:
    """Return the sums of the groups after the first so many; None where there are none."""
    rest = rows[shown:]
    if not rest:
        return None
    sums = {name: sum(getattr(row.totals, name) for row in rest) for name in type(NOTHING).__slots__}
    return type(NOTHING)(**sums)
