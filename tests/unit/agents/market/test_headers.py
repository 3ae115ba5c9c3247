"""A first line that names columns is never passed over: what it says is used, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.agents.market import MarketDataError, load_candles

if TYPE_CHECKING:
    from pathlib import Path

# Opens at 10 and closes at 11, or the other way round: the numbers alone do not tell.
DAYS = range(2, 14)
USUAL = "".join(f"2024-01-{day:02d},10,12,9,11,5\n" for day in DAYS)
TURNED = "".join(f"2024-01-{day:02d},11,12,9,10,5\n" for day in DAYS)
SPLIT = "".join(f"EURUSD,202401{day:02d},093000,10,12,9,11,5\n" for day in DAYS)


@pytest.mark.parametrize(
    "text",
    [
        "time,mid.o,mid.h,mid.l,mid.c,volume\n" + USUAL,  # OANDA's answers, flattened
        "time,mid.c,mid.h,mid.l,mid.o,volume\n" + TURNED,
        "# time,close,high,low,open,volume\n" + TURNED,  # numpy's savetxt
        "# made on Monday\n# time,open,high,low,close,volume\n" + USUAL,
        "# prices of a, b, c, d, e\n" + USUAL,
        "EURUSD, days\n" + USUAL,
        "日期,收盘,最高,最低,开盘,成交量\n" + TURNED,
        "Datum;Schluss;Hoch;Tief;Eröffnung;Volumen\n" + TURNED.replace(",", ";"),
        "<TICKER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n" + SPLIT,  # AmiBroker, Forexite
    ],
)
def test_names_tell_the_columns(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(text, encoding="utf-8")
    candles = load_candles(path)
    assert len(candles) == len(DAYS)
    assert {(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in candles} == {(10, 12, 9, 11, 5)}


@pytest.mark.parametrize("names", ["time,p1,p2,p3,p4,p5", "t,aaa,bbb,ccc,ddd,eee", "wann,zu,hoch,tief,auf,menge"])
def test_names_that_are_not_known_are_refused(names: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(f"{names}\n{TURNED}")
    with pytest.raises(MarketDataError, match=r"prices\.csv lacks .*open.*its header has .*Rename a column"):
        load_candles(path)


def test_two_sets_of_lettered_prices_are_refused_with_both(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    rows = "".join(f"2024-01-{day:02d},10,12,9,11,10.1,12.1,9.1,11.1\n" for day in DAYS)
    path.write_text("time,bid.o,bid.h,bid.l,bid.c,ask.o,ask.h,ask.l,ask.c\n" + rows)
    with pytest.raises(MarketDataError, match=r"several sets of prices: bid\.o, .*; ask\.o"):
        load_candles(path)


def test_rows_that_stand_before_the_first_one_of_prices_are_said(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("2024-01-32,10,12,9,11,5\n2024-01-1,?,?,?,?,?\n" + USUAL)
    candles = load_candles(path)
    assert (len(candles), candles.issue_counts["before_rows"]) == (len(DAYS), 2)
