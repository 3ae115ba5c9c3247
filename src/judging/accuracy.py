"""Compute how right decisions were: hits, skill, calibration and money, for each group of them."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from src.judging import statistics
from src.judging.statistics import UNKNOWN, Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ENOUGH: Final = 50  # fewer resolved decisions allow no verdict
NOT_ENOUGH: Final = "not enough"
DAY_NS: Final = 86_400_000_000_000
# The lower bounds of the classes of confidence, in percent.
_CLASSES: Final = (0, 50, 60, 70, 80, 90)
_DIRECTIONS: Final = {"BUY": 1, "SELL": -1}
_TIME: Final = attrgetter("time_ns")


@dataclass(frozen=True, slots=True)
class Judged:
    """One decision, or one member's vote, with what followed; `move` is the price's change, as a fraction.

    `status` is `decided`, `abstained` or `failed`; `move` and `net` are None while it is open.
    """

    time_ns: int
    action: str
    status: str
    confidence: float | None = None
    move: float | None = None
    net: float | None = None
    round_trip: float = 0.0
    horizon_s: int = 86_400
    cost_usd: float | None = None
    cost_unknown: bool = False
    agreed: bool | None = None
    book: str | None = None

    @property
    def direction(self) -> int:
        """Return 1 for BUY, -1 for SELL, 0 for NOTHING."""
        return _DIRECTIONS.get(self.action, 0)

    @property
    def is_correct(self) -> bool:
        """Tell whether a BUY or SELL went its way before costs."""
        return self.move is not None and self.direction * self.move > 0


@dataclass(frozen=True, slots=True)
class ReliabilityClass:
    """What came of decisions of about one confidence; shares are fractions."""

    low: int
    high: int
    n: int
    mean_confidence: float
    hit_rate: Interval


@dataclass(frozen=True, slots=True)
class Inaction:
    """What came of NOTHING: the price's mean movement either way, and how often it was worth more than its costs."""

    n: int = 0
    mean_move: float | None = None
    missed: float | None = None
    avoided: float | None = None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The figures of one group of decisions.

    Attributes:
        key: What the group has in common.
        decisions: All of them.
        n: The resolved BUY and SELL decisions, on which hits and returns are counted.
        abstained: Those where no member would judge.
        failed: Those where too few members answered.
        open: Those that are not resolved.
        coverage: The share of all that are a BUY or SELL.
        hit_rate: The share of `n` that went their way before costs, with Wilson's interval.
        baseline_hit_rate: The share that the commoner direction alone would have had.
        always_long: The share that BUY alone would have had.
        skill: Hits above what the same numbers of BUY and SELL hit by chance, with a bootstrap's interval.
        p_value: How likely so many hits are by chance; decisions are taken one by one here.
        stands_out: Whether that is a discovery among all groups that are compared.
        inside: How many decisions are on a time that a model may have been trained on, where that forbids a verdict.
        brier: The mean squared error of the confidences.
        brier_skill: Their skill above the constant forecast of the hit rate.
        log_loss: The mean logarithmic loss.
        reliability: Hits by class of confidence.
        net_return: The mean return after costs, with a bootstrap's interval.
        net_total: Their sum.
        long_return: The mean return that BUY alone would have had, after the same costs.
        max_drawdown: The deepest fall of that sum.
        inaction: What came of NOTHING.
        cost_usd: What all of them cost, as far as known.
        cost_unknown: Whether more was spent than is known.
        agreed: The hit rate where all members voted alike.
        split: The hit rate where they did not.
    """

    key: str
    decisions: int = 0
    n: int = 0
    abstained: int = 0
    failed: int = 0
    open: int = 0
    coverage: float | None = None
    hits: int = 0
    hit_rate: Interval = UNKNOWN
    baseline_hit_rate: float | None = None
    always_long: float | None = None
    skill: Interval = UNKNOWN
    p_value: float | None = None
    stands_out: bool = False
    inside: int = 0
    brier: float | None = None
    brier_skill: float | None = None
    log_loss: float | None = None
    reliability: tuple[ReliabilityClass, ...] = ()
    net_return: Interval = UNKNOWN
    net_total: float = 0.0
    long_return: float | None = None
    max_drawdown: float = 0.0
    inaction: Inaction = field(default_factory=Inaction)
    cost_usd: float | None = None
    cost_unknown: bool = False
    agreed: Interval = UNKNOWN
    split: Interval = UNKNOWN
    n_agreed: int = 0
    n_split: int = 0

    @property
    def is_enough(self) -> bool:
        """Tell whether there are enough resolved decisions for a verdict."""
        return self.n >= ENOUGH

    @property
    def cost_per_decision(self) -> float | None:
        """Return what a decision cost on average."""
        return None if self.cost_usd is None or not self.decisions else self.cost_usd / self.decisions

    @property
    def cost_per_hit(self) -> float | None:
        """Return what was spent for each decision that was right."""
        return None if self.cost_usd is None or not self.hits else self.cost_usd / self.hits


def accuracy_of(key: str, items: Sequence[Judged]) -> Accuracy:
    """Return the figures of a group."""
    import numpy

    decided = [item for item in items if item.status == "decided"]
    active = [item for item in decided if item.action in _DIRECTIONS]
    trades = sorted((item for item in active if item.move is not None), key=_TIME)
    directions = numpy.array([_DIRECTIONS[item.action] for item in trades], dtype=float)
    moves = numpy.array([item.move for item in trades], dtype=float)
    nets = numpy.array([item.net for item in trades], dtype=float)
    is_up, is_correct = moves > 0, directions * moves > 0
    hits, n = int(is_correct.sum()), len(trades)
    up = float(is_up.mean()) if n else None
    known = [item.cost_usd for item in items if item.cost_usd is not None]
    round_trips = numpy.array([item.round_trip for item in trades], dtype=float)
    agreed, split = _by_agreement(trades, agreed=True), _by_agreement(trades, agreed=False)
    skill, expected = _skill(trades, directions, moves)
    return Accuracy(
        key=key,
        decisions=len(items),
        n=n,
        abstained=sum(item.status == "abstained" for item in items),
        failed=sum(item.status == "failed" for item in items),
        open=sum(item.move is None for item in decided),
        coverage=len(active) / len(items) if items else None,
        hits=hits,
        hit_rate=statistics.share(hits, n),
        baseline_hit_rate=None if up is None else max(up, float((moves < 0).mean())),
        always_long=up,
        skill=skill,
        p_value=None if expected is None else statistics.p_value(hits, n, expected),
        **_calibration(trades, is_correct),
        net_return=_mean(trades, nets),
        net_total=float(nets.sum()),
        long_return=float((moves - round_trips).mean()) if n else None,
        max_drawdown=statistics.max_drawdown(nets),
        inaction=_inaction(decided),
        cost_usd=float(sum(known)) if known else None,
        cost_unknown=any(item.cost_unknown for item in items),
        agreed=statistics.share(sum(item.is_correct for item in agreed), len(agreed)),
        split=statistics.share(sum(item.is_correct for item in split), len(split)),
        n_agreed=len(agreed),
        n_split=len(split),
    )


def with_discoveries(rows: Iterable[Accuracy]) -> list[Accuracy]:
    """Return groups that are compared, each with whether it stands out among them."""
    from dataclasses import replace

    groups = list(rows)
    flags = statistics.discoveries([group.p_value if group.is_enough else None for group in groups])
    return [replace(group, stands_out=flag) for group, flag in zip(groups, flags, strict=True)]


def _days(trades: Sequence[Judged]) -> Any:
    import numpy

    return numpy.array([item.time_ns // DAY_NS for item in trades], dtype="int64")


def _overlap_days(trades: Sequence[Judged]) -> float:
    return max((item.horizon_s for item in trades), default=0) / 86_400


def _mean(trades: Sequence[Judged], values: Any) -> Interval:
    import numpy

    rows = numpy.column_stack([values, numpy.ones(len(values))])
    return statistics.ratio_interval(
        _days(trades), rows, lambda sums: sums[:, 0] / sums[:, 1], overlap_days=_overlap_days(trades)
    )


def _skill(trades: Sequence[Judged], directions: Any, moves: Any) -> tuple[Interval, float | None]:
    """Return the hits above chance with their interval, and the share that chance hits.

    Chance decides as often BUY and SELL, but without regard to the market: a BUY then hits as often as prices rose, a
    SELL as often as they fell. A price that did not move is nobody's hit.
    """
    import numpy

    if not trades:
        return UNKNOWN, None
    is_long = directions > 0
    columns = [directions * moves > 0, moves > 0, is_long, numpy.ones(len(trades)), moves < 0]
    rows = numpy.column_stack(columns).astype(float)

    def chance(sums: Any) -> Any:
        up, long, down = (sums[:, place] / sums[:, 3] for place in (1, 2, 4))
        return long * up + (1 - long) * down

    interval = statistics.ratio_interval(
        _days(trades), rows, lambda sums: sums[:, 0] / sums[:, 3] - chance(sums), overlap_days=_overlap_days(trades)
    )
    return interval, float(chance(rows.sum(axis=0, keepdims=True))[0])


def _calibration(trades: Sequence[Judged], is_correct: Any) -> dict[str, Any]:
    """Return the Brier score, its skill, the log loss and the reliability table of those with a confidence."""
    import numpy

    stated = numpy.array([item.confidence is not None for item in trades], dtype=bool)
    if not stated.any():
        return {}
    confidences = numpy.array([item.confidence or 0.0 for item in trades], dtype=float)[stated] / 100
    correct = is_correct[stated]
    brier = float(((confidences - correct) ** 2).mean())
    reference = float(correct.mean() * (1 - correct.mean()))
    return {
        "brier": brier,
        "brier_skill": 1 - brier / reference if reference else None,
        "log_loss": statistics.log_loss(confidences, correct),
        "reliability": tuple(_reliability(confidences, correct)),
    }


def _reliability(confidences: Any, correct: Any) -> Iterable[ReliabilityClass]:
    for low, high in zip(_CLASSES, (*_CLASSES[1:], 100), strict=True):
        inside = (confidences >= low / 100) & ((confidences < high / 100) | (high == 100))
        if inside.any():
            yield ReliabilityClass(
                low=low,
                high=high,
                n=int(inside.sum()),
                mean_confidence=float(confidences[inside].mean()),
                hit_rate=statistics.share(int(correct[inside].sum()), int(inside.sum())),
            )


def _inaction(decided: Sequence[Judged]) -> Inaction:
    moves = [
        (abs(item.move), item.round_trip)
        for item in decided
        if item.action not in _DIRECTIONS and item.move is not None
    ]
    if not moves:
        return Inaction()
    missed = sum(move > cost for move, cost in moves) / len(moves)
    return Inaction(
        n=len(moves), mean_move=sum(move for move, _ in moves) / len(moves), missed=missed, avoided=1 - missed
    )


def _by_agreement(trades: Sequence[Judged], *, agreed: bool) -> list[Judged]:
    return [item for item in trades if item.agreed is agreed]


def grouped(items: Iterable[tuple[str, Judged]]) -> dict[str, list[Judged]]:
    """Return items by their keys, in the order of the keys."""
    groups: defaultdict[str, list[Judged]] = defaultdict(list)
    for key, item in items:
        groups[key].append(item)
    return dict(sorted(groups.items()))


@lru_cache(maxsize=256)  # a ledger has few different costs
def round_trip_of(costs: str) -> float:
    """Return the costs of a round trip from an outcome's costs."""
    values = json.loads(costs)
    return float(2 * values["fee_bps"] + values["spread_bps"] + 2 * values["slippage_bps"]) / 10_000
