"""A decision comes in time, with every vote that was there in time, whatever tracing or a member does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from typing_extensions import override

from src.agents.decisions import Action
from src.agents.risk_agent import RiskAgent
from src.agents.risk_rules import Portfolio
from src.agents.swarm.members import Member
from src.agents.trading_agent import TradingAgent
from src.models import BaseModel, ModelFactory
from src.observability import tracker
from src.observability.store import background
from tests import warm
from tests.integration.test_swarm import CANDLES, provider
from tests.servers import Langfuse, Received, Reply, Server, chat_reply, decision, eventually, ollama_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from src.agents.swarm.voting import Vote
    from src.agents.trading_agent import TradingResult
    from src.models.types import ModelRequest, Timeouts
    from src.observability.store.spool import Spool

    Decide = Callable[[TradingAgent], TradingResult]

TOTAL_S = 2.0
# What a decision may take at most, on a machine that is busy with other tests. Where it waits for the store, it takes
# 15 s; for a name, a thread or a server, 30 s and more.
LONGEST_S = TOTAL_S + 2.5
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


def plainly(agent: TradingAgent, **options: Any) -> TradingResult:
    return agent.decide("X", CANDLES, **options)


def inside_a_loop(agent: TradingAgent, **options: Any) -> TradingResult:
    async def notebook() -> TradingResult:
        return agent.decide("X", CANDLES, **options)

    return asyncio.run(notebook())


def awaited(agent: TradingAgent, **options: Any) -> TradingResult:
    return asyncio.run(agent.adecide("X", CANDLES, **options))


WAYS = [plainly, inside_a_loop, awaited]


def timed(decide: Decide, agent: TradingAgent) -> TradingResult:
    started = time.monotonic()
    result = decide(agent)
    assert time.monotonic() - started < LONGEST_S
    return result


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    def answer(request: Received) -> Reply:
        model = request.json["model"]
        if model == "hangs":
            return Reply(hang=True)
        if model == "long":  # full of escapes, which redaction decodes one by one
            return chat_reply(decision("BUY", 70, '%25\\u00e9\\"' * 40_000))
        return chat_reply(decision("BUY", 70))

    with Server(answer) as running:
        provider(monkeypatch, "openai", running)
        TradingAgent(["openai:a"]).decide("X", CANDLES)  # loads the SDK and begins tracing
        running.received.clear()
        yield running


def stored(spool: Spool, result: TradingResult) -> list[str]:
    """Return how the generations of a decision ended, as they are stored."""
    rows = spool.trace(result.trace_id or "")
    return sorted(row.error_category or "well" for row in rows if row.type == "generation")


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


class Blocking(BaseModel):
    """A model whose adapter blocks the event loop that it runs on."""

    provider: ClassVar[str] = "blocking"
    released: ClassVar[threading.Event] = threading.Event()

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> object:
        return request

    @override
    async def _asend(self, payload: object, timeouts: Timeouts) -> object:
        self.released.wait(30)
        raise OSError("too late")


@pytest.mark.parametrize("way", WAYS)
def test_a_member_that_blocks_its_loop_costs_no_other_its_vote(
    server: Server, way: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Blocking, "released", threading.Event())
    agent = TradingAgent(["openai:a", "openai:b", "openai:c"], total_timeout_s=2)
    agent._seats = (type(agent._seats[0])(Member(model="blocking"), Blocking("m")), *agent._seats[1:])
    result = timed(way, agent)
    assert (result.action, [vote.error_category for vote in result.votes]) == (Action.BUY, ["timeout", None, None])
    Blocking.released.set()


def trickle(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
        while True:
            connection.sendall(b" ")
            time.sleep(0.02)


def continue_forever(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.02)


def redirect_forever(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            connection.sendall(
                b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /v1/chat/completions\r\ncontent-length: 0\r\n\r\n"
            )


def flood(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


@contextlib.contextmanager
def raw_server(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=behave, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize(
    ("behave", "categories"),
    [
        (trickle, {"timeout"}),
        (continue_forever, {"timeout", "connection"}),
        (redirect_forever, {"connection", "timeout"}),
        (flood, {"malformed_response"}),
    ],
)
@pytest.mark.parametrize("way", [plainly, awaited])
def test_a_server_that_never_comes_to_an_end_is_one_failed_member(
    server: Server,
    behave: Callable[[socket.socket], None],
    categories: set[str],
    way: Decide,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with raw_server(behave) as port:
        monkeypatch.setenv("XAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
        monkeypatch.setenv("GROK_API_KEY", "xai-test-0123456789abcdef")
        # The flood takes the processors of this test too, and ends by its size, not by a deadline.
        member_s = 15.0 if behave is flood else 1.5
        agent = TradingAgent(["openai:a", "openai:b", "xai:m"], member_timeout_s=member_s)
        result = way(agent) if behave is flood else timed(way, agent)
    assert (result.action, [vote.error_category for vote in result.votes[:2]]) == (Action.BUY, [None, None])
    assert result.votes[2].error_category in categories


@pytest.mark.parametrize("way", WAYS)
def test_a_name_look_up_that_hangs_holds_up_nobody(
    server: Server, way: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, real = threading.Event(), socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        if host in ("slow.test", b"slow.test"):
            released.wait(30)
            raise socket.gaierror("unknown")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setenv("XAI_BASE_URL", "http://slow.test/v1")
    monkeypatch.setenv("GROK_API_KEY", "xai-test-0123456789abcdef")
    agent = TradingAgent(["openai:a", "openai:b", "xai:m"], member_timeout_s=1.8, total_timeout_s=2)
    result = timed(way, agent)
    released.set()
    assert (result.action, [vote.error_category for vote in result.votes]) == (Action.BUY, [None, None, "timeout"])


def test_a_long_reply_costs_no_other_member_its_vote(monkeypatch: pytest.MonkeyPatch, spool: Spool) -> None:
    import gzip

    def answer(request: Received) -> Reply:
        if request.json["model"] != "long":
            return chat_reply(decision("SELL", 60))
        reply = chat_reply(decision("BUY", 70, "x" * 20_000_000))
        body = gzip.compress(reply.body, 1)
        return Reply(body=body, headers={**reply.headers, "content-encoding": "gzip"})

    with Server(answer) as server:
        provider(monkeypatch, "openai", server)
        agent = TradingAgent(["openai:a", "openai:b", "openai:long"], member_timeout_s=5)
        result = agent.decide("X", CANDLES)
    assert [vote.error_category for vote in result.votes] == [None, None, "malformed_response"]
    assert result.action is Action.SELL
    assert stored(spool, result) == ["malformed_response", "well", "well"]


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


def test_an_abandoned_loop_ends_once_it_reacts_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.agents.swarm import loops

    loop = loops.loop_for("test of an abandoned loop")
    released = threading.Event()
    loop.call_soon_threadsafe(released.wait, 30)
    loops.abandon("test of an abandoned loop", loop)
    assert loops.loop_for("test of an abandoned loop") is not loop
    released.set()
    assert eventually(loop.is_closed)
