"""The swarm in the report, made in one pass, against a plain computation that goes through the ledger twice."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from src.judging.accuracy import DAY_NS, Judged, accuracy_of
from src.judging.grouping import Hindsight, recounted
from src.observability.ledger import Entry, MemberVote, write_votes
from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord
from tests.unit.judging.ledgers import report_of
from tests.unit.judging.slow_report import costed

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACTIONS = ("BUY", "SELL", "NOTHING")
_COSTS = '{"fee_bps": 10.0, "spread_bps": 1.5, "slippage_bps": 0.0}'


def two_passes(entries: Sequence[Entry], horizon: str | None) -> dict[str, list[Judged]]:
    """Return the items by their groups: the members first, then what each of them did or changed."""
    members = list(dict.fromkeys(vote.member for item in entries if len(item.votes) > 1 for vote in item.votes))
    if not members:
        return {}
    left_out = members if len(members) > 2 else []
    names = ["swarm", "plain vote", *(f"{name} alone" for name in members), *(f"without {name}" for name in left_out)]
    groups: dict[str, list[Judged]] = {name: [] for name in names}
    for item in entries:
        if len(item.votes) < 2:
            continue
        hindsight, decision = Hindsight(item, horizon), item.decision
        groups["swarm"].append(costed(item, hindsight.of(decision.action if decision.status == "decided" else None)))
        groups["plain vote"].append(costed(item, hindsight.of(recounted(item, plain=True))))
        for name in members:
            vote = next((vote for vote in item.votes if vote.member == name), None)
            groups[f"{name} alone"].append(hindsight.of(None if vote is None else vote.action, vote))
        for name in left_out:
            vote = next((vote for vote in item.votes if vote.member == name), None)
            groups[f"without {name}"].append(costed(item, hindsight.of(recounted(item, without=name)), vote))
    return groups


def random_vote(rng: random.Random, member: str) -> MemberVote:
    action = rng.choice((*_ACTIONS, None))
    return MemberVote(
        member=member,
        action=action,
        confidence=rng.choice((None, 55.0, 71.5, 90.0)),
        weight=rng.choice((0.3, 1.0, 2.5)),
        cost_usd=rng.choice((None, 0.1, 0.0007)),
        error="timeout" if action is None and rng.random() < 0.5 else None,
    )


def random_ledger(rng: random.Random, members: Sequence[str], decisions: int) -> list[Entry]:
    """Return decisions of which some have no outcome, one vote or none, a member twice, or members that come late."""
    entries = []
    for number in range(decisions):
        known = members[: 1 + number * len(members) // decisions + rng.randrange(2)]
        cast = [random_vote(rng, member) for member in rng.choices(known, k=rng.randrange(len(known) + 2))]
        record = DecisionRecord(
            id=str(number), time_ns=number * DAY_NS, as_of_ns=number * DAY_NS, symbol="BTC-USD",
            action=rng.choice(_ACTIONS), status=rng.choice(("decided", "decided", "failed")), votes=write_votes(cast),
            agent="trading_agent", book=rng.choice(("live", "inside")), models='["a:x"]',
            cost_usd=rng.choice((None, 0.0, 0.3)), cost_unknown=rng.random() < 0.2,
        )  # fmt: skip
        move = rng.uniform(-0.05, 0.05)
        outcome = OutcomeRecord(
            decision_id=str(number), horizon="24h", entry_ns=number * DAY_NS, entry=100.0,
            exit_ns=(number + 1) * DAY_NS, exit=100 * (1 + move), exit_reason=rng.choice(("horizon", "stop")),
            gross=move, net=move - 0.002, correct=None, brier=None, costs=_COSTS, source="test", resolved_ns=1,
        )  # fmt: skip
        entries.append(Entry(decision=record, outcomes={"24h": outcome} if rng.random() < 0.9 else {}))
    return entries


@pytest.mark.parametrize("members", [1, 2, 3, 5])
def test_one_pass_gives_exactly_what_two_give(members: int) -> None:
    rng = random.Random(members)
    for decisions in (1, 7, 120):
        entries = random_ledger(rng, [f"maker:m{number}" for number in range(members)], decisions)
        expected = tuple(accuracy_of(key, items) for key, items in two_passes(entries, None).items())
        assert report_of(entries).swarm == expected


def with_weight(number: int, weight: float, members: Sequence[str]) -> Entry:
    votes = write_votes(MemberVote(member=name, action="BUY", weight=weight) for name in members)
    record = DecisionRecord(
        id=str(number), time_ns=number * DAY_NS, as_of_ns=number * DAY_NS, symbol="BTC-USD", action="BUY", votes=votes
    )
    return Entry(decision=record, outcomes={})


def test_a_weight_without_sense_is_refused_only_where_members_are_left_out() -> None:
    entries = [with_weight(0, -1.0, "ab"), with_weight(1, 1.0, "ab")]
    assert [row.key for row in report_of(entries).swarm] == ["swarm", "plain vote", "a alone", "b alone"]
    with pytest.raises(ValueError, match="weight"):
        report_of([*entries, with_weight(2, 1.0, "abc")])
