"""Compare two deciders on the same questions: how often they agree, and how much righter one of them is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from src.insight.facts.schema import DAY_NS
from src.judging.grouping import model_of
from src.judging.statistics import UNKNOWN, Interval, ratio_interval, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.ledger import Entry, MemberVote

FEWEST: Final = 50  # questions; and judged ones, for a difference of hit rates
AGREEMENT: Final = 0.95  # two that agree so often differ in at most 5% of the decisions
MARGIN: Final = 0.05  # by which a hit rate may at most be lower
_DIRECTIONS: Final = {"BUY": 1, "SELL": -1}


class Answer(NamedTuple):
    """What a decider said to a question: the action, None for none, and what it cost in dollars."""

    action: str | None
    usd: float | None


class Pair(NamedTuple):
    """The answers of two deciders to one question.

    Attributes:
        time_ns: When it was decided.
        as_of_ns: The close of the newest bar that they saw.
        move: By how much the price moved until the horizon, as a fraction; None where that is not judged.
        horizon_s: The horizon.
        usual: The answer that was acted on.
        other: The answer that is compared with it.
    """

    time_ns: int
    as_of_ns: int
    move: float | None
    horizon_s: int
    usual: Answer
    other: Answer

    @property
    def saved(self) -> float | None:
        """Return how much less the other answer costs; None where a cost is not known."""
        if self.usual.usd is None or self.other.usd is None:
            return None
        return self.usual.usd - self.other.usd


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two deciders on the same questions.

    Attributes:
        n: How many questions.
        agreement: The share that both answered with the same action, with Wilson's interval.
        judged: How many questions have an outcome and a trade of either.
        difference: The other's hit rate less the usual one's, with a 95% interval by blocks of days.
    """

    n: int
    agreement: Interval
    judged: int
    difference: Interval

    @property
    def is_alike(self) -> bool:
        """Tell whether they certainly agree nearly always."""
        return (self.agreement.low or 0.0) >= AGREEMENT

    @property
    def is_as_right(self) -> bool:
        """Tell whether the other's hit rate is certainly not lower by the margin or more."""
        return self.judged >= FEWEST and self.difference.low is not None and self.difference.low > -MARGIN

    @property
    def is_worse(self) -> bool:
        """Tell whether the other was less right by the margin, or by less but beyond noise."""
        gap = self.difference
        if self.judged < FEWEST // 2 or gap.value is None:
            return False
        return gap.value < -MARGIN or (gap.high is not None and gap.high < 0)

    @property
    def is_righter(self) -> bool:
        """Tell whether the other's hit rate is certainly higher."""
        return self.judged >= FEWEST and self.difference.low is not None and self.difference.low > 0


def compared(pairs: Sequence[Pair]) -> Comparison:
    """Return how two deciders compare. A NOTHING, or no answer, is no trade: it counts in agreement alone."""
    same = sum(pair.usual.action == pair.other.action for pair in pairs)
    judged = [
        pair
        for pair in pairs
        if pair.move is not None and (pair.usual.action in _DIRECTIONS or pair.other.action in _DIRECTIONS)
    ]
    return Comparison(
        n=len(pairs), agreement=wilson(same, len(pairs)), judged=len(judged), difference=_difference(judged)
    )


def _difference(judged: Sequence[Pair]) -> Interval:
    import numpy

    if not judged:
        return UNKNOWN
    days = numpy.array([pair.as_of_ns // DAY_NS for pair in judged], dtype="int64")
    rows = numpy.array(
        [(*_counts(pair.other.action, pair.move), *_counts(pair.usual.action, pair.move)) for pair in judged],
        dtype=float,
    )
    overlap_days = max(pair.horizon_s for pair in judged) / 86_400
    return ratio_interval(days, rows, _gap, overlap_days=overlap_days)


def _counts(action: str | None, move: float | None) -> tuple[int, int]:
    """Return whether an action was right, and whether it was a trade."""
    direction = _DIRECTIONS.get(action or "", 0)
    return int(direction * (move or 0.0) > 0), int(direction != 0)


def _gap(sums: Any) -> Any:
    import numpy

    with numpy.errstate(divide="ignore", invalid="ignore"):
        return sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3]


def question_key(entry: Entry) -> str:
    """Return what decisions on the same question have in common: prompt and view of the market, or else the id."""
    decision = entry.decision
    if decision.snapshot_hash and decision.prompt_hash:
        return f"{decision.prompt_hash}/{decision.snapshot_hash}"
    return decision.id


def voter(vote: MemberVote) -> tuple[str, str]:
    """Return the provider and the model of a vote."""
    return vote.member.partition("#")[0].partition(":")[0], model_of(vote)
