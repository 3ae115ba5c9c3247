"""Compute how right decisions were: hits, skill, calibration and money, for each group of them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from src.judging import statistics
from src.judging.judged_columns import ABSTAINED, DECIDED, FAILED, STATUS, JudgedColumns
from src.judging.statistics import UNKNOWN, Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ENOUGH: Final = 50  # fewer resolved decisions allow no verdict
NOT_ENOUGH: Final = "not enough"
DAY_NS: Final = 86_400_000_000_000
# The lower bounds of the classes of confidence, in percent.
_CLASSES: Final = (0, 50, 60, 70, 80, 90)
_DIRECTIONS: Final = {"BUY": 1, "SELL": -1}


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
        agreed: The hit rate where all members cast the same vote.
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


def accuracy_of(key: str, items: Sequence[Judged] | JudgedColumns) -> Accuracy:
    """Return the figures of a group."""
    import numpy

    columns = items if isinstance(items, JudgedColumns) else columns_of(items)
    decided = columns.take(columns.status == DECIDED)
    active = decided.take(decided.direction != 0)
    trades = active.take(~numpy.isnan(active.move))
    trades = trades.take(numpy.argsort(trades.time_ns, kind="stable"))
    is_up, is_correct = trades.move > 0, _is_correct(trades)
    hits, n = int(is_correct.sum()), len(trades)
    up = float(is_up.mean()) if n else None
    known = columns.cost_usd[~numpy.isnan(columns.cost_usd)]
    agreed, split = is_correct[trades.agreed == 1], is_correct[trades.agreed == 0]
    skill, mean, expected = _skill_and_mean(trades)
    return Accuracy(
        key=key,
        decisions=len(columns),
        n=n,
        abstained=int((columns.status == ABSTAINED).sum()),
        failed=int((columns.status == FAILED).sum()),
        open=int(numpy.isnan(decided.move).sum()),
        coverage=len(active) / len(columns) if len(columns) else None,
        hits=hits,
        hit_rate=statistics.wilson(hits, n),
        baseline_hit_rate=None if up is None else max(up, float((trades.move < 0).mean())),
        always_long=up,
        skill=skill,
        p_value=None if expected is None else statistics.p_value(hits, n, expected),
        **_calibration(trades, is_correct),
        net_return=mean,
        net_total=float(trades.net.sum()),
        long_return=float((trades.move - trades.round_trip).mean()) if n else None,
        max_drawdown=statistics.max_drawdown(trades.net),
        inaction=_inaction(decided),
        cost_usd=float(known.sum()) if len(known) else None,
        cost_unknown=bool(columns.cost_unknown.any()),
        agreed=statistics.wilson(int(agreed.sum()), len(agreed)),
        split=statistics.wilson(int(split.sum()), len(split)),
        n_agreed=len(agreed),
        n_split=len(split),
    )


def _is_correct(trades: JudgedColumns) -> Any:
    return trades.direction * trades.move > 0


def columns_of(items: Sequence[Judged]) -> JudgedColumns:
    """Return items as columns."""
    import numpy

    def numbers(values: list[float | None]) -> Any:
        return numpy.array([math.nan if value is None else value for value in values], dtype=float)

    return JudgedColumns(
        time_ns=numpy.array([item.time_ns for item in items], dtype="int64"),
        direction=numpy.array([item.direction for item in items], dtype="int8"),
        status=numpy.array([STATUS[item.status] for item in items], dtype="int8"),
        confidence=numbers([item.confidence for item in items]),
        move=numbers([item.move for item in items]),
        net=numbers([item.net for item in items]),
        round_trip=numbers([item.round_trip for item in items]),
        horizon_s=numpy.array([item.horizon_s for item in items], dtype="int64"),
        cost_usd=numbers([item.cost_usd for item in items]),
        cost_unknown=numpy.array([item.cost_unknown for item in items], dtype=bool),
        agreed=numpy.array([-1 if item.agreed is None else int(item.agreed) for item in items], dtype="int8"),
    )


def with_discoveries(rows: Iterable[Accuracy]) -> list[Accuracy]:
    """Return groups that are compared, each with whether it stands out among them."""
    from dataclasses import replace

    groups = list(rows)
    flags = statistics.discoveries([group.p_value if group.is_enough else None for group in groups])
    return [replace(group, stands_out=flag) for group, flag in zip(groups, flags, strict=True)]


def _overlap_days(trades: JudgedColumns) -> float:
    return float(trades.horizon_s.max()) / 86_400 if len(trades) else 0.0


def _skill_and_mean(trades: JudgedColumns) -> tuple[Interval, Interval, float | None]:
    """Return the hits above chance and the mean net return with their intervals, and the share that chance hits.

    Chance decides as often BUY and SELL, but without regard to the market: a BUY then hits as often as prices rose, a
    SELL as often as they fell. A price that did not move counts as a hit for neither.
    """
    import numpy

    if not len(trades):
        return UNKNOWN, UNKNOWN, None
    moves = trades.move
    columns = [_is_correct(trades), moves > 0, trades.direction > 0, numpy.ones(len(trades)), moves < 0, trades.net]
    rows = numpy.column_stack(columns).astype(float)

    def chance(sums: Any) -> Any:
        up, long, down = (sums[:, index] / sums[:, 3] for index in (1, 2, 4))
        return long * up + (1 - long) * down

    skill, mean = statistics.ratio_intervals(
        trades.time_ns // DAY_NS,
        rows,
        [lambda sums: sums[:, 0] / sums[:, 3] - chance(sums), lambda sums: sums[:, 5] / sums[:, 3]],
        overlap_days=_overlap_days(trades),
    )
    return skill, mean, float(chance(rows.sum(axis=0, keepdims=True))[0])


def _calibration(trades: JudgedColumns, is_correct: Any) -> dict[str, Any]:
    """Return the Brier score, its skill, the log loss and the reliability table of those with a confidence."""
    import numpy

    stated = ~numpy.isnan(trades.confidence)
    if not stated.any():
        return {}
    confidences = trades.confidence[stated] / 100
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
                hit_rate=statistics.wilson(int(correct[inside].sum()), int(inside.sum())),
            )


def _inaction(decided: JudgedColumns) -> Inaction:
    import numpy

    still = decided.take((decided.direction == 0) & ~numpy.isnan(decided.move))
    if not len(still):
        return Inaction()
    moves = numpy.abs(still.move)
    missed = int((moves > still.round_trip).sum()) / len(still)
    return Inaction(n=len(still), mean_move=float(moves.mean()), missed=missed, avoided=1 - missed)


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
