"""Compare two deciders on the same questions: how often they agree, and how much righter one of them is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from src.insight.facts.schema import DAY_NS
from src.judging.grouping import answering_model
from src.judging.statistics import UNKNOWN, Interval, ratio_interval, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.ledger import Entry

FEWEST: Final = 50  # questions; and judged ones, for a difference of hit rates
AGREEMENT: Final = 0.95  # two that agree so often differ in at most 5% of the decisions
MARGIN: Final = 0.05  # by which a hit rate may at most be lower


NO_ANSWER: Final = 9
_CODES: Final[dict[str | None, int]] = {"BUY": 1, "SELL": -1, "NOTHING": 0, None: NO_ANSWER}


class Answered(NamedTuple):
    """Questions and the answers that were acted on: arrays of one length.

    Attributes:
        time_ns: When it was decided.
        as_of_ns: The close of the newest bar that they saw.
        move: By how much the price moved until the horizon, as a fraction; not a number where that is not judged.
        horizon_s: The horizon.
        action: The action of the answer: 1 for BUY, -1 for SELL, 0 for NOTHING, or NO_ANSWER.
        usd: What it cost in dollars; not a number where that is not known.
    """

    time_ns: Any
    as_of_ns: Any
    move: Any
    horizon_s: Any
    action: Any
    usd: Any

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, float | None, int, str | None, float | None]]) -> Answered:
        """Return rows in the order of the fields, at least one, as arrays."""
        import numpy

        times, as_of, moves, horizons, actions, costs = zip(*rows, strict=True)
        return cls(
            *(numpy.array(times, dtype="int64"), numpy.array(as_of, dtype="int64"), numpy.array(moves, dtype=float)),
            *(numpy.array(horizons, dtype="int64"), numpy.array([_CODES[action] for action in actions], dtype="int64")),
            numpy.array(costs, dtype=float),
        )

    def take(self, places: Any) -> Answered:
        """Return those at some places, or where a mask holds."""
        return Answered(*(column[places] for column in self))


@dataclass(frozen=True, slots=True)
class Pairs:
    """The answers of two deciders to many questions: arrays of one length, in the order of time.

    Attributes:
        usual: The questions with the answers that were acted on.
        other: The actions of the answers that are compared with these.
        other_usd: What those cost; not a number where that is not known.
    """

    usual: Answered
    other: Any
    other_usd: Any

    @classmethod
    def of(cls, usual: Answered, others: Sequence[tuple[int, str | None, float | None]]) -> Pairs:
        """Return a model's answers beside the usual ones: each the place of its question, an action and a cost."""
        import numpy

        places, actions, costs = zip(*others, strict=True)
        pairs = cls(
            usual=usual.take(numpy.array(places, dtype="int64")),
            other=numpy.array([_CODES[action] for action in actions], dtype="int64"),
            other_usd=numpy.array(costs, dtype=float),
        )
        return pairs.take(numpy.argsort(pairs.usual.time_ns, kind="stable"))

    def __len__(self) -> int:
        """Return how many questions there are."""
        return len(self.other)

    def take(self, places: Any) -> Pairs:
        """Return those at some places, or where a mask holds."""
        return Pairs(usual=self.usual.take(places), other=self.other[places], other_usd=self.other_usd[places])

    def saved(self) -> tuple[Any, Any]:
        """Return the times of the questions whose costs are known, and how much less the other answers cost."""
        import numpy

        usd = self.usual.usd - self.other_usd
        is_known = ~numpy.isnan(usd)
        return self.usual.time_ns[is_known], usd[is_known]


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


def compared(pairs: Pairs) -> Comparison:
    """Return how two deciders compare. A NOTHING, or no answer, is no trade: it counts in agreement alone."""
    import numpy

    same = int((pairs.usual.action == pairs.other).sum())
    trades = (numpy.abs(pairs.usual.action) == 1) | (numpy.abs(pairs.other) == 1)
    judged = pairs.take(trades & ~numpy.isnan(pairs.usual.move))
    return Comparison(
        n=len(pairs), agreement=wilson(same, len(pairs)), judged=len(judged), difference=_difference(judged)
    )


def _difference(judged: Pairs) -> Interval:
    import numpy

    if not len(judged):
        return UNKNOWN
    columns = []
    for action in (judged.other, judged.usual.action):
        direction = numpy.where(numpy.abs(action) == 1, action, 0)
        columns += [direction * judged.usual.move > 0, direction != 0]
    overlap_days = int(judged.usual.horizon_s.max()) / 86_400
    rows = numpy.column_stack(columns).astype(float)
    return ratio_interval(judged.usual.as_of_ns // DAY_NS, rows, _gap, overlap_days=overlap_days)


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


@lru_cache(maxsize=10_000)  # few members, of many votes
def voter_of(member: str, model: str | None) -> tuple[str, str]:
    """Return the provider and the model of a vote by its member and the model that answered."""
    return member.partition("#")[0].partition(":")[0], answering_model(model, member)
