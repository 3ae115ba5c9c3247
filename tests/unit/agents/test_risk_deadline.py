"""The verdict of the rules is there at its deadline, whatever the model that comments does, or its server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from src.agents.risk_agent import RiskAgent, RiskVerdict
from src.agents.risk_rules import Limits, Portfolio, Position, RiskAction
from src.models.adapters.openai import OpenAIModel
from src.models.base_model import BaseModel
from src.observability import attributes as names
from src.observability.spans import otlp
from tests.servers import Server, chat_reply, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.models.types import ModelRequest, Timeouts
    from src.observability.store.spool import Spool

LOSS = Portfolio(equity_usd="9000", start_equity_usd="10000", positions=(Position(symbol="BTC-USD", value_usd=2_000),))
MAX_LOSS = Limits(max_loss_usd=500)
TIMEOUT_S = 0.4
# What hangs here hangs for a minute, so a verdict that waits for it is over this bound whatever the machine does.
PATIENCE_S = 30.0
GENERATION_IN_RUN = {"risk_agent.run", "openai.generate"}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """Load the SDK, which takes longer than the deadlines here."""
    model_at("http://127.0.0.1:9").client  # noqa: B018 - made when it is first read


class Misbehaving:
    """A server on loopback that sends `start` on each connection, and then `again` at each `pause_s` for a minute."""

    def __init__(self, start: bytes, again: bytes, pause_s: float) -> None:
        self._bytes = start, again
        self._pause_s = pause_s
        self.has_request = threading.Event()
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        start, again = self._bytes
        until = time.monotonic() + 60
        with contextlib.suppress(OSError), connection:
            if start:
                connection.recv(65536)
            self.has_request.set()
            connection.sendall(start)
            while time.monotonic() < until and not self._stop.wait(self._pause_s):
                connection.sendall(again)

    def __enter__(self) -> Misbehaving:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._listener.close()


class Hanging(BaseModel):
    """An adapter of a user's own that hangs in one of its hooks."""

    provider = "hanging"

    def __init__(self, hook: str, release: threading.Event) -> None:
        super().__init__("one")
        self._hook = hook
        self._release = release

    def _hang(self, hook: str) -> None:
        if hook == self._hook:
            self._release.wait(60)

    @override
    def _build(self, request: ModelRequest, *, stream: bool) -> Any:
        self._hang("build")
        return {}

    @override
    def _send(self, payload: Any, timeouts: Timeouts) -> Any:
        self._hang("send")
        raise OSError(5, "released")


def model_at(url: str) -> OpenAIModel:
    return OpenAIModel("gpt-4o", api_key="sk-test-0123456789abcdef", base_url=f"{url}/v1")


def plainly(agent: RiskAgent) -> RiskVerdict:
    return agent.assess(LOSS, MAX_LOSS)


def in_asyncio(agent: RiskAgent) -> RiskVerdict:
    async def beside_other_work() -> RiskVerdict:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        other = asyncio.create_task(tick())
        started = time.monotonic()
        verdict = await agent.aassess(LOSS, MAX_LOSS)
        other.cancel()
        assert ticks or time.monotonic() - started < TIMEOUT_S / 2  # the caller's loop went on
        return verdict

    return asyncio.run(beside_other_work())


def inside_a_running_loop(agent: RiskAgent) -> RiskVerdict:
    async def as_in_a_notebook() -> RiskVerdict:
        return agent.assess(LOSS, MAX_LOSS)

    return asyncio.run(as_in_a_notebook())


WAYS = [plainly, in_asyncio, inside_a_running_loop]


def assert_closes_in_time(agent: RiskAgent, way: Callable[[RiskAgent], RiskVerdict] = plainly) -> RiskVerdict:
    started = time.monotonic()
    verdict = way(agent)
    assert time.monotonic() - started < PATIENCE_S
    assert (verdict.action, verdict.comment, verdict.overridden) == (RiskAction.CLOSE_ALL, None, False)
    assert verdict.model_error
    return verdict


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("start", "again", "pause_s"),
    [
        (CONTINUE, CONTINUE, 0.005),
        (CONTINUE, CONTINUE * 2000, 0.0),
        (b"HTTP/1.1 200 OK\r\nx-slow: ", b"a", 0.02),
        (b"H", b"", 0.02),
        (STREAM, b"1\r\n \r\n", 0.005),
        (STREAM, b"1000\r\n" + b" " * 4096 + b"\r\n", 0.0),
    ],
    ids=["continue", "flood of continue", "slow header", "first byte", "slow body", "flood of body"],
)
def test_a_server_that_never_comes_to_an_end(
    start: bytes, again: bytes, pause_s: float, way: Callable[[RiskAgent], RiskVerdict], spool: Spool
) -> None:
    with Misbehaving(start, again, pause_s) as server:
        agent = RiskAgent(model_at(f"http://127.0.0.1:{server.port}"), allow_override=True, timeout_s=TIMEOUT_S)
        verdict = assert_closes_in_time(agent, way)
        if not server.has_request.is_set():  # the machine is so busy that the deadline came before the request
            return
        # While the server runs: its end would be an error of the connection where the call has not ended yet.
        assert eventually(lambda: {row.name for row in spool.trace(verdict.trace_id or "")} >= GENERATION_IN_RUN)
    rows = {row.name: row for row in spool.trace(verdict.trace_id or "")}
    attributes = dict(otlp.decode_span(rows["openai.generate"].span).attributes)
    category = json.loads(str(attributes[names.METADATA + "error_category"]))
    assert category in ("timeout", "malformed_response")  # the latter for more bytes than a reply may have


