"""A decision comes in time, with every vote that was there in time, whatever tracing or a member does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from src.agents.decisions import Action
from src.agents.risk_agent import RiskAgent
from src.agents.risk_rules import Portfolio
from src.agents.swarm.members import Member
from src.agents.trading_agent import TradingAgent
from src.models import ModelFactory
from src.observability import tracker
from src.observability.store import background
from tests import warm
from tests.integration.deciding import LONGEST_S, TOTAL_S, WAYS, awaited, plainly, stored, timed, voting_server
from tests.integration.test_swarm import CANDLES, provider
from tests.servers import Langfuse, Received, Reply, Server, chat_reply, decision, ollama_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from src.agents.swarm.voting import Vote
    from src.agents.trading_agent import TradingResult
    from src.observability.store.spool import Spool

    Decide = Callable[[TradingAgent], TradingResult]

LOCK = (
    "import sqlite3, sys\n"
    "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    "connection.execute('BEGIN IMMEDIATE')\n"
    "print('locked', flush=True)\n"
    "sys.stdin.read()\n"
    "connection.execute('COMMIT')\n"
)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Have another process hold the store's write lock."""
    process = warm.Program(
        [sys.executable, "-c", LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    try:
        yield
    finally:
        process.communicate("")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with voting_server(monkeypatch) as running:
        yield running


def test_a_locked_store_changes_neither_answer_nor_time_and_has_all_rows_later(server: Server, spool: Spool) -> None:
    agent = TradingAgent(["openai:a", "openai:b", "openai:long"], total_timeout_s=TOTAL_S)
    with locked(spool.path):
        results = [timed(way, agent) for way in WAYS]
        for result in results:
            assert (result.action, [vote.error_category for vote in result.votes]) == (Action.BUY, [None] * 3)
            assert spool.trace(result.trace_id or "") == []
    assert background.drain(30) == 0
    for result in results:
        assert [row.name for row in spool.trace(result.trace_id or "")].count("trading_agent.swarm") == 1
        assert stored(spool, result) == ["well"] * 3
    assert spool.losses == 0
    assert spool.stats().scores == 3 * (3 + 3) + (3 + 1)  # decision, confidence, agreement, and one for each vote


@pytest.mark.parametrize("is_async", [False, True])
def test_a_locked_store_costs_a_verdict_on_risk_neither_time_nor_its_comment(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    opinion = json.dumps({"override": False, "confidence": 90, "comment": "too large"})
    with Server(lambda _: chat_reply(opinion)) as running:
        provider(monkeypatch, "openai", running)
        agent = RiskAgent(ModelFactory.get_model("openai:a"), timeout_s=TOTAL_S)  # whose SDK is loaded by now
        portfolio = Portfolio.from_dict({"equity_usd": 1000, "start_equity_usd": 1005, "positions": []})
        with locked(spool.path):
            started = time.monotonic()
            verdict = asyncio.run(agent.aassess(portfolio)) if is_async else agent.assess(portfolio)
            assert time.monotonic() - started < LONGEST_S
    assert (verdict.comment, verdict.model_error) == ("too large", None)
    assert background.drain(30) == 0
    assert sorted(row.type for row in spool.trace(verdict.trace_id or "")) == ["agent", "generation"]


def test_tracing_that_begins_with_a_locked_store_begins_late_not_the_decision(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from src.observability.store.spool import Spool

    path = tmp_path / "another.db"
    Spool(path).close()
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(path))
    before = tracker.set_tracker(None)
    assert before is not None
    before.shutdown(0.0)
    with locked(path):
        result = timed(plainly, TradingAgent(["openai:a", "openai:b"], total_timeout_s=TOTAL_S))
    assert result.action is Action.BUY
    assert background.drain(30) == 0
    assert len(Spool(path).trace(result.trace_id or "")) == 3


def test_an_awaited_call_waits_for_its_row_and_holds_up_no_other_task(server: Server, spool: Spool) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.005)

    async def call() -> str:
        model = ModelFactory.get_model("openai", "a")
        await model.agenerate_response(None, "hi")  # connects
        ticking = asyncio.create_task(tick())
        with locked(spool.path):
            asking = asyncio.create_task(model.agenerate_response(None, "hi"))
            while ticks < 60:  # time enough for the reply to come
                await asyncio.sleep(0.005)
            assert not asking.done()  # its row is not stored yet, and cannot be as long as the store is locked
        reply = await asking
        ticking.cancel()
        assert [row.type for row in spool.trace(reply.trace_id or "")] == ["generation"]
        return "called"

    assert asyncio.run(call()) == "called"


def test_a_cancelled_decision_cancels_its_members(server: Server, spool: Spool) -> None:
    agent, begun_at = TradingAgent(["openai:hangs", "openai:hangs"], member_timeout_s=20), spool.last_seq()

    async def cancelled() -> None:
        task = asyncio.create_task(agent.adecide("X", CANDLES))
        while len(server.received) < 2:
            await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(task, 0.05)

    asyncio.run(cancelled())
    rows = spool.rows_after(begun_at)
    assert [row.error_category for row in rows if row.type == "generation"] == ["cancelled", "cancelled"]
    assert [row.error_category for row in rows if row.type == "agent"] == ["cancelled"]


@pytest.mark.parametrize("way", [plainly, awaited])
def test_what_on_vote_raises_cancels_the_other_members_and_reaches_the_caller(
    server: Server, spool: Spool, way: Callable[..., TradingResult]
) -> None:
    class Stopped(Exception):
        pass

    def on_vote(vote: Vote) -> None:
        while len(server.received) < 2:
            time.sleep(0.01)
        raise Stopped(vote.member)

    agent, begun_at = TradingAgent(["openai:a", "openai:hangs"], member_timeout_s=20), spool.last_seq()
    with pytest.raises(Stopped, match="openai:a"):
        way(agent, on_vote=on_vote)
    rows = spool.rows_after(begun_at)
    assert sorted(str(row.error_category) for row in rows if row.type == "generation") == ["None", "cancelled"]


def test_on_vote_is_called_where_the_decision_is_asked_for(server: Server) -> None:
    threads: list[threading.Thread] = []
    agent = TradingAgent(["openai:a", "openai:b"])
    for way in WAYS:
        way(agent, on_vote=lambda _: threads.append(threading.current_thread()))
    assert threads == [threading.current_thread()] * 6


BOT = """
import threading, time
import tests.integration.test_swarm as made
from src.agents.trading_agent import TradingAgent
from src.models import ModelFactory
from src.observability import flush

agent = TradingAgent(["openai:a", "openai:b", "ollama:c"], member_timeout_s=20)


def bot():
    threading.main_thread().join()
    for _ in range(2):
        result = agent.decide("X", made.CANDLES)
        print(result.action, [vote.error_category for vote in result.votes], flush=True)
    print(flush(20), flush=True)


threading.Thread(target=bot).start()
"""


def test_a_bot_goes_on_deciding_after_the_main_thread_has_ended(tmp_path: Path) -> None:
    def answer(request: Received) -> Reply:
        return ollama_reply(decision("BUY")) if request.path == "/api/chat" else chat_reply(decision("BUY"))

    with Server(answer) as server, Langfuse() as langfuse:
        address = server.url.replace("127.0.0.1", "localhost")  # a name, which must be looked up
        environment = {
            **os.environ,
            "MOONDEV_TRACE_DB": str(tmp_path / "bot.db"),
            "LANGFUSE_HOST": langfuse.url.replace("127.0.0.1", "localhost"),
            "LANGFUSE_PUBLIC_KEY": "pk-lf-test",
            "LANGFUSE_SECRET_KEY": "sk-lf-test-secret",
            "OPENAI_BASE_URL": address + "/v1",
            "OPENAI_KEY": "test-key-0123456789",
            "OLLAMA_HOST": address,
        }
        done = warm.run(
            [sys.executable, "-c", textwrap.dedent(BOT)],
            capture_output=True, text=True, timeout=120, check=False, env=environment,
        )  # fmt: skip
    expected = f"BUY {[None] * 3}\n"
    assert (done.returncode, done.stdout) == (0, expected * 2 + "0\n"), done.stderr
    assert len(langfuse.spans) == 2 * 4
    with contextlib.closing(sqlite3.connect(tmp_path / "bot.db")) as connection:
        assert connection.execute("SELECT count(*) FROM observations").fetchone() == (8,)


def test_the_end_of_a_process_waits_for_what_a_decision_left_to_be_stored(tmp_path: Path, server: Server) -> None:
    path = tmp_path / "ending.db"
    code = (
        "import tests.integration.test_swarm as made\n"
        "from src.agents.trading_agent import TradingAgent\n"
        "agent = TradingAgent(['openai:a', 'openai:b'])\n"
        "print(agent.decide('X', made.CANDLES).action, flush=True)\n"
        "input()\n"
        "print(agent.decide('X', made.CANDLES).action, flush=True)\n"
    )
    environment = {**os.environ, "MOONDEV_TRACE_DB": str(path)}
    process = warm.Program(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "BUY\n"
    with locked(path):
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "BUY\n"
        assert process.poll() is None
    assert process.wait(30) == 0
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM observations").fetchone() == (6,)


@pytest.mark.parametrize("weight", [float("nan"), -1, 0, float("inf"), -float("inf"), True, "2", None], ids=str)
def test_a_weight_that_cannot_be_counted_is_refused_before_anything_is_asked(weight: Any) -> None:
    with pytest.raises(ValueError, match="weight of openai:a is"):
        Member(model="openai:a", weight=weight)


def test_weights_whose_sum_is_no_number_are_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        TradingAgent([Member(model="openai:a", weight=1.5e308), Member(model="openai:b", weight=1.5e308)])
    assert json.dumps(TradingAgent([Member(model="openai:a", weight=1e-300)]).members[0].weight)
