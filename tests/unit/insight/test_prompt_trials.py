"""The figures of a trial: paired differences by hand and by a slow recount, and no verdict on few pairs."""

from __future__ import annotations

import math
import random

import pytest

from src.insight.prompt_trials.comparing import compare, paired_share
from src.insight.prompt_trials.pairs import Outlook, Pair, Side

DAY_NS = 86_400_000_000_000


def side(action: str, *, valid: bool = True, cost: float | None = 0.01, tokens: float | None = 100) -> Side:
    return Side(action, valid, tokens, 10, cost, 500.0)


def test_a_paired_difference_is_that_of_the_changed_pairs() -> None:
    """Bonett and Price (2012): (b+1)/(n+2) and (c+1)/(n+2) in place of the shares, n = 100, b = 5, c = 15."""
    difference, p_value = paired_share(5, 15, 100)
    gained, lost = 16 / 102, 6 / 102
    half = 1.959964 * math.sqrt((gained + lost - (gained - lost) ** 2) / 102)
    assert difference.value == pytest.approx(0.1)
    assert (difference.low, difference.high) == pytest.approx((gained - lost - half, gained - lost + half), abs=1e-6)
    exact = 2 * sum(math.comb(20, k) for k in range(6)) / 2**20
    assert p_value == pytest.approx(exact)
    assert paired_share(0, 0, 0)[1] is None
    nothing_changed, p_of_none = paired_share(0, 0, 10)
    assert nothing_changed.low is not None
    assert nothing_changed.low < 0 < (nothing_changed.high or 0)  # ten pairs without a change are no proof of none
    assert p_of_none == 1.0


def test_figures_are_those_of_a_slow_recount() -> None:
    chance = random.Random(7)
    pairs = []
    for number in range(80):
        outlook = Outlook(chance.uniform(-0.02, 0.02), 0.002, 3_600) if number % 4 else None
        old, new = (
            side(
                chance.choice(["BUY", "SELL", "NOTHING", "NO DECISION"]),
                valid=chance.random() < 0.8,
                cost=chance.choice([0.01, 0.02, None]),
            )
            for _ in range(2)
        )
        pairs.append(Pair(str(number), number * DAY_NS // 4, old, new, outlook))
    item = compare("", pairs)
    measures = {measure.name: measure for measure in item.measures}
    assert item.agreement.value == pytest.approx(sum(p.old.action == p.new.action for p in pairs) / 80)
    assert sum(item.changes.values()) == sum(p.old.action != p.new.action for p in pairs)
    signs = {"BUY": 1, "SELL": -1}
    both = [p for p in pairs if p.outlook and p.old.action in signs and p.new.action in signs]
    hits = [[signs[s.action] * p.outlook.move > 0 for s in (p.old, p.new)] for p in both if p.outlook is not None]
    assert measures["hit rate"].n == len(hits)
    assert measures["hit rate"].difference.value == pytest.approx(sum(b - a for a, b in hits) / len(hits))
    nets = [
        [signs[s.action] * p.outlook.move - 0.002 if s.action in signs else 0.0 for s in (p.old, p.new)]
        for p in pairs
        if p.outlook is not None
    ]
    assert measures["net return"].n == 60
    assert measures["net return"].new == pytest.approx(sum(new for _, new in nets) / 60)
    assert measures["net return"].difference.value == pytest.approx(sum(new - old for old, new in nets) / 60)
    priced = [p for p in pairs if p.old.cost_usd is not None and p.new.cost_usd is not None]
    assert measures["cost"].n == len(priced)


@pytest.mark.parametrize(("n", "verdict"), [(49, "not enough"), (50, "better")])
def test_under_fifty_pairs_there_is_no_verdict(n: int, verdict: str) -> None:
    pairs = [Pair(str(k), k * DAY_NS, side("BUY", valid=False), side("BUY"), None) for k in range(n)]
    measures = {measure.name: measure for measure in compare("", pairs).measures}
    assert measures["valid at once"].verdict == verdict
    assert measures["hit rate"].verdict == "not enough"
    assert (measures["hit rate"].n, measures["hit rate"].old) == (0, None)


@pytest.mark.parametrize(("hours", "verdict"), [(0.5, "worse"), (30.0, "not comparable")])
def test_latencies_are_compared_where_they_were_taken_at_the_same_time(hours: float, verdict: str) -> None:
    later = round(hours * 3_600e9)
    old = Side("BUY", True, 1, 1, 0.0, 100.0, start_ns=0)
    pairs = [
        Pair(str(k), k * DAY_NS, old, Side("BUY", True, 1, 1, 0.0, 200.0 + k, start_ns=later), None) for k in range(50)
    ]
    assert {measure.name: measure.verdict for measure in compare("", pairs).measures}["slowest call"] == verdict


def test_what_costs_less_is_better_and_more_tokens_are_only_more() -> None:
    pairs = [
        Pair(str(k), k * DAY_NS, side("BUY", cost=0.02 + k / 1e6), side("BUY", tokens=120 + k % 3), None)
        for k in range(60)
    ]
    measures = {measure.name: measure for measure in compare("", pairs).measures}
    assert (measures["cost"].verdict, measures["tokens in"].verdict) == ("better", "more")
    assert measures["tokens out"].verdict == "no difference shown"
