"""A column means what all of its cells allow; what leaves two readings is refused, and nothing is changed unsaid."""

from __future__ import annotations

import gzip
import zipfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from src.agents.market import Candles, MarketDataError, load_candles

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "date,open,high,low,close,volume"


def write(folder: Path, text: str, name: str = "prices.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def read(folder: Path, text: str, **options: str) -> Candles:
    return load_candles(write(folder, text), **options)


def prices(*rows: str, delimiter: str = ";", header: str = HEADER) -> str:
    """Return a file with a date for each row of prices."""
    lines = [f"2024-01-{day:02d}{delimiter}{row}" for day, row in enumerate(rows, start=1)]
    return "\n".join([header.replace(",", delimiter), *lines]) + "\n"


def times(*stamps: str, header: str = HEADER) -> str:
    """Return a file with a row of prices for each time."""
    return "\n".join([header, *(f"{stamp},1,2,0.5,1.5,{place}" for place, stamp in enumerate(stamps, start=1))]) + "\n"


def shown(candles: Candles) -> list[str]:
    return [bar.time.isoformat().replace("+00:00", "") for bar in candles]


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


# Times


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["20240102093000", "20240102094500"], ["2024-01-02T09:30:00", "2024-01-02T09:45:00"]),
        (["202401020930", "202401020945"], ["2024-01-02T09:30:00", "2024-01-02T09:45:00"]),
        (["2024010209", "2024010210"], ["2024-01-02T09:00:00", "2024-01-02T10:00:00"]),
        (["20240102", "20240103"], ["2024-01-02T00:00:00", "2024-01-03T00:00:00"]),
        (["20240102T093000", "20240102T094500"], ["2024-01-02T09:30:00", "2024-01-02T09:45:00"]),
        (["20240102 09:30", "20240102 09:45"], ["2024-01-02T09:30:00", "2024-01-02T09:45:00"]),
        (["20240102093000500", "20240102094500500"], ["2024-01-02T09:30:00.500000", "2024-01-02T09:45:00.500000"]),
        (["2024-01-02 9:00", "2024-01-02 10:00"], ["2024-01-02T09:00:00", "2024-01-02T10:00:00"]),
        (["2024-1-2 9:00", "2024-1-12 10:00"], ["2024-01-02T09:00:00", "2024-01-12T10:00:00"]),
        (["2024-01-02 9:00 AM", "2024-01-02 12:30 PM"], ["2024-01-02T09:00:00", "2024-01-02T12:30:00"]),
        (["1/22/2024 12:00:00 AM", "1/22/2024 1:00:00 PM"], ["2024-01-22T00:00:00", "2024-01-22T13:00:00"]),
        (["1/22/2024 9:30\u202fam", "1/22/2024 1:00\u202fp.m."], ["2024-01-22T09:30:00", "2024-01-22T13:00:00"]),
        (["2017-07-01 11-AM", "2017-07-01 12-PM"], ["2017-07-01T11:00:00", "2017-07-01T12:00:00"]),
        (["Jan 02 2024", "Jan 03 2024"], ["2024-01-02T00:00:00", "2024-01-03T00:00:00"]),
        (["02-Jan-2024", "03-Jan-2024"], ["2024-01-02T00:00:00", "2024-01-03T00:00:00"]),
        (["2 January 2024 09:30", "2 January 2024 09:45"], ["2024-01-02T09:30:00", "2024-01-02T09:45:00"]),
        (["Tue 02 Jan 2024", "Wed 03 Jan 2024"], ["2024-01-02T00:00:00", "2024-01-03T00:00:00"]),
        (["22/01/98", "23/01/98"], ["1998-01-22T00:00:00", "1998-01-23T00:00:00"]),
        (["98/12/31", "99/01/31"], ["1998-12-31T00:00:00", "1999-01-31T00:00:00"]),
        (["31.12.2023 23:00", "01.01.2024 00:00"], ["2023-12-31T23:00:00", "2024-01-01T00:00:00"]),
        (["2024/01/02", "2024/01/03"], ["2024-01-02T00:00:00", "2024-01-03T00:00:00"]),
        (["2024.01.02 09:30", "2024.01.02 09:45"], ["2024-01-02T09:30:00", "2024-01-02T09:45:00"]),
        (["1927-12-30", "1927-12-31"], ["1927-12-30T00:00:00", "1927-12-31T00:00:00"]),
        (
            ["2024-01-02T09:30:00.123456789Z", "2024-01-02T09:30:01Z"],
            ["2024-01-02T09:30:00.123456", "2024-01-02T09:30:01"],
        ),
        (["2024-01-02 09:30:00 -0500", "2024-01-02 09:45:00 -0500"], ["2024-01-02T14:30:00", "2024-01-02T14:45:00"]),
        (["2024-01-02 09:30 EST", "2024-07-02 09:30 EDT"], ["2024-01-02T14:30:00", "2024-07-02T13:30:00"]),
        (["2024-01-02 09:30:00+05:30", "2024-01-02 09:30:00-03:30"], ["2024-01-02T04:00:00", "2024-01-02T13:00:00"]),
        (["946684800", "946771200"], ["2000-01-01T00:00:00", "2000-01-02T00:00:00"]),
        (["946684800000", "946771200000"], ["2000-01-01T00:00:00", "2000-01-02T00:00:00"]),
        (["1711010100000", "1711010160000"], ["2024-03-21T08:35:00", "2024-03-21T08:36:00"]),
        (["1704067200.5", "1704067201.25"], ["2024-01-01T00:00:00.500000", "2024-01-01T00:00:01.250000"]),
    ],
)
def test_times_are_read_as_what_they_say(tmp_path: Path, cells: list[str], expected: list[str]) -> None:
    assert shown(read(tmp_path, times(*cells))) == expected


