"""A column means what all of its cells allow; what leaves two readings is refused, and nothing is changed unsaid."""

from __future__ import annotations

import gzip
import zipfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from src.agents.market import MarketDataError, load_candles
from tests.unit.agents.market.cells import HEADER, prices, read, times, write

if TYPE_CHECKING:
    from pathlib import Path

# Decimal signs


@pytest.mark.parametrize(
    ("row", "values"),
    [
        ("42150,5;42200,25;42100,5;42150,75;10,5", (42150.5, 42200.25, 42100.5, 42150.75, 10.5)),
        ("42.150,5;42.200,25;42.100,5;42.150,75;1.234", (42150.5, 42200.25, 42100.5, 42150.75, 1234)),
        ("42150.5;42200.25;42100.5;42150.75;1234", (42150.5, 42200.25, 42100.5, 42150.75, 1234)),
        ("42,150.5;42,200.25;42,100.5;42,150.75;1,234", (42150.5, 42200.25, 42100.5, 42150.75, 1234)),
        ("0.150;0.160;0.140;0.155;1000", (0.15, 0.16, 0.14, 0.155, 1000)),
        ("0,150;0,160;0,140;0,155;1000", (0.15, 0.16, 0.14, 0.155, 1000)),
        ("1.234.567;1.234.600;1.234.500;1.234.550;5", (1234567, 1234600, 1234500, 1234550, 5)),
        ("1,234,567;1,234,600;1,234,500;1,234,550;5", (1234567, 1234600, 1234500, 1234550, 5)),
        ("42'150.5;42'200.25;42'100.5;42'150.75;1'234", (42150.5, 42200.25, 42100.5, 42150.75, 1234)),
        (
            "42\u2019150.5;42\u2019200.25;42\u2019100.5;42\u2019150.75;1\u2019234",
            (42150.5, 42200.25, 42100.5, 42150.75, 1234),
        ),
        (
            "42\u202f150,5;42\u202f200,25;42\u00a0100,5;42\u2009150,75;1 234",
            (42150.5, 42200.25, 42100.5, 42150.75, 1234),
        ),
        ("1,23,456.5;1,24,456.5;1,22,456.5;1,23,456.5;1", (123456.5, 124456.5, 122456.5, 123456.5, 1)),
        ("$1.25;$1.50;$1.00;$1.25;1.5K", (1.25, 1.5, 1.0, 1.25, 1500)),
        ("1,25 €;1,50 €;1,00 €;1,25 €;3,4M", (1.25, 1.5, 1.0, 1.25, 3_400_000)),
        ("1.5e-7;2e-7;1E-7;1.7e-07;1e3", (1.5e-7, 2e-7, 1e-7, 1.7e-7, 1000)),
        ("100;110;90;105;7", (100, 110, 90, 105, 7)),
    ],
)
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_decimal_sign_is_the_one_that_all_numbers_agree_with(
    tmp_path: Path, row: str, values: tuple[float, ...], delimiter: str
) -> None:
    bar = read(tmp_path, prices(row.replace(";", delimiter), delimiter=delimiter))[0]
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == values


def test_quoted_numbers_with_commas_are_read_in_a_file_with_commas(tmp_path: Path) -> None:
    rows = ('"42,150.5","42,200.25","42,100.5","42,150.75","1,234"', '"999.5","1,000.5","998.5","999.75","12"')
    candles = read(tmp_path, prices(*rows, delimiter=","))
    assert [(bar.open, bar.volume) for bar in candles] == [(42150.5, 1234), (999.5, 12)]
    candles = read(tmp_path, prices('"42150,5","42200,25","42100,5","42150,75","10,5"', delimiter=","))
    assert (candles[0].open, candles[0].volume) == (42150.5, 10.5)


