"""Find money that was paid for calls which failed, were cut, were repaired, or were tried again."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from typing_extensions import override

from src.insight.advice.amounts import FEWEST, Daily, dollars, saving
from src.insight.advice.finding import Finding, Withheld, evidence, newest_traces, results_of
from src.insight.advice.past import Search
from src.insight.facts.schema import CUT

if TYPE_CHECKING:
    from collections import deque

    from src.insight.advice.finding import Evidence, Results
    from src.insight.advice.past import Past
    from src.insight.facts.records import CallFact

NAME: Final = "paid-failures"
Trouble = Literal["failed", "cut", "repaired", "retried"]
_TROUBLES: Final[tuple[Trouble, ...]] = ("failed", "cut", "repaired", "retried")
_TITLES: Final = {
    "failed": "stop paying for calls that fail",
    "cut": "stop paying for answers that are cut at the limit of tokens",
    "repaired": "stop paying twice for replies that do not fit at first",
    "retried": "stop paying for attempts that are tried again",
}
_HOW: Final = {
    "failed": (
        "Look at the failed calls, and at what their errors say.",
        "For time-outs give the call more time (`timeout=`) or a shorter prompt; for malformed_response ask with "
        "`response_format=`, or a model that takes a schema.",
    ),
    "cut": (
        "Give the calls a larger `max_tokens=`, or ask for a shorter answer in the prompt.",
        "A larger limit does not refund the money: it buys whole answers for it.",
    ),
    "repaired": (
        "Look at what did not fit: the event `repair` in each trace has the reply and the reason.",
        "Make the `response_format=` smaller, say in the prompt what its fields hold, or take a model that is held to "
        "a schema by its provider.",
    ),
    "retried": (
        "Look at why attempts were tried again: the events `attempt_failed` in each trace.",
        "Ask less often or give the calls more time, where these are rate limits and time-outs.",
    ),
}
_Key = tuple[str | None, str | None, str | None]


@dataclass(slots=True)
class _Troubled:
    """The calls of one group with one trouble."""

    costs: list[tuple[int, float]] = field(default_factory=list)  # start, dollars
    unpriced: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    traces: deque[str] = field(default_factory=newest_traces)


@dataclass(slots=True)
class _Clean:
    """The calls of one group in the first part of the past that went well at once: how many, and what they cost."""

    n: int = 0
    usd: float = 0.0


class PaidFailures(Search):
    """Adds up, by agent and model, what troubled calls cost; of repairs and retries what is above other calls' cost."""

    def __init__(self, past: Past) -> None:
        super().__init__(past)
        self._clean: defaultdict[_Key, _Clean] = defaultdict(_Clean)
        self._troubled: defaultdict[tuple[_Key, Trouble], _Troubled] = defaultdict(_Troubled)

    @override
    def call(self, call: CallFact) -> None:
        key, trouble = (call.agent, call.provider, call.model), trouble_of(call)
        usd = call.cost_usd
        if trouble is None:
            if usd is not None and not call.unpriced and self.past.first.has(call.start_ns):
                clean = self._clean[key]
                clean.n, clean.usd = clean.n + 1, clean.usd + usd
            return
        group = self._troubled[key, trouble]
        group.unpriced += call.unpriced
        if usd:
            group.costs.append((call.start_ns, usd))
            group.reasons[_reason(call)] += 1
            group.traces.append(call.trace_id)

    @override
    def results(self) -> Results:
        items = [
            self._judged(key, trouble, group)
            for (key, trouble), group in sorted(self._troubled.items(), key=lambda item: str(item[0]))
            if group.costs
        ]
        return results_of(items)

    def _judged(self, key: _Key, trouble: Trouble, group: _Troubled) -> Finding | Withheld:
        agent, _, model = key
        scope = {"agent": agent or "", "model": model or "", "what": trouble}
        scope = {name: value for name, value in scope.items() if value}
        title, n = f"{agent or 'no agent'}, {model or 'no model'}: {_TITLES[trouble]}", len(group.costs)
        usual = self._usual(key) if trouble in ("repaired", "retried") else 0.0
        if usual is None:
            reason = f"fewer than {FEWEST} calls without trouble in the first part of the past to compare with"
            return Withheld(kind=NAME, title=title, scope=scope, n=n, of="paid calls", reason=reason)
        daily = Daily()
        for time_ns, usd in group.costs:
            daily.add(time_ns, usd - usual)
        result = saving(daily, self.past, what="paid calls")
        if result.problem is not None or result.check is None:
            reason = result.problem or "it could not be checked"
            return Withheld(kind=NAME, title=title, scope=scope, n=n, of="paid calls", reason=reason)
        return Finding(
            kind=NAME,
            title=title,
            scope=scope,
            n=n,
            of="paid calls",
            estimate=result.estimate,
            unit="usd_per_30_days",
            evidence=self._evidence(key, trouble, group),
            how=_HOW[trouble],
            check=result.check,
            details=_details(group, usual),
        )

    def _usual(self, key: _Key) -> float | None:
        """Return what a call without trouble cost on average in the first part of the past; None where few did."""
        clean = self._clean.get(key, _Clean())
        return clean.usd / clean.n if clean.n >= FEWEST else None

    def _evidence(self, key: _Key, trouble: Trouble, group: _Troubled) -> Evidence:
        agent, provider, model = key
        filters = {"agent": agent, "provider": provider, "model": model}
        if trouble == "failed":
            filters["status"] = "error"
            if len(group.reasons) == 1:
                filters["category"] = next(iter(group.reasons))
        return evidence(filters, group.traces)


def trouble_of(call: CallFact) -> Trouble | None:
    """Return the trouble of a call; the gravest where it had several."""
    if call.error:
        return "failed"
    if call.finish_reason in CUT:
        return "cut"
    if call.repaired:
        return "repaired"
    return "retried" if (call.attempts or 1) > 1 else None


def _reason(call: CallFact) -> str:
    if call.error:
        return call.category or "error"
    return (call.retried or "").partition(",")[0] or call.finish_reason or "unknown"


def _details(group: _Troubled, usual: float) -> tuple[str, ...]:
    total = math.fsum(usd for _, usd in group.costs)
    lines = [
        f"{dollars(total)} were paid for {len(group.costs):,} calls: "
        + ", ".join(f"{reason} {n:,}" for reason, n in group.reasons.most_common(4))
        + "."
    ]
    if usual:
        lines.append(f"Counted is what is above {dollars(usual)}, which calls without trouble cost on average.")
    if group.unpriced:
        lines.append(f"{group.unpriced:,} calls have a cost that is not known in whole: it may be more.")
    return tuple(lines)
