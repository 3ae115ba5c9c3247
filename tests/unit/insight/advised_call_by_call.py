"""Search the past for advice one call at a time, as a second way that what works over columns is compared with."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from src.insight.advice.cache_rules import rule_of
from src.insight.advice.kinds.identical import WINDOW_NS, Identical, _Units
from src.insight.advice.kinds.models import Models
from src.insight.advice.kinds.paid_failures import PaidFailures
from src.insight.advice.kinds.prices import Prices
from src.insight.advice.kinds.slow import Slow
from src.insight.advice.kinds.uncached import Uncached, _Group
from src.insight.advice.registry import KINDS
from src.insight.facts.extremes import Mark
from src.insight.facts.rows import number_of_id
from tests.unit.insight.stores import DAY_NS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from src.insight.advice.finding import Results
    from src.insight.advice.past import Past, Search
    from src.insight.facts.call_columns import Calls
    from src.insight.facts.records import Fact


class CallByCall:
    """Goes through single facts before the results."""

    past: Past

    def calls(self, calls: Calls) -> None:
        """Leave columns alone."""

    def results(self) -> Results:
        for fact in self.past.reader.rows(self.past.filter, limit=10**6, ascending=True):
            if self.past.is_counted(fact.environment):
                self.call(fact)
        return super().results()  # type: ignore[misc,no-any-return] # of the search beside it

    def call(self, call: Fact) -> None:
        raise NotImplementedError


def mark(call: Fact) -> Mark:
    return Mark(call.start_ns, number_of_id(call.span_id))


def price(past: Past, call: Fact, model: tuple[str | None, str | None]) -> float | None:
    """Return what the tokens of a call cost today on a model."""
    rates = past.today.rates(*model, call.input_tokens or 0)
    if rates is None or call.input_tokens is None or call.output_tokens is None:
        return None
    cached, written, reasoning = call.cached_tokens or 0, call.written_tokens or 0, call.reasoning_tokens or 0
    counts = {
        "input": call.input_tokens - cached - written, "input_cached_tokens": cached, "input_cache_creation": written,
        "output": call.output_tokens - reasoning, "output_reasoning_tokens": reasoning,
    }  # fmt: skip
    if any(count < 0 or (count and name not in rates) for name, count in counts.items()):
        return None
    return sum(count * rates[name] for name, count in counts.items() if count)


def today(past: Past, call: Fact) -> float | None:
    return 0.0 if call.cost_nano == 0 and not call.unpriced else price(past, call, (call.provider, call.model))


class FailuresCallByCall(CallByCall, PaidFailures):
    def call(self, call: Fact) -> None:
        key = (call.agent, call.provider, call.model)
        is_cut = call.finish_reason in ("length", "max_tokens", "model_length", "incomplete")
        if call.error:
            group = self._troubled[key, "failed"]
        elif is_cut:
            group = self._troubled[key, "cut"]
        elif call.repaired:
            group = self._troubled[key, "repaired"]
        elif (call.attempts or 1) > 1:
            group = self._troubled[key, "retried"]
        else:
            if call.cost_nano is not None and not call.unpriced and self.past.first.has(call.start_ns):
                self._clean[key].n += 1
                self._clean[key].nano += call.cost_nano
            return
        group.unpriced += call.unpriced
        if call.cost_nano:
            group.nano[call.start_ns // DAY_NS] += call.cost_nano
            group.paid[call.start_ns // DAY_NS] += 1
            reason = call.category or "error"
            if not call.error:
                reason = (call.retried or "").split(",")[0] or call.finish_reason or "unknown"
            group.reasons[reason] += 1
            group.newest.marks.append(mark(call))


class UncachedCallByCall(CallByCall, Uncached):
    def call(self, call: Fact) -> None:
        rule = rule_of(call.provider, call.model)
        if call.error or call.input_tokens is None:
            return
        if rule is None:
            self._unknown[call.provider or "no provider"] += call.provider not in ("local", "ollama")
        elif call.input_tokens >= rule.least_tokens and call.cached_tokens is not None and not call.written_tokens:
            group = self._calls[_Group(call.agent, call.provider, call.model, call.prompt_name)]
            end_ns, span = call.start_ns + call.duration_us * 1_000, number_of_id(call.span_id)
            row = (call.start_ns, end_ns, call.input_tokens, call.cached_tokens, span)
            group.parts.append(tuple(np.array([value]) for value in row))
            group.n += 1
            group.newest.marks.append(mark(call))


class IdenticalCallByCall(CallByCall, Identical):
    def __init__(self, past: Past) -> None:
        super().__init__(past)
        self._days: dict[int, Calls] = {}
        self._hours: defaultdict[tuple[Any, ...], list[Mark]] = defaultdict(list)

    def calls(self, calls: Calls) -> None:
        if len(calls):
            self._days[int(calls["start_ns"][0]) // DAY_NS] = calls

    def call(self, call: Fact) -> None:
        if not call.error and call.cost_nano and call.input_tokens is not None:
            key = (call.start_ns // WINDOW_NS, call.agent, call.provider, call.model, call.input_tokens)
            self._hours[key].append(mark(call))
            self._units = list(self._unit_of_each_hour())

    def _unit_of_each_hour(self) -> Iterator[_Units]:
        for (hour, *_), marks in self._hours.items():
            if len(marks) > 1:
                calls = self._days[hour // 24]
                rows = [_place(calls, item) for item in marks]
                yield _Units(calls.take(np.array(rows)), np.array([0, len(rows)]))


def _place(calls: Calls, item: Mark) -> int:
    (place,) = np.flatnonzero((calls["start_ns"] == item.start_ns) & (calls["span"] == item.span))
    return int(place)


class ModelsCallByCall(CallByCall, Models):
    def call(self, call: Fact) -> None:
        span = number_of_id(call.span_id)
        if span in self._prices:
            self._prices[span] = today(self.past, call)


class PricesCallByCall(CallByCall, Prices):
    def call(self, call: Fact) -> None:
        if call.error or call.provider is None or call.model is None or call.provider in ("local", "ollama"):
            return
        model = (call.provider, call.model)
        self._answered[model] += 1
        self._beside[call.agent].add(model)
        usd = today(self.past, call)
        if usd is None or call.unpriced:
            return
        cached, written, reasoning = call.cached_tokens or 0, call.written_tokens or 0, call.reasoning_tokens or 0
        group, length = self._calls[call.agent, model], call.input_tokens or 0
        group.n += 1
        group.newest.marks.append(mark(call))
        sums = group.sums.setdefault((call.start_ns // DAY_NS, length // 1_000), [0.0] * 7)
        sums[0] += min(usd, call.cost_usd or 0.0)
        counts = (1, length - cached - written, cached, written, (call.output_tokens or 0) - reasoning, reasoning)
        for number, count in enumerate(counts, 1):
            sums[number] += count


class SlowRunByRun(Slow):
    def runs(self, runs: Calls) -> None:
        """Leave columns alone."""

    def results(self) -> Results:
        runs = replace(self.past.filter, type="agent", model=None, provider=None)
        for run in self.past.reader.rows(runs, limit=10**6, ascending=True):
            known = self._open.pop(number_of_id(run.span_id), None)
            if known is not None:
                self._paces[known[0]].times.append((known[1], run.duration_us / 1e6, known[2]))
        return super().results()


_SEARCHES: dict[str, type[Search]] = {
    "paid-failures": FailuresCallByCall, "uncached": UncachedCallByCall, "identical": IdenticalCallByCall,
    "models": ModelsCallByCall, "prices": PricesCallByCall, "slow": SlowRunByRun,
}  # fmt: skip


def search_call_by_call(patch: pytest.MonkeyPatch) -> None:
    """Have the searches go through single facts."""
    for name, search in _SEARCHES.items():
        patch.setitem(KINDS, name, replace(KINDS[name], open=search))
