"""`moondev trade --paper` and `moondev paper`, as a user does it in a week."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from src.cli.start import main
from tests.commands import Screen, run_app
from tests.servers import Server, chat_reply, decision

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = datetime(2024, 5, 1, tzinfo=UTC)


def run(*words: object, **options: Any) -> Screen:
    return run_app(main, *map(str, words), **options)


def prices(folder: Path, hours: int, name: str = "BTC.csv", first: float = 100.0) -> Path:
    """Write hourly prices that rise by one dollar an hour."""
    file = folder / name
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["time", "open", "high", "low", "close", "volume"])
        for hour in range(hours):
            price = first + hour
            stamp = f"{START + timedelta(hours=hour):%Y-%m-%d %H:%M:%S}"
            writer.writerow([stamp, price, price + 1, price, price + 1, 5])
    return file


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Serve a model that answers by this list, then BUY."""
    actions: list[str] = []
    with Server(lambda _: chat_reply(decision(actions.pop(0) if actions else "BUY", 70))) as server:
        monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
        yield actions


def trade(file: Path, *words: str, **options: Any) -> Screen:
    return run("trade", "BTC-USD", "--csv", file, "--models", "openai:gpt-4o-mini", *words, **options)


def test_days_of_decisions_becomes_a_book_and_a_report_by_two_commands(tmp_path: Path, model: list[str]) -> None:
    model += ["BUY", "SELL", "NOTHING"]
    for day in range(1, 5):
        done = json.loads(trade(prices(tmp_path, 24 * day), "--paper", "--horizon", "24h,2d", "--json").out)
        assert done["paper"]["book"] == "paper"
        assert list(done["paper"]["waiting"]) == ([done["decision_id"]] if done["action"] != "NOTHING" else [])
    whole = prices(tmp_path, 24 * 10)
    assert json.loads(run("decisions", "resolve", "--csv", whole, "--json").out)["resolved"] == 8
    assert json.loads(run("decisions", "report", "--json").out)["total"]["n"] == 3
    book = json.loads(run("paper", "--csv", whole, "--json").out)
    assert [(item["side"], item["reason"]) for item in book["trades"]] == [
        ("long", "decision"), ("short", "horizon"), ("long", "horizon"),
    ]  # fmt: skip
    # In at 124, out at 148: 24 dollars a unit, less two fees of 0.1%.
    first = book["trades"][0]
    assert (first["entry"], first["exit"]) == (124.0, 148.0)
    assert first["pnl_usd"] == pytest.approx(first["quantity"] * (24 - 0.272))
    assert first["quantity"] * 124 == pytest.approx(3_000 / 1.0003)
    assert book["positions"] == book["waiting"] == []
    assert book["equity_usd"] == book["cash_usd"] == pytest.approx(10_000 + book["realized_usd"])
    assert book["equity"][-1]["equity_usd"] == pytest.approx(book["equity_usd"])
    assert book["buy_and_hold"]["return"] == pytest.approx(340 / 124 / 1.001 - 1)
    assert book["costs_usd"] == pytest.approx(sum(item["costs_usd"] for item in book["trades"]))


def test_the_terminal_shows_the_book_within_80_columns(tmp_path: Path, model: list[str]) -> None:
    shown = trade(prices(tmp_path, 48), "--paper", width=80)
    assert "book paper: the fill waits: no bar of BTC.csv begins at or after 2024-05-03 00:00 UTC" in shown.out
    waiting = run("paper", width=80)
    assert "the next bar's open" in waiting.out
    assert "--csv FILE or --live EXCHANGE settles what waits" in waiting.err
    screen = run("paper", "--csv", prices(tmp_path, 60), width=80)
    for text in ("buy and hold", "BTC-USD   long", "2024-05-03 00:00"):
        assert text in screen.out
    assert "now: bought 20.2642 BTC-USD at 148" in screen.err
    assert max(map(len, screen.out.splitlines())) <= 80
    plain = run("paper", width=80, encoding="ascii")
    assert (plain.code, "* paper   . buy and hold" in plain.out) == (0, True)


def test_books_have_names_cash_costs_and_limits(tmp_path: Path, model: list[str]) -> None:
    begun = run("paper", "--book", "small", "--cash", "500", "--fee-bps", "0", "--max-share", "0.1", "--json")
    assert json.loads(begun.out)["cash_usd"] == 500.0
    trade(prices(tmp_path, 48), "--paper", "--book", "small")
    book = json.loads(run("paper", "--book", "small", "--csv", prices(tmp_path, 60), "--json").out)
    (position,) = book["positions"]
    assert (position["entry"] * position["quantity"], book["costs_usd"]) == (pytest.approx(50.0), 0.0)
    assert book["risk"]["verdict"] == "WITHIN_LIMITS" or "BTC-USD" in book["risk"]["breaches"][0]
    assert [item["book"] for item in json.loads(run("paper", "--books", "--json").out)] == ["small"]
    for words, reason in (
        (["--cash", "600"], "exists already, with other cash or costs"),
        (["--max-share", "0.2"], "--max-share is 0.2, looser than the book's 0.1: a book's limits may only tighten"),
        (["--max-share", "2"], "give a share of equity from 0 to 1"),
        (["--book", "b", "--cash", "0"], "give an amount of at least $1"),
        (["--book", "b", "--cash", "many"], "--cash is 'many'"),
        (["--book", "b", "--fee-bps", "-1"], "fee_bps is -1.0"),
        (["--book", " b", "--cash", "5"], "is no name of a book"),
    ):
        refused = run("paper", "--book", "small", *words)
        assert (refused.code, reason in " ".join(refused.err.split())) == (2, True), refused.err


