"""Decide BUY, SELL or NOTHING for one market, with one model or a voting swarm. Paper decisions: nothing is ordered."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from src.agents.base_agent import BaseAgent, as_model
from src.agents.market import Candles
from src.agents.market_view import MIN_BARS, market_view, require_min_bars
from src.agents.prompts import prompt
from src.agents.swarm.asking import Question, Seat
from src.agents.swarm.members import Member, default_members, labelled
from src.agents.swarm.runner import aask_all, ask_all
from src.agents.swarm.voting import Consensus, Vote, count
from src.models.call.readiness import make_ready
from src.models.transport.threads import in_thread
from src.models.usage import NO_USAGE, Cost
from src.observability.store.background import beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from src.agents.decisions import Action
    from src.agents.market_view import MarketView, PriceSource
    from src.models.base_model import BaseModel
    from src.observability.tracing.agent_runs import observe_agent
    from src.observability.tracing.observation import Observation


@dataclass(frozen=True, slots=True)
class TradingResult:
    """A decision with everything that led to it.

    `confidence` is 0 to 100, `agreement` 0 to 1; `cost_usd` is the sum of the known costs, those of failed members and
    of failed tries included, None where none is known; `unpriced` members cost more than that, or may have;
    `wall_ms` is the time from asking to deciding; `remarks` say what was missing or left out of the prices; the ids
    are those of the trace store and of Langfuse.
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

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data, as `moondev trade --json` prints it."""
        return {
            "symbol": self.symbol,
            "action": str(self.action),
            "confidence": self.confidence,
            "agreement": round(self.agreement, 4),
            "reason": self.reason,
            "trace_id": self.trace_id,
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


class TradingAgent(BaseAgent):
    """An agent that decides what to do in a market.

    Args:
        members: Models as provider:model, or `Member` records with weight, brief and seed. One is single mode. None
            takes every configured provider, or three local members where no key is set.
        member_timeout_s: How long each member may take, its retries included; 30 s where not given, and 120 s where
            the embedded model is among them, which may share a processor with everything else here.
        total_timeout_s: How long all together may take; a second above `member_timeout_s` where not given.
        quorum: More than this share of the total weight must have voted.
        temperature: The temperature for every member; None leaves each provider's default.
        min_bars: Fewer closed bars than these are not decided upon.
        name: The agent's own name.
        session_id: One run of a process or loop.

    Raises:
        UnknownProvider: a member names no known provider.
        ValueError: a number makes no sense, or there is no member.
    """

    agent_type: ClassVar[str] = "trading_agent"

    def __init__(
        self,
        members: Iterable[str | Member] | None = None,
        *,
        member_timeout_s: float | None = None,
        total_timeout_s: float | None = None,
        quorum: float = 0.5,
        temperature: float | None = 0.3,
        min_bars: int = MIN_BARS,
        name: str | None = None,
        session_id: str | None = None,
    ) -> None:
        super().__init__(name=name, session_id=session_id)
        self.members = default_members() if members is None else labelled(members)
        if member_timeout_s is None:
            member_timeout_s = _default_timeout_s(self.members)
        for option, seconds in (("member_timeout_s", member_timeout_s), ("total_timeout_s", total_timeout_s)):
            if seconds is not None and not seconds > 0:  # NaN is not either
                raise ValueError(f"{option} is {seconds!r}: give seconds above 0.")
        if not 0 <= quorum < 1:
            raise ValueError(f"quorum is {quorum!r}: give a share from 0 to below 1; 0.5 means more than half.")
        self.member_timeout_s = member_timeout_s
        self.total_timeout_s = total_timeout_s if total_timeout_s is not None else member_timeout_s + 1.0
        self.quorum = quorum
        self.temperature = temperature
        self.min_bars = require_min_bars(min_bars)
        self._seats = tuple(Seat(member, _model_of(member)) for member in self.members)

    @property
    def swarm(self) -> bool:
        """Tell whether more than one member decides."""
        return len(self._seats) > 1

    def decide(
        self,
        symbol: str,
        candles: PriceSource,
        *,
        position: str | None = None,
        on_vote: Callable[[Vote], None] | None = None,
        now: datetime | None = None,
    ) -> TradingResult:
        """Return the decision for a market.

        It comes within `total_timeout_s` and at most a second more. What is recorded of it is stored by then, but where
        the trace store is locked or slow: then it is stored soon after, and the process waits for that at its end.

        Args:
            symbol: The symbol that is traded, such as BTC-USD.
            candles: Its recent prices: what `load_candles` returns, or anything that it reads. Bars that are not
                closed yet are left out.
            position: The current position, in words; None leaves it out.
            on_vote: Called as each member's vote arrives, on this thread. Where it raises, all members are cancelled.
            now: The time of the decision, which tells which bars are closed; the present where not given.

        Raises:
            MarketDataError: the prices cannot be read, are of another symbol, or are fewer than `min_bars`.
        """
        view = market_view(symbol, candles, now=now, min_bars=self.min_bars)
        run = self._open(symbol, view, position)
        with beside(run.deadline), run.observed as observation:
            votes = ask_all(self._seats, run.question, on_vote)
            return run.decided(votes, self.quorum, observation)

    async def adecide(
        self,
        symbol: str,
        candles: PriceSource,
        *,
        position: str | None = None,
        on_vote: Callable[[Vote], None] | None = None,
        now: datetime | None = None,
    ) -> TradingResult:
        """Do what `decide` does, in asyncio, and read prices in a thread; a cancelled task cancels all members."""
        if isinstance(candles, Candles):
            view = market_view(symbol, candles, now=now, min_bars=self.min_bars)
        else:
            view = await in_thread(lambda: market_view(symbol, candles, now=now, min_bars=self.min_bars))
        await make_ready()
        run = self._open(symbol, view, position)
        async with beside(run.deadline), run.observed as observation:
            votes = await aask_all(self._seats, run.question, on_vote)
            return run.decided(votes, self.quorum, observation)

    def _open(self, symbol: str, view: MarketView, position: str | None) -> _Run:
        """Return one decision that is to be made."""
        content = _content(symbol, view.snapshot.to_prompt(), position)
        metadata = {
            "market_data": view.snapshot.as_metadata(),
            "price_remarks": list(view.remarks),
            "position": position,
            "members": [member.label for member in self.members],
        }
        observed = self.observed(
            symbol=symbol,
            input=content,
            metadata=metadata,
            tags=("swarm",) if self.swarm else (),
            name="trading_agent.swarm" if self.swarm else None,
        )
        return _Run(symbol=symbol, question=self._question(content), observed=observed, remarks=view.remarks)

    def _question(self, content: str) -> Question:
        return Question(
            system_prompt=prompt("trading"),
            user_content=content,
            temperature=self.temperature,
            member_timeout_s=self.member_timeout_s,
            total_timeout_s=self.total_timeout_s,
        )


class _Run:
    """One decision that is being made.

    Attributes:
        deadline: When it must be made, on the monotonic clock.
    """

    def __init__(self, *, symbol: str, question: Question, observed: observe_agent, remarks: tuple[str, ...]) -> None:
        self.symbol = symbol
        self.remarks = remarks
        self.question = question
        self.observed = observed
        self._started = time.monotonic()
        self.deadline = self._started + question.total_timeout_s

    def decided(self, votes: Sequence[Vote], quorum: float, observation: Observation) -> TradingResult:
        """Count the votes; return the result, which is recorded on the run."""
        consensus = count(votes, quorum)
        wall_ms = (time.monotonic() - self._started) * 1000
        result = _result(self.symbol, consensus, wall_ms, observation, self.remarks)
        _record(observation, result)
        return result


def _default_timeout_s(members: Iterable[Member]) -> float:
    names = [name for member in members for name in (member.model, *member.fallbacks)]
    return 120.0 if any(name.partition(":")[0].strip().lower() == "local" for name in names) else 30.0


def _model_of(member: Member) -> BaseModel:
    return as_model(member.model, fallbacks=list(member.fallbacks)) if member.fallbacks else as_model(member.model)


def _content(symbol: str, market: str, position: str | None) -> str:
    position_line = f"\nPosition now: {position}" if position else ""
    return f"Market: {symbol}\n{market}{position_line}"


def _result(
    symbol: str, consensus: Consensus, wall_ms: float, run: Observation, remarks: tuple[str, ...]
) -> TradingResult:
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
    )


def _cost_of(vote: Vote) -> Cost:
    return Cost(unknown=(NO_USAGE,)) if vote.cost is None else vote.cost


def _record(run: Observation, result: TradingResult) -> None:
    """Record the decision on its trace: output, metadata, and scores for it and for each vote."""
    from src.observability.tracing.scores import score

    metadata = {"decision": str(result.action), "confidence": result.confidence}
    run.update(output=result.to_dict(), metadata=metadata)
    run.score("decision", str(result.action), comment=result.reason)
    run.score("confidence", result.confidence)
    run.score("agreement", result.agreement)
    for vote in result.votes:
        if vote.action is not None and vote.observation_id and result.trace_id:
            score("vote", str(vote.action), trace_id=result.trace_id, observation_id=vote.observation_id)
