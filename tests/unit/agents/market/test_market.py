from __future__ import annotations

import contextlib
import math
import statistics
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from src.agents.market import (
    Candle,
    Candles,
    MarketDataError,
    live_candles,
    load_candles,
    sample_candles,
    snapshot,
)
from tests import periods
from tests.long import rounds
from tests.servers import Received, Reply, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

BITCOIN = Path(__file__).parents[5] / "shared" / "data" / "BTC-USD-15m.csv"
ROWS = ["1.0,2.0,0.5,1.5,10", "1.5,2.5,1.0,2.0,11", "2.0,3.0,1.5,2.5,12"]
TIMES = ["2024-01-01T00:00:00+00:00", "2024-01-01T00:15:00+00:00", "2024-01-01T00:30:00+00:00"]


def candle(time: datetime, opened: float, high: float, low: float, close: float, volume: float) -> Candle:
    return Candle(time=time, open=opened, high=high, low=low, close=close, volume=volume)


def write(folder: Path, text: str) -> Path:
    path = folder / "prices.csv"
    path.write_text(text, encoding="utf-8")
    return path


def file_of(folder: Path, header: str, times: Sequence[str] = TIMES, rows: Sequence[str] = ROWS) -> Path:
    return write(folder, "\n".join([header, *(f"{time},{row}" for time, row in zip(times, rows, strict=False))]) + "\n")


@pytest.mark.parametrize(
    "header",
    [
        "time,open,high,low,close,volume",
        "datetime, open, high, low, close, volume,",
        "Date,Open,High,Low,Close,Volume",
        "timestamp,O,H,L,C,V",
        "Open time,Open,High,Low,Close,Volume BTC",
        '"Gmt time","Open","High","Low","Close","Vol."',
        "\ufeffUnix,OPEN,HIGH,LOW,CLOSE,Tick Volume",
        "Datetime (UTC),open price,high price,low price,close price,qty",
    ],
)
def test_the_usual_headers_are_read(tmp_path: Path, header: str) -> None:
    candles = load_candles(file_of(tmp_path, header))
    assert candles[0] == candle(datetime(2024, 1, 1, tzinfo=UTC), 1.0, 2.0, 0.5, 1.5, 10.0)
    assert (len(candles), candles.interval_s, candles.issues) == (3, 900, ())


@pytest.mark.parametrize(
    "times",
    [
        ["2024-01-01 00:00", "2024-01-01 00:15", "2024-01-01 00:30"],
        ["2024-01-01T00:00:00Z", "2024-01-01T00:15:00Z", "2024-01-01T00:30:00Z"],
        ["2024-01-01 02:00:00+02:00", "2024-01-01 02:15:00+02:00", "2024-01-01 02:30:00+02:00"],
        ["01.01.2024 00:00:00.000", "01.01.2024 00:15:00.000", "01.01.2024 00:30:00.000"],
        ["1/1/2024 00:00", "1/1/2024 00:15", "1/1/2024 00:30"],
        ["20240101 000000", "20240101 001500", "20240101 003000"],
        ["1704067200", "1704068100", "1704069000"],
        ["1704067200000", "1704068100000", "1704069000000"],
        ["1704067200000000", "1704068100000000", "1704069000000000"],
        ["1704067200000000000", "1704068100000000000", "1704069000000000000"],
    ],
)
def test_the_usual_times_are_read_as_utc(tmp_path: Path, times: list[str]) -> None:
    candles = load_candles(file_of(tmp_path, "time,open,high,low,close,volume", times))
    assert [bar.time.isoformat() for bar in candles] == TIMES


def test_the_whole_column_decides_whether_slashed_dates_have_the_day_first(tmp_path: Path) -> None:
    day_first = ["30/01/2024", "31/01/2024", "01/02/2024"]
    candles = load_candles(file_of(tmp_path, "date,open,high,low,close,volume", day_first))
    assert [bar.time.day for bar in candles] == [30, 31, 1]
    month_first = ["01/30/2024", "01/31/2024", "02/01/2024"]
    candles = load_candles(file_of(tmp_path, "date,open,high,low,close,volume", month_first))
    assert [bar.time.month for bar in candles] == [1, 1, 2]
    unclear = ["01/02/2024", "02/02/2024", "03/02/2024"]
    file = file_of(tmp_path, "date,open,high,low,close,volume", unclear)
    with pytest.raises(MarketDataError, match=r"2024-02-01 \(day-first\) or 2024-01-02 \(month-first\)"):
        load_candles(file)
    assert [bar.time.month for bar in load_candles(file, dates="month-first")] == [1, 2, 3]
    assert [bar.time.month for bar in load_candles(file, dates="day-first")] == [2, 2, 2]