def test_another_symbol_is_left_out_but_counts(tmp_path: Path, model: list[str]) -> None:
    bitcoin, ether = prices(tmp_path, 48), prices(tmp_path, 48, "ETH.csv", 1000.0)
    trade(bitcoin, "--paper")
    run("trade", "ETH-USD", "--csv", ether, "--models", "openai:gpt-4o-mini", "--paper")
    unnamed = run("paper", "--csv", prices(tmp_path, 60))
    assert "BTC.csv does not say which symbol it has: name it, as in --csv BTC-USD=BTC.csv" in unnamed.err
    alone = run("paper", "--csv", prices(tmp_path, 60), "--symbol", "BTC-USD", "--json")
    assert json.loads(alone.out)["settled"] == []
    assert list(json.loads(alone.out)["blocked"]) == ["ETH-USD"]
    bitcoin, ether = prices(tmp_path, 60), prices(tmp_path, 60, "ETH.csv", 1000.0)
    both = run("paper", "--csv", f"BTC-USD={bitcoin}", "--csv", f"ETH-USD={ether}", "--symbol", "ETH-USD", "--json")
    assert [item["symbol"] for item in json.loads(both.out)["settled"]] == ["BTC-USD", "ETH-USD"]
    assert [item["symbol"] for item in json.loads(both.out)["positions"]] == ["ETH-USD"]


def test_what_there_is_not_is_named(tmp_path: Path) -> None:
    assert "There is no paper book yet" in run("paper").err
    assert json.loads(run("paper", "--json").out)["trades"] == []
    assert json.loads(run("paper", "--books", "--json").out) == []
    missing = run("paper", "--book", "other")
    assert (missing.code, "There is no book 'other'" in missing.err) == (2, True)
    assert "There is no book 'paper'" in run("paper", "--csv", prices(tmp_path, 20)).err
    assert "--csv and --live exclude one another" in run("paper", "--csv", "x", "--live", "binance").err
    assert "name them with --csv or --live" in run("paper", "--zone", "UTC").err
    odd = run("paper", "--book", "a\x1b[31m", "--cash", "5")
    assert odd.code == 2
    assert "\x1b[31m" not in odd.err
    assert "--book names a paper book: say --paper too" in trade(prices(tmp_path, 48), "--book", "x").err


def test_prices_in_another_currency_are_no_dollars_which_is_said(tmp_path: Path, model: list[str]) -> None:
    file = prices(tmp_path, 48)
    trade(file, "--paper")
    assert "priced in" not in run("paper").err
    run("trade", "BTC-EUR", "--csv", file, "--models", "openai:gpt-4o-mini", "--paper")
    assert "BTC-EUR is priced in EUR, and the book counts those prices as dollars" in run("paper").err
    assert json.loads(run("paper", "--json").out)["not_in_dollars"] == {"BTC-EUR": "EUR"}


def test_funding_is_paid_by_the_position(tmp_path: Path, model: list[str]) -> None:
    trade(prices(tmp_path, 48), "--paper")
    rates = tmp_path / "funding.csv"
    rates.write_text("timestamp,funding_rate\n2024-05-03T00:00:00Z,0.5e-4\n2024-05-03T08:00:00Z,0.0001\n")
    screen = run("paper", "--csv", prices(tmp_path, 60), "--funding", rates, "--json")
    book = json.loads(screen.out)
    assert "times without a zone are read as UTC" in screen.err
    (position,) = book["positions"]
    assert book["funding_usd"] == pytest.approx(position["quantity"] * 156 * 0.0001)  # not that of its entry
    for text, reason in (
        ("time,price\n", "needs a header with timestamp and funding_rate"),
        ("time,rate\n2024-05-03,60%\n", "line 2: the rate '60%' is none"),
        ("time,rate\n2024-05-03,0.01\n", "may be fractions (0.01 is 1%) or percent (0.01%)"),
        ("time,rate\nsoon,0.1\n", "line 2: 'soon' is no time"),
        ("time,coin,rate\n2024-05-03,BTC,0\n2024-05-03,ETH,0\n", "the rates are of several markets"),
        ("time,rate\n", "has no rates"),
    ):
        rates.write_text(text)
        refused = run("paper", "--csv", prices(tmp_path, 60), "--funding", rates)
        assert (refused.code, reason in " ".join(refused.err.split())) == (2, True), refused.err


def test_a_book_of_a_back_test_is_shown_and_never_changed(tmp_path: Path) -> None:
    file = prices(tmp_path, 240)
    result = json.loads(run("backtest", "BTC-USD", "--csv", file, "--models", "rule:hold", "--json").out)
    name = f"{result['run_id']}/rule:hold"
    book = json.loads(run("paper", "--book", name, "--json").out)
    assert (book["environment"], book["run_id"]) == ("backtest", result["run_id"])
    equity = {item["name"]: item for item in result["equity"]}
    assert book["equity_usd"] / 10_000 == pytest.approx(equity["rule:hold"]["end"])
    assert book["max_drawdown"] == pytest.approx(equity["rule:hold"]["max_drawdown"])
    for words in (["--csv", file], ["--max-share", "0.1"]):
        refused = run("paper", "--book", name, *words)
        assert (refused.code, "back-test's" in refused.err) == (2, True)
