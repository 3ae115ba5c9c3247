"""Write an agent's decisions into the ledger."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.agents.market.bars import microseconds
from src.observability.ledger import (
    MemberVote,
    book_of,
    parse_horizons,
    without_secrets,
    write_decision,
    write_votes,
)
from src.observability.store.ledger_records import DecisionRecord
from src.observability.tracing.agent_runs import current_scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.agents.market_view import MarketView
    from src.agents.risk_rules import Portfolio
    from src.agents.risk_verdict import RiskVerdict
    from src.agents.swarm.vote_cache import VoteCache
    from src.agents.swarm.voting import Vote
    from src.agents.trading_result import TradingResult
    from src.observability.spans.scope import Scope
    from src.observability.store.ledger_records import DecisionStatus
    from src.observability.tracing.observation import Observation
    from src.prompts import Prompt

ENVIRONMENTS: Final = ("backtest", "paper", "live")
_DIGITS: Final = 32  # of a SHA-256, as many as tell texts apart


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Under what circumstances a decision is made, as the ledger keeps them.

    Attributes:
        horizons: After how long it is judged: `24h`, or several with commas.
        environment: backtest, paper or live; where not given, the run's own if it is one of these, else paper.
        venue: The exchange.
        book: Its relation to the models' training: inside, after, or live; by its time where not given.
        run_id: The back-test that it belongs to.
        decision_id: Its id; a new one where not given.
        votes: Votes that need not be asked for.
        write: Takes the decision, without secrets, and tells whether it is kept; this process's ledger where not given.
    """

    horizons: str = "24h"
    environment: str | None = None
    venue: str | None = None
    book: str | None = None
    run_id: str | None = None
    decision_id: str | None = None
    votes: VoteCache | None = None
    write: Callable[[DecisionRecord], bool] | None = None


def write_trading_decision(
    result: TradingResult, view: MarketView, *, content: str, where: Circumstances, prompt: Prompt
) -> str | None:
    """Write the decision of the run that this code is in; return its id, None where it could not be written.

    Args:
        result: The decision.
        view: The market as the models saw it.
        content: What it was made on, as text.
        where: The circumstances.
        prompt: The prompt that the models were asked with.
    """
    scope = current_scope()
    now_ns, as_of_ns = time.time_ns(), microseconds(view.as_of) * 1_000
    record = DecisionRecord(
        id=where.decision_id or uuid.uuid4().hex,
        time_ns=now_ns,
        as_of_ns=as_of_ns,
        symbol=result.symbol,
        action=str(result.action),
        status=_status(result),
        confidence=result.confidence,
        price=view.snapshot.price,
        venue=where.venue,
        timeframe=view.snapshot.timeframe,
        horizons=where.horizons,
        agent=scope.agent,
        agent_version=scope.release,
        prompt_name=prompt.name,
        prompt_version=prompt.version,
        prompt_hash=prompt.digest[:_DIGITS],
        models=json.dumps(list(dict.fromkeys(map(_model, result.votes)))),
        votes=write_votes(_votes(result)),
        snapshot_hash=_digest(content),
        environment=where.environment or _environment(scope),
        book=where.book or book_of(now_ns, as_of_ns, parse_horizons(where.horizons)),
        run_id=where.run_id,
        trace_id=result.trace_id,
        observation_id=result.observation_id,
        session_id=scope.session_id,
        cost_usd=result.cost_usd,
        cost_unknown=result.unpriced > 0,
    )
    is_stored = write_decision(record) if where.write is None else where.write(without_secrets(record))
    return record.id if is_stored else None


def write_risk_decisions(verdict: RiskVerdict, portfolio: Portfolio, run: Observation) -> None:
    """Write what a verdict demands of each position: SELL or BUY where a long or short one shrinks, else NOTHING.

    The verdict's cost is divided among them.
    """
    reductions = {item.position: item for item in verdict.reductions}
    scope, now_ns = current_scope(), time.time_ns()
    for index, position in enumerate(portfolio.positions):
        reduction = reductions.get(index)
        amounts = {"from_usd": float(reduction.from_usd), "to_usd": float(reduction.to_usd)} if reduction else {}
        write_decision(
            DecisionRecord(
                id=uuid.uuid4().hex,
                time_ns=now_ns,
                as_of_ns=now_ns,
                symbol=position.symbol,
                action="NOTHING" if reduction is None else "SELL" if reduction.from_usd > 0 else "BUY",
                agent=scope.agent,
                agent_version=scope.release,
                environment=_environment(scope),
                book="live",
                trace_id=run.trace_id,
                observation_id=run.id,
                session_id=scope.session_id,
                cost_usd=(verdict.cost_usd or 0.0) / len(portfolio.positions),
                cost_unknown=verdict.cost_usd is None,
                metadata=json.dumps({"verdict": str(verdict.action), "overridden": verdict.overridden, **amounts}),
            )
        )


def _votes(result: TradingResult) -> list[MemberVote]:
    return [
        MemberVote(
            member=vote.member,
            action=str(vote.action) if vote.action else None,
            confidence=vote.confidence,
            weight=vote.weight,
            latency_ms=vote.latency_ms,
            cost_usd=vote.cost_usd,
            observation_id=vote.observation_id,
            error=vote.error_category,
            model=vote.model_name,
        )
        for vote in result.votes
    ]


def _status(result: TradingResult) -> DecisionStatus:
    """Tell how a decision came about: a tie is one; without a quorum it failed, or all members abstained."""
    if result.has_quorum:
        return "decided"
    return "failed" if any(vote.error_category for vote in result.votes) else "abstained"


def _model(vote: Vote) -> str:
    """Return the provider and the model that answered; the member's own name where none did."""
    name = vote.member.partition("#")[0]
    return f"{name.partition(':')[0]}:{vote.model_name}" if vote.model_name else name


def _environment(scope: Scope) -> str:
    return scope.environment if scope.environment in ENVIRONMENTS else "paper"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