def test_date_and_time_may_stand_apart_and_semicolons_come_with_decimal_commas(tmp_path: Path) -> None:
    text = "Date;Time;Open;High;Low;Close\n2024.01.01;00:00;1.000,5;2.000,5;500,5;1.500,5\n"
    for date in ("2024.01.01", "01.01.2024", "2024-01-01"):
        bar = load_candles(write(tmp_path, text.replace("2024.01.01", date)))[0]
        assert (bar.open, bar.time.isoformat()) == (1000.5, "2024-01-01T00:00:00+00:00")


def test_a_binance_dump_without_a_header_is_read(tmp_path: Path) -> None:
    rows = [f"{1704067200000 + 900000 * n},1.0,2.0,0.5,1.5,10,{n},0,5,1,1,0" for n in range(3)]
    assert len(load_candles(write(tmp_path, "\n".join(rows)))) == 3


def test_bad_rows_are_dropped_and_reported_with_their_line(tmp_path: Path) -> None:
    good = [f"2024-01-01 {hour:02d}:00,1,2,0.5,1.5,9" for hour in range(12)]
    bad = ["2024-01-02 00:00,nan,2,1,1,1", "never,1,2,0.5,1,1", "2024-01-02 02:00,1,2,-0.5,1,1",
           "2024-01-02 03:00,1,,0.5,1,1",
           "2024-01-02 04:00,1,0.9,0.95,1,1", "2024-01-02 05:00,5,2,1,1,1", "2024-01-02 06:00,1"]  # fmt: skip
    candles = load_candles(write(tmp_path, "\n".join(["time,open,high,low,close,volume", *good, *bad])))
    assert len(candles) == 12
    assert {(issue.line, issue.kind) for issue in candles.issues if issue.kind != "zone"} == {
        (14, "not_a_number"), (15, "bad_time"), (16, "not_positive"), (17, "not_a_number"), (18, "high_below_low"),
        (19, "outside_range"), (20, "cut_line"),
    }  # fmt: skip
    assert {issue.action for issue in candles.issues if issue.kind != "zone"} == {"dropped"}


def test_unsorted_rows_are_sorted_and_of_equal_times_the_last_wins(tmp_path: Path) -> None:
    rows = ["2024-01-01 00:15,1,2,0.5,1.5,1", "2024-01-01 00:00,1,2,0.5,1.5,2", "2024-01-01 00:30,1,2,0.5,1.5,3",
            "2024-01-01 00:30,1,2,0.5,1.9,4"]  # fmt: skip
    candles = load_candles(write(tmp_path, "\n".join(["time,open,high,low,close,volume", *rows])))
    assert [(bar.time.minute, bar.volume) for bar in candles] == [(0, 2), (15, 1), (30, 4)]
    assert {(issue.kind, issue.line) for issue in candles.issues if issue.kind != "zone"} == {
        ("unsorted", 3),
        ("duplicate_time", 4),
    }


def test_gaps_stay_gaps_and_are_one_issue(tmp_path: Path) -> None:
    times = [f"2024-01-0{day} {hour:02d}:00" for day in (1, 2, 4) for hour in range(24)]
    rows = [f"{time},1,2,0.5,1.5,1" for time in times]
    candles = load_candles(write(tmp_path, "\n".join(["time,open,high,low,close,volume", *rows])))
    assert (len(candles), candles.interval_s, dict(candles.issue_counts)) == (72, 3600, {"zone": 1, "gaps": 1})
    assert "25 hours" in candles.issues[1].detail


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("time,open,high,low\n1704067200,1,2,0.5\n", "lacks close"),
        ("hello world\n", "no header"),
        ("time,open,high,low,close\nx,1,2,0.5,1\ny,1,2,0.5,1\n", "0 of 2 rows"),
        ("time,open,high,low,close\n", "0 of 0 rows"),
    ],
)
def test_a_file_without_usable_prices_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(MarketDataError, match=message) as raised:
        load_candles(path)
    assert "prices.csv" in str(raised.value)


