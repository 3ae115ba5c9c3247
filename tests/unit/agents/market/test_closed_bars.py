"""An agent decides on closed bars alone, and on enough of them; what is left out or missing is said."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from src.agents.market import Candle, Candles, MarketDataError, closed_bars, load_candles, snapshot
from src.agents.market_view import market_view
from src.agents.trading_agent import TradingAgent

if TYPE_CHECKING:
    from pathlib import Path


def file_of(folder: Path, stamps: list[str]) -> Path:
    """Return a file, written long after its last bar, with a bar for each stamp."""
    path = folder / "prices.csv"
    path.write_text("time,open,high,low,close\n" + "".join(f"{stamp},1,2,0.5,1.5\n" for stamp in stamps))
    return path


def quarters(last: str, count: int = 20) -> list[str]:
    end = datetime.fromisoformat(last)
    return [f"{end - timedelta(minutes=15 * n):%Y-%m-%d %H:%M}" for n in range(count - 1, -1, -1)]


MONTHS = [f"2024-{month:02d}-01" for month in range(1, 13)]
WEEKS = [f"{datetime(2024, 1, 1, tzinfo=UTC) + timedelta(weeks=n):%Y-%m-%d}" for n in range(12)]
DAYS = [f"2024-01-{day:02d}" for day in range(1, 32)]
NEW_YORK_DAYS = [
    *(f"2024-10-{day:02d} 00:00:00-04:00" for day in range(25, 32)),
    *(f"2024-11-{day:02d} 00:00:00-0{4 if day < 4 else 5}:00" for day in range(1, 6)),
]


@pytest.mark.parametrize(
    ("stamps", "now", "dropped"),
    [
        (quarters("2024-01-02 19:30"), "2024-01-02T19:34:00", 1),
        (quarters("2024-01-02 19:30"), "2024-01-02T19:44:59.999", 1),
        (quarters("2024-01-02 19:30"), "2024-01-02T19:45:00", 0),
        (quarters("2024-01-02 19:30")[::-1], "2024-01-02T19:34:00", 1),
        (quarters("2024-01-02 19:30"), "2024-01-02T19:10:00", 3),
        (quarters("2024-01-02 19:30"), "2023-01-01T00:00:00", 20),
        (MONTHS[:1] + MONTHS[1:], "2024-12-31T23:59:00", 1),
        (MONTHS, "2025-01-01T00:00:00", 0),
        (MONTHS[:2], "2024-02-29T12:00:00", 1),
        (MONTHS[:2], "2024-03-01T00:00:00", 0),
        (MONTHS[:7], "2024-07-31T00:00:00", 1),
        (MONTHS[::3], "2024-12-31T00:00:00", 1),
        (MONTHS[::3], "2025-01-01T00:00:00", 0),
        (["2022-01-01", "2023-01-01", "2024-01-01"], "2024-12-30T00:00:00", 1),
        (["2022-01-01", "2023-01-01", "2024-01-01"], "2025-01-01T00:00:00", 0),
        (WEEKS, "2024-03-24T23:59:00", 1),
        (WEEKS, "2024-03-25T00:00:00", 0),
        (DAYS, "2024-01-31T23:59:59", 1),
        (DAYS, "2024-02-01T00:00:00", 0),
        (NEW_YORK_DAYS, "2024-11-06T04:59:00", 1),
        (NEW_YORK_DAYS, "2024-11-06T05:00:00", 0),
    ],
)
def test_the_clock_tells_which_bars_are_closed(tmp_path: Path, stamps: list[str], now: str, dropped: int) -> None:
    candles = load_candles(file_of(tmp_path, stamps))
    closed = closed_bars(candles, datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert len(candles) - len(closed) == dropped
    assert closed.issue_counts.get("open_candle", 0) == dropped
    assert tuple(closed) == candles[: len(closed)]
    assert [issue.action for issue in closed.issues if issue.kind == "open_candle"] == ["dropped"] * bool(dropped)


def test_a_month_of_a_zone_ends_by_that_zones_clock(tmp_path: Path) -> None:
    stamps = [f"2024-{month:02d}-01 00:00" for month in range(6, 12)]
    candles = load_candles(file_of(tmp_path, stamps), zone="America/New_York")
    assert candles.timeframe == "1M"
    assert len(closed_bars(candles, datetime(2024, 12, 1, 4, 59, tzinfo=UTC))) == 5
    assert len(closed_bars(candles, datetime(2024, 12, 1, 5, 0, tzinfo=UTC))) == 6


def test_a_bar_that_was_open_when_its_file_was_written_is_not_closed_later(tmp_path: Path) -> None:
    file = file_of(tmp_path, quarters("2024-01-02 19:30"))
    at = datetime(2024, 1, 2, 19, 34, tzinfo=UTC).timestamp()
    os.utime(file, (at, at))
    closed = closed_bars(load_candles(file), datetime(2024, 1, 2, 21, 0, tzinfo=UTC))
    assert (len(closed), closed[-1].time.minute) == (19, 15)
    assert "open when the file was written, at 2024-01-02 19:34" in closed.issues[-1].detail
    os.utime(file, (at + 3600, at + 3600))
    assert len(closed_bars(load_candles(file), datetime(2024, 1, 2, 21, 0, tzinfo=UTC))) == 20


def test_labels_at_the_end_of_months_are_months_not_days_of_the_next(tmp_path: Path) -> None:
    ends = ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]
    candles = load_candles(file_of(tmp_path, ends))
    assert [bar.time.isoformat()[:10] for bar in candles] == ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"]
    assert candles.issue_counts["close_stamps"] == 1
    assert len(closed_bars(candles, datetime(2024, 4, 29, tzinfo=UTC))) == 3
    assert len(closed_bars(candles, datetime(2024, 5, 1, tzinfo=UTC))) == 4


@pytest.mark.parametrize(
    ("first", "day", "opens"),
    [
        ("2024-01-07", "Sunday", "2024-01-01"),
        ("2024-01-05", "Friday", "2023-12-30"),
        ("2024-01-08", None, "2024-01-01"),
    ],
)
def test_weeks_that_may_be_labelled_by_their_last_day_are_said(
    first: str, day: str | None, opens: str, tmp_path: Path
) -> None:
    begin = datetime.fromisoformat(first)
    file = file_of(tmp_path, [f"{begin + timedelta(weeks=number):%Y-%m-%d}" for number in range(5)])
    candles = load_candles(file)
    assert f"{candles[0].time:%Y-%m-%d}" == first
    details = [issue.detail for issue in candles.issues if issue.kind == "weekly_labels"]
    assert [f"labelled by {day}s" in detail for detail in details] == ([True] if day else [])
    closes = load_candles(file, stamps="close")
    assert (f"{closes[0].time:%Y-%m-%d}", "weekly_labels" in closes.issue_counts) == (opens, False)


def test_weeks_of_pandas_are_moved_to_their_mondays() -> None:
    pandas = pytest.importorskip("pandas")
    days = pandas.DataFrame(
        {name: [2.0] * 28 for name in ("open", "high", "low", "close")},
        index=pandas.date_range("2024-01-01", periods=28, name="time"),
    )
    weeks = days.resample("W").first()
    assert "resample('W')" in next(item.detail for item in load_candles(weeks).issues if item.kind == "weekly_labels")
    assert [f"{bar.time:%m-%d}" for bar in load_candles(weeks, stamps="close")] == ["01-01", "01-08", "01-15", "01-22"]


@pytest.mark.parametrize("stamps", ["open", "close"])
def test_the_caller_says_what_a_stamp_means(tmp_path: Path, stamps: str) -> None:
    candles = load_candles(file_of(tmp_path, quarters("2024-01-02 19:30")), stamps=stamps)
    assert candles[-1].time == datetime(2024, 1, 2, 19, 30 if stamps == "open" else 15, tzinfo=UTC)


def candles_of(count: int, *, volume: float | None = 5.0) -> Candles:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return Candles(
        bars=tuple(
            Candle(start + timedelta(hours=n), 10 + n % 3, 13 + n % 3, 9 + n % 3, 11 + n % 3, volume)
            for n in range(count)
        )
    )


@pytest.mark.parametrize(
    ("count", "missing", "present"),
    [
        (12, ["SMA 50: needs 50 bars, 12 given", "EMA 26: needs 26 bars, 12 given", "RSI 14: needs 15 bars, 12 given"],
         ["EMA 12: ", "Volatility per bar: "]),
        (33, ["MACD histogram: needs 34 bars, 33 given"], ["EMA 26: ", "Change over 24 bars: "]),
        (34, ["SMA 50: needs 50 bars, 34 given"], ["MACD histogram: "]),
        (1, ["Change over 1 bar: needs 2 bars, 1 given", "Volatility per bar: needs 3 bars, 1 given"], ["Highest: "]),
        (50, [], ["SMA 50: "]),
    ],
)  # fmt: skip
def test_what_so_few_bars_cannot_tell_is_said_in_the_prompt(count: int, missing: list[str], present: list[str]) -> None:
    market = snapshot(candles_of(count))
    prompt = market.to_prompt()
    assert set(missing) <= set(market.missing)
    assert all(line in prompt.splitlines() for line in market.missing)
    assert all(f"{label}needs" not in prompt and label in prompt for label in present)


def test_each_needed_length_is_the_shortest_with_a_value() -> None:
    for count in range(1, 60):
        market = snapshot(candles_of(count))
        lines = {line.partition(":")[0]: line for line in market.to_prompt().splitlines()}
        for line in market.missing:
            label, needed = line.partition(":")[0], int(line.split("needs ")[1].split()[0])
            assert count < needed
            assert lines[label] == line
        known = {line.partition(":")[0] for line in market.missing} | set(lines)
        assert {"SMA 20", "SMA 50", "EMA 12", "EMA 26", "RSI 14", "ATR 14", "MACD histogram"} <= known


def test_too_few_closed_bars_are_refused_before_anything_is_asked() -> None:
    agent = TradingAgent(["openai:nobody"])
    for count in (0, 1, 2, 9):
        with pytest.raises(MarketDataError, match=rf"{count} closed bars of X, and a decision needs at least 10"):
            agent.decide("X", candles_of(count))
    with pytest.raises(MarketDataError, match=r"1 closed bars of X \(the bar of .* is open until .* at least 2"):
        market_view("X", candles_of(2), now=datetime(2024, 1, 1, 1, 30, tzinfo=UTC), min_bars=2)
    with pytest.raises(ValueError, match="min_bars is 0"):
        TradingAgent(["openai:nobody"], min_bars=0)


def test_candles_of_another_symbol_are_refused() -> None:
    other = Candles(bars=candles_of(20).bars, symbol="ETH/USD")
    assert market_view("eth-usd", other).candles.symbol == "ETH/USD"
    with pytest.raises(MarketDataError, match="of ETH/USD, not of BTC-USD"):
        market_view("BTC-USD", other)


@pytest.mark.parametrize(
    ("closes", "volume", "remarks"),
    [
        ([100.0] * 60, 5.0, ["RSI 14: the last closes", "Bollinger position (0 lower band, 1 upper): the last closes"]),
        ([100.0, 101.0] * 30, 0.0, ["Volume to its mean: the volume of a bar is not known, or all are 0"]),
        ([100.0, 101.0] * 30, None, ["Volume to its mean: the volume of a bar is not known, or all are 0"]),
        ([100.0, 101.0] * 30, 5.0, []),
    ],
)
def test_what_enough_bars_cannot_tell_is_said_too(
    closes: list[float], volume: float | None, remarks: list[str]
) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    bars = [
        Candle(time=start + timedelta(hours=hour), open=close, high=close, low=close, close=close, volume=volume)
        for hour, close in enumerate(closes)
    ]
    view = market_view("BTC-USD", load_candles(bars), now=start + timedelta(days=9))
    assert len(view.remarks) == len(remarks)
    assert all(remark.startswith(begin) for remark, begin in zip(view.remarks, remarks, strict=True))
    assert all(remark in view.snapshot.to_prompt() for remark in view.remarks)


def test_the_smallest_prices_are_shown_with_their_digits() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    bars = [
        Candle(time=start + timedelta(hours=hour), open=1.2345e-13, high=2e-13, low=1e-13, close=1.2345e-13)
        for hour in range(12)
    ]
    prompt = market_view("MEME", load_candles(bars), now=start + timedelta(days=9)).snapshot.to_prompt()
    assert "Price: 0.00000000000012345\n" in prompt


@pytest.mark.parametrize(("factor", "is_said"), [(0.1, True), (2.0, True), (1000.0, True), (1.9, False), (0.55, False)])
def test_a_split_that_is_not_adjusted_is_said(factor: float, is_said: bool, tmp_path: Path) -> None:
    rows = [(day, 100.0 if day < 7 else 100.0 * factor) for day in range(1, 13)]
    path = tmp_path / "prices.csv"
    path.write_text(
        "time,open,high,low,close,volume\n" + "".join(f"2024-01-{d:02d},{p},{p},{p},{p},5\n" for d, p in rows)
    )
    view = market_view("TSLA", path, now=datetime(2024, 2, 1, tzinfo=UTC))
    jumps = [remark for remark in view.remarks if "jump" in remark]
    assert len(view.candles) == 12
    assert bool(jumps) == is_said
    if is_said:
        assert f"{100 * factor:g} follows 100 at 2024-01-07 00:00: a split that is not adjusted" in jumps[0]


def test_of_many_remarks_each_kind_is_said(tmp_path: Path) -> None:
    stamps = quarters("2024-01-02 19:30")
    text = file_of(tmp_path, stamps).read_text().splitlines(keepends=True)
    doubled = [text[0], *text[1:7], *text[1:15], *(line.replace("1,2,0.5,1.5", "10,20,5,15") for line in text[15:])]
    (tmp_path / "prices.csv").write_text("".join(doubled))
    remarks = market_view("BTC-USD", tmp_path / "prices.csv", now=datetime(2024, 2, 1, tzinfo=UTC)).remarks
    kinds = [remark.split(":")[1].strip() for remark in remarks if remark.startswith("prices:")]
    assert len(kinds) == 5
    assert {"zone", "unsorted", "duplicate_time", "jump"} == set(kinds)


def test_bars_that_end_a_second_before_the_next_open_at_the_hour() -> None:
    rows = [
        {"close_time": f"2024-01-01T{hour:02}:59:59Z", "open": 1, "high": 2, "low": 1, "close": 2} for hour in range(9)
    ]
    assert [candle.time.isoformat() for candle in load_candles(rows)][:2] == [
        "2024-01-01T00:00:00+00:00", "2024-01-01T01:00:00+00:00",
    ]  # fmt: skip
