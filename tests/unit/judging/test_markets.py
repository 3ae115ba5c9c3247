"""A back-test of several markets: whose file is whose, one allowance, and the deciders by all of them."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from src.cli.markets import files_of
from src.cli.start import main
from tests.commands import run_app

START = datetime(2024, 5, 1, tzinfo=UTC)


def prices(file: Path, step: int) -> Path:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["time", "open", "high", "low", "close", "volume"])
        for hour in range(240):
            price = 1000 + step * hour
            stamp = f"{START + timedelta(hours=hour):%Y-%m-%d %H:%M:%S}"
            writer.writerow([stamp, price, price + 3, price - 3, price + step, 5])
    return file


@pytest.mark.parametrize(
    ("symbols", "csv_options", "files"),
    [
        ("BTC-USD", ["a.csv"], {"BTC-USD": "a.csv"}),
        ("BTC-USD", ["BTC-USD=a.csv"], {"BTC-USD": "a.csv"}),
        ("BTC-USD", ["run=3.csv"], {"BTC-USD": "run=3.csv"}),
        ("A,B", ["B=b.csv", "A=x=y.csv"], {"A": "x=y.csv", "B": "b.csv"}),
        ("A, B", ["prices/{symbol}.csv"], {"A": "prices/A.csv", "B": "prices/B.csv"}),
    ],
)
def test_files_are_named_by_their_market(symbols: str, csv_options: list[str], files: dict[str, str]) -> None:
    assert files_of(symbols, csv_options) == {name: Path(file) for name, file in files.items()}


@pytest.mark.parametrize(
    ("symbols", "csv_options", "reason"),
    [
        ("A,B", ["a.csv", "b.csv"], "say whose they are, as --csv A=a.csv"),
        ("A,B", ["A=a.csv"], "B has no prices: give --csv B=FILE"),
        ("A,B", ["A=a.csv", "A=b.csv", "B=b.csv"], "two files of A"),
        ("A,B", ["A=a.csv", "C=c.csv"], "of a market that was not named: A, B"),
        ("A,B", ["A=a.csv", "B="], "--csv B= names no file"),
        ("A,,B", ["{symbol}.csv"], "names no market at one of its commas"),
        ("A,A", ["{symbol}.csv"], "A is named twice"),
        ("A", ["a.csv", "b.csv"], "--csv names 2 files for A alone"),
    ],
)
def test_what_cannot_be_matched_says_why(symbols: str, csv_options: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        files_of(symbols, csv_options)


def test_several_markets_are_one_document_and_each_goes_on_by_itself(tmp_path: Path) -> None:
    words = [
        f"--csv=UP={prices(tmp_path / 'up.csv', 1)}", f"--csv=DOWN={prices(tmp_path / 'down.csv', -1)}",
        "--models", "rule:hold,rule:momentum", "--every", "12h",
    ]  # fmt: skip
    alone = json.loads(run_app(main, "backtest", "UP", words[0], *words[2:], "--json").out)
    both = json.loads(run_app(main, "backtest", "UP,DOWN", *words, "--json").out)
    up, down = both["by_symbol"]
    assert (up["run_id"], up["symbol"], down["symbol"]) == (alone["run_id"], "UP", "DOWN")
    assert both["symbol"] == "UP,DOWN"
    assert both["decisions"] == up["decisions"] + down["decisions"]
    hold = next(row for row in both["by_decider"] if row["decider"] == "rule:hold")
    assert hold["n"] == sum(
        row["n"] for item in (up, down) for row in item["by_decider"] if row["decider"] == "rule:hold"
    )
    assert hold["hit_rate"] == 0.5
    shown = run_app(main, "backtest", "UP,DOWN", *words, "--html", str(tmp_path / "r.html"), width=80)
    assert "All markets together" in shown.err
    assert max(map(len, shown.out.splitlines())) <= 80
    assert (tmp_path / "r-UP.html").exists()
    assert "DOWN" in (tmp_path / "r-DOWN.html").read_text()