@pytest.mark.parametrize("row", ["42.150;42.200;42.100;42.150;7", "42,150;42,200;42,100;42,150;7", "4;5;3;4;1.500"])
def test_numbers_with_two_readings_are_refused_with_both(tmp_path: Path, row: str) -> None:
    text = prices(row, row)
    with pytest.raises(MarketDataError, match=r"which may be (42\.15 or 42150|1\.5 or 1500)") as raised:
        read(tmp_path, text)
    assert "--decimal" in str(raised.value)
    point, comma = (read(tmp_path, text, decimal=sign)[0] for sign in ("point", "comma"))
    assert {point.close, comma.close} in ({42.15, 42150.0}, {4.0})
    assert {point.volume, comma.volume} in ({7.0}, {1.5, 1500.0})


def test_one_cell_settles_what_all_others_leave_open(tmp_path: Path) -> None:
    rows = ["42.150;42.200;42.100;42.150;7"] * 500
    assert read(tmp_path, prices(*rows[:20], "42.150,5;42.200;42.100;42.150;7"))[0].close == 42150
    assert read(tmp_path, prices(*rows[:20], "42.1505;42.200;42.100;42.150;7"))[0].close == 42.15


@pytest.mark.parametrize(
    "rows",
    [
        ("1,5;2,5;0,5;1,5;9", "1.5;2.5;0.5;1.5;9"),
        ("1.4;1,500;1.3;1.4;9", "1.4;1.5;1.3;1.4;9"),
        ("42150.5;42200.5;42100.5;42150.5;9", "42150,5;42200,5;42100,5;42150,5;9"),
    ],
)
def test_a_file_with_both_signs_as_the_decimal_one_is_refused(tmp_path: Path, rows: tuple[str, ...]) -> None:
    with pytest.raises(MarketDataError, match="in one way"):
        read(tmp_path, prices(*rows))


def test_a_stated_sign_that_the_cells_contradict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match="no number with ','"):
        read(tmp_path, prices("42150.5;42200.5;42100.5;42150.5;9"), decimal="comma")
    with pytest.raises(MarketDataError, match="give point or comma"):
        read(tmp_path, prices("1;2;1;1;9"), decimal="dot")


def test_commas_in_numbers_that_are_not_quoted_are_refused_and_not_shifted(tmp_path: Path) -> None:
    text = HEADER + "\n2024-01-01,42,150.5,42,200.5,42,100.5,42,150.5,9\n"
    with pytest.raises(MarketDataError, match="10 cells where the header names 6"):
        read(tmp_path, text)
    mixed = times("2024-01-01", "2024-01-02", "2024-01-03") + "2024-01-04,1,200,2,0.5,1.5,9\n"
    candles = read(tmp_path, mixed)
    assert (len(candles), candles.issue_counts["long_row"]) == (3, 1)


# Symbols and sets of prices

SYMBOLS = "date,ticker,open,high,low,close,volume\n" + "".join(
    f"2024-01-0{day},{ticker},{price},{price + 2},{price - 1},{price + 1},5\n"
    for day in (1, 2, 3)
    for ticker, price in (("BTC-USD", 42000), ("ETH-USD", 2200))
)


@pytest.mark.parametrize("asked", ["ETH-USD", "eth/usd", "ETHUSD", "KRAKEN:ETHUSD"])
def test_of_several_symbols_the_asked_ones_rows_are_taken(tmp_path: Path, asked: str) -> None:
    candles = read(tmp_path, SYMBOLS, symbol=asked)
    assert [bar.close for bar in candles] == [2201.0] * 3


