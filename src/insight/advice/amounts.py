"""Turn dollars by day into dollars in 30 days with an interval, and check that a saving came true on the later past.

Days are the blocks: calls of one day cost and fail together. A period's figure is the sum over its days by their
coverage, its variance that of the days' residuals (the linearised ratio, as in `insight.figures.noise`), its interval
by Student's t. Two parts are compared by Welch's test.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.insight.advice.finding import BackCheck
from src.insight.facts.schema import DAY_NS
from src.judging.statistics import UNKNOWN, Interval, student_half, student_p

if TYPE_CHECKING:
    from src.insight.advice.past import Past, Period

MONTH_DAYS: Final = 30.0
FEWEST: Final = 30  # calls or decisions behind an amount
FEWEST_DAYS: Final = 6  # on which there are any, and half as many in each part
SHORTFALL: Final = 0.8  # of what was predicted must come, or what comes must differ by noise alone
LEAST_USD: Final = 0.01  # in 30 days; below, no change is worth its work


@dataclass(frozen=True, slots=True)
class Rate:
    """Dollars a day, with the variance of that figure and its degrees of freedom."""

    usd: float
    variance: float
    freedom: int

    def monthly(self) -> Interval:
        """Return dollars in 30 days with the 95% interval; without bounds where there is a single day."""
        if self.freedom < 1:
            return Interval(self.usd * MONTH_DAYS)
        half = student_half(self.freedom) * math.sqrt(self.variance)
        return Interval(self.usd * MONTH_DAYS, (self.usd - half) * MONTH_DAYS, (self.usd + half) * MONTH_DAYS)


class Daily:
    """Dollars by day, and how many calls or decisions they are of."""

    def __init__(self) -> None:
        self._usd: defaultdict[int, float] = defaultdict(float)
        self._n: Counter[int] = Counter()

    def add(self, time_ns: int, usd: float, n: int = 1) -> None:
        """Add dollars at a time, in nanoseconds since 1970."""
        day = time_ns // DAY_NS
        self._usd[day] += usd
        self._n[day] += n

    def add_all(self, times_ns: Any, usd: Any) -> None:
        """Add dollars at many times: arrays of one length."""
        import numpy

        days, places = numpy.unique(times_ns // DAY_NS, return_inverse=True)
        sums, counts = numpy.bincount(places, weights=usd, minlength=len(days)), numpy.bincount(places)
        for day, total, n in zip(days.tolist(), sums.tolist(), counts.tolist(), strict=True):
            self._usd[day] += total
            self._n[day] += n

    def n(self, period: Period) -> int:
        """Return how many there are in a period of whole days."""
        return sum(self._n[day] for day in period.days)

    def days(self, period: Period) -> int:
        """Return on how many days of a period there are any."""
        return sum(self._n[day] > 0 for day in period.days)

    def rate(self, period: Period) -> Rate:
        """Return the dollars a day of a period."""
        days = period.days
        coverage = [period.coverage(day) for day in days]
        total = math.fsum(coverage)
        if not total > 0:
            return Rate(0.0, 0.0, 0)
        usd = math.fsum(self._usd[day] for day in days) / total
        residuals = [self._usd[day] - usd * part for day, part in zip(days, coverage, strict=True)]
        count = len(days)
        spread = math.fsum(residual**2 for residual in residuals) * count / max(count - 1, 1)
        return Rate(usd, spread / total**2, count - 1)


@dataclass(frozen=True, slots=True)
class Saving:
    """A saving in 30 days with its back-check; `problem` says why it is none to rely on."""

    estimate: Interval = UNKNOWN
    check: BackCheck | None = None
    problem: str | None = None


def saving(daily: Daily, past: Past, *, fewest: int = FEWEST, what: str = "calls") -> Saving:
    """Return what is saved in 30 days, where the first part of the past predicts it and the second part bears it out.

    Args:
        daily: The dollars that would not have been spent, by what the first part alone tells to leave out.
        past: The past.
        fewest: So many calls or decisions there must be.
        what: What they are.
    """
    n, days = daily.n(past.period), daily.days(past.period)
    if n < fewest or days < FEWEST_DAYS:
        return Saving(problem=f"not enough: {n:,} {what} on {_days(days)}; {fewest:,} on {FEWEST_DAYS} days are needed")
    for part, period in (("first", past.first), ("second", past.second)):
        if daily.days(period) < FEWEST_DAYS // 2:
            return Saving(
                problem=f"not enough: {daily.n(period):,} {what} on {_days(daily.days(period))} in the {part} part of "
                f"the past, so that it cannot be checked; {FEWEST_DAYS // 2} days are needed"
            )
    estimate = daily.rate(past.period).monthly()
    first, second = daily.rate(past.first), daily.rate(past.second)
    text = f"predicted {money(first.monthly())}, came {money(second.monthly())} in 30 days"
    check = BackCheck(past.middle_ns, daily.n(past.first), daily.n(past.second), text)
    return Saving(estimate=estimate, check=check, problem=_problem(estimate, first, second))


def _days(count: int) -> str:
    return f"{count:,} day{'' if count == 1 else 's'}"


def _problem(estimate: Interval, first: Rate, second: Rate) -> str | None:
    before, after = first.monthly(), second.monthly()
    if first.usd <= 0:
        return f"nothing would be saved: the first part of the past gives {money(before)} in 30 days"
    if (before.low or 0.0) <= 0:
        return f"too uncertain: the first part of the past gives {money(before)} in 30 days"
    if (after.low or 0.0) <= 0:
        return f"failed the back-check: predicted {money(before)}, came {money(after)} in 30 days"
    if second.usd < SHORTFALL * first.usd and _differ(first, second):
        return f"failed the back-check: predicted {money(before)}, came less, {money(after)} in 30 days"
    if (estimate.low or 0.0) <= 0:
        return f"too uncertain: {money(estimate)} in 30 days"
    if (estimate.high or 0.0) < LEAST_USD:
        return f"worth less than a cent: {money(estimate)} in 30 days"
    return None


def _differ(first: Rate, second: Rate) -> bool:
    """Tell whether two parts differ beyond noise, by Welch's test at 5%."""
    variance = first.variance + second.variance
    if variance <= 0:
        return abs(first.usd - second.usd) > 1e-9 * max(abs(first.usd), abs(second.usd))
    freedom = variance**2 / sum(
        part.variance**2 / part.freedom for part in (first, second) if part.freedom > 0 and part.variance > 0
    )
    return student_p((first.usd - second.usd) / math.sqrt(variance), freedom) < 0.05


def money(interval: Interval) -> str:
    """Return dollars with their interval as text."""
    if interval.value is None:
        return "unknown"
    if interval.low is None or interval.high is None:
        return dollars(interval.value)
    return f"{dollars(interval.value)} ({dollars(interval.low)} to {dollars(interval.high)})"


def dollars(usd: float) -> str:
    """Return an amount of US dollars in as many digits as it needs."""
    sign, amount = ("-" if usd < 0 else ""), abs(usd)
    if amount == 0:
        return "$0"
    if amount >= 100:
        return f"{sign}${amount:,.0f}"
    return f"{sign}${amount:,.2f}" if amount >= LEAST_USD else f"{sign}${amount:.6f}"
