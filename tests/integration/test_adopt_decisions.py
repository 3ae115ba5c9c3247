"""What docs/adopt.md shows for an agent's decisions runs as it is printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from src.cli.start import main
from src.observability import observe_agent
from src.observability.ledger import LedgerReader
from src.observability.store.reader import StoreReader
from tests.commands import Screen, run_app
from tests.unit.judging.recorded import WHALE, desk

if TYPE_CHECKING:
    from src.observability.store.spool import Spool

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "adopt.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    match = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert match is not None
    return match[1]


def run(*words: object, **options: Any) -> Screen:
    return run_app(main, "decisions", *map(str, words), **options)


def test_the_two_lines_write_a_decision_and_what_it_earned(spool: Spool) -> None:
    names: dict[str, Any] = {}
    exec(compile(block("python"), "adopt.md", "exec"), names)  # noqa: S102 - what the page prints
    with observe_agent("whale_agent"):
        name = names["act"]("BTC-USD", "BUY", 80, 64_000.0)
    names["closed"](name, 12.5)
    (entry,) = LedgerReader(StoreReader(spool.path)).newest(5)
    assert (entry.decision.id, entry.decision.action, entry.decision.price) == (name, "BUY", 64_000.0)
    assert entry.results["program"].pnl_usd == 12.5
    assert "outcome.pnl_usd" in {record.name for _, record in spool.read_scores("d")}


def test_the_rules_file_reads_what_the_page_says_and_the_command_counts_the_rest(tmp_path: Path, spool: Spool) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(block("toml"))
    with desk() as asking:
        asking.ask("breakout_agent", "Market: ETH-USD, price 3100.5\nbars", "SHORT\nIt fell.\nSure: 70%")
        asking.ask("breakout_agent", "Market: ETH-USD, price 3100.5\nbars", "I would go SHORT\nIt fell.\nSure: 70%")
        asking.ask("whale_agent\x1b[31m", WHALE, "BUY")
    dry = json.loads(run("derive", "--rules", rules, "--dry-run", "--json").out)
    assert (dry["added"], dry["dry_run"], dry["by_rule"]) == (1, True, {"breakout": {"SELL": 1}})
    assert list(LedgerReader(StoreReader(spool.path)).entries()) == []
    screen = run("derive", "--rules", rules, width=80)
    assert "2 recorded calls: 1 decision added, 0 there before, 1 without a decision" in screen.out.replace("\n", " ")
    assert "the reply does not match" in screen.out
    assert "\x1b[31m" not in screen.text
    assert max(map(len, screen.out.splitlines())) <= 80
    (entry,) = LedgerReader(StoreReader(spool.path)).entries()
    record = entry.decision
    assert (record.symbol, record.action, record.confidence, record.price) == ("ETH-USD", "SELL", 70, 3100.5)
    assert (record.derived, record.horizons, record.agent) == (True, "4h,24h", "breakout_agent")
    assert json.loads(run("derive", "--rules", rules, "--json").out)["added"] == 0
    assert json.loads(run("list", "--json").out)[0]["derived"]
    rules.write_text(block("toml").replace("4h,24h", "7d"))
    changed = run("derive", "--rules", rules, width=80)
    assert "The rules would now read 1 decisions otherwise" in changed.out
    assert "horizons 7d" in changed.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("derive", "--rules", "no.toml"), "no.toml cannot be read: No such file"),
        (("derive", "--since", "soon"), "'soon' is no horizon"),
        (("fills", "no.csv"), "no.csv"),
        (("fills", "no.csv", "--fee-price", "BNB"), "--fee-price is 'BNB': give a currency"),
        (("fills", "no.csv", "--window", "0m"), "'0m' is no horizon"),
    ],
)
def test_bad_input_ends_with_one_line(words: tuple[str, ...], message: str) -> None:
    screen = run(*words)
    assert screen.code == 2
    assert message in screen.err
    assert "Traceback" not in screen.err


def test_fills_are_written_once_and_shown(tmp_path: Path, spool: Spool) -> None:
    names: dict[str, Any] = {}
    exec(compile(block("python"), "adopt.md", "exec"), names)  # noqa: S102 - what the page prints
    name = names["act"]("BTC-USD", "BUY", 80, 64_000.0)
    (entry,) = LedgerReader(StoreReader(spool.path)).newest(1)
    at_ms = entry.decision.time_ns // 1_000_000 + 5_000
    trades = [
        {"id": str(place), "timestamp": at_ms + place * 60_000, "symbol": "BTC/USDT", "side": side, "price": price,
         "amount": 0.5, "cost": price / 2, "fee": {"cost": 0.25, "currency": "USDT"}}
        for place, (side, price) in enumerate((("buy", 64_000), ("sell", 64_100)))
    ]  # fmt: skip
    export = tmp_path / "trades.json"
    export.write_text(json.dumps(trades))
    assert json.loads(run("fills", export, "--dry-run", "--json").out)["written"] == 0
    data = json.loads(run("fills", export, "--json").out)
    assert (data["written"], data["results"][0]["pnl_usd"]) == (1, 49.5)
    screen = run("fills", export, width=80)
    assert "known" in screen.out
    assert "0 results are written, 1 were known" in screen.err.replace("\n", " ")
    assert max(map(len, screen.out.splitlines())) <= 80
    assert "real, by fills:ccxt: $49.50" in run("show", name, width=80).out
    assert json.loads(run("list", "--json").out)[0]["results"]["fills:ccxt"]["pnl_usd"] == 49.5
