"""Times mean what all cells of their column allow; what leaves two readings is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from src.agents.market import MarketDataError, load_candles
from tests.unit.agents.market.cells import read, shown, times, write

if TYPE_CHECKING:
    from pathlib import Path


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
    days = ("09/01/2024", "10/01/2024", "11/01/2024", "12/01/2024", "01/02/2024", "02/02/2024")
    course = read(tmp_path, times(*days))
    assert shown(course)[0] == "2024-01-09T00:00:00"
    with pytest.raises(MarketDataError, match=r"02/08/03 may be 2003-08-02 \(day-first\) or 2002-08-03 \(year-first\)"):
        read(tmp_path, times("02/08/03", "09/08/03", "26/07/03"))  # in no order; as years first they run one way
    with pytest.raises(MarketDataError, match="may be"):
        read(tmp_path, times("01/06/07 20:00", "08/06/07 20:00", "25/05/07 20:00"))
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
