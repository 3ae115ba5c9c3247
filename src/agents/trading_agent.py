"""Decide BUY, SELL or NOTHING for one market, with one model or a voting swarm. Paper decisions: nothing is ordered."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from src.agents.base_agent import BaseAgent, as_model
from src.agents.ledger_entries import Circumstances, write_trading_decision
from src.agents.market import Candles
from src.agents.market_view import MIN_BARS, market_view, require_min_bars
from src.agents.prompts import aagent_prompt, agent_prompt
from src.agents.prompts.trading import NAME, Facts, texts_of
from src.agents.swarm.member_call import Question, Seat
from src.agents.swarm.members import Member, default_members, labelled
from src.agents.swarm.runner import aask_all, ask_all
from src.agents.swarm.vote_cache import Poll
from src.agents.swarm.voting import Vote, count
from src.agents.trading_result import TradingResult, trading_result
from src.models.call.readiness import make_ready
from src.models.transport.threads import in_thread
from src.observability.store.background import beside
from src.prompts import config_temperature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from src.agents.market_view import MarketView, PriceSource
    from src.models.base_model import BaseModel
    from src.observability.tracing.agent_runs import observe_agent
    from src.observability.tracing.observation import Observation
    from src.prompts import Prompt

__all__ = ["TradingAgent", "TradingResult"]


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
        prompt: The prompt; the version of `trading` that is in use at each decision where not given.
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
        prompt: Prompt | None = None,
        name: str | None = None,
        session_id: str | None = None,
    ) -> None:
        super().__init__(name=name, session_id=session_id)
        self.members = default_members() if members is None else labelled(members)
        if member_timeout_s is None:
            member_timeout_s = _default_timeout_s(self.members)
        for option, seconds in (("member_timeout_s", member_timeout_s), ("total_timeout_s", total_timeout_s)):
            if seconds is not None and not (_is_number(seconds) and seconds > 0):  # NaN is not either
                raise ValueError(f"{option} is {seconds!r}: give seconds above 0.")
        if not (_is_number(quorum) and 0 <= quorum < 1):
            raise ValueError(f"quorum is {quorum!r}: give a share from 0 to below 1; 0.5 means more than half.")
        self.member_timeout_s = member_timeout_s
        self.total_timeout_s = total_timeout_s if total_timeout_s is not None else member_timeout_s + 1.0
        self.quorum = quorum
        self.temperature = temperature
        self.min_bars = require_min_bars(min_bars)
        self.prompt = prompt
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
        where: Circumstances | None = None,
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
            where: Under what circumstances, as the ledger keeps them; a paper decision with a horizon of 24 hours
                where not given.

        Raises:
            MarketDataError: the prices cannot be read, are of another symbol, or are fewer than `min_bars`.
            PromptError: the prompt cannot be used.
        """
        view = market_view(symbol, candles, now=now, min_bars=self.min_bars)
        run = self._open(symbol, view, position, where, self.prompt or agent_prompt(NAME))
        poll = Poll(self._seats, run.question, run.where.votes, on_vote)
        with beside(run.deadline), run.observed as observation:
            asked = ask_all(poll.to_ask, run.question, poll.arrived) if poll.to_ask else ()
            return run.decided(poll.all_votes(asked), self.quorum, observation)

    async def adecide(
        self,
        symbol: str,
        candles: PriceSource,
        *,
        position: str | None = None,
        on_vote: Callable[[Vote], None] | None = None,
        now: datetime | None = None,
        where: Circumstances | None = None,
    ) -> TradingResult:
        """Do what `decide` does, in asyncio, and read prices in a thread; a cancelled task cancels all members."""
        if isinstance(candles, Candles):
            view = market_view(symbol, candles, now=now, min_bars=self.min_bars)
        else:
            view = await in_thread(lambda: market_view(symbol, candles, now=now, min_bars=self.min_bars))
        await make_ready()
        run = self._open(symbol, view, position, where, self.prompt or await aagent_prompt(NAME))
        poll = Poll(self._seats, run.question, run.where.votes, on_vote)
        async with beside(run.deadline), run.observed as observation:
            asked = await aask_all(poll.to_ask, run.question, poll.arrived) if poll.to_ask else ()
            return run.decided(poll.all_votes(asked), self.quorum, observation)

    def _open(
        self, symbol: str, view: MarketView, position: str | None, where: Circumstances | None, prompt: Prompt
    ) -> _Run:
        """Return the run of one decision, with its question."""
        facts = Facts(symbol, view.snapshot.to_prompt(), position or "")
        metadata = {
            "market_data": view.snapshot.as_metadata(),
            "price_remarks": list(view.remarks),
            "position": position,
            "members": [member.label for member in self.members],
        }
        observed = self.observed(
            symbol=symbol,
            input=facts.content,
            metadata=metadata,
            tags=("swarm",) if self.swarm else (),
            name="trading_agent.swarm" if self.swarm else None,
        )
        return _Run(
            symbol=symbol,
            question=self._question(prompt, facts),
            content=facts.content,
            prompt=prompt,
            observed=observed,
            view=view,
            where=where or Circumstances(),
        )

    def _question(self, prompt: Prompt, facts: Facts) -> Question:
        system, user = texts_of(prompt, facts)
        return Question(
            system_prompt=system or None,
            user_content=user,
            temperature=config_temperature(prompt, self.temperature),
            member_timeout_s=self.member_timeout_s,
            total_timeout_s=self.total_timeout_s,
            prompt=prompt,
        )


class _Run:
    """A decision in progress.

    Attributes:
        deadline: When it must be made, on the monotonic clock.
    """

    def __init__(
        self,
        *,
        symbol: str,
        question: Question,
        content: str,
        prompt: Prompt,
        observed: observe_agent,
        view: MarketView,
        where: Circumstances,
    ) -> None:
        self.symbol = symbol
        self.view = view
        self.where = where
        self.question = question
        self._content, self._prompt = content, prompt
        self.observed = observed
        self._started = time.monotonic()
        self.deadline = self._started + question.total_timeout_s

    def decided(self, votes: Sequence[Vote], quorum: float, observation: Observation) -> TradingResult:
        """Count the votes; return the result, which is recorded on the run."""
        consensus = count(votes, quorum)
        wall_ms = (time.monotonic() - self._started) * 1000
        result = trading_result(self.symbol, consensus, wall_ms, observation, self.view.remarks)
        decision_id = write_trading_decision(
            result, self.view, content=self._content, where=self.where, prompt=self._prompt
        )
        result = replace(result, decision_id=decision_id)
        _record(observation, result)
        return result


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _default_timeout_s(members: Iterable[Member]) -> float:
    names = [name for member in members for name in (member.model, *member.fallbacks)]
    return 120.0 if any(name.partition(":")[0].strip().lower() == "local" for name in names) else 30.0


def _model_of(member: Member) -> BaseModel:
    return as_model(member.model, fallbacks=list(member.fallbacks)) if member.fallbacks else as_model(member.model)


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
