"""Compare two versions of a prompt by pairs of decisions: each difference with its 95% interval and its n.

Shares are compared by the pairs that changed (McNemar's exact test; the interval is Bonett and Price's adjusted Wald,
2012), means by Student's t over the pairs. What follows the market (hits, returns) overlaps in time, so its interval is
the wider one of that and a bootstrap of blocks of days.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from src.judging.accuracy import DAY_NS, ENOUGH
from src.judging.statistics import UNKNOWN, Interval, p_value, ratio_interval, student_half, wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from src.insight.prompt_trials.pairs import Outlook, Pair, Side

Unit = Literal["share", "return", "count", "usd", "ms"]
Verdict = Literal["not enough", "no difference shown", "better", "worse", "more", "less", "not comparable"]
_Z: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of both versions.

    Attributes:
        name: What it is.
        unit: What it is counted in.
        n: The pairs in which both are known.
        old: The old version's figure.
        new: The new version's.
        difference: New less old, with its interval.
        verdict: Better or worse where the interval excludes 0; more or less where neither is good by itself; not
            comparable for times that were not taken within an hour of one another.
        p_value: Of McNemar's exact test, for shares.
    """

    name: str
    unit: Unit
    n: int
    old: float | None
    new: float | None
    difference: Interval
    verdict: Verdict
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions beside one another.

    Attributes:
        name: The model that decided alone; empty for decisions as they were made.
        n: The pairs.
        agreement: The share of pairs with the same action, with Wilson's interval.
        changes: How many pairs went from which action to which, where they differ.
        measures: The figures.
    """

    name: str
    n: int
    agreement: Interval
    changes: Mapping[tuple[str, str], int]
    measures: tuple[Measure, ...]


def compare(name: str, pairs: Sequence[Pair]) -> Comparison:
    """Return how two versions compare."""
    changed = Counter((pair.old.action, pair.new.action) for pair in pairs if pair.old.action != pair.new.action)
    followed = [(pair, pair.outlook) for pair in pairs if pair.outlook is not None]
    traded = [(pair, outlook) for pair, outlook in followed if pair.old.direction and pair.new.direction]
    return Comparison(
        name=name,
        n=len(pairs),
        agreement=wilson(len(pairs) - sum(changed.values()), len(pairs)),
        changes=dict(changed.most_common()),
        measures=(
            _shares("valid at once", [(pair.old.is_valid, pair.new.is_valid) for pair in pairs], good=1),
            _shares("BUY or SELL", [(bool(pair.old.direction), bool(pair.new.direction)) for pair in pairs], good=0),
            _hits(traded),
            _returns(followed),
            _means("tokens in", "count", pairs, lambda side: side.input_tokens, good=0),
            _means("tokens out", "count", pairs, lambda side: side.output_tokens, good=0),
            _means("cost", "usd", pairs, lambda side: side.cost_usd, good=-1),
            _times(pairs),
        ),
    )


def paired_share(old_only: int, new_only: int, n: int) -> tuple[Interval, float | None]:
    """Return the difference of two shares of the same items, with its interval, and McNemar's exact p-value.

    Args:
        old_only: The items that only the old version has.
        new_only: Those that only the new one has.
        n: All items.
    """
    if not n:
        return UNKNOWN, None
    gained, lost = (new_only + 1) / (n + 2), (old_only + 1) / (n + 2)
    half = _Z * math.sqrt((gained + lost - (gained - lost) ** 2) / (n + 2))
    low, high = max(-1.0, gained - lost - half), min(1.0, gained - lost + half)
    turned = old_only + new_only
    chance = p_value(old_only, turned, 0.5) if turned else 1.0
    return Interval((new_only - old_only) / n, low, high), chance


def _shares(name: str, values: Sequence[tuple[bool, bool]], *, good: int) -> Measure:
    n = len(values)
    old_only = sum(old and not new for old, new in values)
    new_only = sum(new and not old for old, new in values)
    difference, p_value = paired_share(old_only, new_only, n)
    old, new = (sum(pair[place] for pair in values) / n if n else None for place in (0, 1))
    return Measure(name, "share", n, old, new, difference, _verdict(difference, n, good), p_value)


def _hits(traded: Sequence[tuple[Pair, Outlook]]) -> Measure:
    """Compare hits, where both versions trade and it is known what followed."""
    hits = [(pair.old.is_hit(outlook), pair.new.is_hit(outlook)) for pair, outlook in traded]
    plain = _shares("hit rate", hits, good=1)
    difference = _wider(plain.difference, _by_days(traded, [float(new) - float(old) for old, new in hits]))
    return Measure("hit rate", "share", plain.n, plain.old, plain.new, difference,
                   _verdict(difference, plain.n, 1), plain.p_value)  # fmt: skip


def _returns(followed: Sequence[tuple[Pair, Outlook]]) -> Measure:
    old = [pair.old.net(outlook) for pair, outlook in followed]
    new = [pair.new.net(outlook) for pair, outlook in followed]
    differences = [after - before for before, after in zip(old, new, strict=True)]
    difference = _wider(_student(differences), _by_days(followed, differences))
    n = len(followed)
    return Measure("net return", "return", n, _mean(old), _mean(new), difference, _verdict(difference, n, 1))


def _means(
    name: str, unit: Unit, pairs: Sequence[Pair], value: Callable[[Side], float | None], *, good: int
) -> Measure:
    known = [
        (old, new) for pair in pairs if (old := value(pair.old)) is not None and (new := value(pair.new)) is not None
    ]
    difference = _student([new - old for old, new in known])
    old, new = (_mean([pair[place] for pair in known]) for place in (0, 1))
    return Measure(name, unit, len(known), old, new, difference, _verdict(difference, len(known), good))


def _times(pairs: Sequence[Pair]) -> Measure:
    """Compare latencies: a provider is slower at some times, so that those of another time say nothing of a version."""
    measure = _means("slowest call", "ms", pairs, lambda side: side.latency_ms, good=-1)
    return measure if all(pair.is_of_the_same_time for pair in pairs) else replace(measure, verdict="not comparable")


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _student(values: Sequence[float]) -> Interval:
    mean = _mean(values)
    if mean is None or len(values) < 2:
        return Interval(mean)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    half = student_half(len(values) - 1) * math.sqrt(variance / len(values))
    return Interval(mean, mean - half, mean + half)


def _by_days(items: Sequence[tuple[Pair, Outlook]], differences: Sequence[float]) -> Interval:
    import numpy

    rows: Any = numpy.column_stack([differences, numpy.ones(len(differences))]) if differences else []
    return ratio_interval(
        numpy.array([pair.time_ns // DAY_NS for pair, _ in items], dtype="int64"),
        rows,
        lambda sums: sums[:, 0] / sums[:, 1],
        overlap_days=max((outlook.horizon_s for _, outlook in items), default=0) / 86_400,
    )


def _wider(first: Interval, second: Interval) -> Interval:
    """Return a figure with an interval that holds both."""
    lows = [item.low for item in (first, second) if item.low is not None]
    highs = [item.high for item in (first, second) if item.high is not None]
    return Interval(first.value, min(lows, default=None), max(highs, default=None))


def _verdict(difference: Interval, n: int, good: int) -> Verdict:
    """Return a verdict; `good` is 1 where more is better, -1 where less is, 0 where neither is."""
    if n < ENOUGH or difference.low is None or difference.high is None:
        return "not enough"
    if difference.low <= 0 <= difference.high:
        return "no difference shown"
    sign = 1 if difference.low > 0 else -1
    if good == 0:
        return "more" if sign > 0 else "less"
    return "better" if sign == good else "worse"
