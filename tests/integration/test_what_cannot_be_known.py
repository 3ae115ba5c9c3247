"""What cannot be known is refused on the command line: prices of the future, and names that look like others."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from src.agents.market import sample_candles
from src.agents.trading_agent import TradingAgent
from src.cli.start import main
from src.observability import decision
from tests.commands import run_app

if TYPE_CHECKING:
    from pathlib import Path

BITCOIN = "\u0412\u0422\u0421-USD"  # in Cyrillic letters
IN_2036 = datetime(2036, 1, 1, tzinfo=UTC)


def written(folder: Path, first: datetime, bars: int = 100) -> Path:
    rows = [
        f"{first + timedelta(hours=place):%Y-%m-%dT%H:%M:%SZ},{100 + place},{101.5 + place},99,{101 + place},5"
        for place in range(bars)
    ]
    file = folder / "prices.csv"
    file.write_text("\n".join(["time,open,high,low,close,volume", *rows]))
    return file


def test_decisions_of_the_future_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    assert decision("BTC-USD", "BUY", as_of=IN_2036) is None
    assert "its time is 2036-01-01 00:00:00 UTC" in caplog.text
    with pytest.raises(ValueError, match="now is 2036-01-01 00:00:00 UTC"):
        TradingAgent(members=["local"]).decide("EURUSD", sample_candles("EURUSD"), now=IN_2036)
    assert decision("BTC-USD", "BUY", as_of=time.time() + 60) is not None  # clocks differ


def test_prices_of_the_future_judge_nothing(tmp_path: Path) -> None:
    file = str(written(tmp_path, IN_2036))
    assert decision("BTC-USD", "BUY", price=100.0, as_of=datetime(2024, 1, 1, tzinfo=UTC)) is not None
    shown = run_app(main, "decisions", "resolve", "--csv", file, "--symbol", "BTC-USD")
    assert (shown.code, "100 bars that open in the future, the last at 2036-01-05 03:00 UTC" in shown.err) == (2, True)
    tried = run_app(main, "backtest", "BTC-USD", "--csv", file, "--yes")
    assert (tried.code, "has no closed bar" in tried.err) == (2, True)


def test_a_bar_that_has_just_opened_judges_as_before(tmp_path: Path) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    file = str(written(tmp_path, hour - timedelta(hours=99)))
    assert decision("BTC-USD", "BUY", price=110.0, as_of=hour - timedelta(hours=90), horizon="24h") is not None
    assert "1 outcome is known" in run_app(main, "decisions", "resolve", "--csv", file, "--symbol", "BTC-USD").out


def test_names_that_look_like_others_are_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert decision(BITCOIN, "BUY", price=100.0) is None
    assert "CYRILLIC CAPITAL LETTER VE" in caplog.text
    file = str(written(tmp_path, datetime(2024, 1, 1, tzinfo=UTC)))
    for words in (
        ("trade", BITCOIN, "--models", "local", "--csv", file),
        ("backtest", BITCOIN, "--yes", "--csv", file),
        ("candles", file, "--symbol", BITCOIN),
    ):
        shown = run_app(main, *words)
        assert (shown.code, "CYRILLIC CAPITAL LETTER VE" in shown.err) == (2, True)


def test_what_a_report_is_asked_for_and_costs_are_checked_first(tmp_path: Path) -> None:
    file = str(written(tmp_path, datetime(2024, 1, 1, tzinfo=UTC)))
    shown = run_app(main, "decisions", "resolve", "--csv", file, "--fee-bps", "nan")
    assert (shown.code, "fee_bps is nan" in shown.err) == (2, True)
    shown = run_app(main, "decisions", "report", "--book", "lives")
    assert (shown.code, "give one of inside, after, live" in shown.err) == (2, True)
    assert decision("BTC-USD", "BUY", price=100.0) is not None
    assert "No decision fits these options." in run_app(main, "decisions", "report", "--environment", "lvie").err
