"""Connections live as long as their event loop, for every provider that has an asynchronous client."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import warnings
import weakref
from typing import TYPE_CHECKING

import pytest

from src.models import model_factory
from tests.contract.dialects.base import Says
from tests.contract.harness import CASES, dialect_of
from tests.servers import Server, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.models.base_model import BaseModel
    from tests.contract.dialects.base import Dialect


@pytest.fixture(params=[name for name in CASES if not (dialect_of(name).engine or dialect_of(name).loopback)])
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(dialect: Dialect) -> Iterator[Server]:
    with Server(lambda _: dialect.reply(Says(text="hello"))) as running:
        yield running


@pytest.fixture
def at(make: Callable[..., BaseModel], dialect: Dialect, server: Server) -> BaseModel:
    return make(base_url=dialect.base_url(server.url))


@pytest.fixture(autouse=True)
def quick_search() -> None:
    """Leave the objects that exist already out of collections and searches: those of the SDKs take half a second."""
    gc.freeze()


def _open_to(server: Server) -> int:
    """Return how many connections of this process to a server are open, whoever holds them."""
    port = int(server.url.rpartition(":")[2])
    total = 0
    for item in gc.get_objects():
        if isinstance(item, socket.socket) and item.fileno() != -1:
            try:
                total += item.getpeername()[:2] == ("127.0.0.1", port)
            except OSError:
                continue
    return total


def test_each_loop_closes_its_connections_when_it_ends(at: BaseModel, server: Server) -> None:
    for _ in range(3):
        assert asyncio.run(at.agenerate_response(None, "hi")).content == "hello"
        assert _open_to(server) == 0


def test_one_loop_keeps_its_connection(at: BaseModel, server: Server) -> None:
    async def ask_three_times() -> int:
        for _ in range(3):
            await at.agenerate_response(None, "hi")
        return _open_to(server)

    assert asyncio.run(ask_three_times()) <= 1
    assert len(server.received) == 3


def test_a_loop_that_is_ended_roughly_leaves_nothing_behind(at: BaseModel, server: Server) -> None:
    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(at.agenerate_response(None, "hi"))
        loop.close()
    asyncio.run(at.agenerate_response(None, "hi"))
    gc.collect()
    assert _open_to(server) == 0


def test_a_model_that_the_program_drops_has_its_connections_closed_in_their_loop(
    make: Callable[..., BaseModel], dialect: Dialect, server: Server
) -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    model = make(base_url=dialect.base_url(server.url))
    asyncio.run_coroutine_threadsafe(model.agenerate_response(None, "hi"), loop).result(20)
    assert _open_to(server) == 1
    reference = weakref.ref(model)
    del model
    model_factory._cache.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)  # of a socket that is closed because nobody refers to it
        gc.collect()  # on another thread than the loop's
        assert reference() is None
        assert eventually(lambda: _open_to(server) == 0)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
