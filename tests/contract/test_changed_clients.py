"""What is set on a model's client while it is in use is sent: whole and streamed, with and without asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.dialects.base import Says

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from tests.contract.dialects.base import Dialect
    from tests.contract.harness import Caller, Wire


@pytest.fixture(params=["openai", "deepseek", "groq", "claude", "gemini", "ollama"])
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def http_of(model: Any) -> Any:
    """Return the HTTP client below a model's client."""
    client = model.client
    return client._api_client._httpx_client if model.provider == "gemini" else client._client


def _sent(
    model: BaseModel, call: Caller, dialect: Dialect, wire: Wire, *, streamed: bool
) -> tuple[str, dict[str, str]]:
    """Make a call; return the path and the headers that were sent."""
    wire.say((dialect.stream if streamed else dialect.reply)(Says(text="hi")))
    wire.received.clear()
    (call.stream if streamed else call.ask)(model, None, "hi")
    return wire.received[0].path, wire.received[0].headers


def new_key(model: Any) -> None:
    if model.provider == "gemini":
        model.client._api_client._http_options.headers["x-goog-api-key"] = "new-key-4712"
    elif model.provider == "ollama":
        model.client._client.headers["authorization"] = "Bearer new-key-4712"
    else:
        model.client.api_key = "new-key-4712"


def new_header(model: Any) -> None:
    http_of(model).headers["x-note"] = "new-key-4712"


def new_query(model: Any) -> None:
    http_of(model).params = {"note": "new-key-4712"}


def new_address(model: Any) -> None:
    client, provider = model.client, model.provider
    if provider == "gemini":
        client._api_client._http_options.base_url = "http://provider.test/new-key-4712"
    elif provider == "ollama":
        client._client.base_url = "http://provider.test/new-key-4712"
    else:
        client.base_url = "http://provider.test/new-key-4712"


def sdk_header(model: Any) -> None:
    if model.provider in ("gemini", "ollama"):
        new_header(model)
    else:
        model.client._custom_headers["x-note"] = "new-key-4712"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("change", [new_key, new_header, new_query, new_address, sdk_header])
def test_a_change_is_sent_from_the_next_call_on(
    change: Callable[[Any], None],
    streamed: bool,
    call: Caller,
    make: Callable[..., BaseModel],
    dialect: Dialect,
    wire: Wire,
) -> None:
    model = make()
    for _ in range(2):
        path, headers = _sent(model, call, dialect, wire, streamed=streamed)
        assert "4712" not in f"{path} {headers}"
    change(model)
    for _ in range(2):
        path, headers = _sent(model, call, dialect, wire, streamed=streamed)
        assert "new-key-4712" in (f"{path} {headers}")


def test_what_is_taken_back_is_not_sent_any_more(
    call: Caller, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire
) -> None:
    model: Any = make()
    new_header(model)
    assert "4712" in str(_sent(model, call, dialect, wire, streamed=False))
    del http_of(model).headers["x-note"]
    assert "4712" not in str(_sent(model, call, dialect, wire, streamed=False))


def test_a_client_of_a_running_loop_follows(make: Callable[..., BaseModel], dialect: Dialect, wire: Wire) -> None:
    model: Any = make()

    async def main() -> None:
        wire.say(dialect.reply(Says(text="hi")))
        await model.agenerate_response(None, "hi")
        new_header(model)
        await model.agenerate_response(None, "hi")
        del http_of(model).headers["x-note"]
        await model.agenerate_response(None, "hi")
        new_key(model)
        await model.agenerate_response(None, "hi")

    asyncio.run(main())
    assert ["4712" in str(request.headers) for request in wire.received] == [False, True, False, True]