def test_a_path_that_is_no_text_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"PK\x03\x04\x00\x00")
    messages = {
        ".": r"^[^:]* is a folder: name a file of prices in it\.$",
        "none": "does not exist",
        "b.csv": "not a text",
    }
    for name, message in messages.items():
        with pytest.raises(MarketDataError, match=message):
            load_candles(tmp_path / name)


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))))
@example(b"[\x81")
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused_with_a_market_data_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(data)
    with contextlib.suppress(MarketDataError):
        load_candles(path)


@pytest.mark.skipif(not BITCOIN.exists(), reason="the trial data beside the project is not here")
def test_a_year_of_bitcoin_is_read_whole() -> None:
    candles = load_candles(BITCOIN)
    assert (len(candles), candles.interval_s, dict(candles.issue_counts)) == (31_066, 900, {"zone": 1, "gaps": 2})


@pytest.mark.parametrize(("symbol", "bars", "interval"), [("eur/usd", 6225, 3600), ("GOOGL", 2335, 86400)])
def test_the_installed_sample_is_read(symbol: str, bars: int, interval: int) -> None:
    candles = sample_candles(symbol)
    assert (len(candles), candles.interval_s) == (bars, interval)


def candles_of(closes: Sequence[float]) -> Candles:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return Candles(
        bars=tuple(candle(start + timedelta(hours=n), c, c * 1.01, c * 0.98, c, 10.0 + n) for n, c in enumerate(closes))
    )


CLOSES = [100 + 5 * math.sin(n / 3) + n * 0.1 for n in range(200)]


def test_indicators_are_what_their_formulas_say() -> None:
    market = snapshot(candles_of(CLOSES))
    assert market.sma_20 == pytest.approx(statistics.fmean(CLOSES[-20:]))
    assert market.rsi_14 == pytest.approx(_wilder_rsi(CLOSES, 14))
    assert market.change_24 == pytest.approx((CLOSES[-1] / CLOSES[-25] - 1) * 100)
    deviation = statistics.pstdev(CLOSES[-20:])
    low = statistics.fmean(CLOSES[-20:]) - 2 * deviation
    assert market.bollinger == pytest.approx((CLOSES[-1] - low) / (4 * deviation))
    assert market.atr_14 == pytest.approx(_wilder_atr(candles_of(CLOSES), 14))
    assert market.volume_ratio == pytest.approx(209 / statistics.fmean(range(190, 210)))


@given(
    st.lists(st.floats(0.5, 2), min_size=1, max_size=220),
    st.sampled_from([1e-6, 1, 40_000]),
)
@settings(max_examples=rounds(25, 3_000), deadline=None)
def test_indicators_are_those_of_ta_lib(factors: list[float], level: float) -> None:
    import numpy
    import talib

    candles = candles_of([level * factor for factor in factors])
    market = snapshot(candles)
    bars = candles.last(200)
    close, high, low = (numpy.array([getattr(bar, name) for bar in bars]) for name in ("close", "high", "low"))
    macd, signal, histogram = talib.MACD(close)
    expected = {
        "sma_20": talib.SMA(close, 20), "sma_50": talib.SMA(close, 50), "ema_12": talib.EMA(close, 12),
        "ema_26": talib.EMA(close, 26), "atr_14": talib.ATR(high, low, close, 14), "macd": macd,
        "macd_signal": signal, "macd_histogram": histogram, "rsi_14": talib.RSI(close, 14),
    }  # fmt: skip
    for name, values in expected.items():
        value = getattr(market, name)
        if math.isnan(values[-1]) or (name == "rsi_14" and len(set(close[-15:].tolist())) < 2):
            assert value is None, name
        else:
            assert value == pytest.approx(values[-1], rel=1e-6, abs=level * 1e-9), name


def _wilder_rsi(closes: Sequence[float], period: int) -> float:
    moves = [close - previous for previous, close in pairwise(closes)]
    gain = statistics.fmean(max(move, 0) for move in moves[:period])
    loss = statistics.fmean(max(-move, 0) for move in moves[:period])
    for move in moves[period:]:
        gain = (gain * (period - 1) + max(move, 0)) / period
        loss = (loss * (period - 1) + max(-move, 0)) / period
    return 100 * gain / (gain + loss)


def _wilder_atr(candles: Candles, period: int) -> float:
    ranges = [max(bar.high, previous.close) - min(bar.low, previous.close) for previous, bar in pairwise(candles)]
    value = statistics.fmean(ranges[:period])
    for size in ranges[period:]:
        value = (value * (period - 1) + size) / period
    return value