@pytest.mark.parametrize("asked", [None, "BTC-USDT", "SOL-USD", "BTC"])
def test_several_symbols_without_the_asked_one_are_refused_by_name(tmp_path: Path, asked: str | None) -> None:
    with pytest.raises(MarketDataError, match="BTC-USD, ETH-USD"):
        load_candles(write(tmp_path, SYMBOLS), symbol=asked)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SYMBOLS.replace("ETH-USD", "BTC-USD"), "come again with other prices"),
        (SYMBOLS.replace("ticker", "remark"), "come again with other prices"),
        (SYMBOLS.replace("ticker", "venue"), "several kinds in venue: BTC-USD, ETH-USD"),
        (
            SYMBOLS.replace("ticker", "interval").replace("BTC-USD", "1d").replace("ETH-USD", "1h"),
            "in timeframe: 1d, 1h",
        ),
        (
            "date,bid_open,bid_high,bid_low,bid_close,ask_open,ask_high,ask_low,ask_close\n2024-01-01,1,2,1,1,2,3,2,2\n",
            "several sets of prices: bid_open",
        ),
        (
            "date,open (USD),high (USD),low (USD),close (USD),open (CNY),high (CNY),low (CNY),close (CNY)\n"
            "2024-01-01,1,2,1,1,2,3,2,2\n",
            r"open \(CNY\)",
        ),
        ("date,open,high,low,close,close\n2024-01-01,1,2,1,1,2\n", "has close twice"),
        ("date,open,high,low,adj close\n2024-01-01,1,2,1,1\n", "adjusted for dividends"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MarketDataError, match=message):
        read(tmp_path, text)


def test_a_wide_file_gives_the_asked_symbols_columns(tmp_path: Path) -> None:
    text = "date,BTC_open,BTC_high,BTC_low,BTC_close,ETH_open,ETH_high,ETH_low,ETH_close\n2024-01-01,5,6,4,5,2,3,1,2\n"
    assert read(tmp_path, text, symbol="ETH")[0].close == 2
    with pytest.raises(MarketDataError, match="ETH_open"):
        read(tmp_path, text)


def test_the_traded_close_is_taken_and_two_volumes_are_named(tmp_path: Path) -> None:
    text = "date,open,high,low,close,adj close,Volume BTC,Volume USDT\n2024-01-01,5,6,4,5.5,5.1,10,55\n"
    candles = read(tmp_path, text)
    assert (candles[0].close, candles[0].volume) == (5.5, None)
    assert "Volume BTC, Volume USDT" in candles.issues[0].detail


# Rows


def test_rows_are_named_by_the_line_that_they_stand_in(tmp_path: Path) -> None:
    text = (
        "# made by hand\n\n" + HEADER + "\n2024-01-01,1,2,0.5,1.5,9\n\n# a remark, with, commas, in, it, too\n"
        '2024-01-02,1,2,0.5,"bad\ncell",9\n2024-01-03,1,2,0.5,1.5,9\n   \n,,,,,\n2024-01-04,1,2,0.5,0,9\n'
        "2024-01-05,1,2,0.5,1.5,9\nDate,open,high,low,close,volume\n2024-01-06,1,inf,0.5,1.5,9\n2024-01-07,1,2,0.5,1.5\n"
        "2024-01-08,1,2,0.5,1.5,9\n2024-01-09,1,2,0.5"
    )
    candles = read(tmp_path, text)
    assert [bar.time.day for bar in candles] == [1, 3, 5, 7, 8]
    dropped = {(issue.line, issue.kind) for issue in candles.issues if issue.action == "dropped"}
    assert dropped == {
        (7, "not_a_number"),
        (12, "not_positive"),
        (14, "bad_time"),
        (15, "not_a_number"),
        (18, "cut_line"),
    }
    assert candles.issue_counts["no_volume"] == 1


def test_a_last_number_that_is_cut_short_is_left_out(tmp_path: Path) -> None:
    rows = [f"2024-01-0{day},1.25,2.25,0.75,1.50" for day in range(1, 7)]
    header = "date,open,high,low,close"
    candles = read(tmp_path, "\n".join([header, *rows, "2024-01-07,1.25,2.25,0.75,1."]))
    assert (len(candles), candles.issue_counts["cut_line"]) == (6, 1)
    assert len(read(tmp_path, "\n".join([header, *rows, "2024-01-07,1.25,2.25,0.75,1.75"]))) == 7


