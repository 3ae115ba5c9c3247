"""A back-test decides on what was known, at each time, and keeps each decision at once."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from src.agents.market import Candle, Candles
from src.judging.accuracy import accuracy_of
from src.judging.backtest.as_of import AsOfView, LookAheadError, Replay
from src.judging.backtest.deciders import WINDOW, Decider, Rule, deciders_named
from src.judging.backtest.placebos import placebo
from src.judging.backtest.plan import Plan, make_plan
from src.judging.backtest.results import Equity, Result, judge_run
from src.judging.backtest.runner import Runner
from src.judging.grouping import judged
from src.judging.model_register import book_of_models
from src.judging.paper.book import books_of, contents_of
from src.judging.prices import series_of
from src.judging.resolving import Rules
from src.observability.ledger import Horizon, LedgerReader, parse_horizon, parse_horizons
from src.observability.store.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from src.observability.store.spool import Spool

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = parse_horizon("24h")


def walk(hours: int = 24 * 60, seed: int = 1) -> Candles:
    """Return hourly bars of a random walk."""
    chance, price, bars = random.Random(seed), 100.0, []
    for hour in range(hours):
        close = price * math.exp(chance.gauss(0, 0.01))
        low, high = min(price, close) * 0.999, max(price, close) * 1.001
        bars.append(Candle(time=START + timedelta(hours=hour), open=price, high=high, low=low, close=close, volume=1.0))
        price = close
    return Candles(bars=bars, symbol="BTC-USD", source="walk", interval_s=3600)


def planned(candles: Candles, deciders: Sequence[Decider], every: str = "4h", **options: Any) -> tuple[Replay, Plan]:
    replay = Replay(candles, candles.symbol or "BTC-USD", window=WINDOW)
    return replay, make_plan(replay, deciders, every=parse_horizon(every), horizons=(DAY,), **options)


def run(spool: Spool, candles: Candles, deciders: Sequence[Decider], every: str = "4h") -> Result:
    replay, plan = planned(candles, deciders, every)
    progress = Runner(plan, replay, deciders, spool).run()
    return judge_run(plan, series_of(candles), spool, rules=Rules(symbol="BTC-USD"), progress=progress)


def test_a_view_ends_at_its_time_and_a_read_past_it_raises() -> None:
    candles = walk(100)
    view = Replay(candles, "BTC-USD", window=20).view(int((START + timedelta(hours=50, minutes=30)).timestamp() * 1e6))
    assert len(view.candles) == 20
    assert view.candles[-1] == candles[49]  # the bar of hour 50 is still open
    assert view.price == candles[49].close
    assert view.bar_at(START + timedelta(hours=49)) == candles[49]
    with pytest.raises(LookAheadError, match="not closed yet"):
        view.candles[20]
    for hour in (50, 80):
        with pytest.raises(LookAheadError, match="was not known at"):
            view.bar_at(START + timedelta(hours=hour))
    assert view.closes.base is None  # no way from the array to the rest of the series
    with pytest.raises(KeyError):
        view.bar_at(START)


def test_one_that_peeks_is_caught(spool: Spool) -> None:
    def peek(view: AsOfView) -> str:
        return "BUY" if view.bar_at(view.as_of + timedelta(hours=5)).close > view.price else "SELL"

    with pytest.raises(LookAheadError):
        run(spool, walk(200), [Rule("rule:peek", 1, peek)])


def test_decisions_stand_in_the_ledger_as_they_were_made(spool: Spool) -> None:
    candles = walk(24 * 10)
    result = run(spool, candles, deciders_named(["rule:momentum", "rule:hold"], swarm=False))
    entries = list(LedgerReader(StoreReader(spool.path)).entries(run_id=result.run_id))
    assert (result.decisions, len(entries)) == (110, 110)
    entry = entries[-40]
    at = datetime.fromtimestamp(entry.decision.as_of_ns / 1e9, UTC)
    bars = [bar for bar in candles if bar.time + timedelta(hours=1) <= at]
    assert entry.decision.price == bars[-1].close
    assert (entry.decision.environment, entry.decision.book) == ("backtest", "after")
    momentum = next(item for item in reversed(entries) if item.decision.agent == "rule:momentum")
    at = datetime.fromtimestamp(momentum.decision.as_of_ns / 1e9, UTC)
    closes = [bar.close for bar in candles if bar.time + timedelta(hours=1) <= at]
    assert momentum.decision.action == ("BUY" if closes[-1] > closes[-21] else "SELL")


def test_a_second_run_goes_on_where_the_first_ended_and_a_third_has_nothing_to_do(spool: Spool) -> None:
    candles, asked = walk(24 * 20), []

    def choose(view: AsOfView) -> str:
        asked.append(view.as_of)
        if len(asked) == 30:
            raise KeyboardInterrupt
        return "BUY"

    deciders = [Rule("rule:counting", 5, choose)]
    replay, plan = planned(candles, deciders)
    with pytest.raises(KeyboardInterrupt):
        Runner(plan, replay, deciders, spool).run()
    second = Runner(plan, replay, deciders, spool)
    assert second.progress.decided == 29
    second.run()
    assert len(asked) == len(plan.times_us) + 1  # the one in flight was asked again
    assert Runner(plan, replay, deciders, spool).run().decided == len(plan.times_us)
    assert len(asked) == len(plan.times_us) + 1


def test_other_prices_or_times_are_another_run() -> None:
    deciders = deciders_named(["rule:hold"], swarm=False)
    ids = {
        planned(candles, deciders, every)[1].run_id
        for candles, every in ((walk(), "4h"), (walk(), "8h"), (walk(seed=2), "4h"))
    }
    assert len(ids) == 3


def calendar(opens: Sequence[str], seconds: int, timeframe: str) -> Candles:
    """Return bars that open then; the price rises by one a bar."""
    bars = [
        Candle(time=datetime.fromisoformat(time).replace(tzinfo=UTC), open=n, high=n + 1, low=n, close=n + 1)
        for n, time in enumerate(opens, start=100)
    ]
    return Candles(bars=bars, symbol="BTC-USD", source="calendar", interval_s=seconds, timeframe=timeframe)


YEAR = [f"2023-{month:02d}-01" for month in range(1, 13)]
# Days in New York, of which that of 3 November has 25 hours.
AUTUMN = [f"2024-10-{day}T04:00" for day in range(25, 32)] + [
    f"2024-11-{day:02d}T0{4 if day < 4 else 5}:00" for day in range(1, 9)
]


@pytest.mark.parametrize(
    ("opens", "seconds", "timeframe", "every", "horizon"),
    [(YEAR, 31 * 86_400, "1M", "31d", "28d"), (AUTUMN, 86_400, "1d", "1d", "23h")],
)
def test_who_decides_as_a_bar_of_the_calendar_ends_enters_at_the_next_one(
    spool: Spool, opens: Sequence[str], seconds: int, timeframe: str, every: str, horizon: str
) -> None:
    candles = calendar(opens, seconds, timeframe)
    replay = Replay(candles, "BTC-USD", window=WINDOW)
    hold = [Rule("rule:hold", 1, lambda _view: "BUY")]
    plan = make_plan(replay, hold, every=parse_horizon(every), horizons=parse_horizons(horizon))
    judge_run(
        plan,
        series_of(candles),
        spool,
        rules=Rules(symbol="BTC-USD"),
        progress=Runner(plan, replay, hold, spool).run(),
    )
    entries = [item for item in LedgerReader(StoreReader(spool.path)).entries(run_id=plan.run_id) if item.outcomes]
    assert len(entries) > 6
    for entry in entries:
        outcome = entry.outcomes[horizon]
        assert (outcome.entry_ns, outcome.entry) == (entry.decision.as_of_ns, entry.decision.price)
        assert outcome.exit == outcome.entry + 1


def test_times_without_a_new_bar_are_left_out() -> None:
    candles = walk(100)
    gap = replace(candles, bars=[*candles.bars[:40], *candles.bars[60:]])
    _, plan = planned(gap, deciders_named(["rule:hold"], swarm=False))
    assert plan.skipped == 5  # hours 44 to 60
    assert len(plan.times_us) == 25 - 5


def test_what_cannot_be_planned_says_why() -> None:
    deciders = deciders_named(["rule:cross"], swarm=False)
    with pytest.raises(ValueError, match="need 50 closed bars"):
        planned(walk(30), deciders)
    with pytest.raises(ValueError, match="shorter than a bar"):
        planned(walk(), deciders, "15m")
    with pytest.raises(ValueError, match="is no rule: give one of rule:hold"):
        deciders_named(["rule:astrology"], swarm=False)
    with pytest.raises(ValueError, match="names no model"):
        deciders_named([], swarm=False)


def test_one_who_knows_the_future_has_a_skill_that_the_placebo_takes_away(spool: Spool) -> None:
    """Its knowledge is of dates, as a model's memory is: the shuffled series has the same dates, and other prices."""
    candles = walk(24 * 80)
    closes = {bar.time: bar.close for bar in candles}

    def remember(view: AsOfView) -> str:
        later = closes.get(view.as_of + timedelta(hours=24))
        now = closes.get(view.as_of)
        return "NOTHING" if later is None or now is None else "BUY" if later > now else "SELL"

    deciders = [Rule("rule:memory", 1, remember)]
    (real,) = run(spool, candles, deciders).rows
    assert real.skill.low is not None
    assert real.skill.low > 0.2
    for kind in ("shuffled", "flipped"):
        (row,) = run(spool, placebo(candles, kind), deciders).rows
        assert row.skill.low is not None
        assert row.skill.low < 0.05
    relabelled = placebo(candles, "relabelled")
    assert (relabelled.symbol, relabelled[0].time.year) == ("ASSET", 2001)
    assert relabelled[0].open == pytest.approx(100.0)


