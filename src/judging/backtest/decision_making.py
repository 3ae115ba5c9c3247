"""Make one decision of a back-test, wherever it is made, and return it as the ledger keeps it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.agents.ledger_entries import Circumstances
from src.judging.model_register import book_of_models
from src.observability.store.ledger_records import DecisionRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.agents.swarm.vote_cache import VoteCache
    from src.judging.backtest.as_of import Replay
    from src.judging.backtest.choices import Choice
    from src.judging.backtest.deciders import Decider
    from src.judging.backtest.plan import Plan


@dataclass(frozen=True, slots=True)
class MadeDecision:
    """A decision that was made; `record` is None where it is in the ledger already."""

    choice: Choice
    record: DecisionRecord | None


def make_decision(
    plan: Plan,
    replay: Replay,
    decider: Decider,
    time_us: int,
    decision_id: str,
    *,
    votes: VoteCache | None = None,
    write: Callable[[DecisionRecord], bool] | None = None,
) -> MadeDecision:
    """Have a decider decide on the market as it was.

    Args:
        plan: The run; its times are ignored.
        replay: The market.
        decider: Who decides.
        time_us: When, in microseconds since 1970.
        decision_id: The decision's id.
        votes: Votes that need not be asked for.
        write: Takes what an agent writes of its decision, in place of this process's ledger.
    """
    view = replay.view(time_us)
    as_of_ns = replay.last_close_us(time_us) * 1000
    book = book_of_models(decider.trained_models, as_of_ns)
    where = Circumstances(
        horizons=plan.horizon_names,
        environment="backtest",
        book=book,
        run_id=plan.run_id,
        decision_id=decision_id,
        votes=votes,
        write=write,
    )
    choice = decider.decide(view, where)
    if choice.is_written:
        return MadeDecision(choice=choice, record=None)
    return MadeDecision(choice=choice, record=_record(plan, decider, choice, where, as_of_ns, view.price))


def _record(
    plan: Plan, decider: Decider, choice: Choice, where: Circumstances, as_of_ns: int, price: float
) -> DecisionRecord:
    """Return the decision of one that writes none itself."""
    return DecisionRecord(
        id=where.decision_id or "",
        time_ns=time.time_ns(),
        as_of_ns=as_of_ns,
        symbol=plan.symbol,
        action=choice.action,
        status=choice.status,
        confidence=choice.confidence,
        price=price,
        horizons=plan.horizon_names,
        agent=decider.name,
        models=json.dumps([decider.name]),
        environment="backtest",
        book=where.book,
        run_id=plan.run_id,
        cost_usd=choice.cost_usd,
        cost_unknown=choice.cost_unknown,
    )
