"""Find recorded models on which the same tokens would cost less: by price alone, which says nothing of the answers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from operator import add
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from src.insight.advice.amounts import FEWEST, Daily, Saving, saving
from src.insight.advice.finding import BackCheck, Finding, Withheld, evidence, newest_traces, results_of
from src.insight.advice.pairs import question_key, voter_of
from src.insight.advice.past import Search
from src.insight.facts.schema import DAY_NS

if TYPE_CHECKING:
    from collections import deque

    from src.insight.advice.finding import Results
    from src.insight.advice.past import Past
    from src.insight.facts.records import CallFact
    from src.observability.ledger import Entry

NAME: Final = "prices"
_FREE: Final = ("local", "ollama")
_Model = tuple[str, str]  # provider, model
_TOKENS: Final = ("input", "input_cached_tokens", "input_cache_creation", "output", "output_reasoning_tokens")


@dataclass(slots=True)
class _Calls:
    """The calls of one agent to one model.

    Attributes:
        n: How many.
        sums: What they cost, how many, and their tokens, by day and by the length of the prompt in thousands of tokens,
            on which prices may depend.
        traces: Some of their traces.
    """

    n: int = 0
    sums: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    traces: deque[str] = field(default_factory=newest_traces)


class Prices(Search):
    """Prices the tokens of each agent and model on every other model that is recorded."""

    def __init__(self, past: Past) -> None:
        super().__init__(past)
        self._today = past.today
        self._calls: defaultdict[tuple[str | None, _Model], _Calls] = defaultdict(_Calls)
        self._answered: defaultdict[_Model, int] = defaultdict(int)
        self._agents: defaultdict[str, set[str | None]] = defaultdict(set)  # by the questions that they decided
        self._voters: dict[str, frozenset[_Model]] = {}
        self._beside: defaultdict[str | None, set[_Model]] = defaultdict(set)

    @override
    def decision(self, entry: Entry) -> None:
        key = question_key(entry)
        self._agents[key].add(entry.decision.agent)
        self.beside(entry)

    @override
    def beside(self, entry: Entry) -> None:
        key, models = question_key(entry), _models_of(tuple((vote.member, vote.model) for vote in entry.votes))
        known = self._voters.get(key)
        self._voters[key] = models if known is None else known | models

    @override
    def call(self, call: CallFact) -> None:
        if call.error or call.provider is None or call.model is None or call.provider in _FREE:
            return
        model = (call.provider, call.model)
        self._answered[model] += 1
        self._beside[call.agent].add(model)
        usd = self._today.cost(call)
        if usd is None or call.unpriced:
            return
        cached, written, reasoning = call.cached_tokens or 0, call.written_tokens or 0, call.reasoning_tokens or 0
        counts = ((call.input_tokens or 0) - cached - written, cached, written, (call.output_tokens or 0) - reasoning,
                  reasoning)  # fmt: skip
        calls = self._calls[call.agent, model]
        calls.n += 1
        place = (call.start_ns // DAY_NS, (call.input_tokens or 0) // 1_000)
        sums = calls.sums.get(place)
        amounts = (min(usd, call.cost_usd or 0.0), 1, *counts)
        calls.sums[place] = list(map(add, sums, amounts)) if sums is not None else [0.0 + amount for amount in amounts]
        calls.traces.append(call.trace_id)

    @override
    def results(self) -> Results:
        for key, agents in self._agents.items():
            for agent in agents:
                self._beside[agent] |= self._voters[key]
        items = [
            item
            for (agent, model), calls in sorted(self._calls.items(), key=lambda item: str(item[0]))
            if (item := self._judged(agent, model, calls)) is not None
        ]
        missing = () if len(self._answered) > 1 else ("Fewer than two models of providers with prices are recorded.",)
        return results_of(items, missing=missing)

    def _judged(self, agent: str | None, model: _Model, calls: _Calls) -> Finding | Withheld | None:
        """Return the cheapest other model that the agent has not asked beside this one; None without any."""
        best: tuple[float, _Model, Saving] | None = None
        for other, answered in self._answered.items():
            if other == model or answered < FEWEST or other in self._beside[agent]:
                continue
            daily = self._saved(calls, other)
            if daily is None or not daily.rate(self.past.period).usd > 0:
                continue
            saved = saving(daily, self.past)
            if best is None or (saved.estimate.value or 0.0) > best[0]:
                best = (saved.estimate.value or 0.0, other, saved)
        if best is None:
            return None
        _, other, saved = best
        who, name, now = agent or "no agent", ":".join(other), ":".join(model)
        scope = {"agent": who, "model": now, "other": name}
        title = f"{who}, {now}: try {name} (price alone, not tried)"
        n = calls.n
        if saved.problem is not None or saved.check is None:
            return Withheld(kind=NAME, title=title, scope=scope, n=n, of="calls", reason=saved.problem or "")
        return Finding(
            kind=NAME,
            title=title,
            scope=scope,
            n=n,
            of="calls",
            estimate=saved.estimate,
            unit="usd_per_30_days",
            evidence=evidence({"agent": agent, "provider": model[0], "model": model[1]}, calls.traces),
            how=(
                f"Try it before it decides: `moondev backtest SYMBOL --csv FILE --models {now},{name}` puts both "
                "beside one another, and `moondev advise --kind models` then says whether it agrees and is as right.",
            ),
            check=BackCheck(saved.check.middle_ns, saved.check.n_first, saved.check.n_second, saved.check.text),
            details=(
                "Price alone: this agent never asked that model, so nothing is known of its answers.",
                "The same tokens at today's prices. Models count tokens differently and write longer or shorter "
                "answers, by a fifth and more.",
            ),
        )

    def _saved(self, calls: _Calls, other: _Model) -> Daily | None:
        """Return what the tokens cost less on another model, by day; None where its prices do not cover them."""
        daily = Daily()
        for (day, thousands), (usd, n, *counts) in calls.sums.items():
            rates = self._today.rates(*other, thousands * 1_000)
            if rates is None:
                return None
            # A model without a price for its cache takes such tokens as new ones.
            price = sum(
                count * rates.get(name, rates["input" if name.startswith("input") else "output"])
                for name, count in zip(_TOKENS, counts, strict=True)
                if count
            )
            daily.add(day * DAY_NS, usd - price, int(n))
        return daily


@lru_cache(maxsize=10_000)  # few sets of members decide many questions
def _models_of(votes: tuple[tuple[str, str | None], ...]) -> frozenset[_Model]:
    """Return the models of votes, each a member and the model that answered."""
    return frozenset(voter_of(member, model) for member, model in votes)
