"""Frames of pandas, polars and pyarrow, files of columns and rows in memory give the same candles as CSV does."""

from __future__ import annotations

import csv
import json
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas
import polars
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest

from src.agents.market import Candle, Candles, MarketDataError, load_candles

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
BARS = [
    Candle(
        time=START + timedelta(minutes=15 * n),
        open=10.5 + n,
        high=12.25 + n,
        low=9.75 + n,
        close=11.5 + n,
        volume=100.0 * n,
    )
    for n in range(4)
]
COLUMNS: dict[str, list[Any]] = {
    "time": [bar.time for bar in BARS],
    "open": [bar.open for bar in BARS],
    "high": [bar.high for bar in BARS],
    "low": [bar.low for bar in BARS],
    "close": [bar.close for bar in BARS],
    "volume": [bar.volume for bar in BARS],
}
PANDAS = pandas.DataFrame(COLUMNS)
NAIVE = [time.replace(tzinfo=None) for time in COLUMNS["time"]]


def yfinance(*tickers: str, group_by: str = "column") -> Any:
    """Return a frame as yfinance.download gives it: two levels of columns, times as the index."""
    frame = PANDAS.rename(columns=str.capitalize).set_index("Time")
    frame.index = frame.index.tz_convert("America/New_York")
    frame.index.name = "Datetime"
    frames = {ticker: frame + place for place, ticker in enumerate(tickers)}
    both = pandas.concat(frames, axis=1, names=["Ticker", "Price"])
    return both if group_by == "ticker" else both.swaplevel(axis=1).sort_index(axis=1)


FRAMES: dict[str, Any] = {
    "pandas": PANDAS,
    "pandas, times as index": PANDAS.set_index("time"),
    "pandas, index without a name": PANDAS.set_index("time").rename_axis(None),
    "pandas, another zone": PANDAS.assign(time=PANDAS["time"].dt.tz_convert("Asia/Tokyo")),
    "pandas, no zone": PANDAS.assign(time=NAIVE),
    "pandas, text": PANDAS.astype({"open": str, "high": str, "low": str, "close": str}),
    "pandas, epoch": PANDAS.assign(time=[int(bar.time.timestamp() * 1000) for bar in BARS]),
    "pandas, epoch as float": PANDAS.assign(time=[float(bar.time.timestamp()) for bar in BARS]),
    "pandas, objects": PANDAS.astype(object),
    "pandas, newest first": PANDAS.iloc[::-1],
    "pandas, arrow columns": PANDAS.convert_dtypes(dtype_backend="pyarrow"),
    "pandas, by symbol and time": PANDAS.assign(symbol="ABC").set_index(["symbol", "time"]),
    "yfinance": yfinance("ABC"),
    "yfinance, by ticker": yfinance("ABC", group_by="ticker"),
    "polars": polars.DataFrame(COLUMNS),
    "polars, lazy": polars.LazyFrame(COLUMNS),
    "polars, no zone, nanoseconds": polars.DataFrame({**COLUMNS, "time": NAIVE}).cast({"time": polars.Datetime("ns")}),
    "polars, text": polars.DataFrame({**COLUMNS, "time": [bar.time.isoformat() for bar in BARS]}),
    "polars, decimal": polars.DataFrame(COLUMNS).cast({"open": polars.Decimal(20, 4)}),
    "pyarrow": pyarrow.table(COLUMNS),
    "dict of lists": {**COLUMNS, "time": [bar.time.isoformat() for bar in BARS]},
    "list of dicts": [{name: values[n] for name, values in COLUMNS.items()} for n in range(4)],
    "ccxt": [[int(b.time.timestamp() * 1000), b.open, b.high, b.low, b.close, b.volume] for b in BARS],
    "tuples": [(int(b.time.timestamp()), b.open, b.high, b.low, b.close, b.volume) for b in BARS],
    "candles": BARS,
}


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_gives_the_candles_in_it(kind: str) -> None:
    source = FRAMES[kind]
    candles = load_candles(source, symbol="ABC")
    assert list(candles) == BARS
    assert (candles.timeframe, candles.symbol) == ("15m", "ABC")


