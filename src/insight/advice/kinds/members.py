"""Find members of swarms without whose vote no recorded decision would have been another."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from src.insight.advice.amounts import Daily, saving
from src.insight.advice.finding import Finding, Withheld, evidence, newest_traces, results_of
from src.insight.advice.past import Search
from src.judging.grouping import counted

if TYPE_CHECKING:
    from collections import deque

    from src.insight.advice.finding import Results
    from src.insight.advice.past import Past
    from src.observability.ledger import Entry

NAME: Final = "members"
FEWEST: Final = 100  # decisions; with none changed, at most 3% of all would be
_LEAST_MEMBERS: Final = 3  # of two, one alone decides without the other


@dataclass(slots=True)
class _Seat:
    """What one member did: in each part of the past its decisions, and how many its vote changed."""

    daily: Daily = field(default_factory=Daily)
    n: list[int] = field(default_factory=lambda: [0, 0])
    changed: list[int] = field(default_factory=lambda: [0, 0])
    unpriced: int = 0
    usd: float = 0.0
    model: str | None = None
    traces: deque[str] = field(default_factory=newest_traces)


class Members(Search):
    """Counts the votes of each decision again without each of its members, by the swarm's own rule."""

    def __init__(self, past: Past) -> None:
        super().__init__(past)
        self._seats: defaultdict[tuple[str | None, str], _Seat] = defaultdict(_Seat)
        self._others = 0  # decisions that the usual quorum does not explain
        self._swarms = 0

    @override
    def decision(self, entry: Entry) -> None:
        votes = entry.votes
        if len(votes) < _LEAST_MEMBERS:
            return
        self._swarms += 1
        together, others = _recounted(tuple((vote.member, float(vote.weight), vote.action) for vote in votes))
        decision = entry.decision
        if together != (decision.action if decision.status == "decided" else None):
            self._others += 1
            return
        part = int(decision.time_ns >= self.past.middle_ns)
        for vote, without in zip(votes, others, strict=True):
            if not self.past.wants(vote):
                continue
            seat = self._seats[decision.agent, vote.member]
            seat.n[part] += 1
            seat.changed[part] += without != together
            seat.unpriced += vote.cost_usd is None
            seat.usd += vote.cost_usd or 0.0
            seat.daily.add(decision.time_ns, vote.cost_usd or 0.0)
            seat.model = vote.model
            if decision.trace_id is not None:
                seat.traces.append(decision.trace_id)

    @override
    def results(self) -> Results:
        items = [
            item
            for (agent, member), seat in sorted(self._seats.items(), key=str)
            if (item := self._judged(agent, member, seat)) is not None
        ]
        missing = () if self._swarms else (f"No decision of {_LEAST_MEMBERS} or more members is recorded.",)
        remarks = (
            (f"{self._others:,} decisions of swarms are left out: the usual rule (more than half of the weight votes) "
             "does not give what was decided, so another quorum was set.",)
            if self._others
            else ()
        )  # fmt: skip
        return results_of(items, missing=missing, remarks=remarks)

    def _judged(self, agent: str | None, member: str, seat: _Seat) -> Finding | Withheld | None:
        n, changed = sum(seat.n), sum(seat.changed)
        if seat.changed[0]:
            return None  # its votes matter
        scope = {"agent": agent or "no agent", "member": member}
        title = f"{agent or 'no agent'}: leave the member {member} out"
        saved = saving(seat.daily, self.past, fewest=FEWEST, what="decisions")
        reason = saved.problem
        if changed:
            reason = (
                f"failed the back-check: it changed none of {seat.n[0]:,} decisions, then {changed:,} of {seat.n[1]:,}"
            )
        elif n >= FEWEST and not seat.usd:
            reason = "its votes cost nothing" if not seat.unpriced else "the cost of its votes is not known"
        if reason is not None or saved.check is None:
            return Withheld(kind=NAME, title=title, scope=scope, n=n, of="decisions", reason=reason or "")
        return Finding(
            kind=NAME,
            title=title,
            scope=scope,
            n=n,
            of="decisions",
            estimate=saved.estimate,
            unit="usd_per_30_days",
            evidence=evidence({"agent": agent, "provider": _provider(member), "model": seat.model}, seat.traces),
            how=(
                f"Take {member} out of `members=` of the agent, or of `--models`.",
                "The confidence and the agreement of decisions change a little without its vote: look at what uses "
                "them.",
            ),
            check=saved.check,
            details=_details(seat),
        )


@lru_cache(maxsize=50_000)  # few members cast few different sets of votes
def _recounted(cast: tuple[tuple[str, float, str | None], ...]) -> tuple[str | None, tuple[str | None, ...]]:
    """Return what votes, each a member, a weight and an action, come to: all of them, and without each one's member."""
    whole = counted(tuple((weight, action) for _, weight, action in cast))
    others = tuple(
        counted(tuple((weight, action) for member, weight, action in cast if member != left_out))
        for left_out, _, _ in cast
    )
    return whole, others


def at_most(n: int) -> float:
    """Return the largest share that seeing none of n leaves possible at 95%: about 3 / n, the rule of three."""
    return float(1 - 0.05 ** (1 / n)) if n else 1.0


def _provider(member: str) -> str:
    return member.partition("#")[0].partition(":")[0]


def _details(seat: _Seat) -> tuple[str, ...]:
    n = sum(seat.n)
    lines = [
        f"Without its vote none of {n:,} recorded decisions would have been another ({seat.n[0]:,} in the first part "
        f"of the past, {seat.n[1]:,} in the second); at 95%, at most {at_most(n):.1%} of all would be."
    ]
    if seat.unpriced:
        lines.append(f"{seat.unpriced:,} of its votes have no known cost: it may be more.")
    return tuple(lines)
