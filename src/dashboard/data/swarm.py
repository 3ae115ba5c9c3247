"""Compute what a swarm's members were worth, over arrays: what it decided, and what others of them would have.

The figures are those of `judging.report`, which goes through the decisions one by one for each alternative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy

from src.insight.ledger.columns import ACTIONS, NO_VOTE
from src.judging import statistics
from src.judging.accuracy import DAY_NS
from src.judging.grouping import counted
from src.judging.judged_columns import DECIDED
from src.judging.statistics import UNKNOWN, Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from src.dashboard.data.decided import Chosen
    from src.insight.ledger.columns import Votes

_NAMES: Final = {code: name for name, code in ACTIONS.items()}


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


class Swarm:
    """The decisions of several members among some.

    Args:
        decisions: Decisions; those of a single member are left out.
    """

    def __init__(self, decisions: Chosen) -> None:
        columns = decisions.columns
        self._columns = columns
        several = decisions.places[columns.votes_per_decision()[decisions.places] > 1]
        order = numpy.argsort(columns.decisions.as_of_ns[several], kind="stable")
        self._places = several[order]
        outcomes = decisions.outcomes.take(self._places)
        self._move = numpy.where(outcomes.is_whole, outcomes.exit / outcomes.entry - 1, numpy.nan)
        self._round_trip = outcomes.round_trip
        rows = columns.decisions.take(self._places)
        self._days = rows.as_of_ns // DAY_NS
        self._overlap_days = float(decisions.horizons_s[self._places].max()) / 86_400 if len(self) else 0.0
        self.consensus = numpy.where(rows.status == DECIDED, rows.action, NO_VOTE).astype("int64")
        self._read_votes()

    def __len__(self) -> int:
        """Return how many decisions there are."""
        return len(self._places)

    def _read_votes(self) -> None:
        """Put the votes in the order of the decisions here, and note which is the first one of each member in each."""
        line = numpy.full(len(self._columns), -1, dtype="int64")
        line[self._places] = numpy.arange(len(self))
        votes = self._columns.votes
        here = numpy.flatnonzero(line[votes.decision] >= 0)
        here = here[numpy.argsort(line[votes.decision[here]], kind="stable")]
        self._votes = votes.take(here)
        self._lines = line[self._votes.decision]
        self._starts = numpy.searchsorted(self._lines, numpy.arange(len(self) + 1))
        numbers, first = numpy.unique(self._votes.member, return_index=True)
        names = [self._columns.text(int(number)) or "" for number in numbers]
        self._numbers = {names[place]: numbers[place] for place in numpy.argsort(first)}
        self.members: list[str] = list(self._numbers)
        _, member = numpy.unique(self._votes.member, return_inverse=True)
        asked = numpy.unique(self._lines * max(len(numbers), 1) + member) // max(len(numbers), 1)
        self._has_three = numpy.bincount(asked, minlength=len(self)) > 2
        self._patterns, self._examples = self._vote_patterns()

    def _vote_patterns(self) -> tuple[Any, Any]:
        """Return a number of each decision that those with the same votes share, and the first decision of each."""
        votes = self._votes
        _, weights = numpy.unique(votes.weight, return_inverse=True)
        parts = (votes.member.astype("int64"), votes.action.astype("int64"), weights)
        code = numpy.zeros(len(votes), dtype="int64")
        for part in parts:
            _, code = numpy.unique(code * (int(part.max(initial=0)) + 2) + part + 1, return_inverse=True)
        counts = numpy.diff(self._starts)
        pattern = numpy.zeros(len(self), dtype="int64")
        for number in range(int(counts.max(initial=0))):
            has = counts > number
            part = numpy.zeros(len(self), dtype="int64")
            part[has] = code[self._starts[:-1][has] + number] + 1
            _, pattern = numpy.unique(pattern * (int(part.max(initial=0)) + 1) + part, return_inverse=True)
        _, examples = numpy.unique(pattern, return_index=True)
        return pattern, examples

    def _cast(self, line: int, without: int | None = None) -> list[tuple[float, str | None]]:
        """Return the votes of one decision as weights and actions."""
        part = slice(int(self._starts[line]), int(self._starts[line + 1]))
        rows = zip(self._votes.member[part], self._votes.weight[part], self._votes.action[part], strict=True)
        return [(float(weight), _NAMES.get(int(action))) for member, weight, action in rows if member != without]

    def plain(self) -> Any:
        """Return what equal weights would have decided."""
        return self._of_patterns(lambda line: tuple((1.0, action) for _, action in self._cast(line)))

    def alone(self, member: str) -> Any:
        """Return what a member voted."""
        votes, lines = self._of_member(member)
        codes = numpy.full(len(self), NO_VOTE, dtype="int64")
        codes[lines] = votes.action
        return codes

    def without(self, member: str) -> Any:
        """Return what the others would have decided."""
        number = self._numbers[member]
        return self._of_patterns(lambda line: tuple(self._cast(line, number)))

    def _of_member(self, member: str) -> tuple[Votes, Any]:
        """Return a member's first vote in each decision, and the places of these decisions here."""
        own = numpy.flatnonzero(self._votes.member == self._numbers[member])
        lines, first = numpy.unique(self._lines[own], return_index=True)
        return self._votes.take(own[first]), lines

    def _of_patterns(self, cast: Callable[[int], tuple[tuple[float, str | None], ...]]) -> Any:
        """Return what votes come to, counted once for all decisions that have the same ones."""
        actions = [counted(cast(int(line))) for line in self._examples]
        codes = numpy.array([NO_VOTE if action is None else ACTIONS[action] for action in actions], dtype="int64")
        return codes[self._patterns] if len(self) else codes

    def nets(self, codes: Any) -> Any:
        """Return the net returns of actions; not a number where the decision is open, 0 where nothing is done."""
        direction = numpy.where(codes == NO_VOTE, 0, codes)
        return direction * self._move - numpy.where(direction != 0, self._round_trip, 0.0)

    def track(self, codes: Any) -> Track:
        """Return what would have come of actions."""
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
        votes, _ = self._of_member(name)
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
        _, lines = self._of_member(name)
        can_lose = numpy.zeros(len(self), dtype=bool)
        can_lose[lines] = self._has_three[lines]
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
        by_pattern = numpy.array([_agreement(self._cast(int(line))) for line in self._examples])
        shares = by_pattern[self._patterns]
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