def test_a_frame_is_left_as_it_is() -> None:
    frame = yfinance("ABC", "DEF")
    before = frame.copy()
    load_candles(frame, symbol="ABC")
    pandas.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("group_by", ["column", "ticker"])
def test_of_several_tickers_the_asked_one_is_taken(group_by: str) -> None:
    frame = yfinance("ABC", "DEF", group_by=group_by)
    assert load_candles(frame, symbol="DEF")[0].close == 12.5
    for asked in (None, "XYZ"):
        with pytest.raises(MarketDataError, match=r"several sets of prices: .*\(ABC\).*\(DEF\)"):
            load_candles(frame, symbol=asked)
    with pytest.raises(MarketDataError, match="holds ABC, not XYZ"):
        load_candles(yfinance("ABC"), symbol="XYZ")


def test_a_long_frame_gives_the_asked_symbols_rows() -> None:
    long = pandas.concat([PANDAS.assign(ticker="ABC"), (PANDAS.assign(close=11.0)).assign(ticker="DEF")])
    for frame in (long, polars.from_dicts(long.to_dict("records")), pyarrow.Table.from_pandas(long)):
        assert [bar.close for bar in load_candles(frame, symbol="abc")] == [bar.close for bar in BARS]
        with pytest.raises(MarketDataError, match="ABC, DEF"):
            load_candles(frame)


@pytest.mark.parametrize(
    ("named", "asked", "is_same"),
    [
        ("AAPL.US", "AAPL", True),
        ("AAPL", "aapl.us", True),
        ("BRK-B.US", "BRK.B", True),
        ("SAP.DE", "SAP", False),  # in euros, where SAP in New York is in dollars
        ("SHOP.TO", "SHOP", False),
        ("ETH.BTC", "ETH", False),
    ],
)
def test_a_share_of_another_country_is_another_market(named: str, asked: str, is_same: bool) -> None:
    frame = pandas.DataFrame({"symbol": named, "time": pandas.date_range("2024-01-01", periods=3), "open": 1.0})
    frame = frame.assign(high=1.0, low=1.0, close=1.0)
    if is_same:
        assert load_candles(frame, symbol=asked).symbol == asked
    else:
        with pytest.raises(MarketDataError, match=f"holds {named}, not {asked}: ask for one of them"):
            load_candles(frame, symbol=asked)


def test_a_frame_has_the_same_checks_as_a_file() -> None:
    bad = PANDAS.assign(close=[11.5, float("nan"), -1.0, 14.5])
    candles = load_candles(bad)
    assert (len(candles), candles.issue_counts["not_a_number"], candles.issue_counts["not_positive"]) == (2, 1, 1)
    assert load_candles(PANDAS.assign(volume=[None, 1.0, 2.0, 3.0]))[0].volume is None
    naive = load_candles(PANDAS.assign(time=NAIVE), zone="America/New_York")
    assert naive[0].time == START + timedelta(hours=5)
    months = PANDAS.set_index(pandas.period_range("2024-01", periods=4, freq="M")).drop(columns="time")
    assert (load_candles(months).timeframe, load_candles(months)[1].time.month) == ("1M", 2)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (PANDAS.drop(columns="close"), "lacks close"),
        (PANDAS.drop(columns="time"), "lacks time"),
        (PANDAS.iloc[:0], "is empty"),
        (polars.DataFrame(), "is empty"),
        (PANDAS["close"], "is a single column: give a frame"),
        (polars.DataFrame(COLUMNS)["close"], "no data frame"),
        ([], "no bars"),
        ({}, "no bars"),
        ([1, 2, 3], "no bars"),
        (7, "cannot be read from a int"),
        (b"time,open", "cannot be read from a bytes"),
        (PANDAS.assign(open=COLUMNS["time"]), "holds times where numbers are needed"),
        ([BARS[0], [1704067200, 1, 2, 0.5, 1.5]], "Candle"),
    ],
)
def test_what_is_no_table_of_prices_is_refused_with_the_reason(source: Any, message: str) -> None:
    with pytest.raises(MarketDataError, match=message):
        load_candles(source)


