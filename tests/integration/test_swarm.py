"""A swarm decides through real SDKs, against real servers, and its trace reaches a Langfuse that decodes OTLP."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from src.agents.base_agent import default_name
from src.agents.decisions import Action
from src.agents.market import Candle, Candles
from src.agents.swarm.members import Member
from src.agents.trading_agent import TradingAgent
from src.cli.app import app
from src.models import ModelFactory
from src.models.errors import UnknownProvider
from src.observability import attributes as names
from src.observability import flush, observe_agent
from tests.servers import (
    Langfuse,
    Received,
    Reply,
    Server,
    chat_reply,
    claude_reply,
    decision,
    error_reply,
    ollama_reply,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.observability.store.spool import Spool

START = datetime(2026, 1, 1, tzinfo=UTC)
CANDLES = Candles(
    bars=tuple(
        Candle(
            time=START + timedelta(minutes=15 * n),
            open=100 + n % 7,
            high=103 + n % 7,
            low=99 + n % 7,
            close=101 + n % 7,
            volume=5.0,
        )
        for n in range(90)
    )
)


@pytest.fixture
def langfuse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Langfuse]:
    with Langfuse() as server:
        monkeypatch.setenv("LANGFUSE_HOST", server.url)
        monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-test")
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-test-secret")
        yield server


def provider(monkeypatch: pytest.MonkeyPatch, name: str, server: Server) -> None:
    address = {"openai": ("OPENAI_BASE_URL", "/v1"), "claude": ("CLAUDE_BASE_URL", ""), "ollama": ("OLLAMA_HOST", "")}
    key = {"openai": "OPENAI_KEY", "claude": "ANTHROPIC_KEY"}.get(name)
    variable, path = address[name]
    monkeypatch.setenv(variable, server.url + path)
    if key:
        monkeypatch.setenv(key, f"sk-test-of-{name}-0123456789")


def test_one_root_and_one_generation_for_each_member_failed_and_hung_ones_too(
    monkeypatch: pytest.MonkeyPatch, langfuse: Langfuse
) -> None:
    def answer(request: Received) -> Reply:
        return Reply(hang=True) if request.json["model"] == "hangs" else chat_reply(decision("BUY", 80))

    with (
        Server(answer) as openai,
        Server(lambda _: claude_reply(decision("BUY", 60))) as claude,
        Server(lambda _: error_reply(500, "broken")) as ollama,
    ):
        for name, server in {"openai": openai, "claude": claude, "ollama": ollama}.items():
            provider(monkeypatch, name, server)
        agent = TradingAgent(
            ["openai:gpt-4o", "openai:gpt-4o", "claude:claude-haiku-4-5", "ollama:llama3.2", "openai:hangs"],
            member_timeout_s=3,
        )
        result = agent.decide("BTC-USD", CANDLES)
    assert (result.action, result.agreement) == (Action.BUY, 1.0)
    assert result.confidence == pytest.approx((80 + 80 + 60) / 3, abs=0.01)
    assert [vote.member for vote in result.votes] == [
        "openai:gpt-4o#1", "openai:gpt-4o#2", "claude:claude-haiku-4-5", "ollama:llama3.2", "openai:hangs",
    ]  # fmt: skip
    assert [vote.error_category for vote in result.votes] == [None, None, None, "server", "timeout"]
    assert result.cost_usd is not None
    assert result.cost_usd > 0
    assert flush(60) == 0
    roots = [span for span in langfuse.spans if span.parent is None]
    generations = [span for span in langfuse.spans if span.attributes[names.TYPE] == "generation"]
    assert [(root.name, root.trace_id, root.attributes[names.TYPE]) for root in roots] == [
        ("trading_agent.swarm", result.trace_id, "agent")
    ]
    assert sorted(span.name for span in generations) == sorted(vote.member for vote in result.votes)
    assert {span.parent for span in generations} == {roots[0].span_id}
    assert {span.trace_id for span in langfuse.spans} == {result.trace_id}
    failed = {span.name: span for span in generations if span.attributes.get(names.LEVEL) == "ERROR"}
    assert json.loads(failed["ollama:llama3.2"].attributes[names.METADATA + "error_category"]) == "server"
    assert json.loads(failed["openai:hangs"].attributes[names.METADATA + "error_category"]) == "timeout"
    assert all(span.end <= roots[0].end for span in generations)
    for span in langfuse.spans:
        assert span.attributes[names.SESSION_ID].startswith("run-")
        assert "trading_agent" in span.attributes[names.TRACE_TAGS]
        assert "BTC-USD" in span.attributes[names.TRACE_TAGS]
    output = json.loads(roots[0].attributes[names.OUTPUT])
    assert output["action"] == "BUY"
    scores = {(score["name"], score.get("observationId")): score["value"] for score in langfuse.scores}
    assert scores["decision", roots[0].span_id] == "BUY"
    assert sum(name == "vote" for name, _ in scores) == 3
    assert langfuse.scopes == {"langfuse-sdk"}


def test_a_hung_member_does_not_hold_up_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def wait() -> None:
        released.wait(30)

    def answer(request: Received) -> Reply:
        if request.json["model"] == "hangs":
            return Reply(body=b"late", before=wait)
        return chat_reply(decision("SELL"))

    with Server(answer) as server:
        provider(monkeypatch, "openai", server)
        agent = TradingAgent(["openai:a", "openai:b", "openai:hangs"], member_timeout_s=4)
        result = agent.decide("X", CANDLES)
        assert not released.is_set()  # the answer came while that request was still open
        released.set()
    assert result.action is Action.SELL


def test_the_whole_has_a_deadline_too_and_who_is_cut_off_is_on_record_as_late(
    monkeypatch: pytest.MonkeyPatch, langfuse: Langfuse
) -> None:
    with Server(lambda _: Reply(hang=True)) as server:
        provider(monkeypatch, "openai", server)
        agent = TradingAgent(["openai:a", "openai:b"], member_timeout_s=25, total_timeout_s=1.5)
        result = agent.decide("X", CANDLES)
    assert [vote.error_category for vote in result.votes] == ["timeout", "timeout"]
    assert flush(60) == 0
    ended = [span for span in langfuse.spans if span.name in ("openai:a", "openai:b")]
    assert [json.loads(span.attributes[names.METADATA + "error_category"]) for span in ended] == ["timeout", "timeout"]


def test_words_that_hold_an_action_are_no_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: chat_reply("don't buy, SELL")) as server:
        provider(monkeypatch, "openai", server)
        result = TradingAgent(["openai:a", "openai:b"], member_timeout_s=5).decide("X", CANDLES)
    assert result.action is Action.NOTHING
    assert {vote.error_category for vote in result.votes} == {"malformed_response"}
    assert "no quorum" in result.reason


def test_one_member_is_single_mode(monkeypatch: pytest.MonkeyPatch, langfuse: Langfuse) -> None:
    with Server(lambda _: ollama_reply(decision("NOTHING", 55))) as server:
        provider(monkeypatch, "ollama", server)
        result = TradingAgent(["ollama:llama3.2"]).decide("ETH-USD", CANDLES)
    assert (result.action, result.confidence, result.agreement) == (Action.NOTHING, 55, 1.0)
    assert flush(60) == 0
    assert {span.name for span in langfuse.spans} == {"trading_agent.run", "ollama.generate"}


def test_the_embedded_model_is_given_more_time() -> None:
    assert TradingAgent(["openai:a", "claude"]).member_timeout_s == 30
    assert TradingAgent(["openai:a", Member(model="claude", fallbacks=("local",))]).member_timeout_s == 120
    assert TradingAgent(["local"], member_timeout_s=5).member_timeout_s == 5


def test_weights_briefs_and_seeds_reach_their_member(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda request: ollama_reply(decision("BUY" if "bold" in request.body.decode() else "SELL"))) as server:
        provider(monkeypatch, "ollama", server)
        agent = TradingAgent(
            [
                Member(model="ollama:m", weight=3, brief="Be bold.", seed=7),
                Member(model="ollama:m"),
                Member(model="ollama:m"),
            ]
        )
        result = agent.decide("X", CANDLES)
        seeds = [request.json["options"].get("seed") for request in server.received]
        ends = [request.json["messages"][-1]["content"].endswith("\n\nBe bold.") for request in server.received]
    assert (result.action, result.agreement) == (Action.BUY, 0.6)
    assert sorted(seeds, key=str) == [7, None, None]
    assert sorted(ends) == [False, False, True]  # a member's own words come last


def test_decides_inside_a_running_event_loop_and_inside_another_agents_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: chat_reply(decision("BUY"))) as server:
        provider(monkeypatch, "openai", server)
        agent = TradingAgent(["openai:a", "openai:b"])

        async def notebook() -> tuple[str | None, str | None]:
            with observe_agent("research") as outer:
                plain = agent.decide("X", CANDLES)
                awaited = await agent.adecide("X", CANDLES)
            assert plain.trace_id == awaited.trace_id == outer.trace_id
            return plain.trace_id, awaited.trace_id

        assert None not in asyncio.run(notebook())


def test_many_decisions_at_once_keep_their_traces_apart(monkeypatch: pytest.MonkeyPatch, spool: Spool) -> None:
    with Server(lambda _: chat_reply(decision("BUY"))) as server:
        provider(monkeypatch, "openai", server)
        agent = TradingAgent(["openai:a", "openai:b", "openai:c"])
        traces: list[str | None] = []
        threads = [
            threading.Thread(target=lambda: traces.append(agent.decide("X", CANDLES).trace_id)) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(traces)) == 6
    for trace in traces:
        rows = spool.trace(trace or "")
        root = next(row for row in rows if row.parent_span_id is None)
        assert [row.parent_span_id for row in rows if row.type == "generation"] == [root.span_id] * 3


def test_an_unset_provider_in_a_swarm_is_a_failed_member(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: chat_reply(decision("BUY"))) as server:
        provider(monkeypatch, "openai", server)
        result = TradingAgent(["openai:a", "openai:b", "claude"]).decide("X", CANDLES)
    assert result.action is Action.BUY
    assert result.votes[2].error_category == "unavailable"


def test_a_member_that_is_a_chain_is_one_generation_and_one_vote(
    monkeypatch: pytest.MonkeyPatch, langfuse: Langfuse
) -> None:
    with (
        Server(lambda _: error_reply(401, "wrong key")) as broken,
        Server(lambda _: ollama_reply(decision("SELL", 61))) as works,
    ):
        provider(monkeypatch, "openai", broken)
        provider(monkeypatch, "ollama", works)
        agent = TradingAgent([Member(model="openai:a", fallbacks=("ollama:llama3.2",)), "ollama:llama3.2"])
        result = agent.decide("X", CANDLES)
    assert (result.action, [vote.action for vote in result.votes]) == (Action.SELL, [Action.SELL, Action.SELL])
    assert result.votes[0].model_name == "llama3.2"
    assert flush(60) == 0
    generations = [span for span in langfuse.spans if span.attributes[names.TYPE] == "generation"]
    roots = [span for span in langfuse.spans if span.parent is None]
    assert len(generations) == 2
    assert {span.parent for span in generations} == {roots[0].span_id}


def test_an_unknown_provider_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(UnknownProvider):
        TradingAgent(["opnai:gpt-4o"])


def test_without_keys_three_local_members_decide() -> None:
    agent = TradingAgent()
    assert [member.label for member in agent.members] == ["local#1", "local#2", "local#3"]
    assert len({(member.seed, member.brief) for member in agent.members}) == 3


def test_with_keys_every_configured_provider_is_a_member(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
    monkeypatch.setenv("ANTHROPIC_KEY", "sk-ant-test-0123456789abcdef")
    assert [member.label.partition(":")[0] for member in TradingAgent().members] == ["claude", "openai"]


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "local"),
        ({"OPENAI_KEY": "sk-test-0123456789abcdef"}, "openai"),
        ({"GROQ_API_KEY": "gsk-test-0123456789abcdef", "AI_MODEL": "llama-4"}, None),
        ({"OPENAI_KEY": "sk-test-0123456789abcdef", "AI_MODEL_PROVIDER": "local"}, "local"),
        ({"AI_MODEL": "claude-haiku-4-5"}, "claude:claude-haiku-4-5"),
        ({"AI_MODEL": "groq:llama-4"}, "groq:llama-4"),
        ({"AI_MODEL_PROVIDER": "ollama", "AI_MODEL": "gemma4"}, "ollama:gemma4"),
    ],
)
def test_an_agent_that_names_no_model_asks_the_configured_provider(
    environment: dict[str, str], name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    if name is None:
        with pytest.raises(ValueError, match="set AI_MODEL_PROVIDER too"):
            default_name()
    else:
        assert default_name() == name


def test_one_key_is_enough_for_the_command_to_ask_that_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: chat_reply(decision("SELL", 61))) as server:
        provider(monkeypatch, "openai", server)
        done = CliRunner().invoke(app, ["trade", "EURUSD", "--json"])
        asked = [request.json["model"] for request in server.received]
    result = json.loads(done.stdout)
    assert [(vote["member"], vote["action"]) for vote in result["votes"]] == [("openai", "SELL")]
    assert asked == [ModelFactory.DEFAULT_MODELS["openai"]]
