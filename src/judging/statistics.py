"""Compute the statistics of decisions: intervals, skill, calibration, drawdown.

Decisions of one day move together and their horizons overlap, so intervals of means come from a bootstrap of blocks of
days, not from decisions one by one. Sources: Wilson (1927) for shares; Benjamini and Hochberg (1995) for many results;
Politis and Romano (1992) for the circular block bootstrap, here over sums by day. SciPy's `stats` has most of them, and
takes a second to load.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RESAMPLES: Final = 2_000
_SEED: Final = 20_241_130  # of NumPy's PCG64: the same decisions always give the same interval
_CHUNK: Final = 250
_SHORTEST_BLOCK_DAYS: Final = 2


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95% interval; None where there are too few values for one."""

    value: float | None
    low: float | None = None
    high: float | None = None


UNKNOWN: Final = Interval(None)
_Z: Final = 1.959963984540054  # of a two-sided 95% interval


def wilson(count: int, total: int) -> Interval:
    """Return a share with Wilson's 95% interval."""
    if total <= 0:
        return UNKNOWN
    share, square = count / total, _Z**2 / total
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / total + square / (4 * total))
    return Interval(share, 0.0 if count == 0 else middle - half, 1.0 if count == total else middle + half)


def p_value(count: int, total: int, expected: float) -> float | None:
    """Return the probability of so many hits, or of as unlikely a number, at an expected share; None without any.

    The exact two-sided binomial test, as SciPy's `binomtest` has it: numbers on the other side of the expected one
    count where they are not likelier, but for a ten millionth.
    """
    import numpy

    if total == 0 or not 0 < expected < 1:
        return None
    if count == total * expected:
        return 1.0
    # Each number's probability beside that of the likeliest one, by the ratio of neighbours.
    likeliest = min(int((total + 1) * expected), total)
    odds = expected / (1 - expected)
    above = numpy.arange(likeliest, total)
    below = numpy.arange(likeliest, 0, -1)
    chances = numpy.concatenate(
        [
            numpy.cumprod(below / ((total - below + 1) * odds))[::-1],
            [1.0],
            numpy.cumprod((total - above) / (above + 1) * odds),
        ]
    )
    limit = chances[count] * (1 + 1e-7)
    is_low = count < total * expected
    own = chances[: count + 1] if is_low else chances[count:]
    other = chances[math.ceil(total * expected) :] if is_low else chances[: math.floor(total * expected) + 1]
    tail = float(own.sum() + other[other <= limit].sum())
    return min(1.0, tail / float(chances.sum()))


def discoveries(p_values: Sequence[float | None], level: float = 0.05) -> list[bool]:
    """Tell which results stand out among all that were compared, at a false-discovery rate (Benjamini, Hochberg)."""
    known = sorted(value for value in p_values if value is not None)
    passing = [value for rank, value in enumerate(known, 1) if value <= level * rank / len(known)]
    limit = max(passing, default=-1.0)
    return [value is not None and value <= limit for value in p_values]


@lru_cache(maxsize=4_096)
def student_half(freedom: float) -> float:
    """Return how many standard errors a 95% interval reaches to either side, by Student's t."""
    low, high = 0.0, 2.0
    while student_p(high, freedom) > 0.05:
        low, high = high, 2 * high
    while high - low > 1e-14 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if student_p(middle, freedom) > 0.05 else (low, middle)
    return (low + high) / 2


def student_p(ratio: float, freedom: float) -> float:
    """Return the two-sided p-value of a difference that is so many standard errors."""
    square = ratio * ratio
    if math.isinf(square):
        return 0.0
    return _beta_share(freedom / 2, 0.5, freedom / (freedom + square), square / (freedom + square))


def _beta_share(first: float, second: float, below: float, above: float) -> float:
    """Return the regularised incomplete beta function at `below`, which is 1 - `above`.

    By its continued fraction (NIST Digital Library of Mathematical Functions, 8.17.22), on the side with few terms.
    """
    if below <= 0 or above <= 0:
        return float(above <= 0)
    if below > (first + 1) / (first + second + 2):
        return 1 - _beta_share(second, first, above, below)
    front = math.exp(
        math.lgamma(first + second)
        - math.lgamma(first)
        - math.lgamma(second)
        + first * math.log(below)
        + second * (math.log(above) if above < 0.5 else math.log1p(-below))
    )
    return front * _beta_fraction(first, second, below) / first


def _beta_fraction(first: float, second: float, below: float) -> float:
    """Return the continued fraction, by the method of Lentz."""
    value = numerator = 1.0
    denominator = 1 / (1 - (first + second) * below / (first + 1))
    value = denominator
    for step in range(1, 10_000):
        even, odd = first + 2 * step, first + 2 * step + 1
        for term in (
            step * (second - step) * below / ((even - 1) * even),
            -(first + step) * (first + second + step) * below / (even * odd),
        ):
            denominator = 1 / (1 + term * denominator)
            numerator = 1 + term / numerator
            change = denominator * numerator
            value *= change
        if abs(change - 1) < 1e-15:
            break
    return value


def ratio_interval(days: Any, numerators: Any, ratio: Callable[[Any], Any], *, overlap_days: float = 0.0) -> Interval:
    """Return a figure of sums with its interval, by a bootstrap of blocks of days.

    Args:
        days: The day of each row, as a number.
        numerators: The rows to sum: an array of (rows, sums).
        ratio: Returns the figure of an array of (resamples, sums).
        overlap_days: How many days one row's outcome reaches; blocks are at least twice as long.
    """
    return ratio_intervals(days, numerators, [ratio], overlap_days=overlap_days)[0]


def ratio_intervals(
    days: Any, numerators: Any, ratios: Sequence[Callable[[Any], Any]], *, overlap_days: float = 0.0
) -> list[Interval]:
    """Return several figures of the same sums, each with its interval, by the same resamples.

    The arguments are those of `ratio_interval`. The resamples depend on nothing but the number of days and the length
    of blocks, so that a figure has the same interval whatever others it is asked for with, here and in every version.
    """
    import numpy

    if len(days) == 0:
        return [UNKNOWN] * len(ratios)
    unique, index = numpy.unique(days, return_inverse=True)
    sums = numpy.column_stack([numpy.bincount(index, weights=column, minlength=len(unique)) for column in numerators.T])
    values = [float(ratio(sums.sum(axis=0, keepdims=True))[0]) for ratio in ratios]
    count = len(unique)
    if count < 3 or not any(map(math.isfinite, values)):
        return [Interval(value) if math.isfinite(value) else UNKNOWN for value in values]
    length = max(_SHORTEST_BLOCK_DAYS, math.ceil(2 * overlap_days), math.ceil(count ** (1 / 3)))
    totals = _resampled(sums, min(length, max(1, count // 3)))
    return [_interval(value, ratio(totals)) for value, ratio in zip(values, ratios, strict=True)]


def _interval(value: float, figures: Any) -> Interval:
    """Return a figure with the bounds of 95% of those of the resamples."""
    import numpy

    if not math.isfinite(value):
        return UNKNOWN
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
    of_block = around[length : length + count] - around[:count]
    totals = []
    for start in range(0, RESAMPLES, _CHUNK):
        rows = min(_CHUNK, RESAMPLES - start)
        starts = random.integers(0, count, size=(rows, blocks))
        total = of_block[starts.T].sum(axis=0)  # a sum over the first axis is several times as fast as over another
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
