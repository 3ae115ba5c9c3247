"""Find money that was paid for calls which failed, were cut, were repaired, or were tried again."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from typing_extensions import override

from src.insight.advice.amounts import FEWEST, Daily, dollars, saving
from src.insight.advice.finding import Finding, NewestCalls, Withheld, evidence, results_of
from src.insight.advice.past import Search
from src.insight.advice.today import grouped_rows
from src.insight.facts.day_columns import NONE
from src.insight.facts.schema import CUT, DAY_NS, NANO
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from src.insight.advice.finding import Evidence, Results
    from src.insight.advice.past import Past
    from src.insight.facts.call_columns import Calls

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
_KEY: Final = ("agent", "provider", "model")
_REASON: Final = ("error", "category", "retried", "finish_reason")
_NO_TROUBLE: Final = -1


@dataclass(slots=True)
class _Troubled:
    """The calls of one group with one trouble: what they cost by day in billionths of a dollar, and how many."""

    nano: Counter[int] = field(default_factory=Counter)
    paid: Counter[int] = field(default_factory=Counter)
    unpriced: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    newest: NewestCalls = field(default_factory=NewestCalls)

    @property
    def n(self) -> int:
        """Return how many calls were paid for."""
        return self.paid.total()


@dataclass(slots=True)
class _Clean:
    """The calls of one group in the first part of the past that went well at once: how many, and what they cost."""

    n: int = 0
    nano: int = 0


class PaidFailures(Search):
    """Adds up, by agent and model, what troubled calls cost; of repairs and retries what is above other calls' cost."""

    def __init__(self, past: Past) -> None:
        super().__init__(past)
        self._clean: defaultdict[_Key, _Clean] = defaultdict(_Clean)
        self._troubled: defaultdict[tuple[_Key, Trouble], _Troubled] = defaultdict(_Troubled)

    @override
    def calls(self, calls: Calls) -> None:
        import numpy

        troubles = troubles_of(calls)
        starts, costs, unpriced = calls["start_ns"], calls["cost_nano"], calls["unpriced"]
        is_of_first = (starts >= self.past.first.since_ns) & (starts < self.past.first.until_ns)
        is_clean = (troubles == _NO_TROUBLE) & (costs != NONE) & (unpriced == 0) & is_of_first
        for key, rows in calls.groups(_KEY, numpy.flatnonzero(is_clean)):
            clean = self._clean[key]
            clean.n, clean.nano = clean.n + len(rows), clean.nano + int(costs[rows].sum())
        for code, trouble in enumerate(_TROUBLES):
            for key, rows in calls.groups(_KEY, numpy.flatnonzero(troubles == code)):
                self._add(self._troubled[key, trouble], calls, rows)

    def _add(self, group: _Troubled, calls: Calls, rows: Any) -> None:
        costs = calls["cost_nano"][rows]
        group.unpriced += int(calls["unpriced"][rows].sum())
        paid = rows[(costs != NONE) & (costs != 0)]
        for day, own in grouped_rows(calls["start_ns"] // DAY_NS, paid):
            group.nano[day] += int(calls["cost_nano"][own].sum())
            group.paid[day] += len(own)
        for (error, category, retried, finish_reason), own in calls.groups(_REASON, paid):
            reason = category or "error" if error else (retried or "").partition(",")[0] or finish_reason or "unknown"
            group.reasons[reason] += len(own)
        group.newest.add(calls, paid)

    @override
    def results(self) -> Results:
        items = [
            self._judged(key, trouble, group)
            for (key, trouble), group in sorted(self._troubled.items(), key=lambda item: str(item[0]))
            if group.paid
        ]
        return results_of(items)

    def _judged(self, key: _Key, trouble: Trouble, group: _Troubled) -> Finding | Withheld:
        agent, _, model = key
        scope = {"agent": agent or "", "model": model or "", "what": trouble}
        scope = {name: value for name, value in scope.items() if value}
        title, n = f"{agent or 'no agent'}, {model or 'no model'}: {_TITLES[trouble]}", group.n
        usual = self._usual(key) if trouble in ("repaired", "retried") else 0.0
        if usual is None:
            reason = f"fewer than {FEWEST} calls without trouble in the first part of the past to compare with"
            return Withheld(kind=NAME, title=title, scope=scope, n=n, of="paid calls", reason=reason)
        daily = Daily()
        for day, nano in group.nano.items():
            daily.add(day * DAY_NS, nano / NANO - group.paid[day] * usual, group.paid[day])
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
        return clean.nano / NANO / clean.n if clean.n >= FEWEST else None

    def _evidence(self, key: _Key, trouble: Trouble, group: _Troubled) -> Evidence:
        agent, provider, model = key
        filters = {"agent": agent, "provider": provider, "model": model}
        if trouble == "failed":
            filters["status"] = "error"
            if len(group.reasons) == 1:
                filters["category"] = next(iter(group.reasons))
        return evidence(filters, self.past.traces(group.newest.marks))


def troubles_of(calls: Calls) -> Any:
    """Return the trouble of each call as its place among `_TROUBLES`; the gravest where it had several."""
    import numpy

    has = [calls["error"] != 0, calls.are("finish_reason", CUT), calls["repaired"] != 0, calls["attempts"] > 1]
    return numpy.select(has, range(len(has)), _NO_TROUBLE)


def _details(group: _Troubled, usual: float) -> tuple[str, ...]:
    reasons = sorted(group.reasons.items(), key=lambda item: (-item[1], item[0]))
    lines = [
        f"{dollars(group.nano.total() / NANO)} were paid for {counted(group.n, 'calls')}: "
        + ", ".join(f"{reason} {n:,}" for reason, n in reasons[:4])
        + "."
    ]
    if usual:
        lines.append(f"Counted is what is above {dollars(usual)}, which calls without trouble cost on average.")
    if group.unpriced:
        lines.append(
            f"{counted(group.unpriced, 'calls have', 'call has')} a cost that is not known in whole: it may be more."
        )
    return tuple(lines)
