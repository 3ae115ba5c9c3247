"""Define candles, and the one rule by which rows from any source become candles in order."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

_MOST_ISSUES_OF_A_KIND = 100
# Sources round prices: an open or close may lie outside [low, high] by this share.
_TOLERANCE = 1e-6
# A distance above this many intervals is a gap.
_GAP = 1.5


class MarketDataError(ValueError):
    """Prices cannot be read; the message names the source, the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar; `time` is when it opens, in UTC."""

    time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float | None = None


@dataclass(frozen=True, slots=True)
class RowIssue:
    """What is wrong with a row, and what was done about it; `line` is 1 for the first line of the file."""

    line: int | None
    kind: str
    detail: str
    action: str


@dataclass(frozen=True, slots=True)
class Candles:
    """Bars in order of time. `interval_s` is their most common distance, None for fewer than two."""

    bars: tuple[Candle, ...]
    symbol: str | None = None
    source: str = "memory"
    interval_s: int | None = None
    issues: tuple[RowIssue, ...] = ()
    issue_counts: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many bars there are."""
        return len(self.bars)

    def __iter__(self) -> Iterator[Candle]:
        """Iterate from the oldest bar to the newest."""
        return iter(self.bars)

    @overload
    def __getitem__(self, index: int) -> Candle: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Candle, ...]: ...

    def __getitem__(self, index: int | slice) -> Candle | tuple[Candle, ...]:
        """Return a bar, or several."""
        return self.bars[index]

    @property
    def closes(self) -> tuple[float, ...]:
        """Return the closing prices."""
        return tuple(bar.close for bar in self.bars)

    def last(self, count: int) -> tuple[Candle, ...]:
        """Return the newest bars."""
        return self.bars[-count:] if count > 0 else ()


class Issues:
    """A collection of issues: the first hundred of a kind with their lines, all of them in the counts."""

    def __init__(self) -> None:
        self.items: list[RowIssue] = []
        self.counts: Counter[str] = Counter()

    def add(self, kind: str, detail: str, action: str, line: int | None = None, *, times: int = 1) -> None:
        """Add an issue, which counts `times` times."""
        if self.counts[kind] < _MOST_ISSUES_OF_A_KIND:
            self.items.append(RowIssue(line=line, kind=kind, detail=detail, action=action))
        self.counts[kind] += times


def problem_of(bar: Candle) -> tuple[str, str] | None:
    """Return what makes a bar unusable as (kind, detail), or None."""
    prices = {"open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close}
    for name, price in prices.items():
        if not math.isfinite(price):
            return "not_a_number", f"{name} is {price}"
        if price <= 0:
            return "not_positive", f"{name} is {price:g}"
    slack = bar.high * _TOLERANCE
    if bar.high < bar.low - slack:
        return "high_below_low", f"high {bar.high:g} is below low {bar.low:g}"
    for name in ("open", "close"):
        if not bar.low - slack <= prices[name] <= bar.high + slack:
            return "outside_range", f"{name} {prices[name]:g} lies outside {bar.low:g} to {bar.high:g}"
    return None


def in_order(
    rows: Iterable[tuple[int | None, Candle]],
    issues: Issues,
    *,
    symbol: str | None,
    source: str,
    total: int | None = None,
) -> Candles:
    """Return the usable rows in order of time, by this rule.

    A row with a price that is missing, not finite, zero or negative, or whose prices contradict one another, is
    dropped. Rows out of order are sorted. Of rows with the same time the last one wins. Gaps stay gaps: nothing is
    filled in. Each of these is reported with its line.

    Args:
        rows: The line of each candle, where it has one, with the candle.
        issues: The issues of reading the rows; those of this rule are added.
        symbol: The symbol that is traded.
        source: The source of the rows, for messages.
        total: The number of rows, unreadable ones included.

    Raises:
        MarketDataError: nothing usable remains, or more than half of the rows are bad.
    """
    usable: list[tuple[int | None, Candle]] = []
    count = 0
    for line, bar in rows:
        count += 1
        problem = problem_of(bar)
        if problem is None:
            usable.append((line, bar))
        else:
            kind, detail = problem
            issues.add(kind, detail, "dropped", line)
    _require_usable(len(usable), count if total is None else total, issues, source)
    bars = _sorted_once(usable, issues)
    interval = _interval(bars)
    _report_gaps(bars, interval, issues)
    return Candles(
        bars=tuple(bars),
        symbol=symbol,
        source=source,
        interval_s=interval,
        issues=tuple(issues.items),
        issue_counts=dict(issues.counts),
    )


def _require_usable(usable: int, total: int, issues: Issues, source: str) -> None:
    if usable and usable * 2 >= total:
        return
    first = issues.items[0] if issues.items else None
    where = f" The first problem: line {first.line}, {first.detail}." if first else ""
    raise MarketDataError(
        f"{source}: only {usable} of {total} rows hold usable prices.{where} Give a file with one candle a row: "
        "time, open, high, low, close and, where known, volume."
    )


def _sorted_once(usable: list[tuple[int | None, Candle]], issues: Issues) -> list[Candle]:
    late = [row for previous, row in pairwise(usable) if row[1].time < previous[1].time]
    if late:
        issues.add(
            "unsorted", f"{len(late)} rows come after later ones, the first here", "sorted", late[0][0], times=len(late)
        )
        usable = sorted(usable, key=lambda row: row[1].time)  # stable: of equal times the later row stays later
    bars: list[Candle] = []
    lines: list[int | None] = []
    for line, bar in usable:
        if bars and bars[-1].time == bar.time:
            issues.add(
                "duplicate_time", f"{bar.time:%Y-%m-%d %H:%M:%S} comes again in line {line}", "dropped", lines[-1]
            )
            bars[-1], lines[-1] = bar, line
        else:
            bars.append(bar)
            lines.append(line)
    return bars


def _interval(bars: list[Candle]) -> int | None:
    distances = Counter(int((bar.time - previous.time).total_seconds()) for previous, bar in pairwise(bars))
    return distances.most_common(1)[0][0] if distances else None


def _report_gaps(bars: list[Candle], interval: int | None, issues: Issues) -> None:
    if not interval:
        return
    gaps = [
        (distance, previous.time)
        for previous, bar in pairwise(bars)
        if (distance := (bar.time - previous.time).total_seconds()) > _GAP * interval
    ]
    if gaps:
        longest, since = max(gaps)
        detail = f"{len(gaps)} gaps, the longest {longest / 3600:g} hours after {since:%Y-%m-%d %H:%M}"
        issues.add("gaps", detail, "kept, nothing filled in", times=len(gaps))
