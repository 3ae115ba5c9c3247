"""Find recorded models on which the same tokens would cost less: by price alone, which says nothing of the answers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from operator import add
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from src.insight.advice.amounts import FEWEST, Daily, Saving, saving
from src.insight.advice.finding import BackCheck, Finding, NewestCalls, Withheld, evidence, results_of
from src.insight.advice.pairs import question_key, voter_of
from src.insight.advice.past import Search
from src.insight.advice.today import grouped_rows, token_counts
from src.insight.facts.day_columns import NONE
from src.insight.facts.schema import DAY_NS, NANO

if TYPE_CHECKING:
    from src.insight.advice.finding import Evidence, Results
    from src.insight.advice.past import Past
    from src.insight.facts.call_columns import Calls
    from src.observability.ledger import Entry

NAME: Final = "prices"
_KEY: Final = ("agent", "provider", "model")
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
        newest: The last few of them.
    """

    n: int = 0
    sums: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    newest: NewestCalls = field(default_factory=NewestCalls)


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
    def calls(self, calls: Calls) -> None:
        import numpy

        is_priced = ~numpy.isnan(self._today.costs(calls)) & (calls["unpriced"] == 0)
        for (agent, provider, model), rows in calls.groups(_KEY, numpy.flatnonzero(calls["error"] == 0)):
            if provider is None or model is None or provider in _FREE:
                continue
            self._answered[provider, model] += len(rows)
            self._beside[agent].add((provider, model))
            priced = rows[is_priced[rows]]
            if len(priced):
                self._add(self._calls[agent, (provider, model)], calls, priced)

    def _add(self, group: _Calls, calls: Calls, rows: Any) -> None:
        """Add calls with a known price to their agent's and model's."""
        import numpy

        group.n += len(rows)
        group.newest.add(calls, rows)
        nano, lengths = calls["cost_nano"], calls["input_tokens"]
        usd = numpy.minimum(self._today.costs(calls), numpy.where(nano == NONE, 0, nano) / NANO)
        for day, of_day in grouped_rows(calls["start_ns"] // DAY_NS, rows):
            for thousands, own in grouped_rows(numpy.where(lengths == NONE, 0, lengths) // 1_000, of_day):
                counts = (int(column.sum()) for column in token_counts(calls, own).values())
                amounts = (float(usd[own].sum()), len(own), *counts)
                sums = group.sums.setdefault((day, thousands), [0.0] * len(amounts))
                sums[:] = map(add, sums, amounts)

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
        for other, answered in sorted(self._answered.items()):
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
            evidence=self._evidence(agent, model, calls),
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

    def _evidence(self, agent: str | None, model: _Model, calls: _Calls) -> Evidence:
        traces = self.past.traces(calls.newest.marks)
        return evidence({"agent": agent, "provider": model[0], "model": model[1]}, traces)

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