def test_the_same_times_in_columns_of_their_own(tmp_path: Path) -> None:
    for clocks in (("09:30", "10:00"), ("9:30", "10:00"), ("093000", "100000"), ("93000", "100000"), ("930", "1000"),
                   ("9:30 AM", "10:00 AM")):  # fmt: skip
        text = "date,time,open,high,low,close\n" + "".join(f"2024-01-02,{clock},1,2,0.5,1.5\n" for clock in clocks)
        assert shown(read(tmp_path, text)) == ["2024-01-02T09:30:00", "2024-01-02T10:00:00"], clocks
    hours = "date,hour,open,high,low,close\n2024-01-02,9,1,2,0.5,1.5\n2024-01-02,10,1,2,0.5,1.5\n"
    assert shown(read(tmp_path, hours)) == ["2024-01-02T09:00:00", "2024-01-02T10:00:00"]


@pytest.mark.parametrize(
    ("cells", "readings"),
    [
        (["03/04/2024", "04/04/2024", "05/04/2024"], "2024-04-03 .day-first. or 2024-03-04 .month-first."),
        (["03-04-2024", "04-04-2024"], "2024-04-03 .day-first. or 2024-03-04 .month-first."),
        (["03/04/24", "04/04/24"], "2024-04-03 .day-first. or 2024-03-04 .month-first. or 2003-04-24 .year-first."),
        (["22/01/24", "23/01/24"], "2024-01-22 .day-first. or 2022-01-24 .year-first."),
        (["31/01/2024", "01/31/2024"], "writes dates in two ways"),
        (["2024-01-02 09:00", "2024-01-02 10:00Z"], "in some rows .* and none in others"),
        (["2024-01-02 09:00 CST", "2024-01-02 10:00 CST"], "only 0 of 2 rows"),
        (["1.70407E+12", "1.70416E+12"], "only 0 of 2 rows"),
        (["45292", "45293"], "only 0 of 2 rows"),
    ],
)
def test_times_with_two_readings_or_none_are_refused(tmp_path: Path, cells: list[str], readings: str) -> None:
    with pytest.raises(MarketDataError, match=readings):
        read(tmp_path, times(*cells))


def test_dates_that_leave_two_readings_are_read_as_the_course_of_the_rows_or_the_caller_says(tmp_path: Path) -> None:
    course = read(tmp_path, times("11/01/2024", "12/01/2024", "01/02/2024", "02/02/2024"))
    assert shown(course)[0] == "2024-01-11T00:00:00"
    assert "day-first" in next(issue.detail for issue in course.issues if issue.kind == "date_order")
    start = datetime(2024, 2, 1, 23, 0, tzinfo=UTC)
    stamps = [(start + timedelta(minutes=15 * n)).strftime("%d/%m/%Y %H:%M") for n in range(8)]
    assert shown(read(tmp_path, times(*stamps)))[0] == "2024-02-01T23:00:00"
    ambiguous = times("03/04/24", "04/04/24")
    assert shown(read(tmp_path, ambiguous, dates="year-first")) == ["2003-04-24T00:00:00", "2004-04-24T00:00:00"]
    with pytest.raises(MarketDataError, match="day-first, month-first, year-first"):
        read(tmp_path, ambiguous, dates="us")


