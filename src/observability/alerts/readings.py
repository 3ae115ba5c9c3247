"""Define a rule's measurement: a value, its n, its interval, and how much of it is unknown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

Verdict = Literal["met", "between", "clear", "missing"]
_Z: Final = 1.959964  # of a 95 % interval


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule has measured at a time.

    Attributes:
        value: The value in the unit of the rule's threshold; None where there is none.
        n: Of how many things it is.
        interval: Between which values the true one lies with 95 %; None where that is no question.
        at_least: Whether the value is the known part of one whose rest is not known.
        detail: What else is known of it, for people; "" for nothing.
        problem: Why there is no value; "" where there is one.
    """

    value: float | None = None
    n: int = 0
    interval: tuple[float, float] | None = None
    at_least: bool = False
    detail: str = ""
    problem: str = ""


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share (Wilson 1927), which holds for few things too."""
    share, square = hits / n, _Z * _Z
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = _Z * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def mean_interval(values: list[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean by the normal distribution; None of fewer than two values."""
    n = len(values)
    if n < 2:
        return None
    mean = sum(values) / n
    half = _Z * math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1) / n)
    return mean - half, mean + half


def rank_interval(ordered: list[float], share: float) -> tuple[float, float]:
    """Return the 95 % interval of a quantile: the values at the ranks between which it lies (binomial, by the normal).

    Args:
        ordered: The values, the smallest first; at least one.
        share: Which quantile, from 0 to 1.
    """
    n = len(ordered)
    half = _Z * math.sqrt(n * share * (1 - share))
    low, high = math.floor(n * share - half), math.ceil(n * share + half)
    return ordered[min(max(low, 0), n - 1)], ordered[min(max(high, 0), n - 1)]
