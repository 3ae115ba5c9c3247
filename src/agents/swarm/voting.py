"""Count votes: typed decisions only, by weight, with a quorum."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.agents.decisions import Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.models.usage import Cost


@dataclass(frozen=True, slots=True)
class Vote:
    """The vote of one member. Without an `action` it counts for nothing.

    `error_category` is that of its generation where it failed; None for a vote and for an abstention. `cost` is what
    its requests cost, failed ones included, None where unknown; `cost_usd` is its total, None unless it is known.
    """

    member: str
    weight: float = 1.0
    action: Action | None = None
    confidence: int | None = None
    reasoning: str = ""
    error_category: str | None = None
    error: str | None = None
    latency_ms: float | None = None
    cost_usd: float | None = None
    model_name: str | None = None
    observation_id: str | None = None
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class Consensus:
    """The outcome of a vote. `agreement` is the winner's share of the weight that voted, 0 where none won.

    `has_quorum` is False where too few members voted, so that NOTHING is no decision of theirs.
    """

    action: Action
    confidence: float
    agreement: float
    reason: str
    votes: tuple[Vote, ...]
    has_quorum: bool = True

    @property
    def dissent(self) -> tuple[Vote, ...]:
        """Return the votes for another action."""
        return tuple(vote for vote in self.votes if vote.action is not None and vote.action != self.action)


def count(votes: Sequence[Vote], quorum: float = 0.5) -> Consensus:
    """Return the consensus.

    More than the share `quorum` of the total weight of all members must have voted. The winner is the action
    with most weight; a tie, or no quorum, is NOTHING. Confidence is the weighted mean over the winner's votes.

    Args:
        votes: One entry for each member, failed ones included.
        quorum: 0 to below 1.

    Raises:
        ValueError: there are no members, or a weight or the quorum makes no sense.
    """
    _check(votes, quorum)
    total = sum(vote.weight for vote in votes)
    cast = [vote for vote in votes if vote.action is not None]
    voted = sum(vote.weight for vote in cast)
    if voted <= quorum * total or math.isclose(voted, quorum * total):
        reason = f"no quorum: {len(cast)} of {len(votes)} members voted ({_share(voted, total)} of the weight)"
        return _nothing(votes, reason, has_quorum=False)
    weights: defaultdict[Action, float] = defaultdict(float)
    for vote in cast:
        if vote.action is not None:
            weights[vote.action] += vote.weight
    ranked = sorted(weights.items(), key=lambda item: -item[1])
    if len(ranked) > 1 and math.isclose(ranked[0][1], ranked[1][1]):
        tied = " and ".join(sorted(action for action, weight in ranked if math.isclose(weight, ranked[0][1])))
        return _nothing(votes, f"tie between {tied}")
    winner, weight = ranked[0]
    backers = [vote for vote in cast if vote.action == winner]
    confidence = sum(vote.weight / weight * (vote.confidence or 0) for vote in backers)  # of weights up to 1e308
    reason = f"{winner} by {len(backers)} of {len(cast)} votes ({_share(weight, voted)} of the weight that voted)"
    return Consensus(
        action=winner,
        confidence=round(confidence, 2),
        agreement=weight / voted,
        reason=reason,
        votes=tuple(votes),
    )


def _check(votes: Sequence[Vote], quorum: float) -> None:
    if not votes:
        raise ValueError("A vote needs at least one member.")
    if not 0 <= quorum < 1:
        raise ValueError(f"quorum is {quorum!r}: give a share from 0 to below 1; 0.5 means more than half.")
    for vote in votes:
        if not (math.isfinite(vote.weight) and vote.weight > 0):
            raise ValueError(f"The weight of {vote.member} is {vote.weight!r}: give a number above 0.")


def _nothing(votes: Sequence[Vote], reason: str, *, has_quorum: bool = True) -> Consensus:
    return Consensus(
        action=Action.NOTHING,
        confidence=0.0,
        agreement=0.0,
        reason=reason,
        votes=tuple(votes),
        has_quorum=has_quorum,
    )


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}"
