"""Figures of accuracy: against known values, on chance, and where there is too little to tell."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from src.judging.accuracy import DAY_NS, Judged, accuracy_of, with_discoveries
from src.judging.report import dollars, verdict
from src.judging.statistics import discoveries, max_drawdown, wilson
from src.observability.ledger import Entry, MemberVote, write_votes
from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord
from tests.long import rounds
from tests.unit.judging.ledgers import report_of


def judged(day: float, action: str, move: float, **fields: Any) -> Judged:
    direction = {"BUY": 1, "SELL": -1}.get(action, 0)
    values = {"status": "decided", "net": direction * move - 0.002 * abs(direction), "round_trip": 0.002, **fields}
    return Judged(time_ns=int(day * DAY_NS), action=action, move=move, **values)


def test_known_values() -> None:
    items = [
        judged(0, "BUY", 0.02, confidence=80, cost_usd=0.01),
        judged(1, "BUY", -0.01, confidence=60, cost_usd=0.01),
        judged(2, "SELL", -0.03, confidence=90, cost_usd=0.02),
        judged(3, "NOTHING", 0.05),
        judged(4, "NOTHING", 0.001),
        Judged(time_ns=5 * DAY_NS, action="NOTHING", status="failed", cost_usd=0.01, cost_unknown=True),
        Judged(time_ns=6 * DAY_NS, action="NOTHING", status="abstained"),
        Judged(time_ns=7 * DAY_NS, action="BUY", status="decided"),
    ]
    row = accuracy_of("all", items)
    assert (row.decisions, row.n, row.hits, row.failed, row.abstained, row.open) == (8, 3, 2, 1, 1, 1)
    assert row.coverage == 4 / 8
    assert row.hit_rate.value == pytest.approx(2 / 3)
    assert row.always_long == pytest.approx(1 / 3)
    assert row.baseline_hit_rate == pytest.approx(2 / 3)
    assert row.brier == pytest.approx((0.04 + 0.36 + 0.01) / 3)
    assert row.log_loss == pytest.approx(-(math.log(0.8) + math.log(0.4) + math.log(0.9)) / 3)
    assert row.net_total == pytest.approx(0.018 - 0.012 + 0.028)
    assert row.max_drawdown == pytest.approx(0.012)
    assert (row.inaction.n, row.inaction.missed) == (2, 0.5)
    assert row.inaction.mean_move == pytest.approx(0.0255)
    assert row.cost_usd == pytest.approx(0.05)
    assert row.cost_unknown
    assert row.cost_per_hit == pytest.approx(0.025)
    # Chance with two BUY and one SELL where one of three rose: (2/3 x 1/3) + (1/3 x 2/3).
    assert row.skill.value == pytest.approx(2 / 3 - 4 / 9)


def test_wilson_s_interval_is_the_published_one() -> None:
    figure = wilson(81, 263)  # Newcombe 1998, table I: 0.2553 to 0.3662
    assert (round(figure.low or 0, 4), round(figure.high or 0, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0).value is None


def test_no_verdict_under_fifty() -> None:
    items = [judged(day, "BUY", 0.01) for day in range(49)]
    assert verdict(accuracy_of("all", items)) == "not enough"


def test_one_who_always_buys_has_no_skill_whatever_the_market_does() -> None:
    row = accuracy_of("all", [judged(day, "BUY", 0.01 if day % 4 else -0.01) for day in range(400)])
    assert row.hit_rate.value == 0.75
    assert row.skill.value == 0
    assert verdict(row) == "no different from chance"


def test_a_price_that_does_not_move_is_nobody_s_hit() -> None:
    moves = [0.0 if day % 3 == 0 else 0.01 if day % 2 else -0.01 for day in range(300)]
    for action in ("BUY", "SELL"):
        row = accuracy_of("all", [judged(day, action, move) for day, move in enumerate(moves)])
        assert row.skill.value == pytest.approx(0)
        assert row.hit_rate.value == pytest.approx(1 / 3)


def test_chance_has_no_skill_on_a_trending_market_with_overlapping_horizons() -> None:
    """Every four hours, judged after 24: at least 90 of 100 intervals of 95% must hold 0."""
    walk = random.Random(7)
    prices = [100.0]
    for _ in range(6 * 365):
        prices.append(prices[-1] * math.exp(walk.gauss(0.0006, 0.012)))
    seeds = rounds(25, 100)
    holding = 0
    for seed in range(seeds):
        chance = random.Random(seed)
        items = [
            judged(step / 6, chance.choice(["BUY", "SELL", "NOTHING"]), prices[step + 6] / prices[step] - 1)
            for step in range(len(prices) - 6)
        ]
        skill = accuracy_of("all", items).skill
        assert skill.low is not None
        assert skill.high is not None
        holding += skill.low <= 0 <= skill.high
    assert holding >= 0.9 * seeds


def test_foresight_shows_as_skill() -> None:
    moves = [random.Random(day).gauss(0, 0.02) for day in range(200)]
    items = [judged(day, "BUY" if move > 0 else "SELL", move) for day, move in enumerate(moves)]
    row = accuracy_of("all", items)
    assert verdict(row) == "better than chance"
    assert row.skill.low is not None
    assert row.skill.low > 0.3


def test_among_many_groups_without_skill_hardly_any_stands_out() -> None:
    groups = []
    for seed in range(60):
        chance = random.Random(seed)
        items = [judged(day, chance.choice(["BUY", "SELL"]), chance.gauss(0, 0.02)) for day in range(100)]
        groups.append(accuracy_of(str(seed), items))
    assert sum(row.stands_out for row in with_discoveries(groups)) <= 1
    assert discoveries([0.0001, None, 0.9]) == [True, False, False]


def test_drawdown_counts_from_the_start() -> None:
    assert max_drawdown([-0.1, 0.05, -0.2]) == pytest.approx(0.25)
    assert max_drawdown([]) == 0.0


def entry(number: int, votes: dict[str, str | None], move: float, action: str) -> Entry:
    record = DecisionRecord(
        id=str(number), time_ns=number * DAY_NS, as_of_ns=number * DAY_NS, symbol="BTC-USD", action=action,
        votes=write_votes(MemberVote(member=name, action=vote, confidence=70) for name, vote in votes.items()),
        agent="trading_agent", book="live", models='["a:x"]',
    )  # fmt: skip
    direction = {"BUY": 1, "SELL": -1}.get(action, 0)
    outcome = OutcomeRecord(
        decision_id=str(number), horizon="24h", entry_ns=number * DAY_NS, entry=100.0, exit_ns=(number + 1) * DAY_NS,
        exit=100 * (1 + move), exit_reason="horizon", gross=direction * move, net=direction * move - 0.002,
        correct=direction * move > 0 if direction else None, brier=None,
        costs='{"fee_bps": 10.0, "spread_bps": 0.0, "slippage_bps": 0.0}', source="test", resolved_ns=1,
    )  # fmt: skip
    return Entry(decision=record, outcomes={"24h": outcome})


def test_the_swarm_stands_beside_its_members_and_what_they_would_be_without_each_other() -> None:
    entries = []
    for day in range(100):
        up = day % 2 == 0
        right, wrong = ("BUY", "SELL") if up else ("SELL", "BUY")
        votes = {"good": right, "bad": wrong, "late": right if day < 80 else None}
        entries.append(entry(day, votes, 0.01 if up else -0.01, right if day < 80 else "NOTHING"))
    report = report_of(entries, "member")
    rows = {row.key: row for row in report.rows}
    assert rows["good"].hit_rate.value == 1.0
    assert rows["bad"].hit_rate.value == 0.0
    assert (rows["late"].n, rows["late"].abstained) == (80, 20)
    assert rows["good"].stands_out
    swarm = {row.key: row for row in report.swarm}
    assert swarm["swarm"].n == 80
    assert swarm["good alone"].hit_rate.value == 1.0
    assert swarm["without good"].hit_rate.value is None  # the other two always disagree, or one of them abstains
    assert swarm["without bad"].hit_rate.value == 1.0
    assert report.total.n_split == 80
    assert verdict(report.total) == "better than chance"


def test_a_decision_that_is_grouped_by_an_unknown_word_is_refused() -> None:
    with pytest.raises(ValueError, match="--by is 'colour'"):
        report_of([entry(1, {"a": "BUY"}, 0.1, "BUY")], "colour")
    with pytest.raises(ValueError, match="needs the prices"):
        report_of([entry(1, {"a": "BUY"}, 0.1, "BUY")], "regime")


def test_a_cost_of_exactly_nothing_is_zero_and_a_small_one_is_not() -> None:
    assert [dollars(usd) for usd in (0.0, 0.00002, 0.002, 0.0123)] == ["$0", "$2.0e-05", "$0.002", "$0.0123"]
