"""Compute what a swarm's members were worth, over arrays: what it decided, and what others of them would have.

The figures are those of `judging.report`, which goes through the decisions one by one for each alternative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.judging import statistics
from src.judging.accuracy import DAY_NS, round_trip_of
from src.judging.grouping import outcome_of, recounted
from src.judging.statistics import UNKNOWN, Interval
from src.observability.ledger import parse_horizon

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from src.observability.ledger import Entry, MemberVote

_CODES: Final = {"BUY": 1, "SELL": -1, "NOTHING": 0}
NO_VOTE: Final = 9  # an abstention, a failure, or a decision that the member was not asked for


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
        value: The sum of net returns with it, less that without it, over judged decisions; None as above.
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


class Swarm:
    """The decisions of several members, as arrays.

    Args:
        entries: Decisions; those of a single member are left out.
        horizon: By which outcome they are judged; each decision's first one where not set.
    """

    def __init__(self, entries: Iterable[Entry], horizon: str | None) -> None:
        import numpy

        self._entries = sorted((item for item in entries if len(item.votes) > 1), key=lambda e: e.decision.as_of_ns)
        self._votes = [{vote.member: vote for vote in reversed(entry.votes)} for entry in self._entries]
        self.members: list[str] = list(dict.fromkeys(name for votes in self._votes for name in reversed(votes)))
        outcomes = [outcome_of(entry, horizon) for entry in self._entries]
        wholes = [outcome if outcome is not None and outcome.exit_reason == "horizon" else None for outcome in outcomes]
        self._move = numpy.array([math.nan if item is None else item.exit / item.entry - 1 for item in wholes])
        trips = {item.costs: round_trip_of(item.costs) for item in outcomes if item is not None}
        self._round_trip = numpy.array([0.0 if item is None else trips[item.costs] for item in outcomes])
        self._days = numpy.array([entry.decision.as_of_ns // DAY_NS for entry in self._entries], dtype="int64")
        names = {horizon or entry.horizons[0] for entry in self._entries}
        self._overlap_days = max((parse_horizon(name).seconds for name in names), default=0) / 86_400
        self._recounts: dict[object, int] = {}
        self.consensus = self._coded(
            entry.decision.action if entry.decision.status == "decided" else None for entry in self._entries
        )

    def __len__(self) -> int:
        """Return how many decisions there are."""
        return len(self._entries)

    def _coded(self, actions: Iterable[str | None]) -> Any:
        import numpy

        codes = [NO_VOTE if action is None else _CODES.get(action, 0) for action in actions]
        return numpy.array(codes, dtype="int64")

    def plain(self) -> Any:
        """Return what equal weights would have decided."""
        return self._recounted(without=None, plain=True)

    def alone(self, member: str) -> Any:
        """Return what a member voted."""
        return self._coded(votes[member].action if member in votes else None for votes in self._votes)

    def without(self, member: str) -> Any:
        """Return what the others would have decided."""
        return self._recounted(without=member, plain=False)

    def _recounted(self, *, without: str | None, plain: bool) -> Any:
        import numpy

        codes = []
        for entry, votes in zip(self._entries, self._votes, strict=True):
            key = (plain, without in votes, *((vote.action, vote.weight) for vote in votes.values()
                                              if vote.member != without))  # fmt: skip
            if len(votes) != len(entry.votes):  # two members of one name: count them as they stand
                key = (plain, without, entry.decision.id)
            if key not in self._recounts:
                action = recounted(entry, without=without, plain=plain)
                self._recounts[key] = NO_VOTE if action is None else _CODES[action]
            codes.append(self._recounts[key])
        return numpy.array(codes, dtype="int64")

    def nets(self, codes: Any) -> Any:
        """Return the net returns of actions; not a number where the decision is open, 0 where nothing is done."""
        import numpy

        direction = numpy.where(codes == NO_VOTE, 0, codes)
        return direction * self._move - numpy.where(direction != 0, self._round_trip, 0.0)

    def track(self, codes: Any) -> Track:
        """Return what would have come of actions."""
        import numpy

        direction = numpy.where(codes == NO_VOTE, 0, codes)
        trades = (direction != 0) & ~numpy.isnan(self._move)
        nets = self.nets(codes)[trades]
        n = int(trades.sum())
        hits = int((direction * self._move > 0)[trades].sum())
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
            hit_rate=statistics.share(hits, n),
            net_return=mean,
            net_total=float(nets.sum()) if n else None,
        )

    def member(self, name: str) -> MemberFigures:
        """Return what one member did, cost and changed."""
        votes = [vote for vote in (votes.get(name) for votes in self._votes) if vote is not None]
        costs = [vote.cost_usd for vote in votes if vote.cost_usd is not None]
        changed, value, judged = self._marginal(name)
        return MemberFigures(
            name=name,
            asked=len(votes),
            votes=sum(vote.action is not None for vote in votes),
            failed=sum(vote.error is not None for vote in votes),
            cost_usd=sum(costs) if costs else None,
            unpriced=len(votes) - len(costs),
            latency_ms=_middle(votes),
            changed=changed,
            value=value,
            judged=judged,
        )

    def _marginal(self, name: str) -> tuple[int | None, float | None, int]:
        import numpy

        can_lose = numpy.array([name in votes and len(votes) > 2 for votes in self._votes], dtype=bool)
        if not can_lose.any():
            return None, None, 0
        others = self.without(name)
        changed = can_lose & (others != self.consensus)
        gain = (self.nets(self.consensus) - self.nets(others))[changed]
        known = gain[~numpy.isnan(gain)]
        return int(changed.sum()), float(known.sum()), len(known)

    def pairs(self) -> list[PairFigures]:
        """Return every two members beside one another."""
        import numpy

        codes = {name: self.alone(name) for name in self.members}
        resolved = ~numpy.isnan(self._move)
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
                        first_right=int((a * self._move > 0)[judged].sum()),
                        second_right=int((b * self._move > 0)[judged].sum()),
                    )
                )
        return result

    def by_agreement(self) -> list[tuple[str, int, Track]]:
        """Return decisions by how much of the weight that voted agreed: the class, how many, what came of them."""
        import numpy

        shares = numpy.array([_agreement(entry) for entry in self._entries])
        rows = []
        for label, low, high in (("all agreed", 1.0, 2.0), ("two thirds or more", 2 / 3, 1.0), ("less", 0.0, 2 / 3)):
            inside = (shares >= low - 1e-9) & (shares < high - 1e-9)
            if inside.any():
                rows.append((label, int(inside.sum()), self.track(numpy.where(inside, self.consensus, NO_VOTE))))
        return rows


def _middle(votes: Sequence[MemberVote]) -> float | None:
    import statistics as plain_statistics

    times = [vote.latency_ms for vote in votes if vote.latency_ms is not None]
    return plain_statistics.median(times) if times else None


def _agreement(entry: Entry) -> float:
    """Return the largest share of the weight that voted which voted for the same action; -1 where none voted."""
    weights: dict[str, float] = {}
    for vote in entry.votes:
        if vote.action is not None:
            weights[vote.action] = weights.get(vote.action, 0.0) + vote.weight
    total = sum(weights.values())
    return max(weights.values()) / total if total else -1.0
