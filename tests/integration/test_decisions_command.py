"""`moondev decisions`: from a decision to a report, as a user does it."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from src.cli.start import main
from src.observability import decision, observe_agent
from tests.commands import Screen, run_app

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2024, 5, 1, tzinfo=UTC)


def run(*words: object, **options: Any) -> Screen:
    return run_app(main, "decisions", *map(str, words), **options)


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """Write hourly prices that rise by one dollar an hour for ten days."""
    file = tmp_path / "BTC.csv"
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["time", "open", "high", "low", "close", "volume"])
        for hour in range(240):
            price = 100 + hour
            writer.writerow(
                [f"{START + timedelta(hours=hour):%Y-%m-%d %H:%M:%S}", price, price + 1, price, price + 1, 5]
            )
    return file


def decide(hours: int = 60) -> None:
    for hour in range(1, hours):
        with observe_agent("trend" if hour % 2 else "chance", trading_pair="BTC-USD"):
            action = "BUY" if hour % 2 else ("SELL" if hour % 4 else "NOTHING")
            decision(
                "BTC-USD", action, confidence=70, price=100 + hour, as_of=START + timedelta(hours=hour), horizon="24h"
            )


def test_from_decisions_to_a_report(prices: Path, tmp_path: Path) -> None:
    decide()
    resolved = run("resolve", "--csv", prices, "--json")
    assert json.loads(resolved.out) == {"resolved": 59, "changed": 59, "open": 0, "reasons": {}}
    assert "times without a zone are read as UTC (assumed: the file states none)" in resolved.err
    listed = json.loads(run("list", "--json", "-n", 2).out)
    outcome = listed[0]["outcomes"]["24h"]
    assert (outcome["entry"], outcome["exit"], outcome["correct"]) == (159.0, 183.0, True)
    assert outcome["net"] == 183 / 159 - 1 - 0.002
    assert listed[0]["status"] == "resolved"
    rows = {row["key"]: row for row in json.loads(run("report", "--by", "agent", "--json").out)["rows"]}
    assert (rows["trend"]["n"], rows["trend"]["hit_rate"]) == (30, 1.0)
    assert (rows["chance"]["hit_rate"], rows["chance"]["nothing"]["n"]) == (0.0, 14)
    assert rows["trend"]["verdict"] == "not enough"
    screen = run("report", "--by", "agent", "--html", tmp_path / "r.html", "--md", tmp_path / "r.md", width=80)
    assert "not enough" in screen.out
    assert max(map(len, screen.out.splitlines())) <= 80
    assert "<td>trend</td>" in (tmp_path / "r.html").read_text()
    assert "| trend |" in (tmp_path / "r.md").read_text()


def test_nothing_is_said_where_there_is_nothing() -> None:
    assert json.loads(run("list", "--json").out) == []
    assert "There are no decisions yet" in run("list").err
    assert run("show", "abc").code == 2
    assert json.loads(run("report", "--json").out)["total"]["n"] == 0


def test_one_decision_shows_its_outcomes(prices: Path) -> None:
    decide(3)
    run("resolve", "--csv", prices)
    assert "24h: 102 to 126 (horizon), gross -23.53%, net -23.73%, by BTC.csv" in run("show", "last").out
    data = json.loads(run("show", "last", "--json").out)
    assert data["outcomes"]["24h"]["exit_reason"] == "horizon"
    assert "24h: 102 to 126" in run("show", data["id"][:10]).out


def test_bad_options_say_what_to_do(prices: Path, tmp_path: Path) -> None:
    assert "Name one source of prices" in run("resolve").err
    assert "Name one source of prices" in run("resolve", "--csv", prices, "--live", "binance").err
    assert "'soon' is no horizon" in run("resolve", "--csv", prices, "--horizon", "soon").err
    assert "--by is 'x'" in run("report", "--by", "x").err or run("report", "--by", "x").code == 0
    assert run("resolve", "--csv", tmp_path / "no.csv").code == 2


def test_the_regime_of_a_decision_is_told_by_prices(prices: Path) -> None:
    decide(5)
    run("resolve", "--csv", prices)
    rows = json.loads(run("report", "--by", "regime", "--csv", prices, "--json").out)["rows"]
    assert [row["key"] for row in rows] == ["unknown"]  # ten days are too few
    assert run("report", "--by", "regime").code == 2


def test_a_hostile_text_in_a_decision_stays_text(prices: Path, tmp_path: Path) -> None:
    with observe_agent("<script>alert(1)</script>\x1b[31m", trading_pair="BTC-USD"):
        decision("BTC-USD", "BUY", price=101, as_of=START + timedelta(hours=1))
    run("resolve", "--csv", prices)
    screen = run("report", "--by", "agent", "--html", tmp_path / "r.html")
    assert "\x1b[31m" not in screen.out
    assert "<script>" not in (tmp_path / "r.html").read_text()
