"""Compute the statistics of decisions: intervals, skill, calibration, drawdown.

Decisions of one day move together and their horizons overlap, so intervals of means come from a bootstrap of blocks of
days, not from decisions one by one. Sources: Wilson's interval and the false-discovery control are SciPy's; the
circular block bootstrap is that of Politis and Romano (1992), here over sums by day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RESAMPLES: Final = 2_000
_SEED: Final = 20_241_130  # the same decisions always give the same interval
_CHUNK: Final = 250
_SHORTEST_BLOCK_DAYS: Final = 2


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95% interval; None where there are too few values for one."""

    value: float | None
    low: float | None = None
    high: float | None = None


UNKNOWN: Final = Interval(None)


def share(count: int, total: int) -> Interval:
    """Return a share with Wilson's interval."""
    from scipy import stats

    if total == 0:
        return UNKNOWN
    low, high = stats.binomtest(count, total).proportion_ci(confidence_level=0.95, method="wilson")
    return Interval(count / total, float(low), float(high))


def p_value(count: int, total: int, expected: float) -> float | None:
    """Return the probability of so many hits, or of as unlikely a number, at an expected share; None without any."""
    from scipy import stats

    if total == 0 or not 0 < expected < 1:
        return None
    return float(stats.binomtest(count, total, expected).pvalue)


def discoveries(p_values: Sequence[float | None], level: float = 0.05) -> list[bool]:
    """Tell which results stand out among all that were compared, at a false-discovery rate (Benjamini, Hochberg)."""
    from scipy import stats

    known = [value for value in p_values if value is not None]
    if not known:
        return [False] * len(p_values)
    adjusted = iter(stats.false_discovery_control(known))
    return [value is not None and float(next(adjusted)) <= level for value in p_values]


def ratio_interval(days: Any, numerators: Any, ratio: Callable[[Any], Any], *, overlap_days: float = 0.0) -> Interval:
    """Return a figure of sums with its interval, by a bootstrap of blocks of days.

    Args:
        days: The day of each row, as a number.
        numerators: The rows to sum: an array of (rows, sums).
        ratio: Returns the figure of an array of (resamples, sums).
        overlap_days: How many days one row's outcome reaches; blocks are at least twice as long.
    """
    import numpy

    if len(days) == 0:
        return UNKNOWN
    unique, place = numpy.unique(days, return_inverse=True)
    sums = numpy.column_stack([numpy.bincount(place, weights=column, minlength=len(unique)) for column in numerators.T])
    value = float(ratio(sums.sum(axis=0, keepdims=True))[0])
    count = len(unique)
    if not math.isfinite(value):
        return UNKNOWN
    if count < 3:
        return Interval(value)
    length = max(_SHORTEST_BLOCK_DAYS, math.ceil(2 * overlap_days), math.ceil(count ** (1 / 3)))
    length = min(length, max(1, count // 3))
    totals = _resampled(sums, length)
    figures = ratio(totals)
    figures = figures[numpy.isfinite(figures)]
    if not len(figures):
        return Interval(value)
    low, high = numpy.quantile(figures, (0.025, 0.975))
    return Interval(value, float(low), float(high))


def _resampled(sums: Any, length: int) -> Any:
    """Return the totals of resamples: each draws blocks of consecutive days, round the end, until it has as many."""
    import numpy

    random = numpy.random.default_rng(_SEED)
    count = len(sums)
    around = numpy.concatenate([numpy.zeros((1, sums.shape[1])), numpy.cumsum(numpy.concatenate([sums, sums]), axis=0)])
    blocks, rest = divmod(count, length)
    totals = []
    for start in range(0, RESAMPLES, _CHUNK):
        rows = min(_CHUNK, RESAMPLES - start)
        starts = random.integers(0, count, size=(rows, blocks))
        total = (around[starts + length] - around[starts]).sum(axis=1)
        if rest:
            last = random.integers(0, count, size=rows)
            total = total + around[last + rest] - around[last]
        totals.append(total)
    return numpy.concatenate(totals)


def max_drawdown(returns: Any) -> float:
    """Return the deepest fall of a sum of returns from its highest point until then; 0 or above."""
    import numpy

    if len(returns) == 0:
        return 0.0
    equity = numpy.concatenate(([0.0], numpy.cumsum(returns)))
    return float((numpy.maximum.accumulate(equity) - equity).max())


def log_loss(confidences: Any, is_correct: Any) -> float | None:
    """Return the mean logarithmic loss of probabilities, each kept 1% away from 0 and 1."""
    import numpy

    if len(confidences) == 0:
        return None
    bounded = numpy.clip(confidences, 0.01, 0.99)
    return float(-numpy.where(is_correct, numpy.log(bounded), numpy.log1p(-bounded)).mean())
