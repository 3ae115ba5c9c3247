"""Bars of months end with the month of their own zone, whether they state its name, offsets, or neither."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas
import polars
import pytest

from src.agents.market import closed_bars, load_candles
from src.agents.market_view import market_view

if TYPE_CHECKING:
    from pathlib import Path

# Each zone with the moments at which its March and its April of 2024 begin.
ZONES = {
    "Asia/Tokyo": ("2024-02-29T15:00", "2024-03-31T15:00"),
    "Europe/Berlin": ("2024-02-29T23:00", "2024-03-31T22:00"),
    "America/New_York": ("2024-03-01T05:00", "2024-04-01T04:00"),
    "Pacific/Auckland": ("2024-02-29T11:00", "2024-03-31T11:00"),
    "UTC": ("2024-03-01T00:00", "2024-04-01T00:00"),
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def months(zone: str, freq: str = "MS") -> Any:
    """Return the bars of April 2023 to March 2024 as a frame of pandas, as yfinance returns them."""
    begins = pandas.date_range("2023-04-01", periods=12, freq=freq, tz=zone, name="Date")
    return pandas.DataFrame({"Open": 1.0, "High": 2.0, "Low": 0.5, "Close": 1.5, "Volume": 10}, index=begins)


def sources(frame: Any, folder: Path) -> list[Any]:
    frame.to_csv(folder / "months.csv")  # offsets alone
    return [frame, polars.from_pandas(frame.reset_index()), folder / "months.csv"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("freq", ["MS", "ME"])
def test_a_month_is_open_until_its_end_in_its_zone(zone: str, freq: str, tmp_path: Path) -> None:
    begin, end = map(at, ZONES[zone])
    for source in sources(months(zone, freq), tmp_path):
        candles = load_candles(source)
        offset = timedelta(hours=1)  # offsets do not tell when clocks change
        named = not str(source).endswith(".csv")
        assert candles.timeframe == "1M"
        assert candles[-1].time == begin if named else abs(candles[-1].time - begin) <= offset
        for now, closed in ((begin + timedelta(days=30), 11), (end - timedelta(minutes=1), 11), (end + offset, 12)):
            assert len(closed_bars(candles, now)) == closed
        as_of = market_view("7203.T", candles, now=end + offset).as_of
        assert as_of == end if named else abs(as_of - end) <= offset


@pytest.mark.parametrize("zone", ["+09:00", "JST", "Asia/Tokyo"])
def test_months_of_dates_in_a_stated_zone(zone: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(
        "Date,Open,High,Low,Close\n" + "".join(f"2023-{month:02d}-01,1,2,1,1.5\n" for month in range(1, 13))
    )
    candles = load_candles(path, zone=zone)
    assert [len(closed_bars(candles, at(now))) for now in ("2023-12-30", "2023-12-31T14:59", "2023-12-31T15:00")] == [
        11,
        11,
        12,
    ]


def test_months_of_currencies_open_on_an_evening_in_new_york(tmp_path: Path) -> None:
    # TradingView's EURUSD by months: 17:00 in New York on the last day before, or on the first Sunday.
    stamps = ("2024-01-01T22", "2024-01-31T22", "2024-02-29T22", "2024-03-31T21", "2024-04-30T21")
    path = tmp_path / "prices.csv"
    path.write_text("time,open,high,low,close\n" + "".join(f"{stamp}:00:00Z,1,2,1,1.5\n" for stamp in stamps))
    candles = load_candles(path)
    for now, closed in (("2024-05-30T21:00", 4), ("2024-05-31T20:59", 4), ("2024-05-31T21:00", 5)):
        assert len(closed_bars(candles, at(now))) == closed


def test_days_in_a_frames_zone_have_as_many_hours_as_the_clock() -> None:
    index = pandas.date_range("2024-10-20", periods=15, freq="D", tz="America/New_York", name="Date")
    frame = pandas.DataFrame({"Open": 1.0, "High": 2.0, "Low": 0.5, "Close": 1.5}, index=index)
    candles = load_candles(frame)
    assert candles.reading is not None
    assert (candles.reading.zone, candles.reading.zone_source) == ("America/New_York", "as each row states")
    assert [len(closed_bars(candles, at(now))) for now in ("2024-11-04T04:30", "2024-11-04T05:00")] == [14, 15]
