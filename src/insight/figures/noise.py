"""Tell changes from noise: figures of two periods, with intervals from days or hours.

Calls of one hour fail, slow down and cost together, so they are not counted as independent: a figure is a ratio of
sums over days (hours, where the periods are short), its variance that of the days' residuals (the linearised ratio of
survey statistics, Cochran, Sampling Techniques, ch. 6), its interval by Student's t with as many degrees of freedom as
there are days, less one. Two periods are compared by Welch's test, and all figures of a report together at a
false-discovery rate of 5%.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from src.insight.facts.reader import NOTHING
from src.judging.statistics import UNKNOWN, Interval, discoveries, student_half, student_p

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from src.insight.facts.records import Totals

Verdict = Literal["up", "down", "noise", "not enough"]
FEWEST_BLOCKS: Final = 6
FEWEST_CALLS: Final = 50


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in two periods.

    Attributes:
        measure: What it is, such as `error share`.
        unit: `usd`, `share`, `ms` or `count`.
        before: The figure of the period before, with its 95% interval.
        now: The figure of this period.
        verdict: `up` or `down` where it stands out among all figures that are compared, else `noise`; `not enough`
            where either period has fewer than 50 calls or six days (hours) with calls.
        p_value: How likely such a difference is without a change; None where nothing can be said.
    """

    measure: str
    unit: Literal["usd", "share", "ms", "count"]
    before: Interval
    now: Interval
    verdict: Verdict
    p_value: float | None = None

    @property
    def relative(self) -> float | None:
        """Return the change as a fraction of the figure before; None where that is 0 or unknown."""
        if self.before.value is None or self.now.value is None or self.before.value == 0:
            return None
        return self.now.value / self.before.value - 1


@dataclass(frozen=True, slots=True)
class Blocks:
    """The sums of each day or hour of a period, in their order, those without calls included.

    Attributes:
        totals: The sums of each block.
        coverage: How much of each block the period covers, above 0 and up to 1.
    """

    totals: Sequence[Totals]
    coverage: Sequence[float]

    @property
    def is_enough(self) -> bool:
        """Tell whether there are enough calls and blocks for an interval that means something."""
        calls = [totals.n for totals in self.totals if totals.n]
        return len(calls) >= FEWEST_BLOCKS and sum(calls) >= FEWEST_CALLS