@pytest.mark.parametrize("kind", ["shuffled", "flipped", "relabelled"])
def test_placebos_are_markets_too(kind: str) -> None:
    for bar in placebo(walk(300), kind):
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.low > 0


def test_chance_has_no_skill(spool: Spool) -> None:
    candles = walk(24 * 80, seed=5)
    names = [f"rule:random#{seed}" for seed in range(6)]
    run(spool, candles, deciders_named(names, swarm=False))
    entries = list(LedgerReader(StoreReader(spool.path)).entries())
    holding = 0
    for name in names:
        skill = accuracy_of(name, [judged(entry) for entry in entries if entry.decision.agent == name]).skill
        assert skill.low is not None
        assert skill.high is not None
        holding += skill.low <= 0 <= skill.high
    assert holding >= 5


def test_equity_is_that_of_a_paper_book_that_stands_in_the_store(spool: Spool) -> None:
    candles = walk(24 * 30)
    result = run(spool, candles, deciders_named(["rule:hold", "rule:random#3"], swarm=False), every="24h")
    equity = {item.name: item for item in result.equities}
    # One that always buys holds: what the book makes of it is what holding the same share makes.
    assert equity["rule:hold"].end == pytest.approx(equity["buy and hold, 30%"].end, rel=1e-5)
    first, last = candles[24], candles[-1]
    assert equity["buy and hold"].end == pytest.approx(last.close / first.open / 1.001)
    assert equity["cash"].end == 1.0
    reader = StoreReader(spool.path)
    books = books_of(reader, run_id=result.run_id)
    assert [(book.agent, book.environment) for book in books] == [
        ("rule:hold", "backtest"),
        ("rule:random#3", "backtest"),
    ]
    account = contents_of(reader, books[1].name).account()
    prices = {key: Decimal(repr(last.close)) for key in account.positions}
    assert float(account.equity(prices)) / 10_000 == pytest.approx(equity["rule:random#3"].end)
    assert Equity("x", (1, 2, 3), (1.2, 0.9, 1.0)).drawdown == pytest.approx(0.25)


