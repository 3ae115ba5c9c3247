"""Find agents that take longer to decide than the bars last that they decide on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from src.insight.advice.finding import BackCheck, Finding, Withheld, evidence, results_of
from src.insight.advice.past import Search
from src.insight.facts.rows import number_of_id
from src.judging.statistics import wilson
from src.observability.commands.counting import counted
from src.observability.ledger import HorizonError, parse_horizon

if TYPE_CHECKING:
    from src.insight.advice.finding import Results
    from src.insight.advice.past import Past
    from src.insight.facts.call_columns import Calls
    from src.judging.statistics import Interval
    from src.observability.ledger import Entry

NAME: Final = "slow"
FEWEST: Final = 50  # decisions
FEWEST_OF_PART: Final = 20
SHARE: Final = 0.05  # later than a bar: the 95th percentile of the times is then longer than one
_Key = tuple[str | None, str]


@dataclass(slots=True)
class _Pace:
    """How long the decisions of an agent took on one timeframe."""

    bar_s: int
    times: list[tuple[int, float, str | None]] = field(default_factory=list)  # when, seconds, trace
    members: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


class Slow(Search):
    """Measures each decision by its agent's run, or by its slowest member where the run is not recorded."""

    def __init__(self, past: Past) -> None:
        super().__init__(past)
        self._paces: dict[_Key, _Pace] = {}
        self._open: dict[int, tuple[_Key, int, str | None, float | None]] = {}  # by the number of the run's id
        self._unknown = 0
        self._decisions = 0

    @override
    def decision(self, entry: Entry) -> None:
        decision = entry.decision
        if decision.derived:
            return
        self._decisions += 1
        bar_s = _seconds(decision.timeframe)
        if bar_s is None or decision.timeframe is None:
            self._unknown += 1
            return
        key = (decision.agent, decision.timeframe)
        pace = self._paces.setdefault(key, _Pace(bar_s))
        slowest_s = None
        for vote in entry.votes:
            if vote.latency_ms is not None:
                pace.members[vote.member].append(vote.latency_ms / 1_000)
                slowest_s = max(slowest_s or 0.0, vote.latency_ms / 1_000)
        if decision.observation_id is not None:
            self._open[number_of_id(decision.observation_id)] = (key, decision.time_ns, decision.trace_id, slowest_s)
        elif slowest_s is not None:
            pace.times.append((decision.time_ns, slowest_s, decision.trace_id))

    @override
    def runs(self, runs: Calls) -> None:
        import numpy

        is_open = numpy.isin(runs["span"], numpy.fromiter(self._open, "int64", len(self._open)))
        for span, passed_us in zip(runs["span"][is_open].tolist(), runs["duration_us"][is_open].tolist(), strict=True):
            known = self._open.pop(span, None)
            if known is not None:
                key, time_ns, trace_id, _ = known
                self._paces[key].times.append((time_ns, passed_us / 1e6, trace_id))

    @override
    def results(self) -> Results:
        for key, time_ns, trace_id, slowest_s in self._open.values():
            if slowest_s is not None:
                self._paces[key].times.append((time_ns, slowest_s, trace_id))
        self._open.clear()
        items = [
            item for key, pace in sorted(self._paces.items(), key=str) if (item := self._judged(key, pace)) is not None
        ]
        missing = []
        if not self._decisions:
            missing.append("No decision is recorded that was made on the present, outside back-tests.")
        elif not self._paces:
            missing.append('No decision names the timeframe of its bars: `decision(..., timeframe="15m")` does.')
        remarks = (
            (f"{counted(self._unknown, 'decisions')} without a timeframe of their bars were left out.",)
            if self._unknown and self._paces
            else ()
        )
        return results_of(items, missing=missing, remarks=remarks)

    def _judged(self, key: _Key, pace: _Pace) -> Finding | Withheld | None:
        agent, timeframe = key
        parts = [
            [item for item in pace.times if (item[0] >= self.past.middle_ns) is is_second]
            for is_second in (False, True)
        ]
        shares = [_late(part, pace.bar_s) for part in parts]
        whole = _late(pace.times, pace.bar_s)
        n = len(pace.times)
        if not n or not (whole.value or 0.0) > SHARE:
            return None
        title = f"{agent or 'no agent'}: decide within the bars of {timeframe}"
        scope = {"agent": agent or "no agent", "timeframe": timeframe}
        reason = _reason(n, [len(part) for part in parts], whole, shares)
        if reason is not None:
            return Withheld(kind=NAME, title=title, scope=scope, n=n, of="decisions", reason=reason)
        late = sorted((time_ns, trace_id or "") for time_ns, seconds, trace_id in pace.times if seconds > pace.bar_s)
        return Finding(
            kind=NAME,
            title=title,
            scope=scope,
            n=n,
            of="decisions",
            estimate=whole,
            unit="share_of_decisions",
            evidence=evidence({"agent": agent}, [trace_id for _, trace_id in late if trace_id]),
            how=_how(pace, timeframe),
            check=BackCheck(
                self.past.middle_ns,
                len(parts[0]),
                len(parts[1]),
                f"predicted {_percent(shares[0])} later than a bar, came {_percent(shares[1])}",
            ),
            details=(
                f"95% of {n:,} decisions came within {quantile([item[1] for item in pace.times], 0.95):,.1f} s; a bar "
                f"of {timeframe} lasts {pace.bar_s:,} s. A later one is about prices that the next bar has replaced.",
            ),
        )


def _seconds(timeframe: str | None) -> int | None:
    if not timeframe:
        return None
    try:
        return parse_horizon(timeframe).seconds  # bars of months have no length in seconds, and nobody is as slow
    except HorizonError:
        return None


def _late(times: list[tuple[int, float, str | None]], bar_s: int) -> Interval:
    return wilson(sum(seconds > bar_s for _, seconds, _ in times), len(times))


def _reason(n: int, parts: list[int], whole: Interval, shares: list[Interval]) -> str | None:
    if n < FEWEST or min(parts) < FEWEST_OF_PART:
        return (
            f"not enough: {counted(n, 'decisions')} ({parts[0]:,} and {parts[1]:,} in the parts of the past); "
            f"{FEWEST:,} are "
            f"needed, {FEWEST_OF_PART:,} in each"
        )
    if (whole.low or 0.0) <= SHARE:
        return f"too uncertain: {_percent(whole)} were later than a bar, which may be less than {SHARE:.0%}"
    first, second = (share.value or 0.0 for share in shares)
    if first <= SHARE or second <= SHARE:
        return (
            f"failed the back-check: {_percent(shares[0])} were later than a bar in the first part of the past, "
            f"{_percent(shares[1])} in the second"
        )
    return None


def _how(pace: _Pace, timeframe: str) -> tuple[str, ...]:
    lines = [f"Give members less time than a bar has: `member_timeout_s=` below {pace.bar_s:,}; late ones do not vote."]
    if pace.members:
        slowest = max(pace.members, key=lambda name: quantile(pace.members[name], 0.95))
        times = pace.members[slowest]
        lines.append(
            f"The slowest member is {slowest}: 95% of its {len(times):,} votes came within "
            f"{quantile(times, 0.95):,.1f} s. Leave it out, or take a quicker model."
        )
    lines.append(f"Or decide on longer bars than {timeframe}.")
    return tuple(lines)


def quantile(values: list[float], share: float) -> float:
    """Return a quantile, linear between neighbours."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _percent(interval: Interval) -> str:
    if interval.value is None or interval.low is None or interval.high is None:
        return "none"
    return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"