def test_a_handshake_that_is_never_answered() -> None:
    with Misbehaving(b"", b"", 0.05) as server:
        assert_closes_in_time(RiskAgent(model_at(f"https://127.0.0.1:{server.port}"), timeout_s=TIMEOUT_S))


def test_a_connection_that_is_never_accepted() -> None:
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # fill its queue: further connections wait
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        assert_closes_in_time(RiskAgent(model_at(f"http://127.0.0.1:{listener.getsockname()[1]}"), timeout_s=TIMEOUT_S))


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_is_never_resolved(
    way: Callable[[RiskAgent], RiskVerdict],
    monkeypatch: pytest.MonkeyPatch,
    release: threading.Event,
    spool: Spool,
) -> None:
    is_asked = threading.Event()

    def look_up(*_: object, **__: object) -> Any:
        is_asked.set()
        release.wait(60)
        raise socket.gaierror(-2, "released")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    agent = RiskAgent(model_at("http://never.resolved.test"), timeout_s=TIMEOUT_S)
    trace_id = assert_closes_in_time(agent, way).trace_id or ""
    if is_asked.is_set():  # unless the machine is so busy that the deadline came before
        assert eventually(lambda: {row.name for row in spool.trace(trace_id)} >= GENERATION_IN_RUN)
    # An exit of the process would wait for a thread of asyncio's own pool.
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("asyncio_")] == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("hook", ["build", "send"])
def test_an_adapter_that_hangs(hook: str, way: Callable[[RiskAgent], RiskVerdict], release: threading.Event) -> None:
    assert_closes_in_time(RiskAgent(Hanging(hook, release), timeout_s=TIMEOUT_S), way)


def test_a_model_that_is_ready_too_late_is_not_asked(release: threading.Event) -> None:
    class Slow(RiskAgent):
        @property
        @override
        def model(self) -> BaseModel:
            release.wait(60)
            return super().model

    with Server(lambda _: chat_reply("{}")) as server:
        assert_closes_in_time(Slow(model_at(server.url), timeout_s=TIMEOUT_S))
        release.set()
        for thread in threading.enumerate():
            if thread.name == "moondev-risk":
                thread.join(PATIENCE_S)
        assert server.received == []


def test_a_cancelled_assessment_cancels_the_call(spool: Spool) -> None:
    async def cancelled(agent: RiskAgent) -> None:
        assessing = asyncio.create_task(agent.aassess(LOSS, MAX_LOSS))
        assert await asyncio.to_thread(server.has_request.wait, PATIENCE_S)
        assessing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await assessing

    with Misbehaving(CONTINUE, CONTINUE, 0.01) as server:
        started = time.monotonic()
        asyncio.run(cancelled(RiskAgent(model_at(f"http://127.0.0.1:{server.port}"), timeout_s=60)))
        for thread in threading.enumerate():
            if thread.name == "moondev-risk":
                thread.join(PATIENCE_S)
                assert not thread.is_alive()
        assert time.monotonic() - started < PATIENCE_S
    assert eventually(lambda: {row.name for row in spool.rows_after(0)} >= GENERATION_IN_RUN)


def test_any_failure_of_the_model_leaves_the_verdict() -> None:
    class Broken(RiskAgent):
        @property
        @override
        def model(self) -> BaseModel:
            raise KeyError("sk-proj-Zr8Kq2Wm5Tn9Xb3Vc7Lp4Hd6Jf1Gs0Qa")

    verdict = assert_closes_in_time(Broken("local"))
    assert "KeyError" in str(verdict.model_error)
    assert "Zr8Kq2Wm5Tn9Xb3Vc7Lp4Hd6Jf1Gs0Qa" not in str(verdict.model_error)


def test_a_thread_that_cannot_start_leaves_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "moondev-risk":
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert "can't start" in str(assert_closes_in_time(RiskAgent("local")).model_error)


@pytest.mark.parametrize("way", WAYS)
def test_a_trace_store_that_is_locked_does_not_hold_up_the_verdict(
    way: Callable[[RiskAgent], RiskVerdict], spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    RiskAgent(rules_only=True).assess(LOSS, MAX_LOSS)  # so that the store is there
    reply = '{"override": false, "confidence": 50, "comment": "close"}'
    with Server(lambda _: chat_reply(reply)) as server, contextlib.closing(sqlite3.connect(spool.path)) as backup:
        backup.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        verdict = way(RiskAgent(model_at(server.url), timeout_s=20))
        ruled = way(RiskAgent(rules_only=True, timeout_s=TIMEOUT_S))
        assert time.monotonic() - started < PATIENCE_S  # a plain call waits 15 s for the store
        backup.rollback()
    assert (verdict.action, verdict.comment, ruled.action) == (RiskAction.CLOSE_ALL, "close", RiskAction.CLOSE_ALL)
    assert eventually(lambda: {row.name for row in spool.trace(verdict.trace_id or "")} >= GENERATION_IN_RUN)
    assert eventually(lambda: bool(spool.trace(ruled.trace_id or "")))
