"""`moondev prompts`: what is listed, shown, compared, put into use, pushed, and tried on past decisions."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from src.agents.market import Candle, Candles
from src.agents.prompts import built_in
from src.agents.swarm.members import Member
from src.agents.trading_agent import TradingAgent
from src.cli import main
from src.models import ModelFactory
from src.observability import decision as write_decision
from src.observability import observe_agent, tracker
from src.prompts import get_prompt
from tests.commands import run_app
from tests.servers import Server, chat_reply, decision, error_reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.commands import Screen
    from tests.servers import Received

START = datetime(2026, 1, 1, tzinfo=UTC)
OLD = built_in("trading").text
NEW = OLD.replace("disciplined", "patient") + "\nNever guess."
SECRET = "sk-ant-api03-" + "A1b2C3d4E5" * 9


def candles(last: int) -> Candles:
    """Return hourly bars up to a number, of a price that rises and falls by turns of ten bars."""
    bars = tuple(
        Candle(time=START + timedelta(hours=n), open=p, high=p + 2, low=p - 2, close=p, volume=5.0)
        for n, p in enumerate(100.0 + abs(n % 20 - 10) for n in range(last))
    )
    return Candles(bars=bars, symbol="BTC-USD")


def reply(request: Received) -> Any:
    """Decide by the prompt: the old one always buys; the new one sells at once or, for one market, says no decision."""
    system, user = (message["content"] for message in request.json["messages"])
    if "patient" not in system:
        return chat_reply(decision("BUY", 60), usage=usage(100))
    if "Position now: odd" in user:
        return error_reply(400, "no")
    return chat_reply(decision("NOTHING" if "briefly" in user else "SELL", 60), usage=usage(120))


def usage(tokens: int) -> dict[str, Any]:
    return {"prompt_tokens": tokens, "completion_tokens": 5, "total_tokens": tokens + 5}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    folder = tmp_path / "prompts" / "trading"
    folder.mkdir(parents=True)
    (folder / "1.md").write_text(OLD)
    (folder / "2.md").write_text(NEW)
    monkeypatch.setenv("MOONDEV_PROMPTS_DIR", str(tmp_path / "prompts"))
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
    with Server(reply) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url + "/v1")
        yield running


def moondev(*words: str | Path, **screen: Any) -> Screen:
    outer = tracker.set_tracker(None)
    try:
        return run_app(main, *words, **screen)
    finally:
        used = tracker.set_tracker(outer)
        if used is not None:
            used.shutdown()


def decide(count: int, members: list[Any] | None = None, position: str | None = None) -> None:
    agent = TradingAgent(members or ["openai:gpt-4o"])
    for number in range(count):
        last = 40 + 7 * number
        agent.decide("BTC-USD", candles(last), now=START + timedelta(hours=last), position=position)


def tried(*words: str | Path) -> dict[str, Any]:
    screen = moondev("prompts", "try", "trading", "--version", "2", "--json", *words)
    assert screen.code == 0, screen.err
    data: dict[str, Any] = json.loads(screen.out)
    return data


def measures(comparison: dict[str, Any]) -> dict[str, Any]:
    return {item["name"]: item for item in comparison["measures"]}


def test_a_new_version_is_tried_in_pairs_paid_for_once_and_counts_in_no_report(server: Server, tmp_path: Path) -> None:
    decide(6)
    prices = tmp_path / "btc.csv"
    rows = [f"{bar.time:%Y-%m-%d %H:%M:%S},{bar.open},{bar.high},{bar.low},{bar.close},5" for bar in candles(120).bars]
    prices.write_text("\n".join(["time,open,high,low,close,volume", *rows]))
    data = tried("--yes", "--csv", prices)
    assert (data["against"], data["calls"], data["left_out"]) == (f"1-{built_in('trading').version}", 6, {})
    (comparison,) = data["comparisons"]
    figures = measures(comparison)
    assert (comparison["pairs"], comparison["agreement"], comparison["changes"]) == (
        6, 0.0, [{"old": "BUY", "new": "SELL", "n": 6}],
    )  # fmt: skip
    assert (figures["tokens in"]["old"], figures["tokens in"]["new"], figures["tokens in"]["n"]) == (100, 120, 6)
    assert figures["cost"]["difference"] > 0
    assert {item["verdict"] for item in comparison["measures"]} == {"not enough"}
    traded = figures["hit rate"]
    assert traded["n"] > 0
    assert traded["old"] + traded["new"] <= 1  # the same markets, the other way round
    sent = server.received[-1].json
    assert sent["temperature"] == server.received[0].json["temperature"] == 0.3
    assert sent["messages"][0]["content"] == NEW
    asked = len(server.received)
    again = tried("--yes", "--csv", prices)
    assert len(server.received) == asked
    assert again["comparisons"] == data["comparisons"]
    report = json.loads(moondev("report", "--by", "prompt", "--json").out)
    assert [(row["key"], row["calls"]) for row in report["rows"]] == [(f"trading {data['against']}", 6)]
    assert (report["total"]["calls"], report["left_out"]["calls"]) == (6, 6)
    quality = json.loads(moondev("quality", "--json").out)
    assert (quality["total"]["n"], quality["left_out"]) == (6, 6)
    assert "Not counted: 6 calls of judges and of trials" in moondev("quality").err
    listed = {item["version"]: item for item in json.loads(moondev("prompts", "list", "--json").out)}
    assert (listed[data["against"]]["calls"], listed[data["version"]]["calls"]) == (6, 0)
    assert len(json.loads(moondev("decisions", "list", "--json").out)) == 6  # a trial decides nothing


def test_a_swarm_votes_again_with_each_members_own_words(server: Server) -> None:
    decide(2, [Member("openai:gpt-4o", weight=3), Member("openai:gpt-4o", brief="Answer briefly.", seed=7)])
    data = tried("--yes")
    (comparison,) = data["comparisons"]
    assert (data["calls"], comparison["pairs"]) == (4, 2)
    assert comparison["changes"] == [{"old": "BUY", "new": "SELL", "n": 2}]
    sent = [request.json for request in server.received if request.json["messages"][0]["content"] == NEW]
    assert sorted((item.get("seed"), item["messages"][1]["content"].endswith("\n\nAnswer briefly.")) for item in sent
                  if item.get("seed")) == [(7, True), (7, True)]  # fmt: skip
    assert measures(comparison)["tokens in"]["old"] == 200


def test_what_cannot_be_made_again_exactly_is_left_out_under_its_reason(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(1)
    decide(1, position=f"long, key {SECRET}")
    decide(1, position="odd")
    monkeypatch.setenv("MOONDEV_CAPTURE", "metadata")
    tracker.set_tracker(None)
    decide(1)
    monkeypatch.delenv("MOONDEV_CAPTURE")
    tracker.set_tracker(None)
    data = tried("--yes")
    assert (data["decisions"], data["comparisons"][0]["pairs"]) == (2, 1)
    assert data["left_out"] == {
        "what its models were sent was not recorded": 1,
        "the variables of its prompt were not recorded, or are redacted or cut": 1,
    }
    assert data["failures"] == {"invalid_request": 1}


def test_decisions_from_before_versions_were_recorded_are_known_by_the_hash_of_their_prompt(
    server: Server, tmp_path: Path
) -> None:
    decide(2)
    tracker.set_tracker(None)
    with sqlite3.connect(tmp_path / "traces.db") as store:
        store.execute("UPDATE decisions SET prompt_version = NULL")
    data = tried("--yes")
    assert (data["against"], data["comparisons"][0]["pairs"]) == (built_in("trading").version, 2)


def test_models_that_were_not_asked_get_both_versions(server: Server) -> None:
    decide(2)
    data = tried("--models", "openai:gpt-4o-mini", "--yes")
    assert (data["calls"], data["comparisons"][0]["model"]) == (4, "openai:gpt-4o-mini")
    assert data["comparisons"][0]["changes"] == [{"old": "BUY", "new": "SELL", "n": 2}]
    assert tried("--both", "--yes")["calls"] == 4


def test_money_is_asked_for_bounded_and_estimated(server: Server) -> None:
    decide(5)
    estimate = tried("--dry-run")["estimate"]
    assert (estimate["calls"], estimate["output_tokens"]) == (5, 25)
    assert estimate["input_tokens"] == pytest.approx(500, rel=0.2)
    assert 0 < estimate["cost_usd"] < 0.01
    assert len(server.received) == 5
    refused = moondev("prompts", "try", "trading", "--version", "2")
    assert (refused.code, len(server.received)) == (1, 5)
    assert "this trial asks paid models: say --yes" in refused.err
    words = ("prompts", "try", "trading", "--version", "2", "--yes", "--threads", "1", "--json", "--budget")
    stopped = moondev(*words, "0.0008")
    data = json.loads(stopped.out)
    assert stopped.code == 1
    assert 0 < data["calls"] < 5
    assert data["cost_usd"] <= 0.0008
    assert "of the budget of" in data["stopped"]
    assert json.loads(moondev(*words, "1").out)["calls"] == 5 - data["calls"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("try", "trading"), "No recorded decision names the prompt 'trading'"),
        (("try", "nobody"), "There is no prompt 'nobody'"),
        (("try", "trading", "--budget", "0"), "give US dollars above 0"),
        (("try", "trading", "--models", ","), "--models names no model"),
        (("show", "trading", "--version", "9"), "has no version 9"),
        (("use", "trading", "9"), "No file is version 9"),
        (("use", "risk", "1"), "No file is version 1 of 'risk'"),
        (("push", "trading"), "Langfuse's keys are not set"),
        (("diff", "trading", "1", "7"), "has no version 7"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(server: Server, words: tuple[str, ...], message: str) -> None:
    screen = moondev("prompts", *words)
    assert screen.code == 2
    assert message in screen.err
    assert not screen.out
    assert not server.received


def test_versions_are_compared_by_words_and_put_into_use(server: Server, tmp_path: Path) -> None:
    screen = moondev("prompts", "diff", "trading", "1", "2", terminal=True, width=80)
    assert max(map(len, screen.out.splitlines())) < 400  # with its colours
    assert "\x1b[" in screen.out
    lines = json.loads(moondev("prompts", "diff", "trading", "1", "2", "--json").out)["lines"]
    assert [line["sign"] for line in lines if line["sign"] in "+-"] == ["-", "+", "+"]
    assert "say the same" in moondev("prompts", "diff", "trading", "1", "1").err
    assert json.loads(moondev("prompts", "show", "trading", "--json").out)["prompt"] == OLD
    used = moondev("prompts", "use", "trading", "2")
    assert (used.code, (tmp_path / "prompts/trading/labels.toml").read_text()) == (0, "production = 2\n")
    assert json.loads(moondev("prompts", "show", "trading", "--json").out)["prompt"] == NEW
    (tmp_path / "prompts" / "bad.toml").write_text("text = ")
    table = moondev("prompts", width=80)
    assert table.code == 0
    assert max(map(len, table.out.splitlines())) <= 80
    assert "is no TOML" in table.err
    assert not server.received


def test_a_programs_own_prompt_is_tried_on_its_recorded_variables(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "prompts" / "momentum"
    folder.mkdir()
    (folder / "1.md").write_text("Follow {{symbol}} with {{risk}} risk.")
    (folder / "2.md").write_text("Be patient with {{symbol}}.")
    model = ModelFactory.get_model("openai", "gpt-4o")
    for symbol in ("BTC-USD", "ETH-USD"):
        with observe_agent("momentum", trading_pair=symbol):
            bound = get_prompt("momentum").bind(symbol=symbol, risk="low")
            answer = model.generate_response(bound.text, "Position now: none", 0.1, langfuse_prompt=bound)
            write_decision(symbol, json.loads(answer.content)["action"], prompt=bound)
    screen = moondev("prompts", "try", "momentum", "--version", "2", "--yes", "--json")
    data = json.loads(screen.out)
    (comparison,) = data["comparisons"]
    assert (comparison["pairs"], comparison["changes"]) == (2, [{"old": "BUY", "new": "SELL", "n": 2}])
    sent = [request.json for request in server.received[2:]]
    assert sorted(item["messages"][0]["content"] for item in sent) == [
        "Be patient with BTC-USD.", "Be patient with ETH-USD.",
    ]  # fmt: skip
    assert {item["messages"][1]["content"] for item in sent} == {"Position now: none"}
    assert {item["temperature"] for item in sent} == {0.1}
    assert not any("response_format" in item for item in sent)  # as the program asked
    (folder / "3.md").write_text("Mind the {{mood}} of {{symbol}}.")
    refused = moondev("prompts", "try", "momentum", "--version", "3", "--yes")
    assert (refused.code, len(server.received)) == (2, 4)
    assert "needs mood, which is missing" in refused.err
