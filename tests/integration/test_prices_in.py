"""Prices as a person has them reach a decision, and what is wrong with them is said on the way."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas
import pytest

from src.agents.trading_agent import TradingAgent
from src.cli import main
from src.observability import get_tracker
from tests.commands import Screen, run_app
from tests.servers import Server, chat_reply, decision

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = datetime(2024, 1, 2, 12, 0, tzinfo=UTC)


def frame(count: int, symbol: str = "BTC-USD", price: float = 100) -> pandas.DataFrame:
    times = [START + timedelta(minutes=15 * n) for n in range(count)]
    prices = [price + n % 7 for n in range(count)]
    return pandas.DataFrame(
        {
            "date": times,
            "ticker": symbol,
            "open": prices,
            "high": [price + 3 for price in prices],
            "low": [price - 1 for price in prices],
            "close": [price + 1 for price in prices],
        }
    )


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(lambda _: chat_reply(decision("BUY", 70))) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
        monkeypatch.setenv("OPENAI_KEY", "sk-test-of-prices-0123456789")
        yield server


def moondev(*words: str | Path) -> Screen:
    return run_app(main, *words)


def prompt_of(server: Server) -> str:
    return str(server.received[-1].json["messages"][-1]["content"])


@pytest.mark.parametrize("kind", ["frame", "path", "text path"])
async def test_a_decision_takes_a_frame_or_a_path_and_the_asked_symbols_rows(
    openai: Server, tmp_path: Path, kind: str
) -> None:
    both = pandas.concat([frame(40, "ETH-USD", 2000), frame(40)])
    file = tmp_path / "both.csv"
    both.to_csv(file, index=False)
    source = {"frame": both, "path": file, "text path": str(file)}[kind]
    agent = TradingAgent(["openai:gpt-4o"])
    for result in (agent.decide("BTC-USD", source), await agent.adecide("btc/usd", source)):
        assert result.action == "BUY"
        assert "Price: 105\n" in prompt_of(openai)
        assert "SMA 50: needs 50 bars, 40 given" in prompt_of(openai)
        assert "SMA 50: needs 50 bars, 40 given" in result.remarks
    asked = len(openai.received)
    with pytest.raises(ValueError, match="ETH-USD, BTC-USD, not SOL-USD"):
        agent.decide("SOL-USD", source)
    assert len(openai.received) == asked


def test_an_open_bar_is_left_out_of_the_decision_and_named_in_result_and_trace(openai: Server) -> None:
    now = START + timedelta(minutes=15 * 29 + 4)
    result = TradingAgent(["openai:gpt-4o"]).decide("BTC-USD", frame(30), now=now)
    assert "Last bar: 2024-01-02 19:00 UTC, 29 bars of 15 minutes" in prompt_of(openai)
    remark = "left out: the bar of 2024-01-02 19:15 UTC is open until 2024-01-02 19:30 UTC"
    assert remark in result.remarks
    assert remark in result.to_dict()["remarks"]
    spool = get_tracker().spool
    assert spool is not None
    assert result.trace_id is not None
    spans = [row.span for row in spool.trace(result.trace_id)]
    assert any(remark.encode() in span and b"SMA 50: needs 50 bars, 29 given" in span for span in spans)


def test_trade_says_what_is_missing_and_exits_with_2(openai: Server, tmp_path: Path) -> None:
    file = tmp_path / "few.csv"
    frame(2).to_csv(file, index=False)
    words = ("trade", "BTC-USD", "--models", "openai:gpt-4o", "--csv", file)
    done = moondev(*words)
    assert done.code == 2
    assert "2 closed bars of BTC-USD, and a decision needs at least 10: 8 are missing" in " ".join(done.err.split())
    assert not openai.received
    done = moondev(*words, "--min-bars", "2", "--json")
    assert done.code == 0
    assert "SMA 20: needs 20 bars, 2 given" in done.err
    assert "SMA 20: needs 20 bars, 2 given" in json.loads(done.out)["remarks"]


def test_trade_reads_a_file_as_its_options_say(openai: Server, tmp_path: Path) -> None:
    rows = [f"0{1 + n // 24}/02/2024 {n % 24:02d}:00;42.15{n % 10};42.200;42.100;42.150" for n in range(48)]
    file = tmp_path / "german.csv"
    file.write_text("Date;Open;High;Low;Close\n" + "\n".join(rows))
    words = ("trade", "BTC-USD", "--models", "openai:gpt-4o", "--csv", file, "--json")
    done = moondev(*words)
    assert done.code == 2
    assert "42.15 or 42150" in done.err
    options = ("--decimal", "comma", "--zone", "Europe/Berlin", "--dates", "day-first")
    assert moondev(*words, *options).code == 0
    assert "Last bar: 2024-02-02 22:00 UTC" in prompt_of(openai)
    assert "Price: 42150" in prompt_of(openai)
    assert moondev(*words, *options, "--stamps", "close").code == 0
    assert "Last bar: 2024-02-02 21:00 UTC" in prompt_of(openai)
    done = moondev("trade", "EURUSD", "--decimal", "comma")
    assert (done.code, "--csv" in done.err) == (2, True)


@pytest.mark.parametrize(
    "command",
    [("trade", "BTC-USD"), ("backtest", "BTC-USD"), ("dashboard",), ("decisions", "resolve"), ("candles",)],
    ids=" ".join,
)
def test_each_command_that_reads_prices_takes_the_meaning_of_stamps(command: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "BTC-USD.csv"
    frame(20).to_csv(file, index=False)
    words = (file,) if command == ("candles",) else ("--csv", file)
    done = moondev(*command, *words, "--stamps", "middle")
    assert (done.code, "stamps is 'middle': give open or close" in done.err) == (2, True), done.err


def test_candles_shows_how_a_file_is_understood(tmp_path: Path) -> None:
    file = tmp_path / "hours.csv"
    rows = [f"2024-01-01 {hour:02d}:00,BTC/USDT,1.5,2.5,0.5,2,{hour}" for hour in range(20) if hour != 9]
    file.write_text("time,symbol,open,high,low,close,volume\n" + "\n".join([*rows, "later,BTC/USDT,1,2,3,4,5"]) + "\n")
    done = moondev("candles", file)
    assert done.code == 0
    for text in ("BTC/USDT", "UTC, assumed", "decimal point", "1h", "19, all closed", "20, of which 1 are no bar",
                 "2024-01-01 19:00", "bad_time: 'later' is not a time"):  # fmt: skip
        assert text in done.out, text
    data = json.loads(moondev("candles", file, "--json").out)
    assert (data["timeframe"], data["bars"], data["dropped"], data["issue_counts"]["gaps"]) == ("1h", 19, 1, 1)
    assert data["first"][0] == {
        "time": "2024-01-01T00:00:00+00:00", "open": 1.5, "high": 2.5, "low": 0.5, "close": 2.0, "volume": 0.0,
    }  # fmt: skip
    assert {"line": 21, "kind": "bad_time", "detail": "'later' is not a time", "action": "dropped"} in data["issues"]
    assert moondev("candles", file, "--symbol", "ETH").code == 2
    assert moondev("candles", tmp_path / "none.csv").code == 2


def test_candles_fits_a_terminal_of_80_columns(tmp_path: Path) -> None:
    file = tmp_path / f"{'a-long-name-' * 8}.csv"
    frame(60, "A" * 70, price=12345.678901234).to_csv(file, index=False)
    shown = run_app(main, "candles", str(file), terminal=True, width=80).out
    assert max(len(line) for line in re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()) <= 80
    assert "2024-01-03 02:45" in shown
