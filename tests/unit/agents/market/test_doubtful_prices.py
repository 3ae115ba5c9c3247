"""Prices whose times, numbers, platform or market leave two readings are refused with both, or said."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas
import polars
import pytest

from src.agents.market import MarketDataError, closed_bars, load_candles
from src.agents.market_view import market_view

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = datetime(2024, 1, 2, tzinfo=UTC)
SINCE_YEAR_1 = datetime(1, 1, 1, tzinfo=UTC)
HEADER = "time,open,high,low,close,volume\n"
PRICES = "time,open,high,low,close\n"
CANDLES = [[1_704_153_600_000 + n * 3_600_000, 100 + n, 101 + n, 99 + n, 100.5 + n, 5] for n in range(12)]


def csv_of(stamp: Callable[[datetime], str], hours: int = 30, *, header: str = HEADER, mark: str = ",") -> str:
    """Return a file with a bar for each hour."""
    rows = ((START + timedelta(hours=n), 100 + n % 7) for n in range(hours))
    return header + "".join(
        mark.join((stamp(time), f"{price}.5", f"{price + 1}.25", f"{price - 1}", f"{price}", "7")) + "\n"
        for time, price in rows
    )


def hours_and_days(*, days_first: bool, hours_of_day: range = range(24)) -> str:
    """Return hours with a row for each day among them, at its beginning."""
    days, hours = [], []
    for day in range(6):
        part = [
            (START + timedelta(days=day, hours=hour), 100 + hour % 7, 103 + hour % 11, 99 - hour % (3 + day), 100)
            for hour in hours_of_day
        ]
        hours += part
        highest, lowest = max(row[2] for row in part), min(row[3] for row in part)
        days.append((START + timedelta(days=day), part[0][1], highest, lowest, part[-1][4]))
    rows = days + hours if days_first else hours + days
    return PRICES + "".join(f"{row[0]:%Y-%m-%d %H:%M},{','.join(map(str, row[1:]))}\n" for row in rows)


def until_24(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time.hour else f"{time - timedelta(days=1):%Y-%m-%d} 24:00"


def by_twelve(time: datetime) -> str:
    return f"{time:%Y-%m-%d %I:%M}"


TICKS = csv_of(lambda time: str((time - SINCE_YEAR_1) // timedelta(microseconds=1) * 10))
BONDS = PRICES + "".join(f"2024-01-0{day},110'165,110'317,110'000,110'025\n" for day in (1, 2, 3))
TWO_READINGS = {
    "ticks": (TICKS, r"nanoseconds \(1990-03-25T20:38\), or .* \.NET counts them \(2024-01-02T00:00\)"),
    "12 hours": (csv_of(by_twelve, 14), "01:00 and 2024-01-02 12:00 .* lacks AM and PM"),
    "12 hours back": ("".join(csv_of(by_twelve, 14, header="").splitlines(keepends=True)[::-1]), "AM and PM"),
    "24:00": (csv_of(until_24), "times of 24:00"),
    "hour 24": (csv_of(lambda time: f"{time:%Y%m%d},{time.hour + 1}", header=f"date,hour,{HEADER[5:]}"), "24:00"),
    "ene": (csv_of(lambda time: f"02-{('ene', 'feb')[time.hour % 2]}-2024"), "'02-ene-2024' names its month 'ene'"),
    "août": (csv_of(lambda time: f"2 {('mars', 'août')[time.hour % 2]} 2024"), "names its month 'août'"),
    "32nds": (BONDS, r"110165, or 110 and 16\.5/32 .*110\.515625"),
    "days after hours": (hours_and_days(days_first=False), "lines 2 and 146 .* two timeframes"),
    "days before hours": (hours_and_days(days_first=True), "two timeframes"),
    "days beside sessions": (
        hours_and_days(days_first=True, hours_of_day=range(9, 16)),
        "2024-01-02 00:00 .line 2.*two",
    ),
    "1,772": (
        "20120415 102300;1,772;1,776;1,767;1,773;0\n20120415 102400;1,982;2,003;1,973;1,976;0\n",
        "1.772 or 1772",
    ),
    "NinjaTrader": (csv_of(lambda time: f"{time:%Y%m%d %H%M%S}", header="", mark=";"), "NinjaTrader.*--zone"),
}


@pytest.mark.parametrize("kind", TWO_READINGS)
def test_files_with_two_readings_are_refused(tmp_path: Path, kind: str) -> None:
    text, reason = TWO_READINGS[kind]
    path = tmp_path / "prices.csv"
    path.write_text(text)
    with pytest.raises(MarketDataError, match=reason):
        load_candles(path)


def test_what_looks_like_it_and_has_one_reading_is_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(PRICES + "".join(f"2024-01-0{n},65'000,65'500,64'0{n}0,65'000\n" for n in (1, 2, 3)))
    assert load_candles(path)[0].high == 65_500  # no 32nds go to 500
    path.write_text(csv_of(lambda time: f"{time:%Y%m%d %H%M%S}", header="", mark=";"))
    assert load_candles(path, zone="UTC")[0].time == START
    path.write_text(csv_of(until_24))
    assert load_candles(path, stamps="close")[0].time == START - timedelta(hours=1)
    path.write_text(csv_of(lambda time: f"{time + timedelta(hours=9):%Y-%m-%d %H:%M}", 4))  # 9:00 to 12:00
    assert len(load_candles(path)) == 4


def test_rows_that_were_written_while_they_were_open_come_again(tmp_path: Path) -> None:
    rows = [f"{START + timedelta(hours=n):%Y-%m-%d %H:%M},5,{6 + n / 100},{4 - n % 5 / 10},5,9" for n in range(40)]
    for place in (12, 24, 36):
        rows.insert(place, rows[place].replace(",5,9", ",5.5,2"))
    path = tmp_path / "prices.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n")
    candles = load_candles(path)
    assert (len(candles), candles.issue_counts["duplicate_time"]) == (40, 3)


def test_a_bar_of_a_pinned_price_that_grew_is_no_longer_one(tmp_path: Path) -> None:
    """All bars of a stablecoin have one range; what a longer bar would have traded tells."""
    rows = [f"{START + timedelta(hours=n):%Y-%m-%d %H:%M},1,1.0001,0.9999,1,9" for n in range(40)]
    for place in (12, 24, 36):
        rows.insert(place, rows[place].replace(",1.0001,0.9999,1,9", ",1,1,1,2"))
    path = tmp_path / "prices.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n")
    assert load_candles(path).issue_counts["duplicate_time"] == 3


def test_the_header_says_which_part_of_a_date_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    for name, month in (("Date (dd/mm/yyyy)", 2), ("Date (MM/DD/YYYY)", 1), ("Date (dd/mm/yyyy hh:mm)", 2)):
        path.write_text(
            f"{name},open,high,low,close\n" + "".join(f"01/02/2024 {hour}:00,1,2,0.5,1.5\n" for hour in (1, 2, 3))
        )
        assert load_candles(path)[0].time == datetime(2024, month, 3 - month, 1, tzinfo=UTC)


@pytest.mark.parametrize("unit", [1, 1000])
def test_times_as_narrow_floats_are_refused(unit: int) -> None:
    columns = {
        "time": [float(1_704_153_600 + 3600 * n) * unit for n in range(12)],
        **{name: [1.5] * 12 for name in ("open", "high", "low", "close")},
    }
    assert len(load_candles(pandas.DataFrame(columns))) == 12
    with pytest.raises(MarketDataError, match="32 bits"):
        load_candles(pandas.DataFrame(columns).astype({"time": "float32"}))
    with pytest.raises(MarketDataError, match="32 bits"):
        load_candles(polars.DataFrame(columns).with_columns(polars.col("time").cast(polars.Float32)))


@pytest.mark.parametrize(
    ("answer", "symbol"),
    [
        ({"error": [], "result": {"XXBTZUSD": CANDLES, "last": 1}}, "BTC-USD"),
        ({"error": [], "result": {"XETHZEUR": CANDLES}}, "ETH/EUR"),
        ({"error": [], "result": {"XETHXXBT": CANDLES}}, "ETH-BTC"),
        ({"bars": {"BRK.B": CANDLES}, "next_page_token": None}, "BRK.B"),
        ({"result": {"instrument_name": "BTC_USDT", "data": CANDLES}}, "BTC-USDT"),
        ([dict(zip("tohlcv", row, strict=True), s="BTC") for row in CANDLES], "BTC"),
        ([dict(zip("tohlcv", row, strict=True), s="BTC") for row in CANDLES], "BTC-USD"),
        ({"coin": "BTC", "candles": CANDLES}, "BTC/USDT"),
        ({"BTC": CANDLES}, "btc-usdc"),
    ],
)
def test_the_symbol_that_an_answer_states_is_held_to_the_asked_one(answer: Any, symbol: str, tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(answer))
    assert len(load_candles(path, symbol=symbol)) == 12
    with pytest.raises(MarketDataError, match="not SOL-USD"):
        load_candles(path, symbol="SOL-USD")


def test_a_coin_alone_is_that_of_a_pair_with_dollars() -> None:
    candles = load_candles([dict(zip("tohlcv", row, strict=True), s="BTC") for row in CANDLES])
    for symbol in ("BTC-USD", "btc/usdt", "BTC"):
        assert market_view(symbol, candles).candles.symbol == "BTC"
    for symbol in ("BTC-EUR", "ETH-USD"):
        with pytest.raises(MarketDataError, match=f"of BTC, not of {symbol}"):
            market_view(symbol, candles)


def test_of_several_series_the_symbols_is_read() -> None:
    dearer = [[row[0], *(value * 10 for value in row[1:5]), 1] for row in CANDLES]
    series = {"BTC/USDT": dearer, "ETH/USDT": CANDLES}
    assert load_candles(series, symbol="ETH/USDT")[0].close == 100.5
    with pytest.raises(MarketDataError, match="several series"):
        load_candles(series)
    for word in ("1h", "H1", "SPOT", "BINANCE", "ohlc"):  # which are no symbols
        assert load_candles({word: CANDLES}, symbol="BTC-USD")[0].close == 100.5


def test_a_file_named_by_another_symbol_is_said(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h-2024-12.csv"
    path.write_text(csv_of(lambda time: f"{time:%Y-%m-%d %H:%M}"))
    assert "symbol" in load_candles(path, symbol="ETH-USD").issue_counts
    assert "symbol" not in load_candles(path, symbol="BTC-USD").issue_counts
    assert "symbol" not in load_candles(path).issue_counts


def test_gates_rows_say_which_bar_is_open() -> None:
    rows = [[str(row[0] // 1000), "900", *map(str, (row[4], row[2], row[3], row[1], 5)), "true"] for row in CANDLES]
    rows[-1][-1] = "false"
    candles = load_candles(rows)
    assert (len(candles), candles[0].volume, candles.issue_counts["open_candle"]) == (11, 5.0, 1)


@pytest.mark.parametrize(
    ("stamps", "written", "closed"),
    [
        ([f"2024-01-{day:02d}" for day in range(1, 31, 7)] + ["2024-02-01"], "2024-02-01T15:00", 4),
        ([f"2024-01-02 {hour:02d}:00" for hour in range(12)] + ["2024-01-02 11:43"], "2024-01-02T11:44", 11),
        ([f"2024-01-02 {hour:02d}:00" for hour in range(12)], "2024-01-02T10:30", 10),
        ([f"2024-01-02 {hour:02d}:00" for hour in range(12)], "1980-01-01T00:00", 12),
    ],
    ids=["weeks and today", "hours and now", "another zone", "a time that is no time"],
)
def test_all_bars_that_were_open_when_their_file_was_written_are_left_out(
    tmp_path: Path, stamps: list[str], written: str, closed: int
) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("time,open,high,low,close\n" + "".join(f"{stamp},1,2,0.5,1.5\n" for stamp in stamps))
    moment = datetime.fromisoformat(written).replace(tzinfo=UTC).timestamp()
    os.utime(path, (moment, moment))
    assert len(closed_bars(load_candles(path), datetime(2024, 6, 1, tzinfo=UTC))) == closed