def blocks_of(points: Mapping[int, Totals], since_ns: int, until_ns: int, block_ns: int) -> Blocks:
    """Return the blocks of a period.

    Args:
        points: The sums of the blocks that have calls, by their beginnings.
        since_ns: The beginning of the period, in nanoseconds since 1970.
        until_ns: Its end.
        block_ns: The length of a block: of a day, or of an hour.
    """
    starts = range(since_ns // block_ns * block_ns, max(until_ns, since_ns), block_ns)
    coverage = [(min(start + block_ns, until_ns) - max(start, since_ns)) / block_ns for start in starts]
    return Blocks(totals=[points.get(start, NOTHING) for start in starts], coverage=coverage)


@dataclass(frozen=True, slots=True)
class _Measure:
    name: str
    unit: Literal["usd", "share", "ms", "count"]
    numerator: Callable[[Totals], float]
    denominator: Callable[[Totals], float] | None  # None: by block
    is_of_events: bool = False  # a share of calls, which may be rare


def _measures(block: str) -> tuple[_Measure, ...]:
    per = "an hour" if block == "hour" else "a day"
    return (
        _Measure(f"calls {per}", "count", lambda t: t.n, None),
        _Measure(f"known cost {per}", "usd", lambda t: t.cost_usd, None),
        _Measure("known cost a call", "usd", lambda t: t.cost_usd, lambda t: t.n),
        _Measure("errors", "share", lambda t: t.errors, lambda t: t.n, is_of_events=True),
        _Measure("calls retried", "share", lambda t: t.retried, lambda t: t.n, is_of_events=True),
        _Measure("mean latency", "ms", lambda t: t.duration_us / 1_000, lambda t: t.n),
        _Measure("input tokens a call", "count", lambda t: t.input_tokens, lambda t: t.n - t.unmeasured),
        _Measure("output tokens a call", "count", lambda t: t.output_tokens, lambda t: t.n - t.unmeasured),
        _Measure("input from cache", "share", lambda t: t.cached_tokens, lambda t: t.input_tokens),
    )


def changes(before: Blocks, now: Blocks, block: Literal["day", "hour"]) -> list[Change]:
    """Return the figures of two periods, those left out that neither has; `judged` tells changes from noise."""
    result = []
    for measure in _measures(block):
        old, new = _estimate(before, measure), _estimate(now, measure)
        if (old is None and new is None) or not any(item is not None and item.value for item in (old, new)):
            continue  # nothing of it in either period
        result.append(
            Change(
                measure=measure.name,
                unit=measure.unit,
                before=_interval(old, measure),
                now=_interval(new, measure),
                verdict="not enough",
                p_value=_p_value(old, new),
            )
        )
    return result


def judged(groups: Sequence[Sequence[Change]]) -> list[list[Change]]:
    """Return changes with their verdicts, which take account of how many figures are compared."""
    flat = [item for group in groups for item in group]
    standing_out = iter(discoveries([item.p_value for item in flat]))
    return [[_with_verdict(item, stands_out=next(standing_out)) for item in group] for group in groups]


def _with_verdict(item: Change, *, stands_out: bool) -> Change:
    if item.p_value is None or item.before.value is None or item.now.value is None:
        return item
    if not stands_out:
        return replace(item, verdict="noise")
    return replace(item, verdict="up" if item.now.value > item.before.value else "down")


@dataclass(frozen=True, slots=True)
class _Estimate:
    """A ratio of sums; without a variance where the blocks are too few for one."""

    value: float
    variance: float | None
    freedom: int


def _estimate(blocks: Blocks, measure: _Measure) -> _Estimate | None:
    numerators = [measure.numerator(totals) for totals in blocks.totals]
    if measure.denominator is None:
        denominators: list[float] = list(blocks.coverage)
    else:
        denominators = [measure.denominator(totals) for totals in blocks.totals]
    total = math.fsum(denominators)
    if not total > 0:
        return None
    value = math.fsum(numerators) / total
    count = sum(denominator > 0 for denominator in denominators)
    if not blocks.is_enough or count < FEWEST_BLOCKS:
        return _Estimate(value, None, 0)
    residuals = math.fsum((top - value * below) ** 2 for top, below in zip(numerators, denominators, strict=True))
    variance = count / (count - 1) * residuals / total**2
    if measure.is_of_events:  # days without any would say that none can happen: at least the variance of single calls
        likely = (math.fsum(numerators) + 2) / (total + 4)
        variance = max(variance, likely * (1 - likely) / (total + 4))
    return _Estimate(value, variance, count - 1)


def _interval(estimate: _Estimate | None, measure: _Measure) -> Interval:
    if estimate is None:
        return UNKNOWN
    if estimate.variance is None:
        return Interval(estimate.value)
    half = student_half(estimate.freedom) * math.sqrt(estimate.variance)
    high = estimate.value + half
    return Interval(
        estimate.value, max(0.0, estimate.value - half), min(1.0, high) if measure.unit == "share" else high
    )


def _p_value(old: _Estimate | None, new: _Estimate | None) -> float | None:
    """Return the p-value of Welch's test; None where it says nothing."""
    if old is None or new is None or old.variance is None or new.variance is None:
        return None
    variance = old.variance + new.variance
    if variance <= 0:  # each day the same: exactly equal, or exactly different
        return 1.0 if math.isclose(old.value, new.value, rel_tol=1e-9) else 0.0
    freedom = variance**2 / (old.variance**2 / old.freedom + new.variance**2 / new.freedom)
    return student_p((new.value - old.value) / math.sqrt(variance), freedom)
