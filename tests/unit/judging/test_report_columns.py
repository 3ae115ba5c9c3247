"""The report over columns is to the last digit the one that goes through decisions one by one."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy
import pytest

from src.judging.accuracy import DAY_NS
from src.judging.grouping import BY
from src.judging.prices import PriceSeries
from src.judging.regimes import Regimes
from src.observability.ledger import Entry, MemberVote, write_votes
from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord
from tests.long import rounds
from tests.unit.judging import slow_report
from tests.unit.judging.ledgers import report_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACTIONS = ("BUY", "SELL", "NOTHING")
_COSTS = tuple(json.dumps({"fee_bps": fee, "spread_bps": 1.5, "slippage_bps": 0.5}) for fee in (10.0, 2.5, 0.0))
_HORIZONS = ("4h", "24h", "7d")
_MEMBERS = ("openai:gpt-4o", "claude:claude-sonnet-4-5#2", "local", "openai:gpt-4o#2", "late:one")


def random_entry(rng: random.Random, number: int, *, members: Sequence[str]) -> Entry:
    """Return a decision of which anything may be missing, strange or repeated."""
    at_ns = rng.randrange(60 * DAY_NS)
    status = rng.choices(("decided", "abstained", "failed"), (8, 1, 1))[0]
    votes = [_vote(rng, member) for member in rng.choices(members, k=rng.choice((0, 1, 2, 3, 3, 5)))]
    record = DecisionRecord(
        id=f"{number:032x}",
        time_ns=at_ns,
        as_of_ns=at_ns,
        symbol=rng.choice(("BTC-USD", "ETH-USD", "EURUSD")),
        action=rng.choice(_ACTIONS) if status == "decided" else "NOTHING",
        status=status,  # type: ignore[arg-type]
        confidence=rng.choice((None, 0.0, 49.9, 50.0, 77.7, 90.0, 100.0)),
        horizons=rng.choice(("24h", "4h,24h", "7d,4h")),
        agent=rng.choice((None, "", "momentum", "trading_agent")),
        prompt_name=rng.choice((None, "trading")),
        prompt_version=rng.choice((None, "3", "v-0123abcd")),
        prompt_hash=rng.choice((None, "0123abcd99", "ffff")),
        models=rng.choice((None, '["a:x"]', '["a:x","b:y"]', "[]")),
        votes=write_votes(votes),
        environment=rng.choice(("default", "paper", "backtest")),
        book=rng.choice((None, "live", "inside", "after")),
        cost_usd=rng.choice((None, 0.0, 0.0123, 1 / 3)),
        cost_unknown=rng.random() < 0.2,
    )
    names = [name for name in (*record.horizons.split(","), "24h") if rng.random() < 0.8]
    return Entry(decision=record, outcomes={name: _outcome(rng, record, name) for name in names})


def _vote(rng: random.Random, member: str) -> MemberVote:
    action = rng.choice((*_ACTIONS, None))
    return MemberVote(
        member=member,
        action=action,
        confidence=rng.choice((None, 55.0, 71.5, 90.0)),
        weight=rng.choice((0.3, 1.0, 1.0, 2.5)),
        latency_ms=rng.choice((None, 812.4)),
        cost_usd=rng.choice((None, 0.1, 0.0007)),
        error="timeout" if rng.random() < 0.3 else None,
        model=rng.choice((None, "gpt-4o", "gpt-4o-2024-08-06", "claude-sonnet-4-5")),
    )


def _outcome(rng: random.Random, record: DecisionRecord, horizon: str) -> OutcomeRecord:
    move = rng.choice((0.0, rng.gauss(0, 0.03), rng.gauss(0, 0.03)))
    direction = {"BUY": 1, "SELL": -1}.get(record.action, 0)
    return OutcomeRecord(
        decision_id=record.id, horizon=horizon, entry_ns=record.as_of_ns, entry=100.0, exit_ns=record.as_of_ns + 1,
        exit=100 * (1 + move), exit_reason=rng.choice(("horizon", "horizon", "target", "stop")),
        gross=direction * move, net=direction * move - 0.001 * abs(direction), correct=None, brier=None,
        costs=rng.choice(_COSTS), source="test", resolved_ns=1,
    )  # fmt: skip


def random_ledger(seed: int) -> list[Entry]:
    rng = random.Random(seed)
    members = _MEMBERS[: rng.choice((1, 2, 3, 5))]
    return [random_entry(rng, number, members=members) for number in range(rng.choice((0, 1, 12, 150)))]


def regimes() -> Regimes:
    rng = random.Random(1)
    days = numpy.arange(-40, 60)
    closes = 100 * numpy.exp(numpy.cumsum([rng.gauss(0, 0.01 + 0.02 * (day % 50 > 25)) for day in days]))
    prices = PriceSeries(open_ns=days * DAY_NS, open=closes, high=closes, low=closes, close=closes, source="test")
    return Regimes(prices)


@pytest.mark.parametrize("seed", range(rounds(8, 400)))
def test_a_report_over_columns_is_the_one_of_single_items(seed: int) -> None:
    entries = random_ledger(seed)
    by = (None, *BY)[seed % (len(BY) + 1)]
    horizon = random.Random(seed).choice((None, None, *_HORIZONS))
    states = regimes() if by == "regime" else None
    expected = slow_report.make_report(entries, by, horizon=horizon, regimes=states)
    assert report_of(entries, by, horizon=horizon, regimes=states) == expected


def test_outcomes_count_that_are_fewer_than_the_decisions_before_them() -> None:
    """The outcome of the last of many decisions has a low number of its own."""
    rng = random.Random(5)
    entries = [replace(random_entry(rng, number, members=_MEMBERS), outcomes={}) for number in range(30)]
    last = entries[-1].decision
    last = replace(last, action="BUY", status="decided", horizons="24h")
    entries[-1] = Entry(decision=last, outcomes={"24h": replace(_outcome(rng, last, "24h"), exit=110.0, net=0.1)})
    assert report_of(entries).total.net_total == pytest.approx(0.1)
