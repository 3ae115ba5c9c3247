"""Funding rates are those of the market, at the time when they were settled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from src.agents.market import Candle, Candles
from src.judging.paper.funding import FundingError, read_funding
from src.judging.paper.markets import market_of, markets_by_symbol

if TYPE_CHECKING:
    from pathlib import Path


def ns(hour: int) -> int:
    return int(datetime(2020, 9, 15, hour, tzinfo=UTC).timestamp()) * 1_000_000_000


def file_of(folder: Path, text: str) -> Path:
    path = folder / "funding.csv"
    path.write_text(text)
    return path


def quiet(usual: str, other: str) -> str:
    """Return rates of ten days, one in six of them another one."""
    return "".join(f"{1600128000000 + n * 28_800_000},{usual if n % 6 else other}\n" for n in range(30))


def test_a_settlement_is_at_its_hour_though_the_exchange_states_milliseconds_after_it(tmp_path: Path) -> None:
    # As Binance gave them: 2020-09-15 08:00:00.010, 16:00:00.003, and on the dot.
    text = "fundingTime,fundingRate\n1600156800010,0.0001\n1600185600003,0.0002\n1600128000000,0.0004\n"
    rates = read_funding(file_of(tmp_path, text))
    assert rates.paid_by_long(ns(0), ns(8)) == pytest.approx(0.0001)  # who holds at 08:00 pays that of 08:00
    assert rates.paid_by_long(ns(8), ns(16)) == pytest.approx(0.0002)  # who buys at 08:00 does not
    with pytest.raises(FundingError, match="its time stands in the file twice"):
        read_funding(file_of(tmp_path, "time,rate\n1600156800010,0.0001\n1600156800000,0.0001\n"))


def test_rates_of_another_market_are_refused(tmp_path: Path) -> None:
    rates = read_funding(file_of(tmp_path, "timestamp,coin,funding_rate\n2020-09-15T08:00:00Z,ETH,0.0001\n"))
    now = datetime(2020, 9, 16, tzinfo=UTC)
    bars = [Candle(time=now.replace(day=15, hour=hour), open=1, high=1, low=1, close=1) for hour in range(9)]
    for symbol in ("ETH-USD", "ETHUSDT", "ETH/USDC:USDC"):
        market = market_of(Candles(bars=bars, symbol=symbol), now, funding=rates)
        assert markets_by_symbol([market], [symbol], [None])
    market = market_of(Candles(bars=bars), now, funding=rates)
    with pytest.raises(ValueError, match="The funding rates are of ETH, not of BTC-USD"):
        markets_by_symbol([market], ["BTC-USD"], [None])


@pytest.mark.parametrize(
    "text",
    [
        "time,funding_rate\n1600128000000,0.0001\n1600156800000,-0.0002\n",
        "Time,Contracts,Funding Interval,Funding Rate\n2020-09-15T00:00:00Z,BTCUSDT Perpetual,8h,0.0100%\n"
        "2020-09-15T08:00:00Z,BTCUSDT Perpetual,8h,-0.0200%\n",
        "time,funding_rate_pct\n1600128000000,0.01\n1600156800000,-0.02\n",
        "time,Funding Rate (%)\n1600128000000,0.01\n1600156800000,-0.02\n",
    ],
)
def test_rates_are_fractions_or_state_that_they_are_percent(text: str, tmp_path: Path) -> None:
    assert read_funding(file_of(tmp_path, text)).rate.tolist() == pytest.approx([0.0001, -0.0002])


def test_high_rates_beside_the_usual_one_are_fractions(tmp_path: Path) -> None:
    rates = read_funding(file_of(tmp_path, "time,funding_rate\n" + quiet("0.0007", "0.0001"))).rate
    assert (rates.max(), rates.min()) == (0.0007, 0.0001)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("time,funding_rate\n1600128000000,0.01\n1600156800000,-0.02\n", r"such as 0\.02, may be fractions .* percent"),
        ("time,funding_rate\n1600128000000,0.00125\n1600131600000,0.00125\n", r"may be fractions .* percent"),
        # A low rate in percent, where 0.01% is charged every now and then, is a high one as a fraction.
        ("time,funding_rate\n" + quiet("0.0004", "0.01"), r"such as 0\.0004, may be fractions .* percent"),
        ("time,funding_rate\n" + quiet("0.0007", "0.0003"), r"such as 0\.0007, may be fractions .* percent"),
        ("time,funding_rate\n" + quiet("0.0002", "0.03"), r"such as 0\.0002, may be fractions .* percent"),
        ("time,funding_rate\n1600128000000,0.01%\n1600156800000,-0.02\n", "some rates are in percent, others are not"),
    ],
)
def test_rates_that_may_be_fractions_or_percent_are_refused(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(FundingError, match=why):
        read_funding(file_of(tmp_path, text))
