"""Every generation of our agents says which prompt it was asked with; Langfuse is linked only to what it has."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from src.agents.market import Candle, Candles
from src.agents.prompts import built_in
from src.agents.risk_agent import RiskAgent
from src.agents.trading_agent import TradingAgent
from src.models import ModelFactory
from src.observability import attributes as names
from src.observability import get_tracker
from src.observability.ledger import LedgerReader
from src.observability.spans import otlp
from src.observability.store.reader import StoreReader
from src.prompts import PromptError, get_prompt
from src.prompts.copies import Copies, copies_folder
from src.prompts.lookup import current_project
from src.prompts.records import make_prompt
from tests.servers import Server, chat_reply, decision
from tests.unit.agents.test_risk_agent import LOSS, MAX_LOSS, opinion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHAT = '[[messages]]\nrole = "user"\ncontent = "{{position}}|{{symbol}}|{{market}}"\n[config]\ntemperature = 0.7\n'
START = datetime(2026, 1, 1, tzinfo=UTC)
CANDLES = Candles(
    bars=tuple(
        Candle(time=START + timedelta(hours=n), open=100, high=103, low=99, close=101 + n % 3, volume=5.0)
        for n in range(30)
    )
)


@pytest.fixture
def openai(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    def reply(request: Any) -> Any:
        return opinion(override=False) if b"risk_opinion" in request.body else chat_reply(decision("BUY", 60))

    with Server(reply) as server:
        monkeypatch.setenv("OPENAI_KEY", "sk-test-of-openai-0123456789")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        yield server


def generations() -> list[dict[str, Any]]:
    spool = get_tracker().spool
    assert spool is not None
    rows = [row for row in spool.rows_after(0) if row.type == "generation"]
    for row in rows:
        assert row.facts.prompt_name is not None
    return [dict(otlp.decode_span(row.span).attributes) | {"facts": row.facts} for row in rows]


def trading_decision() -> Any:
    (entry,) = LedgerReader(StoreReader(get_tracker().settings.trace_db)).entries()
    return entry.decision


def test_the_built_in_prompt_is_named_by_its_text_and_linked_to_nothing(openai: Server) -> None:
    TradingAgent(["openai:gpt-4o"]).decide("BTC-USD", CANDLES)
    prompt = built_in("trading")
    (recorded,) = generations()
    assert (recorded["facts"].prompt_name, recorded["facts"].prompt_version) == ("trading", prompt.digest[:8])
    assert names.PROMPT_NAME not in recorded
    assert names.PROMPT_VERSION not in recorded
    assert json.loads(recorded[names.LOCAL_PROMPT_VERSION]) == prompt.version
    assert openai.received[0].json["messages"][0]["content"] == prompt.text
    record = trading_decision()
    assert (record.prompt_name, record.prompt_version) == ("trading", prompt.version)
    assert prompt.digest.startswith(record.prompt_hash)


def test_a_file_takes_its_place_with_its_own_messages_and_temperature(openai: Server, folder: Path) -> None:
    (folder / "trading.toml").write_text(CHAT)
    result = asyncio.run(TradingAgent(["openai:gpt-4o"]).adecide("BTC-USD", CANDLES, position="long 2"))
    sent = openai.received[0].json
    assert [message["role"] for message in sent["messages"]] == ["user"]
    assert sent["messages"][0]["content"].startswith("long 2|BTC-USD|Last bar:")
    assert sent["temperature"] == 0.7
    assert result.decision_id is not None
    assert trading_decision().prompt_version == get_prompt("trading").version


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Trade {{ticker}}.", "the trading agent fills in symbol, market, position"),
        (CHAT.replace("{{market}}", "it"), "never shows the market"),
        (CHAT.replace('"user"', '"assistant"'), "other messages than system and user"),
        (CHAT.replace("temperature", "top_p"), "has top_p in its config"),
        (CHAT.replace("0.7", "7"), "sets the temperature to 7"),
    ],
)
def test_a_prompt_that_its_agent_cannot_use_is_refused_before_anything_is_sent(
    openai: Server, folder: Path, text: str, words: str
) -> None:
    (folder / f"trading.{'toml' if '[[' in text else 'md'}").write_text(text)
    with pytest.raises(PromptError, match=words):
        TradingAgent(["openai:gpt-4o"]).decide("BTC-USD", CANDLES)
    assert not openai.received


def test_the_risk_agent_names_its_prompt_and_its_verdict_stands_without_a_usable_one(
    openai: Server, folder: Path
) -> None:
    verdict = RiskAgent("openai:gpt-4o").assess(LOSS, MAX_LOSS)
    (recorded,) = generations()
    assert (recorded["facts"].prompt_name, recorded["facts"].prompt_version) == ("risk", built_in("risk").version)
    (folder / "risk.md").write_text("Look at {{case}}.")
    other = RiskAgent("openai:gpt-4o").assess(LOSS, MAX_LOSS)
    assert other.action == verdict.action
    assert len(openai.received) == 1


def test_a_file_that_langfuse_has_too_is_linked_by_langfuses_number_and_counted_by_its_own(
    openai: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-1")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-1")
    monkeypatch.setenv("LANGFUSE_HOST", openai.url)
    monkeypatch.setenv("MOONDEV_OFFLINE", "1")
    (folder / "trader").mkdir()
    (folder / "trader" / "1.md").write_text("Trade {{symbol}}.")
    project = current_project()
    assert project is not None
    theirs = make_prompt("trader", "Trade {{symbol}}.", source="langfuse", langfuse_version=9, number=9)
    Copies(copies_folder(folder.parent / "t.db")).keep_fetched(project.key, theirs, None)
    bound = get_prompt("trader").bind(symbol="BTC-USD")
    ModelFactory.get_model("openai", "gpt-4o").generate_response(bound.text, "Go.", langfuse_prompt=bound)
    (recorded,) = generations()
    assert (recorded[names.PROMPT_NAME], recorded[names.PROMPT_VERSION]) == ("trader", 9)
    assert recorded["facts"].prompt_version == bound.prompt.version == f"1-{bound.prompt.digest[:8]}"
    assert json.loads(recorded[names.PROMPT_VARIABLES]) == {"symbol": "BTC-USD"}


def test_variables_are_texts_that_capture_may_leave_out(openai: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_CAPTURE", "metadata")
    bound = make_prompt("trader", "Trade {{symbol}}.").bind(symbol="a private plan")
    ModelFactory.get_model("openai", "gpt-4o").generate_response(bound.text, "Go.", langfuse_prompt=bound)
    (recorded,) = generations()
    assert recorded["facts"].prompt_name == "trader"
    assert "a private plan" not in str(recorded)
