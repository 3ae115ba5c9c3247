"""Every provider's SDK meets a server that hangs, breaks off, drips, and is asked by many at once."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from src.models.errors import CATEGORIES, ConnectionFailed, ModelError, ModelTimeout
from src.models.model_factory import ModelFactory
from src.models.types import Timeouts
from src.observability.store import background
from tests.contract.conftest import ONCE, QUICK
from tests.contract.dialects.base import Says
from tests.contract.harness import CASES, ROWS, Caller, dialect_of
from tests.servers import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool
    from tests.contract.dialects.base import Dialect

SHORT = Timeouts(connect=2.0, read=0.15, total=0.3)
pytestmark = pytest.mark.usefixtures("configured")


@pytest.fixture(params=[case for case in CASES if not dialect_of(case).engine])
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def at(case: str, dialect: Dialect) -> Callable[..., BaseModel]:
    """Return how to get the provider's model at an address."""

    def get(origin: str, **settings: Any) -> BaseModel:
        return ModelFactory.get_model(
            case.partition("__")[0],
            dialect.model,
            **{"base_url": dialect.base_url(origin), "retry_policy": ONCE, **dialect.settings, **settings},
        )

    return get


class Raw:
    """A server that runs a function on each connection's socket, once its request has arrived."""

    def __init__(self, run: Callable[[socket.socket], None]) -> None:
        self._run = run
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.done = threading.Event()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            try:
                self._run(connection)
            except OSError:
                return

    def __enter__(self) -> Raw:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.done.set()
        self._listener.close()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_server_that_hangs_is_a_timeout(
    at: Callable[..., BaseModel], call: Caller, spool: Spool, *, streamed: bool
) -> None:
    with Server(lambda _: Reply(hang=True)) as server:
        model = at(server.url, timeouts=SHORT)
        with pytest.raises(ModelTimeout) as caught:
            call.stream(model, None, "hi") if streamed else call.ask(model, None, "hi")
    (row,) = spool.trace(str(caught.value.trace_id))
    assert row.error_category == "timeout"


def test_a_timeout_given_to_one_call_holds_for_it(at: Callable[..., BaseModel], call: Caller) -> None:
    with Server(lambda _: Reply(hang=True)) as server, pytest.raises(ModelTimeout):
        call.ask(at(server.url), None, "hi", timeout=0.2)


def test_a_timeout_is_retried_inside_the_deadline(at: Callable[..., BaseModel], dialect: Dialect, call: Caller) -> None:
    replies = itertools.chain([Reply(hang=True)], itertools.repeat(dialect.reply(Says(text="late"))))
    with Server(lambda _: next(replies)) as server:
        model = at(server.url, timeouts=Timeouts(connect=2.0, read=0.3, total=20.0), retry_policy=QUICK)
        reply = call.ask(model, None, "hi")
    assert reply.content == "late"
    assert reply.attempts > 1


def test_a_server_that_drips_is_cut_off_at_the_deadline(at: Callable[..., BaseModel], call: Caller) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n")
        while not server.done.wait(0.05):
            connection.sendall(b" ")

    with Raw(drip) as server, pytest.raises(ModelTimeout):
        call.ask(at(server.url, timeouts=Timeouts(connect=2.0, read=0.2, total=0.4)), None, "hi")


def test_a_server_that_drips_its_headers_is_cut_off_at_the_deadline(
    at: Callable[..., BaseModel], call: Caller, case: str
) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nx-slow: ")
        for _ in range(200):  # far behind the deadline
            if server.done.wait(0.05):
                return
            connection.sendall(b"a")

    ways = [call.ask, call.stream] if case.startswith("gemini") else [call.ask]  # elsewhere both share one client
    with Raw(drip) as server:
        model = at(server.url, timeouts=Timeouts(connect=2.0, read=0.2, total=0.4))
        for ask in ways:
            with pytest.raises(ModelTimeout):
                ask(model, None, "hi")