def test_a_book_of_a_run_is_written_once_and_for_other_costs_anew(spool: Spool) -> None:
    candles, deciders = walk(24 * 10), deciders_named(["rule:random#3"], swarm=False)
    replay, plan = planned(candles, deciders)
    ends = []
    for fee_bps in (10, 10, 50):
        progress = Runner(plan, replay, deciders, spool).run()
        result = judge_run(plan, series_of(candles), spool, rules=Rules(fee_bps=fee_bps), progress=progress)
        ends.append(result.equities[0].end)
    assert ends[0] == ends[1] > ends[2]
    names = [book.name for book in books_of(StoreReader(spool.path), run_id=plan.run_id)]
    assert names == [f"{plan.run_id}/rule:random#3", f"{plan.run_id}/rule:random#3~2"]


def test_a_run_that_was_stopped_has_an_equity_but_no_book_yet(spool: Spool) -> None:
    candles, count = walk(24 * 10), 0

    def choose(_: AsOfView) -> str:
        nonlocal count
        count += 1
        if count == 20:
            raise KeyboardInterrupt
        return "BUY"

    deciders = [Rule("rule:stopping", 5, choose)]
    replay, plan = planned(candles, deciders)
    runner = Runner(plan, replay, deciders, spool)
    with pytest.raises(KeyboardInterrupt):
        runner.run()
    result = judge_run(plan, series_of(candles), spool, rules=Rules(), progress=runner.progress)
    assert result.equities[0].end != 1.0
    assert books_of(StoreReader(spool.path)) == []
    result = judge_run(
        plan, series_of(candles), spool, rules=Rules(), progress=Runner(plan, replay, deciders, spool).run()
    )
    assert len(books_of(StoreReader(spool.path))) == 1


def test_a_model_is_after_its_training_only_where_a_register_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spring = int(datetime(2024, 3, 1, tzinfo=UTC).timestamp()) * 10**9
    assert book_of_models(["openai:x"], spring) == "inside"
    assert book_of_models([], spring) == "after"
    file = tmp_path / "register.toml"
    file.write_text('["openai:x"]\ncutoff = 2023-10-01\nrelease = 2024-01-25\nsource = "https://example.com/models"\n')
    monkeypatch.setenv("MOONDEV_MODEL_REGISTER", str(file))
    assert book_of_models(["openai:x"], spring) == "after"
    assert book_of_models(["openai:x", "openai:y"], spring) == "inside"
    assert book_of_models(["openai:x"], spring - 10 * 86_400 * 10**9) == "inside"  # within the margin of its release
    file.write_text('["openai:x"]\ncutoff = "long ago"\n')
    with pytest.raises(ValueError, match="needs cutoff and release as dates"):
        book_of_models(["openai:x"], spring)


def test_horizons_may_be_several(spool: Spool) -> None:
    candles, deciders = walk(24 * 12), deciders_named(["rule:hold"], swarm=False)
    replay = Replay(candles, "BTC-USD", window=WINDOW)
    plan = make_plan(replay, deciders, every=Horizon("1d", 86_400), horizons=parse_horizons("24h,3d"))
    progress = Runner(plan, replay, deciders, spool).run()
    result = judge_run(plan, series_of(candles), spool, rules=Rules(), progress=progress)
    assert result.resolved == 11 - 1 + 11 - 3
