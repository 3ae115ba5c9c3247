"""Advice is what the recorded past bears out: figures as counted by hand, and nothing of what only seems to be so."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.special import ndtri, stdtrit

from src.insight.advice import wording
from src.insight.advice.cache_rules import CacheRule
from src.insight.advice.content import Advice, make_advice
from src.insight.advice.kinds.uncached import Beginning, LongCalls, common_beginning, played
from src.insight.advice.past import Period
from src.insight.facts import day_columns
from src.insight.facts.filters import Filter
from src.insight.facts.job import refresh
from src.insight.facts.reader import FactsReader
from src.judging.statistics import Interval
from src.observability.ledger import LedgerReader
from src.observability.store.reader import StoreReader
from tests.long import rounds
from tests.unit.insight import advised_store as made
from tests.unit.insight.advised_call_by_call import search_call_by_call
from tests.unit.insight.advised_store import DAYS, MIDDLE, PRICES, Recorder
from tests.unit.insight.stores import BEGAN_NS, DAY_NS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from src.insight.advice.finding import Finding, Withheld

NOW_NS = BEGAN_NS + DAYS * DAY_NS


def advice_of(path: Path, filter_: Filter | None = None, *, now_ns: int = NOW_NS, texts: int = 100_000) -> Advice:
    store = StoreReader(path)
    with FactsReader(path) as reader:
        return make_advice(
            reader, store, LedgerReader(store).entries(), filter_ or Filter(), now_ns=now_ns, most_texts=texts
        )


@pytest.fixture(scope="module")
def advice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Advice]:
    folder = tmp_path_factory.mktemp("advice")
    (folder / "prices.toml").write_text(PRICES)
    store = Recorder(folder / "t.db")
    for fill in (made.failures, made.beginnings, made.repeats, made.models, made.swarms, made.judged, made.paces):
        fill(store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOONDEV_PRICES", str(folder / "prices.toml"))
        yield advice_of(store.close())


def finding(advice: Advice, kind: str, agent: str, **scope: str) -> Finding:
    (item,) = [item for item in advice.findings if item.kind == kind and _is_of(item, agent, scope)]
    return item


def withheld(advice: Advice, kind: str, agent: str, **scope: str) -> Withheld:
    assert not [item for item in advice.findings if item.kind == kind and _is_of(item, agent, scope)]
    (item,) = [item for item in advice.withheld if item.kind == kind and _is_of(item, agent, scope)]
    return item


def nothing(advice: Advice, kind: str, agent: str) -> bool:
    items: list[Finding | Withheld] = [*advice.findings, *advice.withheld]
    return not [item for item in items if item.kind == kind and _is_of(item, agent, {})]


def _is_of(item: Finding | Withheld, agent: str, scope: dict[str, str]) -> bool:
    return scope.items() | {("agent", agent)} <= item.scope.items()


def test_the_past_is_divided_at_a_midnight_and_back_tests_cost_no_month(advice: Advice) -> None:
    assert advice.middle_ns == BEGAN_NS + MIDDLE * DAY_NS
    assert nothing(advice, "paid-failures", "tried")
    assert nothing(advice, "paid-failures", "judge")
    assert any("back-tests are left out" in line for line in advice.remarks)


def test_what_was_paid_for_failed_calls_is_counted_with_its_interval(advice: Advice) -> None:
    item = finding(advice, "paid-failures", "fails", what="failed")
    days = [0.1, 0.3] * (DAYS // 2)
    half = stdtrit(DAYS - 1, 0.975) * np.std(days, ddof=1) / DAYS**0.5 * 30
    assert item.n == 40
    assert item.estimate.value == pytest.approx(6.0)
    assert (item.estimate.low, item.estimate.high) == pytest.approx((6.0 - half, 6.0 + half))
    assert (item.check.n_first, item.check.n_second) == (20, 20)
    assert item.evidence.command == (
        "moondev traces list --agent fails --provider openai --model cheap --status error "
        "--category malformed_response --since 2025-11-25"
    )
    assert item.evidence.address == (
        "/traces?agent=fails&provider=openai&model=cheap&status=error&category=malformed_response&since=2025-11-25"
    )
    assert len(item.evidence.trace_ids) == 5
    assert finding(advice, "paid-failures", "cuts", what="cut").estimate.value == pytest.approx(3.0)
    # 2 a day at 0.25, of which 0.10 is what the others cost.
    assert finding(advice, "paid-failures", "mends", what="repaired").estimate.value == pytest.approx(9.0)


def test_failures_that_ended_are_few_or_cost_nothing_are_withheld(advice: Advice) -> None:
    assert "0 paid calls on 0 days in the second part" in withheld(advice, "paid-failures", "recovered").reason
    assert withheld(advice, "paid-failures", "fading").reason == (
        "failed the back-check: predicted $12.00 ($12.00 to $12.00), came $0.90 (-$0.14 to $1.94) in 30 days"
    )
    assert withheld(advice, "paid-failures", "seldom").reason.startswith("not enough: 5 paid calls on 5 days")
    assert withheld(advice, "paid-failures", "once").reason.startswith("not enough: 5 paid calls on 1 day;")
    assert "less than a cent" in withheld(advice, "paid-failures", "pennies").reason


def test_an_equal_beginning_is_priced_with_what_it_costs_to_write(advice: Advice) -> None:
    item = finding(advice, "uncached", "prefix")
    share = 40 / (40 + ndtri(0.975) ** 2)  # Wilson's lower bound of 40 of 40
    tokens = 2_000 * 8_000 / 10_000
    daily = share * (3 * 0.9 * tokens * (4 - 0.4) - tokens * (5 - 4)) / 1e6
    assert item.estimate.value == pytest.approx(30 * daily, rel=0.01)  # the JSON around the text has a few characters
    assert (item.n, item.check.n_first) == (80, 40)
    assert "60 would have read the cache" in item.details[1]


def test_beginnings_that_change_expire_or_are_cached_by_the_provider_are_withheld(advice: Advice) -> None:
    assert "failed the back-check: 0% of 40" in withheld(advice, "uncached", "changing").reason
    assert "nothing would be saved" in withheld(advice, "uncached", "rare").reason
    assert "caches by itself" in withheld(advice, "uncached", "automatic").reason
    assert nothing(advice, "uncached", "repeats")  # below the least length


def test_repeated_requests_count_where_they_got_the_same_answer(advice: Advice) -> None:
    item = finding(advice, "identical", "repeats")
    assert item.n == 4 * DAYS
    assert item.estimate.value == pytest.approx(4 * 0.02 * 30)
    assert item.scope["temperature"] == "0"
    assert "get other answers" in withheld(advice, "identical", "samples").reason
    assert nothing(advice, "identical", "warmer")  # other parameters are another request


def test_a_member_that_changes_nothing_is_named_with_the_rule_of_three(advice: Advice) -> None:
    item = finding(advice, "members", "swarm", member="p:third")
    assert item.n == 6 * DAYS
    assert item.estimate.value == pytest.approx(6 * 0.02 * 30)
    assert "at most 2.5% of all" in item.details[0]  # 1 - 0.05 ** (1 / 120)
    assert not [other for other in advice.findings if other.kind == "members" and other.scope["agent"] == "small"]
    needed = ("openai:dear", "openai:cheap")  # without one of these the other two tie
    assert not {other.scope.get("member") for other in advice.findings if other.scope["agent"] == "swarm"}.intersection(
        needed
    )


def test_a_member_that_comes_to_matter_or_of_few_decisions_is_withheld(advice: Advice) -> None:
    reason = withheld(advice, "members", "swing", member="p:third").reason
    assert reason == "failed the back-check: it changed none of 60 decisions, then 10 of 60"
    assert withheld(advice, "members", "small", member="p:third").reason.startswith("not enough: 40 decisions")
    assert nothing(advice, "members", "again")
    assert nothing(advice, "members", "strict")
    assert any("120 decisions of swarms are left out" in line for line in advice.remarks)


def test_a_model_decides_alone_where_it_agrees_or_is_as_right(advice: Advice) -> None:
    item = finding(advice, "models", "swarm", model="openai:cheap")
    assert item.estimate.value == pytest.approx(6 * (0.05 + 0.02) * 30)
    assert (item.n, item.unit) == (6 * DAYS, "usd_per_30_days")
    assert "may be less right" in withheld(advice, "models", "swarm", model="p:third").reason


def test_a_model_that_was_less_right_is_withheld_and_a_righter_one_is_worth_its_points(advice: Advice) -> None:
    assert "in the first part of the past it was less right" in withheld(advice, "models", "able").reason
    item = finding(advice, "models", "unable", model="q:good")
    assert item.unit == "hit_rate"
    assert item.estimate.value == pytest.approx(_hits(0.9) - _hits(0.4))
    assert 0.3 < (item.estimate.low or 0) < (item.estimate.value or 0) < (item.estimate.high or 0) < 0.7


def _hits(share: float) -> float:
    """Return the hit rate of the member that is right so often, as the recorder drew it."""
    draw = random.Random(3)
    draws = [(draw.random() < 0.9, draw.random() < 0.4) for _ in range(10 * DAYS)]
    return sum(hit[0 if share == 0.9 else 1] for hit in draws) / len(draws)


def test_price_alone_says_so_and_only_of_models_that_the_agent_never_asked(advice: Advice) -> None:
    item = finding(advice, "prices", "spender", model="openai:dear")
    assert item.estimate.value == pytest.approx(2 * (0.013 - 0.0013) * 30)
    assert "price alone, not tried" in item.title
    # One has asked both; for the other a back-test has, and the cheap model was less right.
    for agent in ("both", "able"):
        tried = {("agent", agent), ("other", "openai:cheap")}
        assert not [other for other in advice.findings if other.scope.items() >= tried]


def test_agents_slower_than_their_bars_are_told_from_quick_ones(advice: Advice) -> None:
    item = finding(advice, "slow", "slow", timeframe="15m")
    assert item.n == 100
    assert item.estimate.value == pytest.approx(0.3)
    assert "member_timeout_s=` below 900" in item.how[0]
    assert "m:slow: 95% of its 100 votes came within 100.0 s" in item.how[1]
    assert "failed the back-check" in withheld(advice, "slow", "cured").reason
    assert nothing(advice, "slow", "quick")


def test_every_finding_has_n_interval_evidence_and_a_check_and_is_plain_data(advice: Advice) -> None:
    assert len({item.kind for item in advice.findings}) == 7
    for item in advice.findings:
        assert item.n >= 30
        assert item.estimate.low is not None
        assert item.estimate.high is not None
        assert 0 < item.estimate.low <= (item.estimate.value or 0) <= item.estimate.high
        assert min(item.check.n_first, item.check.n_second) > 0
        assert item.how
        assert item.evidence.filters
    lows = [item.estimate.low or 0.0 for item in advice.findings if item.unit == "usd_per_30_days"]
    assert lows == sorted(lows, reverse=True)
    data = json.loads(json.dumps(wording.advice_data(advice, shows_withheld=True), allow_nan=False))
    assert len(data["withheld"]) == data["withheld_count"] == len(advice.withheld)
    assert {item["unit"] for item in data["findings"]} == {"usd_per_30_days", "hit_rate", "share_of_decisions"}


def slow_saving(usd: np.ndarray) -> tuple[float, float, float] | None:
    """Return the saving in 30 days of dollars by day, with its bounds; None where the past does not bear it out."""
    from scipy.stats import ttest_ind  # each process that runs tests would load it, for seconds of all together

    def mean(days: np.ndarray) -> tuple[float, float, float]:
        half = stdtrit(len(days) - 1, 0.975) * np.std(days, ddof=1) / len(days) ** 0.5
        return float(days.mean()), float(days.mean() - half), float(days.mean() + half)

    first, second = usd[: len(usd) // 2], usd[len(usd) // 2 :]
    if (usd > 0).sum() < 6 or min((first > 0).sum(), (second > 0).sum()) < 3:
        return None
    if min(mean(part)[1] for part in (first, second, usd)) <= 0:
        return None
    if second.mean() < 0.8 * first.mean() and ttest_ind(first, second, equal_var=False).pvalue < 0.05:
        return None
    value, low, high = (30 * figure for figure in mean(usd))
    return value, low, high


@pytest.mark.parametrize("seed", range(rounds(2, 100)))
def test_savings_are_those_of_a_slow_recount_and_no_others(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    store, days, costs = Recorder(tmp_path / "t.db"), 14, {}
    store.call("anchor", store.at(0), 0.0)
    for number in range(8):
        trend = rng.choice([1.0, 1.0, 0.5, 0.0])
        usd = rng.gamma(rng.choice([0.3, 2, 20]), 0.01, size=(days, 4)).round(9)
        usd[days // 2 :] *= trend
        usd = usd.round(9)
        costs[f"a{number}"] = usd.sum(axis=1)
        for day in range(days):
            for place, amount in enumerate(usd[day]):
                store.call(f"a{number}", store.at(day, 60 + place), float(amount), category="timeout")
    advice = advice_of(store.close(), now_ns=BEGAN_NS + days * DAY_NS)
    estimates = {item.scope["agent"]: item.estimate for item in advice.findings if item.kind == "paid-failures"}
    expected = {agent: saving for agent, usd in costs.items() if (saving := slow_saving(usd)) is not None}
    assert estimates.keys() == expected.keys()
    for agent, saving in expected.items():
        estimate = estimates[agent]
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(saving, rel=1e-6)


def data_of(advices: list[Advice]) -> Any:
    """Return advice as plain data, in which amounts are equal but for the last digits of their sums."""
    return [rounded(wording.advice_data(advice, shows_withheld=True)) for advice in advices]


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", range(rounds(1, 100)))
def test_columns_of_days_and_single_calls_give_the_same_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    (tmp_path / "prices.toml").write_text(PRICES)
    monkeypatch.setenv("MOONDEV_PRICES", str(tmp_path / "prices.toml"))
    rng, days = random.Random(seed), 12
    store = Recorder(tmp_path / "t.db")
    made.random_past(store, rng, days)
    path, now_ns = store.close(), BEGAN_NS + days * DAY_NS
    since_ns = rng.choice([None, BEGAN_NS + rng.randrange(2 * DAY_NS)])
    filters = [Filter(since_ns=since_ns), Filter(agent=rng.choice(["a", "swarm"]))]
    from_facts = [advice_of(path, filter_, now_ns=now_ns) for filter_ in filters]
    monkeypatch.setattr(day_columns, "LEAST_FACTS", 1)
    refresh(path)
    from_columns = [advice_of(path, filter_, now_ns=now_ns) for filter_ in filters]
    search_call_by_call(monkeypatch)
    call_by_call = [advice_of(path, filter_, now_ns=now_ns) for filter_ in filters]
    items: list[Finding | Withheld] = [*from_columns[0].findings, *from_columns[0].withheld]
    assert len({item.kind for item in items}) >= 5
    assert data_of(from_facts) == data_of(from_columns) == data_of(call_by_call)


def test_a_short_or_empty_past_says_what_is_needed(tmp_path: Path) -> None:
    store = Recorder(tmp_path / "t.db")
    for number in range(60):
        store.call("fails", store.at(0, number), 1.0, category="timeout")
    path = store.close()
    short = advice_of(path, now_ns=BEGAN_NS + DAY_NS)
    assert not short.findings
    assert "six with calls are needed" in wording.nothing(short)
    empty = advice_of(path, Filter(agent="nobody"))
    assert "at least six days" in wording.nothing(empty)
    assert list(wording.tables(empty, shows_withheld=True)) == []


def test_texts_are_read_up_to_a_bound_that_is_told(tmp_path: Path) -> None:
    store = Recorder(tmp_path / "t.db")
    made.repeats(store)
    bounded = advice_of(store.close(), texts=60)
    assert any("of 60 were compared" in line.replace("texts ", "") for line in bounded.remarks)


def test_calls_without_recorded_texts_are_told(tmp_path: Path) -> None:
    store = Recorder(tmp_path / "t.db")
    for day in range(8):
        for number in range(6):
            store.call("bare", store.at(day, number), 0.1, prompt=None, model="claude:claude-x", tokens=(2_000, 9))
    advice = advice_of(store.close(), now_ns=BEGAN_NS + 8 * DAY_NS)
    assert not advice.findings
    assert any(line.startswith("48 calls with long prompts have no recorded texts") for line in advice.remarks)
    assert any(line.startswith("48 calls that may be repeats have no recorded texts") for line in advice.remarks)


def played_one_by_one(calls: list[tuple[int, int, int]], lifetime_ns: int) -> list[bool]:
    """Return which calls, each a start, an end and cached tokens, would read the cache."""
    reads, usable_ns, expires_ns = [], -1, -1
    for start_ns, end_ns, _ in calls:
        reads.append(usable_ns >= 0 and usable_ns <= start_ns <= expires_ns)
        if start_ns > expires_ns:
            usable_ns = end_ns
        expires_ns = max(expires_ns, start_ns + lifetime_ns)
    return reads


@pytest.mark.parametrize("seed", range(rounds(5, 500)))
def test_the_cache_is_played_over_all_calls_as_one_by_one(seed: int) -> None:
    rng = random.Random(seed)
    starts = sorted(BEGAN_NS + rng.randrange(rng.choice([1, 4]) * 3_600) * 10**9 for _ in range(60))
    calls = [(start, start + rng.randrange(600) * 10**9, rng.choice([0, 500, 5_000])) for start in starts]
    columns = (np.array(column) for column in zip(*calls, strict=True))
    start_ns, end_ns, cached = columns
    beginning = Beginning("", 2_000.0, 60, Interval(1.0, 1.0, 1.0), 60)
    rule = CacheRule(1_024, 300, is_marked=True, source="", checked_on="")
    rates = {"input": 4e-6, "input_cached_tokens": 4e-7, "input_cache_creation": 5e-6}
    daily, reads = played(LongCalls(start_ns, end_ns, cached, cached, cached), rule, beginning, rates)
    are_reads = played_one_by_one(calls, 300 * 10**9)
    usd = sum(
        1_800 * 3.6e-6 * (1 - min(call[2] / 1_800, 1)) if is_read else -2_000 * 1e-6
        for call, is_read in zip(calls, are_reads, strict=True)
    )
    assert reads == sum(are_reads)
    assert daily.rate(Period(BEGAN_NS, BEGAN_NS + DAY_NS)).usd == pytest.approx(usd)


def test_the_common_beginning_is_that_of_all() -> None:
    assert common_beginning(["abcd", "abxy", "abcz"]) == "ab"
    assert common_beginning(["ab", "abc"]) == "ab"
