"""Tell changes from noise: figures of two periods with intervals from blocks of days or hours.

Calls of neighbouring hours fail, slow down and cost together. So intervals come from a bootstrap of blocks of
consecutive days (or hours, where the periods are short), as in `judging.statistics`, not from calls one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from src.insight.facts.reader import NOTHING
from src.judging.statistics import UNKNOWN, Interval, ratio_interval

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
        verdict: `up` or `down` where the intervals do not overlap, `noise` where they do, `not enough` where either
            period has fewer than 50 calls or six days (hours) with calls.
    """

    measure: str
    unit: Literal["usd", "share", "ms", "count"]
    before: Interval
    now: Interval
    verdict: Verdict

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


def _measures(block: str) -> tuple[_Measure, ...]:
    return (
        _Measure(f"calls a {block}", "count", lambda t: t.n, None),
        _Measure(f"known cost a {block}", "usd", lambda t: t.cost_usd, None),
        _Measure("known cost a call", "usd", lambda t: t.cost_usd, lambda t: t.n),
        _Measure("errors", "share", lambda t: t.errors, lambda t: t.n),
        _Measure("calls retried", "share", lambda t: t.retried, lambda t: t.n),
        _Measure("mean latency", "ms", lambda t: t.duration_us / 1_000, lambda t: t.n),
        _Measure("input tokens a call", "count", lambda t: t.input_tokens, lambda t: t.n - t.unmeasured),
        _Measure("output tokens a call", "count", lambda t: t.output_tokens, lambda t: t.n - t.unmeasured),
        _Measure("input from cache", "share", lambda t: t.cached_tokens, lambda t: t.input_tokens),
    )


def changes(before: Blocks, now: Blocks, block: Literal["day", "hour"]) -> list[Change]:
    """Return how each figure changed from one period to the next; those that neither has are left out."""
    result = []
    for measure in _measures(block):
        old, new = _interval(before, measure), _interval(now, measure)
        if old.value is None and new.value is None:
            continue
        if not old.value and not new.value:
            continue  # nothing of it in either period
        enough = before.is_enough and now.is_enough
        result.append(Change(measure.name, measure.unit, old, new, _verdict(old, new) if enough else "not enough"))
    return result


def _verdict(old: Interval, new: Interval) -> Verdict:
    if old.low is None or old.high is None or new.low is None or new.high is None:
        return "not enough"
    if new.low > old.high:
        return "up"
    return "down" if new.high < old.low else "noise"


def _interval(blocks: Blocks, measure: _Measure) -> Interval:
    """Return a figure with its interval, which is left out where it would mean nothing."""
    import numpy

    if not blocks.totals:
        return UNKNOWN
    numerators = [measure.numerator(totals) for totals in blocks.totals]
    if measure.denominator is None:
        denominators: list[float] = list(blocks.coverage)
    else:
        denominators = [measure.denominator(totals) for totals in blocks.totals]
    sums = numpy.array([numerators, denominators], dtype=float).T
    total = sums.sum(axis=0)
    if not total[1] > 0:
        return UNKNOWN
    if not blocks.is_enough:
        return Interval(float(total[0] / total[1]))
    return ratio_interval(numpy.arange(len(sums)), sums, _ratio)


def _ratio(sums: Any) -> Any:
    import numpy

    with numpy.errstate(divide="ignore", invalid="ignore"):
        return sums[:, 0] / sums[:, 1]

