"""Prices that name no symbol judge nothing that they may not be of."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from src.cli.start import main
from src.observability import decision
from tests.commands import run_app

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """Hourly prices that begin with the decisions, at 100, and rise by 1 an hour; the file names no symbol."""
    rows = [
        f"{BEGIN + timedelta(hours=i):%Y-%m-%dT%H:%M:%SZ},{100 + i},{101 + i},{99 + i},{101 + i}" for i in range(30)
    ]
    file = tmp_path / "later-prices.csv"
    file.write_text("\n".join(["time,open,high,low,close", *rows]))
    return file


def resolved(prices: Path, *options: str) -> Any:
    return json.loads(run_app(main, "decisions", "resolve", "--csv", str(prices), "--json", *options).out)


def judged() -> dict[str, bool]:
    rows = json.loads(run_app(main, "decisions", "list", "--json").out)
    return {row["symbol"]: bool(row["outcomes"]) for row in rows}


def test_later_prices_of_another_market_judge_nothing(prices: Path) -> None:
    decision("BTC-USD", "BUY", price=100.5, as_of=BEGIN)
    decision("ETH-USD", "BUY", price=3_000.0, as_of=BEGIN)
    assert resolved(prices)["resolved"] == 1
    assert judged() == {"BTC-USD": True, "ETH-USD": False}


def test_prices_that_fit_decisions_on_several_symbols_are_refused(prices: Path) -> None:
    decision("USDC-USD", "BUY", price=100.0, as_of=BEGIN)
    decision("USDT-USD", "SELL", price=100.0, as_of=BEGIN)
    result = run_app(main, "decisions", "resolve", "--csv", str(prices))
    assert result.code == 2
    assert "name no symbol, and fit decisions on USDC-USD, USDT-USD" in result.err
    assert judged() == {"USDC-USD": False, "USDT-USD": False}
    assert resolved(prices, "--symbol", "USDT-USD")["resolved"] == 1
    assert judged() == {"USDC-USD": False, "USDT-USD": True}


def test_spellings_of_one_symbol_are_one(prices: Path) -> None:
    decision("BTC-USD", "BUY", price=100.0, as_of=BEGIN)
    decision("BTC/USD", "SELL", price=100.0, as_of=BEGIN)
    assert resolved(prices)["resolved"] == 2