def test_files_of_columns_are_read(tmp_path: Path) -> None:
    table = pyarrow.table(COLUMNS)
    pyarrow.parquet.write_table(table, tmp_path / "p.parquet")
    pyarrow.feather.write_feather(table, str(tmp_path / "p.feather"))
    PANDAS.set_index("time").to_parquet(tmp_path / "indexed.parquet")
    yfinance("ABC").to_parquet(tmp_path / "levels.parquet")
    yfinance("ABC").to_csv(tmp_path / "levels.csv")
    yfinance("ABC", group_by="ticker").to_csv(tmp_path / "by-ticker.csv")
    PANDAS.to_json(tmp_path / "records.json", orient="records", date_format="iso")
    PANDAS.set_index("time").to_json(tmp_path / "columns.json", date_format="iso")
    PANDAS.to_json(tmp_path / "split.json", orient="split", date_format="iso")
    PANDAS.to_json(tmp_path / "lines.json", orient="records", lines=True, date_format="iso")
    PANDAS.to_csv(tmp_path / "numbered.csv")
    (tmp_path / "ccxt.json").write_text(json.dumps(FRAMES["ccxt"]))
    files = sorted(tmp_path.iterdir())
    assert len(files) == 12
    for file in files:
        assert list(load_candles(file, symbol="ABC")) == BARS, file.name
    (tmp_path / "p.parquet").write_bytes((tmp_path / "p.parquet").read_bytes()[:-40])
    with pytest.raises(MarketDataError, match="cannot be read as columns"):
        load_candles(tmp_path / "p.parquet")


def test_bars_are_a_sequence_that_becomes_candles_where_it_is_looked_at() -> None:
    candles = load_candles(PANDAS)
    assert (candles[0], candles[-1], candles[1:3]) == (BARS[0], BARS[-1], tuple(BARS[1:3]))
    assert (candles.last(2), candles.last(0), candles.bars[::-1][0]) == (tuple(BARS[-2:]), (), BARS[-1])
    assert candles.bars == BARS
    assert candles.bars != BARS[:-1]
    assert candles == pickle.loads(pickle.dumps(candles))  # noqa: S301 - our own bytes
    assert BARS[2] in candles.bars
    with pytest.raises(IndexError):
        _ = candles[4]
    assert load_candles(candles) is candles
    assert isinstance(candles, Candles)


PROGRAM = """
import os, sys
import src.models, src.agents.trading_agent
from src.cli.app import app
try:
    app(["--help"])
except SystemExit:
    pass
heavy = {"numpy", "pyarrow", "narwhals", "pandas", "polars", "talib", "ccxt"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
from src.agents.market import load_candles
for name in sys.argv[1:]:
    load_candles(name)
assert not {"narwhals", "pandas", "polars"} & set(sys.modules)
child = os.fork() if hasattr(os, "fork") else -1
if child == 0:
    os._exit(len(load_candles(sys.argv[1])))
assert child < 0 or os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
"""


def test_nothing_is_loaded_before_it_is_needed_and_a_forked_child_reads_too(tmp_path: Path) -> None:
    PANDAS.to_csv(tmp_path / "plain.csv", index=False)
    PANDAS.assign(time=[f"{bar.time:%d.%m.%Y;%H:%M}" for bar in BARS]).to_csv(
        tmp_path / "apart.csv", sep=";", index=False, decimal=",", header=["date;hour", *list(COLUMNS)[1:]],
        quoting=csv.QUOTE_NONE, escapechar="~",
    )  # fmt: skip
    (tmp_path / "apart.csv").write_text((tmp_path / "apart.csv").read_text().replace("~", ""))
    (tmp_path / "odd.csv").write_text(
        "date,ticker,open,high,low,close,volume\n2024-01-02,A,$1,2,0.5,1.5,x\n2024-01-03,A,$1,2,0.5,1.5,1.5K\n"
    )
    files = [tmp_path / name for name in ("plain.csv", "apart.csv", "odd.csv")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *files], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
