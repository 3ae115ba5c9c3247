"""A member that blocks, never ends or replies at length costs no other member its vote."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from typing_extensions import override

from src.agents.decisions import Action
from src.agents.swarm.members import Member
from src.agents.trading_agent import TradingAgent
from src.models import BaseModel
from tests.integration.deciding import HANGING_S, WAYS, awaited, plainly, stored, timed, voting_server
from tests.integration.test_swarm import CANDLES, provider
from tests.servers import Received, Reply, Server, chat_reply, decision, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.agents.trading_agent import TradingResult
    from src.models.types import ModelRequest, Timeouts
    from src.observability.store.spool import Spool

    Decide = Callable[[TradingAgent], TradingResult]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with voting_server(monkeypatch) as running:
        yield running


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
    agent = TradingAgent(["openai:a", "openai:b", "openai:c"], total_timeout_s=HANGING_S)
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
        member_s = 15.0 if behave is flood else HANGING_S / 2
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
    agent = TradingAgent(["openai:a", "openai:b", "xai:m"], member_timeout_s=HANGING_S - 0.2, total_timeout_s=HANGING_S)
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
        agent = TradingAgent(["openai:a", "openai:b", "openai:long"], member_timeout_s=30)
        result = agent.decide("X", CANDLES)
    assert [vote.error_category for vote in result.votes] == [None, None, "malformed_response"]
    assert result.action is Action.SELL
    assert stored(spool, result) == ["malformed_response", "well", "well"]


def test_an_abandoned_loop_ends_once_it_reacts_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.agents.swarm import loops

    loop = loops.loop_for("test of an abandoned loop")
    released = threading.Event()
    loop.call_soon_threadsafe(released.wait, 30)
    loops.abandon("test of an abandoned loop", loop)
    assert loops.loop_for("test of an abandoned loop") is not loop
    released.set()
    assert eventually(loop.is_closed)