@pytest.mark.parametrize("closes", [[1.0], [1.0] * 300, [5.0, 6.0], [1e-9 * (n + 1) for n in range(100)], [1e9] * 40])
def test_few_flat_tiny_and_huge_prices_do_not_crash(closes: list[float]) -> None:
    market = snapshot(candles_of(closes))
    text = market.to_prompt()
    assert "nan" not in text
    assert "inf" not in text
    assert all(math.isfinite(value) for value in market.as_metadata().values() if isinstance(value, float))


def test_the_same_prices_give_the_same_prompt() -> None:
    assert snapshot(candles_of(CLOSES)).to_prompt() == snapshot(candles_of(CLOSES)).to_prompt()


def kraken(server: Server) -> Any:
    import ccxt

    client = ccxt.kraken({"enableRateLimit": False, "timeout": 5000})
    client.urls["api"] = dict.fromkeys(client.urls["api"], server.url)
    return client


PAIR = {
    "XXBTZUSD": {
        "altname": "XBTUSD", "wsname": "XBT/USD", "aclass_base": "currency", "base": "XXBT", "aclass_quote": "currency",
        "quote": "ZUSD", "pair_decimals": 1, "lot_decimals": 8, "cost_decimals": 5, "lot_multiplier": 1,
        "leverage_buy": [], "leverage_sell": [], "fees": [[0, 0.4]], "fees_maker": [[0, 0.25]],
        "ordermin": "0.0001", "costmin": "0.5", "tick_size": "0.1", "status": "online",
    }
}  # fmt: skip


def exchange(request: Received) -> Reply:
    import json
    import time

    if "AssetPairs" in request.path:
        result: Any = PAIR
    elif "Assets" in request.path:
        asset = {"aclass": "currency", "decimals": 10, "display_decimals": 5, "status": "enabled"}
        result = {"XXBT": {**asset, "altname": "XBT"}, "ZUSD": {**asset, "altname": "USD"}}
    else:
        now = int(time.time()) // 900 * 900
        rows = [[now - 900 * n, "100", "102", "99", "101", "100", "5", 3] for n in range(5, -1, -1)]
        result = {"XXBTZUSD": rows, "last": now}
    body = json.dumps({"error": [], "result": result}).encode()
    return Reply(body=body, headers={"content-type": "application/json"})


def test_live_candles_leave_out_the_open_candle() -> None:
    periods.wait_for_room(900, 10)  # the open candle is still open when it is left out
    with Server(exchange) as server:
        candles = live_candles("BTC-USD", "kraken", client=kraken(server))
    assert (len(candles), candles[0].close, candles.interval_s) == (5, 101.0, 900)
    assert candles.issue_counts["open_candle"] == 1


def test_an_unknown_exchange_or_market_or_no_answer_is_named() -> None:
    with pytest.raises(MarketDataError, match="Do you mean"):
        live_candles("BTC-USD", "binanc")
    with Server(exchange) as server:
        with pytest.raises(MarketDataError, match="Near it: BTC/USD"):
            live_candles("BTX-USD", "kraken", client=kraken(server))
        client = kraken(server)
    with pytest.raises(MarketDataError, match="does not answer"):
        live_candles("BTC-USD", "kraken", client=client)


@pytest.mark.parametrize(
    ("times", "first"),
    [
        ([f"{44_562 + day}" for day in range(12)], "2022-01-01 00:00:00"),
        ([f"{44_562.5 + minute / 1440:.10f}" for minute in range(12)], "2022-01-01 12:00:00"),
        ([f"{44_562 + hour / 24:.5f}".replace(".", ",") for hour in range(6, 18)], "2022-01-01 06:00:00"),
    ],
)
def test_excels_days_are_refused_with_the_way_to_convert_them(times: list[str], first: str, tmp_path: Path) -> None:
    path = tmp_path / "days.csv"
    path.write_text("time;open;high;low;close\n" + "".join(f"{time};100;101;99;100\n" for time in times))
    with pytest.raises(MarketDataError, match=f"days as Excel counts them, {first} .*origin='1899-12-30'"):
        load_candles(path)
    rows = [
        {"time": float(time.replace(",", ".")), "open": 100, "high": 101, "low": 99, "close": 100} for time in times
    ]
    with pytest.raises(MarketDataError, match="days as Excel counts them"):
        load_candles(rows)