def test_a_connection_reset_in_mid_body_is_a_connection_error(
    at: Callable[..., BaseModel], dialect: Dialect, call: Caller
) -> None:
    def answer(_: object) -> Reply:
        whole = dialect.reply(Says(text="a longer text"))
        return Reply(200, whole.body[:40], whole.headers, reset=True)

    with Server(answer) as server, pytest.raises(ConnectionFailed):
        call.ask(at(server.url), None, "hi")


def test_a_stream_reset_in_mid_body_is_a_connection_error(
    at: Callable[..., BaseModel], dialect: Dialect, call: Caller, spool: Spool
) -> None:
    def answer(_: object) -> Reply:
        whole = dialect.stream(Says(text="first half, second half"))
        return Reply(200, whole.body[: len(whole.body) // 2], whole.headers, reset=True)

    with Server(answer) as server, pytest.raises(ModelError) as caught:
        call.stream(at(server.url), None, "hi")
    assert caught.value.category == "connection"
    assert spool.trace(str(caught.value.trace_id))[0].level == "ERROR"


def test_nothing_listening_is_a_connection_error(at: Callable[..., BaseModel], call: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(ConnectionFailed) as caught:
        call.ask(at(address), None, "hi")
    assert caught.value.category in CATEGORIES


def _echo(dialect: Dialect) -> Callable[[Any], Reply]:
    """Answer each request with its own last text."""
    return lambda request: dialect.reply(Says(text=f"you said {dialect.parse_request(request).texts[-1]}"))


def test_thirty_two_threads_get_each_their_own_answer(
    at: Callable[..., BaseModel], dialect: Dialect, spool: Spool
) -> None:
    with Server(_echo(dialect)) as server, ThreadPoolExecutor(32) as pool:
        model = at(server.url)
        replies = list(pool.map(lambda n: model.generate_response(None, f"number {n}"), range(32)))
    assert [reply.content for reply in replies] == [f"you said number {n}" for n in range(32)]
    assert len({reply.trace_id for reply in replies}) == 32
    assert len(spool.rows_after(0)) == 32


def test_thirty_two_tasks_get_each_their_own_answer(
    at: Callable[..., BaseModel], dialect: Dialect, spool: Spool
) -> None:
    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(model.agenerate_response(None, f"number {n}") for n in range(32)))

    with Server(_echo(dialect)) as server:
        model = at(server.url)
        replies = asyncio.run(all_at_once())
    assert [reply.content for reply in replies] == [f"you said number {n}" for n in range(32)]
    assert len(spool.rows_after(0)) == 32


def test_a_cancelled_call_ends_at_once_and_stands_on_the_trace(at: Callable[..., BaseModel], spool: Spool) -> None:
    has_arrived = threading.Event()

    def answer(_: object) -> Reply:
        has_arrived.set()
        return Reply(hang=True)

    async def cancel() -> None:
        task = asyncio.create_task(model.agenerate_response(None, "hi"))
        while not has_arrived.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Server(answer) as server:
        model = at(server.url, retry_policy=QUICK)
        asyncio.run(cancel())
    assert background.drain(20) == 0  # after a cancellation nothing waits for the row
    (row,) = spool.rows_after(0)
    assert (row.level, row.error_category) == ("ERROR", "cancelled")


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_stream_that_the_caller_leaves_ends_its_generation(
    at: Callable[..., BaseModel], dialect: Dialect, spool: Spool, mode: str
) -> None:
    async def leave() -> None:
        chunks = model.astream_response(None, "hi")
        async for chunk in chunks:
            assert chunk.content
            break
        await chunks.aclose()  # type: ignore[attr-defined] # an asynchronous generator

    with Server(lambda _: dialect.stream(Says(text="first half, second half"))) as server:
        model = at(server.url)
        if mode == "async":
            asyncio.run(leave())
        else:
            chunks: Iterator[Any] = iter(model.stream_response(None, "hi"))
            next(chunks)
            chunks.close()  # type: ignore[attr-defined] # a generator
    (row,) = spool.rows_after(0)
    assert row.error_category == "cancelled"
    assert b"first half" in row.span


def test_each_provider_is_here() -> None:
    assert set(ROWS) - {"local"} <= set(CASES)
