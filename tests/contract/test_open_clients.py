"""A program that asks with many keys keeps few connections: the oldest idle ones are closed, never one in use."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from src.models.model_factory import ModelFactory
from src.models.transport import per_loop, per_process
from tests.contract.dialects.base import Says
from tests.contract.test_loops import _open_to
from tests.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.models.base_model import BaseModel
    from tests.contract.dialects.base import Dialect
    from tests.servers import Received, Reply

KEYS = range(5)
MOST = 3


@pytest.fixture(params=["openai", "groq", "claude", "gemini", "ollama"])
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(dialect: Dialect) -> Iterator[Server]:
    def answer(request: Received) -> Reply:
        streamed = b'"stream":true' in request.body.replace(b" ", b"") or "streamGenerate" in request.path
        return (dialect.stream if streamed else dialect.reply)(Says(text="hello"))

    with Server(answer) as running:
        yield running


@pytest.fixture
def models(
    make: Callable[..., BaseModel], dialect: Dialect, server: Server, monkeypatch: pytest.MonkeyPatch
) -> list[BaseModel]:
    """Return a model for each key, all of which the program holds."""
    monkeypatch.setattr(per_process, "MOST_OPEN", MOST)
    monkeypatch.setattr(per_loop, "MOST_OPEN", MOST)
    monkeypatch.setattr(per_process, "_open", type(per_process._open)())
    return [make(api_key=f"key-4711-{number}", base_url=dialect.base_url(server.url)) for number in KEYS]


def keys_of(server: Server) -> list[str]:
    """Return which key each request came with."""
    sent = (" ".join(request.headers.values()) for request in server.received)
    return [next(key for key in (f"key-4711-{number}" for number in KEYS) if key in text) for text in sent]


def test_few_connections_stay_open_and_every_model_goes_on(models: list[BaseModel], server: Server) -> None:
    for _ in range(2):
        for model in models:
            assert model.generate_response(None, "hi").content == "hello"
        assert _open_to(server) <= MOST
    assert keys_of(server) == [f"key-4711-{number}" for number in KEYS] * 2


def test_a_client_in_use_is_not_closed(models: list[BaseModel], server: Server) -> None:
    stream = models[0].stream_response(None, "hi")
    first = next(stream)
    for model in models[1:]:
        model.generate_response(None, "hi")
    assert first.content + "".join(chunk.content for chunk in stream) == "hello"


def test_a_client_that_the_program_holds_is_not_closed(models: list[Any]) -> None:
    client = models[0].client
    for model in models[1:]:
        model.generate_response(None, "hi")
    assert models[0].client is client
    assert models[0].generate_response(None, "hi").content == "hello"


def test_the_clients_of_a_loop_are_few_too(models: list[BaseModel], server: Server) -> None:
    async def main() -> None:
        stream = models[0].astream_response(None, "hi")
        texts = [(await anext(stream)).content]
        for _ in range(2):
            for model in models[1:]:
                assert (await model.agenerate_response(None, "hi")).content == "hello"
            for _ in range(1000):  # the others close in this loop
                if _open_to(server) <= MOST + 1:
                    break
                await asyncio.sleep(0.01)
            assert _open_to(server) <= MOST + 1
        texts += [chunk.content async for chunk in stream]
        assert "".join(texts) == "hello"
        await asyncio.gather(*(model.agenerate_response(None, "hi") for model in models))

    asyncio.run(main())
    assert _open_to(server) == 0


@pytest.mark.parametrize("case", ["openai"])
def test_the_factory_remembers_the_latest_models(configured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["src.models.model_factory"], "_MOST_CACHED", 3)
    models = [ModelFactory.get_model("openai", "m", api_key=f"key-{number}") for number in KEYS]
    assert len(ModelFactory._cache) == 3
    assert ModelFactory.get_model("openai", "m", api_key="key-4") is models[4]
    assert ModelFactory.get_model("openai", "m", api_key="key-2") is models[2]
    ModelFactory.get_model("openai", "m", api_key="key-0")
    assert ModelFactory.get_model("openai", "m", api_key="key-2") is models[2]
    assert ModelFactory.get_model("openai", "m", api_key="key-3") is not models[3]
