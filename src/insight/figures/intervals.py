"""Compute the intervals and tests that reports show, without scipy.stats, which takes a second to load."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from src.judging.statistics import UNKNOWN, Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

_Z: Final = 1.959963984540054  # of a two-sided 95% interval


def wilson(count: int, total: int) -> Interval:
    """Return a share with Wilson's 95% interval."""
    if total <= 0:
        return UNKNOWN
    share, square = count / total, _Z**2 / total
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / total + square / (4 * total))
    return Interval(share, 0.0 if count == 0 else middle - half, 1.0 if count == total else middle + half)


def student_half(freedom: float) -> float:
    """Return how many standard errors a 95% interval reaches to either side, by Student's t."""
    from scipy import special

    return float(special.stdtrit(freedom, 0.975))


def student_p(ratio: float, freedom: float) -> float:
    """Return the two-sided p-value of a difference that is so many standard errors."""
    from scipy import special

    return float(2 * special.stdtr(freedom, -abs(ratio)))


def discoveries(p_values: Sequence[float | None], level: float = 0.05) -> list[bool]:
    """Tell which results stand out among all that were compared, at a false-discovery rate (Benjamini, Hochberg)."""
    known = sorted(value for value in p_values if value is not None)
    passing = [value for rank, value in enumerate(known, 1) if value <= level * rank / len(known)]
    limit = max(passing, default=-1.0)
    return [value is not None and value <= limit for value in p_values]
