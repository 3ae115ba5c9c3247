"""The tests behind reports, against exact fractions, closed forms and a bootstrap that takes one figure at a time."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy
import pytest

from src.judging.statistics import p_value, ratio_interval, ratio_intervals, student_half, student_p, wilson

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("count", "n", "share"),
    [
        (0, 1, "1/2"),
        (3, 10, "1/2"),
        (7, 10, "1/3"),
        (10, 10, "9/10"),
        (0, 40, "1/10"),
        (31, 60, "1/2"),
        (5, 200, "1/8"),
    ],
)
def test_the_binomial_test_is_the_sum_of_what_is_as_unlikely(count: int, n: int, share: str) -> None:
    exact = Fraction(share)
    chances = [math.comb(n, k) * exact**k * (1 - exact) ** (n - k) for k in range(n + 1)]
    expected = sum(chance for chance in chances if chance <= chances[count])
    assert p_value(count, n, float(exact)) == pytest.approx(float(expected), rel=1e-12)


def test_the_binomial_test_holds_far_from_what_is_expected() -> None:
    """All of 100,000 above a half, and the numbers next to the middle, which a tolerance could take for one another."""
    assert p_value(100_000, 100_000, 0.5) == 0.0  # 1e-30103: less than any number there is
    assert p_value(700, 700, 0.5) == pytest.approx(2.0**-699)
    middle = math.exp(math.lgamma(100_001) - 2 * math.lgamma(50_001) - 100_000 * math.log(2))
    assert p_value(50_000, 100_000, 0.5) == 1.0
    assert p_value(49_999, 100_000, 0.5) == pytest.approx(1 - middle, rel=1e-9)
    assert p_value(3, 0, 0.5) is p_value(3, 7, 1.0) is None


# Two-sided p-values of Student's t in closed form.
_CLOSED: dict[int, Callable[[float], float]] = {
    1: lambda t: 1 - 2 / math.pi * math.atan(t),
    2: lambda t: 1 - t / math.sqrt(2 + t * t),
    3: lambda t: 1 - 2 / math.pi * (t / math.sqrt(3) / (1 + t * t / 3) + math.atan(t / math.sqrt(3))),
    4: lambda t: 1 - t / math.sqrt(4 + t * t) * (1 + 2 / (4 + t * t)),
}


@pytest.mark.parametrize("freedom", _CLOSED)
def test_student_s_t_is_its_closed_form(freedom: int) -> None:
    for t in (0.0, 0.01, 0.7, 1.0, 1.96, 3.0, 12.7):
        assert student_p(t, freedom) == student_p(-t, freedom) == pytest.approx(_CLOSED[freedom](t), rel=1e-9)
    assert _CLOSED[freedom](student_half(freedom)) == pytest.approx(0.05, rel=1e-9)
    assert student_p(math.inf, freedom) == 0.0


def test_student_s_t_of_many_days_is_nearly_normal() -> None:
    assert student_p(2.5, 3e6) == pytest.approx(math.erfc(2.5 / math.sqrt(2)), rel=1e-4)
    assert student_half(3e6) == pytest.approx(1.959964, abs=1e-5)


def test_wilson_s_bounds_solve_their_own_equation() -> None:
    """The expected share at a bound is as many standard errors from the share as the interval says."""
    for count, n in ((1, 7), (40, 50), (9_999, 10_000)):
        figure = wilson(count, n)
        for bound in (figure.low, figure.high):
            assert bound is not None
            error = math.sqrt(bound * (1 - bound) / n)
            assert abs(count / n - bound) == pytest.approx(1.959963984540054 * error, rel=1e-9)


@pytest.mark.parametrize(("days", "overlap"), [(3, 0.0), (11, 0.0), (50, 1.0), (50, 7.0)])
def test_figures_of_one_bootstrap_are_those_of_one_each(days: int, overlap: float) -> None:
    rng = random.Random(days)
    place = numpy.array([rng.randrange(days) for _ in range(4 * days)] + list(range(days)))
    rows = numpy.array([[rng.gauss(0, 1), rng.random(), 1.0] for _ in place])
    together = ratio_intervals(
        place, rows, [lambda s: s[:, 0] / s[:, 2], lambda s: s[:, 1] / s[:, 0]], overlap_days=overlap
    )
    first = ratio_interval(place, rows[:, [0, 2]], lambda s: s[:, 0] / s[:, 1], overlap_days=overlap)
    second = ratio_interval(place, rows[:, [0, 1]], lambda s: s[:, 1] / s[:, 0], overlap_days=overlap)
    assert together == [first, second]


def test_the_same_days_give_the_same_interval_in_every_version() -> None:
    """Bounds that a report has shown once are shown again: the resamples are those of the first versions."""
    days = numpy.arange(60)
    rows = numpy.column_stack([numpy.sin(days) / 10 + days % 7 / 100, numpy.ones(60)])
    figure = ratio_interval(days, rows, lambda sums: sums[:, 0] / sums[:, 1], overlap_days=1.0)
    expected = (0.03223223217455348, 0.013494588495923903, 0.05022351879964274)
    assert (figure.value, figure.low, figure.high) == pytest.approx(expected, rel=1e-12)
