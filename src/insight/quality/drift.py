"""Tell whether the mix of actions has changed from one period to the next, by days rather than by single votes.

Votes of one day follow the same market: as single draws they would make any two weeks differ. So the days of both
periods are shuffled, and the change is compared with what a shuffle gives (a permutation test of the chi-square
statistic).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from src.insight.figures.groups import DIMENSIONS, key_text
from src.judging.statistics import discoveries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src.insight.facts.filters import Filter
    from src.insight.facts.reader import FactsReader

ACTIONS: Final = ("BUY", "SELL", "NOTHING", "ABSTAIN")
FEWEST_DAYS: Final = 5
FEWEST_VOTES: Final = 50
_SHUFFLES: Final = 2_000
_SEED: Final = 20_241_130  # the same votes always give the same p-value


@dataclass(frozen=True, slots=True)
class Drift:
    """The mix of actions in two periods.

    Attributes:
        key: Whose votes they are.
        before: How many votes for each action in the period before.
        now: How many in this period.
        days_before: On how many days.
        days_now: On how many days.
        p_value: How likely such a change is where nothing has changed; None where there is not enough.
        verdict: `changed` where it stands out among all that are compared, else `noise`, or `not enough` votes or days.
    """

    key: str | None
    before: Mapping[str, int]
    now: Mapping[str, int]
    days_before: int
    days_now: int
    p_value: float | None
    verdict: Literal["changed", "noise", "not enough"] = "not enough"


def drifts(reader: FactsReader, filter_: Filter, by: str | None, *, now_ns: int) -> list[Drift]:
    """Return how the mix of actions changed against the period before; none where the filter has no beginning.

    Args:
        reader: The facts.
        filter_: Which votes.
        by: One of `groups.DIMENSIONS`; the model where not given.
        now_ns: The present, where the filter has no end.
    """
    if filter_.since_ns is None:
        return []
    dimensions = DIMENSIONS[by or "model"]
    until_ns = now_ns if filter_.until_ns is None else min(filter_.until_ns, now_ns)
    before = replace(filter_, since_ns=max(0, 2 * filter_.since_ns - until_ns), until_ns=filter_.since_ns)
    old, new = _votes(reader, before, dimensions), _votes(reader, replace(filter_, until_ns=until_ns), dimensions)
    items = [_drift(key, old.get(key, {}), new.get(key, {})) for key in sorted(old.keys() | new.keys(), key=str)]
    standing_out = discoveries([item.p_value for item in items])
    return [
        item if item.p_value is None else replace(item, verdict="changed" if stands_out else "noise")
        for item, stands_out in zip(items, standing_out, strict=True)
    ]


_Days = dict[int, dict[str, int]]


def _votes(reader: FactsReader, filter_: Filter, dimensions: Sequence[str]) -> dict[tuple[str | None, ...], _Days]:
    votes: defaultdict[tuple[str | None, ...], defaultdict[int, dict[str, int]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for point in reader.series(filter_, "day", (*dimensions, "vote")):  # type: ignore[arg-type] # dimensions of the facts
        *key, vote = point.key
        if vote in ACTIONS:
            votes[tuple(key)][point.start_ns][vote] = point.totals.n
    return {key: dict(days) for key, days in votes.items()}


def _drift(key: tuple[str | None, ...], old: _Days, new: _Days) -> Drift:
    before, now = _sum(old.values()), _sum(new.values())
    enough = min(len(old), len(new)) >= FEWEST_DAYS and min(sum(before.values()), sum(now.values())) >= FEWEST_VOTES
    return Drift(
        key=key_text(key),
        before=before,
        now=now,
        days_before=len(old),
        days_now=len(new),
        p_value=_p_value(list(old.values()), list(new.values())) if enough else None,
    )


def _sum(days: Any) -> dict[str, int]:
    return {action: sum(day.get(action, 0) for day in days) for action in ACTIONS}


def _p_value(old: Sequence[Mapping[str, int]], new: Sequence[Mapping[str, int]]) -> float:
    """Return the share of shuffles whose mixes differ at least as much as these."""
    import numpy

    counts = numpy.array([[day.get(action, 0) for action in ACTIONS] for day in (*old, *new)], dtype=float)
    total, first = counts.sum(axis=0), len(old)
    observed = _chi_square(counts[:first].sum(axis=0)[None, :], total)[0]
    random = numpy.random.default_rng(_SEED)
    orders = random.permuted(numpy.tile(numpy.arange(len(counts)), (_SHUFFLES, 1)), axis=1)[:, :first]
    shuffled = _chi_square(counts[orders].sum(axis=1), total)
    return float((1 + (shuffled >= observed * (1 - 1e-9)).sum()) / (1 + _SHUFFLES))


def _chi_square(first: Any, total: Any) -> Any:
    """Return how far the mix of some days is from that of all, as the chi-square statistic of both parts."""
    import numpy

    mix = total / total.sum()
    statistic = numpy.zeros(len(first))
    for part in (first, total - first):
        expected = part.sum(axis=1, keepdims=True) * mix
        with numpy.errstate(divide="ignore", invalid="ignore"):
            statistic += numpy.nan_to_num((part - expected) ** 2 / expected, nan=0.0, posinf=0.0).sum(axis=1)
    return statistic
