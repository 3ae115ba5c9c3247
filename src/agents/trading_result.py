"""Define what a trading decision returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.models.usage import NO_USAGE, Cost

if TYPE_CHECKING:
    from src.agents.decisions import Action
    from src.agents.swarm.voting import Consensus, Vote
    from src.observability.tracing.observation import Observation


@dataclass(frozen=True, slots=True)
class TradingResult:
    """A decision with everything that led to it.

    `confidence` is 0 to 100, `agreement` 0 to 1; `cost_usd` is the sum of the known costs, those of failed members and
    of failed tries included, None where none is known; `unpriced` members cost more than that, or may have;
    `wall_ms` is the time from asking to deciding; `remarks` say what was missing or left out of the prices; the ids
    are those of the trace store and of Langfuse. `has_quorum` is False where too few members voted; `decision_id` is
    the decision's id in the ledger, None where nothing is recorded.
    """

    symbol: str
    action: Action
    confidence: float
    agreement: float
    reason: str
    votes: tuple[Vote, ...]
    dissent: tuple[Vote, ...]
    cost_usd: float | None
    unpriced: int
    wall_ms: float
    trace_id: str | None
    observation_id: str | None
    remarks: tuple[str, ...] = ()
    has_quorum: bool = True
    decision_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data, as `moondev trade --json` prints it."""
        return {
            "symbol": self.symbol,
            "action": str(self.action),
            "confidence": self.confidence,
            "agreement": round(self.agreement, 4),
            "reason": self.reason,
            "trace_id": self.trace_id,
            "decision_id": self.decision_id,
            "cost_usd": self.cost_usd,
            "unpriced": self.unpriced,
            "wall_ms": round(self.wall_ms, 1),
            "remarks": list(self.remarks),
            "votes": [
                {
                    "member": vote.member,
                    "action": str(vote.action) if vote.action else None,
                    "confidence": vote.confidence,
                    "error_category": vote.error_category,
                    "latency_ms": None if vote.latency_ms is None else round(vote.latency_ms, 1),
                    "cost_usd": vote.cost_usd,
                    "cost_unknown": list(_cost_of(vote).unknown),
                    "weight": vote.weight,
                    "reasoning": vote.reasoning,
                    "error": vote.error,
                    "model": vote.model_name,
                    "observation_id": vote.observation_id,
                }
                for vote in self.votes
            ],
        }


def trading_result(
    symbol: str, consensus: Consensus, wall_ms: float, run: Observation, remarks: tuple[str, ...]
) -> TradingResult:
    """Return the result of a vote."""
    costs = [_cost_of(vote) for vote in consensus.votes]
    whole = sum(costs, Cost())
    return TradingResult(
        symbol=symbol,
        action=consensus.action,
        confidence=consensus.confidence,
        agreement=consensus.agreement,
        reason=consensus.reason,
        votes=consensus.votes,
        dissent=consensus.dissent,
        cost_usd=whole.known if whole.parts or whole.is_whole else None,
        unpriced=sum(not cost.is_whole for cost in costs),
        wall_ms=wall_ms,
        trace_id=run.trace_id,
        observation_id=run.id,
        remarks=remarks,
        has_quorum=consensus.has_quorum,
    )


def _cost_of(vote: Vote) -> Cost:
    return Cost(unknown=(NO_USAGE,)) if vote.cost is None else vote.cost
