"""The report on decisions, made of one small item for each decision and vote: another way to the same figures.

`src.insight.ledger.report` computes it over columns.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from src.judging.accuracy import Judged, accuracy_of, grouped, with_discoveries
from src.judging.grouping import Hindsight, check_grouping, class_of, hash_of_prompt, judged, model_of, recounted
from src.judging.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from src.judging.regimes import Regimes
    from src.observability.ledger import Entry, MemberVote

_UNKNOWN = "unknown"


def make_report(
    entries: Iterable[Entry], by: str | None = None, *, horizon: str | None = None, regimes: Regimes | None = None
) -> Report:
    """Return the report.

    Args:
        entries: The decisions; they are gone through once, so that a ledger need not be held in memory.
        by: How to group them: one of `grouping.BY`.
        horizon: By which outcome they are judged; each decision's first one where not given.
        regimes: The market's states, for `by="regime"`.

    Raises:
        ValueError: `by` is none of them, or regimes are missing.
    """
    check_grouping(by, regimes)
    everything: list[Judged] = []
    groups: defaultdict[str, list[Judged]] = defaultdict(list)
    swarm = _Swarm(horizon)
    for entry in entries:
        item = judged(entry, horizon)
        everything.append(item)
        swarm.add(entry)
        if by is not None:
            for key, own in items_of(entry, item, by, horizon=horizon, regimes=regimes):
                groups[key].append(own)
    books = grouped((item.book or "unknown", item) for item in everything)
    return Report(
        total=accuracy_of("all", everything),
        books=tuple(accuracy_of(key, items) for key, items in books.items()),
        by=by,
        rows=tuple(with_discoveries(accuracy_of(key, items) for key, items in sorted(groups.items()))),
        swarm=tuple(accuracy_of(key, items) for key, items in swarm.groups().items()),
    )


class _Swarm:
    """What several members decided together, and what others of them would have decided.

    All are judged on the decisions that several members made, so that they can be compared. The decisions are gone
    through once: a member that comes late gets the items of those before it, on which it cast no vote.
    """

    def __init__(self, horizon: str | None) -> None:
        self._horizon = horizon
        self._decided: list[Judged] = []
        self._plain: list[Judged] = []
        self._absent: list[Judged] = []  # of a member that cast no vote
        self._whole: list[Judged] = []  # of all the votes with their weights: leaving out who cast none changes nothing
        self._alone: dict[str, list[Judged]] = {}
        self._without: dict[str, list[Judged]] = {}
        self._trouble: ValueError | None = None

    def add(self, entry: Entry) -> None:
        """Take a decision in; those of less than two members say nothing here."""
        if len(entry.votes) < 2:
            return
        decision, hindsight = entry.decision, Hindsight(entry, self._horizon)
        votes = {vote.member: vote for vote in reversed(entry.votes)}
        for vote in entry.votes:
            if vote.member not in self._alone:
                self._alone[vote.member] = list(self._absent)
                self._without[vote.member] = list(self._whole)
        absent = hindsight.of(None)
        self._absent.append(absent)
        self._decided.append(costed(entry, hindsight.of(decision.action if decision.status == "decided" else None)))
        self._plain.append(costed(entry, hindsight.of(recounted(entry, plain=True))))
        for member, items in self._alone.items():
            own = votes.get(member)
            items.append(absent if own is None else hindsight.of(own.action, own))
        try:
            self._leave_out(entry, hindsight, votes)
        except ValueError as error:  # raised by `groups`, where a third member makes these figures part of the report
            self._trouble = self._trouble or error

    def _leave_out(self, entry: Entry, hindsight: Hindsight, votes: Mapping[str, MemberVote]) -> None:
        whole = costed(entry, hindsight.of(recounted(entry)))
        self._whole.append(whole)
        for member, items in self._without.items():
            if member in votes:
                items.append(costed(entry, hindsight.of(recounted(entry, without=member)), votes[member]))
            else:
                items.append(whole)

    def groups(self) -> dict[str, list[Judged]]:
        """Return the items by their groups: none where no decision was made by several members.

        Raises:
            ValueError: a stored weight makes no sense.
        """
        if not self._alone:
            return {}
        groups = {"swarm": self._decided, "plain vote": self._plain}
        groups.update({f"{member} alone": items for member, items in self._alone.items()})
        if len(self._alone) > 2:
            if self._trouble is not None:
                raise self._trouble
            groups.update({f"without {member}": items for member, items in self._without.items()})
        return groups


def costed(entry: Entry, item: Judged, without: MemberVote | None = None) -> Judged:
    """Return an item with what its decision cost, less the vote of a member where it is left out."""
    cost, is_unknown = entry.decision.cost_usd, entry.decision.cost_unknown
    if without is not None:
        is_unknown = is_unknown or cost is None or without.cost_usd is None
        cost = None if cost is None or without.cost_usd is None else max(cost - without.cost_usd, 0.0)
    return replace(item, cost_usd=cost, cost_unknown=is_unknown)


def items_of(
    entry: Entry, item: Judged, by: str, *, horizon: str | None = None, regimes: Regimes | None = None
) -> Iterator[tuple[str, Judged]]:
    """Yield the items of a decision with their keys: itself, or each of its members' votes.

    Args:
        entry: The decision.
        item: The decision as an item.
        by: One of `BY`.
        horizon: By which outcome it is judged; its first one where not given.
        regimes: Tells the market's state, for `by="regime"`.
    """
    if by in ("member", "model") and entry.votes:
        what = Hindsight(entry, horizon)
        for vote in entry.votes:
            yield (vote.member if by == "member" else model_of(vote)), what.of(vote.action, vote)
    else:
        yield _key(entry, by, regimes), item


def _key(entry: Entry, by: str, regimes: Regimes | None) -> str:
    decision = entry.decision
    keys: dict[str, Callable[[], str | None]] = {
        "agent": lambda: decision.agent,
        "model": lambda: "+".join(json.loads(decision.models)) if decision.models else None,
        "member": lambda: None,
        "prompt": lambda: " ".join(
            filter(None, (decision.prompt_name, decision.prompt_version, hash_of_prompt(decision)))
        ),
        "symbol": lambda: decision.symbol,
        "confidence": lambda: class_of(decision.confidence),
        "regime": lambda: regimes.at(decision.as_of_ns) if regimes is not None else None,
        "day": lambda: datetime.fromtimestamp(decision.as_of_ns / 1e9, UTC).strftime("%Y-%m-%d"),
    }
    return keys[by]() or _UNKNOWN