def test_volumes_that_are_none_are_left_out_and_said(tmp_path: Path) -> None:
    text = prices("1,2,0.5,1.5,-", "1,2,0.5,1.5,-3", "1,2,0.5,1.5,inf", "1,2,0.5,1.5,4", delimiter=",")
    candles = read(tmp_path, text)
    assert [bar.volume for bar in candles] == [None, None, None, 4.0]
    assert (candles.issue_counts["no_volume"], candles.issue_counts["bad_volume"]) == (1, 2)


def test_two_timeframes_in_one_file_are_refused(tmp_path: Path) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    days = [start + timedelta(days=n) for n in range(40)]
    hours = [days[-1] + timedelta(hours=n) for n in range(1, 60)]
    with pytest.raises(MarketDataError, match="two timeframes"):
        read(tmp_path, times(*(f"{time:%Y-%m-%d %H:%M}" for time in [*days, *hours])))
    weeks = [start - timedelta(weeks=n) for n in range(60, 0, -1)]
    sessions = [day for day in days if day.weekday() < 5]
    with pytest.raises(MarketDataError, match="two timeframes"):
        read(tmp_path, times(*(f"{time:%Y-%m-%d}" for time in [*weeks, *sessions])))
    assert len(read(tmp_path, times(*(f"{time:%Y-%m-%d}" for time in sessions)))) == len(sessions)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_encodings_and_line_ends_are_read(tmp_path: Path, encoding: str) -> None:
    text = "date,open,high,low,close,volume,Größe\r\n2024-01-01,1,2,0.5,1.5,9,ü\r\n2024-01-02,1,2,0.5,1.5,9,ü\r\n"
    candles = load_candles(write(tmp_path, text, encoding=encoding))
    assert (len(candles), candles[1].close) == (2, 1.5)
    old_mac = text.replace("\r\n", "\r")
    assert len(load_candles(write(tmp_path, old_mac, encoding=encoding))) == 2


def test_a_letter_beyond_ascii_late_in_a_file_changes_nothing_else(tmp_path: Path) -> None:
    text = times(*(f"2024-01-01 {n // 60:02d}:{n % 60:02d}" for n in range(1_400))) + "# für später\n"
    assert len(load_candles(write(tmp_path, text * 1, encoding="cp1252"))) == 1_400


def test_packed_files_are_unpacked(tmp_path: Path) -> None:
    text = times("2024-01-01", "2024-01-02")
    packed = tmp_path / "prices.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert len(load_candles(packed)) == 2
    archive = tmp_path / "prices.zip"
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("prices.csv", text)
        members.writestr("remarks.txt", "nothing")
    assert len(load_candles(archive)) == 2
    with zipfile.ZipFile(archive, "a") as members:
        members.writestr("other.csv", text)
    with pytest.raises(MarketDataError, match=r"prices\.csv, other\.csv"):
        load_candles(archive)
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(MarketDataError, match="cannot be unpacked"):
        load_candles(packed)


def test_prices_in_two_currencies_in_one_column_are_refused(tmp_path: Path) -> None:
    rows = [
        f"2024-01-01T{hour:02}:00:00Z," + ",".join([f"{'$€'[hour % 2 == 0]}{100 + hour}"] * 4) for hour in range(12)
    ]
    file = tmp_path / "prices.csv"
    file.write_text("\n".join(["time,open,high,low,close", *rows]), encoding="utf-8")
    with pytest.raises(MarketDataError, match=r"open has \$101 and €100: prices in two currencies"):
        load_candles(file)


def test_a_time_of_a_frame_that_never_was_is_named() -> None:
    import pandas

    times = pandas.date_range("2024-03-09 20:00", periods=14, freq="h")
    frame = pandas.DataFrame(dict.fromkeys(("open", "high", "low", "close"), 100.0), index=times)
    (issue,) = [item for item in load_candles(frame, zone="America/New_York").issues if item.kind == "missing_time"]
    assert issue.detail == "'2024-03-10T02:00:00' never was, as clocks went forward in America/New_York"