@pytest.mark.parametrize(
    ("header", "zone", "expected"),
    [
        ("time", None, "2024-01-02T09:30:00"),
        ("Time (EET)", None, "2024-01-02T07:30:00"),
        ("Time (UTC+3)", None, "2024-01-02T06:30:00"),
        ("timestamp_utc", None, "2024-01-02T09:30:00"),
        ("time", "America/New_York", "2024-01-02T14:30:00"),
        ("time", "-05:00", "2024-01-02T14:30:00"),
        ("time", "Asia/Kolkata", "2024-01-02T04:00:00"),
        ("Gmt time", "EST", "2024-01-02T14:30:00"),
    ],
)
def test_a_zone_is_the_callers_else_the_headers_else_utc(
    tmp_path: Path, header: str, zone: str | None, expected: str
) -> None:
    text = times("2024-01-02 09:30", "2024-01-02 09:45", header=f"{header},open,high,low,close,volume")
    candles = load_candles(write(tmp_path, text), zone=zone)
    assert shown(candles)[0] == expected
    assert ("zone" in candles.issue_counts) is (zone is None and header == "time")


def test_of_two_times_the_one_that_states_its_zone_is_read(tmp_path: Path) -> None:
    rows = "1704067200,2024-01-01 02:00,1,2,0.5,1.5\n1704070800,2024-01-01 03:00,1,2,0.5,1.5\n"
    for header in ("timestamp,datetime", "time,date", "t,timestamp", "unix,date"):
        candles = read(tmp_path, f"{header},open,high,low,close\n{rows}")
        assert shown(candles) == ["2024-01-01T00:00:00", "2024-01-01T01:00:00"], header


def test_a_zone_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match="Mars/Olympus"):
        read(tmp_path, times("2024-01-02 09:30"), zone="Mars/Olympus")


def local_series(start: str, count: int, minutes: int, zone_offset_changes: int) -> list[str]:
    """Return half-hours of New York's clock around a change of its clocks."""
    from zoneinfo import ZoneInfo

    first = datetime.fromisoformat(start).replace(tzinfo=UTC)
    zone = ZoneInfo("America/New_York")
    moments = [first + timedelta(minutes=minutes * n) for n in range(count)]
    assert len({moment.astimezone(zone).utcoffset() for moment in moments}) == zone_offset_changes + 1
    return [moment.astimezone(zone).strftime("%Y-%m-%d %H:%M") for moment in moments]


@pytest.mark.parametrize("start", ["2024-11-03T03:00", "2024-03-10T04:00"])
@pytest.mark.parametrize("is_newest_first", [False, True])
@pytest.mark.parametrize("minutes", [15, 60])
def test_an_hour_that_comes_twice_is_told_by_the_order_of_the_rows(
    tmp_path: Path, start: str, is_newest_first: bool, minutes: int
) -> None:
    cells = local_series(start, 12 * 60 // minutes, minutes, 1)
    rows = cells[::-1] if is_newest_first else cells
    candles = read(tmp_path, times(*rows), zone="America/New_York")
    first = datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert [bar.time for bar in candles] == [first + timedelta(minutes=minutes * n) for n in range(len(cells))]


def test_an_hour_that_comes_twice_but_stands_there_once_is_left_out_and_said(tmp_path: Path) -> None:
    cells = ["2024-11-03 00:00", "2024-11-03 01:00", "2024-11-03 02:00", "2024-11-03 03:00"]
    candles = read(tmp_path, times(*cells), zone="America/New_York")
    assert (len(candles), candles.issue_counts["ambiguous_time"]) == (3, 1)
    candles = read(tmp_path, times(*cells[2:], "2024-03-10 02:30", "2024-03-10 03:30"), zone="America/New_York")
    assert (len(candles), candles.issue_counts["missing_time"]) == (3, 1)


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
