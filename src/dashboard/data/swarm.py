"""Compute what a swarm's members were worth, over arrays: what it decided, and what others of them would have.

The figures are those of `judging.report`, which goes through the decisions one by one for each alternative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from src.insight.ledger.ballots import Ballots
from src.insight.ledger.chosen import nets_of
from src.insight.ledger.columns import NO_VOTE
from src.judging import statistics
from src.judging.accuracy import DAY_NS
from src.judging.statistics import UNKNOWN, Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.insight.ledger.chosen import Chosen


@dataclass(frozen=True, slots=True)
class Track:
    """What would have come of one way of deciding."""

    decided: int
    n: int
    hit_rate: Interval
    net_return: Interval
    net_total: float | None


@dataclass(frozen=True, slots=True)
class MemberFigures:
    """One member.

    Attributes:
        name: Its label.
        asked: How many decisions it was asked for.
        votes: How many of them it voted in.
        failed: How many it failed in.
        cost_usd: The known part of what its votes cost.
        unpriced: How many votes have an unknown cost.
        latency_ms: The middle of its times.
        changed: How many decisions would be others without it; None where there are too few members to leave one out.
        value: The sum of net returns with it, less that without it, over judged decisions; None as above, and where
            none of the changed decisions is judged.
        judged: How many of the changed decisions are judged.
    """

    name: str
    asked: int
    votes: int
    failed: int
    cost_usd: float | None
    unpriced: int
    latency_ms: float | None
    changed: int | None
    value: float | None
    judged: int


@dataclass(frozen=True, slots=True)
class PairFigures:
    """Two members: how often both voted, how often differently, and which was right then."""

    first: str
    second: str
    both: int
    differed: int
    judged: int
    first_right: int
    second_right: int


class Swarm(Ballots):
    """The decisions of several members among some.

    Args:
        decisions: Decisions; those of a single member are left out.
    """

    def __init__(self, decisions: Chosen) -> None:
        super().__init__(decisions)
        self._days = decisions.columns.decisions.as_of_ns[self.places] // DAY_NS
        self._overlap_days = float(decisions.horizons_s[self.places].max()) / 86_400 if len(self) else 0.0

    def nets(self, codes: Any) -> Any:
        """Return the net returns of actions; not a number where the decision is open, 0 where nothing is done."""
        direction = numpy.where(codes == NO_VOTE, 0, codes)
        return nets_of(direction, self.move, self.round_trip)

    def track(self, codes: Any) -> Track:
        """Return what would have come of actions."""
        direction = numpy.where(codes == NO_VOTE, 0, codes)
        trades = (direction != 0) & ~numpy.isnan(self.move)
        nets = self.nets(codes)[trades]
        n = int(trades.sum())
        hits = int((direction * self.move > 0)[trades].sum())
        rows = numpy.column_stack([nets, numpy.ones(n)])
        mean = (
            statistics.ratio_interval(
                self._days[trades], rows, lambda sums: sums[:, 0] / sums[:, 1], overlap_days=self._overlap_days
            )
            if n
            else UNKNOWN
        )
        return Track(
            decided=int((codes != NO_VOTE).sum()),
            n=n,
            hit_rate=statistics.wilson(hits, n),
            net_return=mean,
            net_total=float(nets.sum()) if n else None,
        )

    def member(self, name: str) -> MemberFigures:
        """Return what one member did, cost and changed."""
        votes, _ = self.votes_of(name)
        costs = votes.cost_usd[~numpy.isnan(votes.cost_usd)]
        times = votes.latency_ms[~numpy.isnan(votes.latency_ms)]
        changed, value, judged = self._marginal(name)
        return MemberFigures(
            name=name,
            asked=len(votes),
            votes=int((votes.action != NO_VOTE).sum()),
            failed=int(votes.has_failed.sum()),
            cost_usd=float(costs.sum()) if len(costs) else None,
            unpriced=len(votes) - len(costs),
            latency_ms=float(numpy.median(times)) if len(times) else None,
            changed=changed,
            value=value,
            judged=judged,
        )

    def _marginal(self, name: str) -> tuple[int | None, float | None, int]:
        _, lines = self.votes_of(name)
        can_lose = numpy.zeros(len(self), dtype=bool)
        can_lose[lines] = self.has_three[lines]
        if not can_lose.any():
            return None, None, 0
        others = self.without(name)
        changed = can_lose & (others != self.consensus)
        gain = (self.nets(self.consensus) - self.nets(others))[changed]
        known = gain[~numpy.isnan(gain)]
        is_unknown = changed.any() and not len(known)
        return int(changed.sum()), None if is_unknown else float(known.sum()), len(known)

    def pairs(self) -> list[PairFigures]:
        """Return every two members beside one another."""
        codes = {name: self.alone(name) for name in self.members}
        resolved = ~numpy.isnan(self.move)
        result = []
        for place, first in enumerate(self.members):
            for second in self.members[place + 1 :]:
                a, b = codes[first], codes[second]
                both = (a != NO_VOTE) & (b != NO_VOTE)
                differed = both & (a != b)
                judged = differed & resolved
                result.append(
                    PairFigures(
                        first=first,
                        second=second,
                        both=int(both.sum()),
                        differed=int(differed.sum()),
                        judged=int(judged.sum()),
                        first_right=int((a * self.move > 0)[judged].sum()),
                        second_right=int((b * self.move > 0)[judged].sum()),
                    )
                )
        return result

    def by_agreement(self) -> list[tuple[str, int, Track]]:
        """Return decisions by how much of the weight that voted agreed: the class, how many, what came of them."""
        by_pattern = numpy.array([_agreement(self.cast(int(line))) for line in self.examples])
        shares = by_pattern[self.patterns]
        rows = []
        for label, low, high in (("all agreed", 1.0, 2.0), ("two thirds or more", 2 / 3, 1.0), ("less", 0.0, 2 / 3)):
            inside = (shares >= low - 1e-9) & (shares < high - 1e-9)
            if inside.any():
                rows.append((label, int(inside.sum()), self.track(numpy.where(inside, self.consensus, NO_VOTE))))
        return rows


def _agreement(cast: Sequence[tuple[float, str | None]]) -> float:
    """Return the largest share of the weight that voted which voted for the same action; -1 where none voted."""
    weights: dict[str, float] = {}
    for weight, action in cast:
        if action is not None:
            weights[action] = weights.get(action, 0.0) + weight
    total = sum(weights.values())
    return max(weights.values()) / total if total else -1.0
