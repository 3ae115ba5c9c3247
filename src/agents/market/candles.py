"""Define candles: bars in order of time, with what reading them has shown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

_MOST_ISSUES_OF_A_KIND = 100


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


def first_of_each_kind(issues: Sequence[RowIssue], most: int) -> list[RowIssue]:
    """Return some of many issues in their order: the first of each kind, and others as far as there is room."""
    firsts = {issue.kind: place for place, issue in reversed(list(enumerate(issues)))}
    chosen = sorted(firsts.values())[:most]
    others = [place for place in range(len(issues)) if place not in set(chosen)]
    return [issues[place] for place in sorted([*chosen, *others[: most - len(chosen)]])]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source was understood.

    `columns` maps each field to the name of its column; `rows` counts all rows of data, `dropped` those that are no
    bar; `zone` is the zone of the source's stamps, and `zone_source` says who states it.
    """

    dialect: str
    columns: Mapping[str, str]
    rows: int
    dropped: int = 0
    zone: str = "UTC"
    zone_source: str = ""
    decimal: str = "."
    stamps: str = "open"
    encoding: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True, slots=True)
class Candles:
    """Bars in order of time.

    `interval_s` is their most common distance, None for fewer than two; `timeframe` names it as exchanges do (15m, 1d,
    1M). `written_at` is when the source was written, where it is a file.
    """

    bars: Sequence[Candle]
    symbol: str | None = None
    source: str = "memory"
    interval_s: int | None = None
    issues: tuple[RowIssue, ...] = ()
    issue_counts: Mapping[str, int] = field(default_factory=dict)
    timeframe: str | None = None
    written_at: datetime | None = None
    reading: Reading | None = None

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
        return tuple(self.bars[index]) if isinstance(index, slice) else self.bars[index]

    @property
    def closes(self) -> tuple[float, ...]:
        """Return the closing prices."""
        return tuple(bar.close for bar in self.bars)

    def last(self, count: int) -> tuple[Candle, ...]:
        """Return the newest bars."""
        return tuple(self.bars[-count:]) if count > 0 else ()


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

    def extend(self, issues: Iterable[RowIssue]) -> None:
        """Add issues that were made elsewhere."""
        for issue in issues:
            self.add(issue.kind, issue.detail, issue.action, issue.line)
