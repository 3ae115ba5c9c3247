"""What is Ollama's alone: its context, its counts, its clouds, its words."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from src.models.errors import ConnectionFailed, InvalidRequest, ModelNotFound, Unsupported
from src.models.model_factory import ModelFactory
from src.models.types import ImagePart
from tests.servers import Reply, Server, ollama_reply

if TYPE_CHECKING:
    from src.observability.store.spool import Spool


def _ask(reply: Reply, name: str = "llama3.2", prompt: Any = "hi", **options: Any) -> tuple[Any, dict[str, Any]]:
    with Server(lambda _: reply) as server:
        model = ModelFactory.get_model("ollama", name, base_url=server.url)
        return model.generate_response(None, prompt, **options), server.received[0].json


def _counted(prompt: int | None, output: int | None = 4) -> Reply:
    body = json.loads(ollama_reply("hi").body)
    for name, count in (("prompt_eval_count", prompt), ("eval_count", output)):
        body.pop(name)
        if count is not None:
            body[name] = count
    return Reply(body=json.dumps(body).encode())


@pytest.mark.parametrize(
    ("length", "max_tokens", "room"),
    [(10, None, 4096), (12_000, None, 8192), (12_000, 8000, 16_384), (10**6, None, 131_072)],
)
def test_asks_for_a_context_that_the_prompt_fits(length: int, max_tokens: int | None, room: int) -> None:
    _, sent = _ask(ollama_reply("hi"), prompt="x" * length, max_tokens=max_tokens)
    assert sent["options"]["num_ctx"] == room


def test_a_context_that_is_asked_for_is_taken() -> None:
    _, sent = _ask(ollama_reply("hi"), num_ctx=999, top_k=3, keep_alive="5m")
    assert sent["options"]["num_ctx"] == 999
    assert sent["options"]["top_k"] == 3
    assert sent["keep_alive"] == "5m"


def test_a_prompt_that_was_cut_is_told_and_its_count_is_unknown(caplog: pytest.LogCaptureFixture, spool: Spool) -> None:
    reply, _ = _ask(_counted(999), num_ctx=1000)
    assert (reply.usage.input, reply.usage.output) == (None, 4)
    assert "raise num_ctx" in caplog.text
    assert b"raise num_ctx" in spool.trace(reply.trace_id)[0].span


def test_a_prompt_that_fits_is_counted() -> None:
    reply, _ = _ask(_counted(998), num_ctx=1000)
    assert reply.usage.input == 998
    assert reply.warnings == ()


WORDS = "the price of bitcoin rises today "


@pytest.mark.parametrize(
    ("tokens", "size", "options"),
    [
        (502, 8000, {"num_ctx": 1000}),  # num_ctx / 2 + 2
        (503, 8000, {"num_ctx": 1000}),
        (502, 2, {"num_ctx": 1000}),  # more than two bytes can be
        (2050, 9000, {}),  # of the context that is asked for by itself
        (16_387, 160_000, {"num_ctx": 32_768}),
        (516, 8000, {"num_ctx": 1000, "num_keep": 32}),
        (1000, 8000, {"num_ctx": 1000}),
        (1026, 57_000, {}),  # of a smaller context than was asked for: a model's own limit
        (700, 40_000, {"num_ctx": 4096}),  # a conversation without its older messages
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_prompt_that_the_server_has_cut_is_reported(
    tokens: int, size: int, options: dict[str, Any], caplog: pytest.LogCaptureFixture, spool: Spool, *, streamed: bool
) -> None:
    prompt = (WORDS * (size // len(WORDS) + 1))[:size]
    with Server(lambda _: _counted(tokens)) as server:
        model = ModelFactory.get_model("ollama", "llama3.2", base_url=server.url)
        if streamed:
            reply: Any = list(model.stream_response(None, prompt, **options))[-1].reply
        else:
            reply = model.generate_response(None, prompt, **options)
    assert (reply.usage.input, reply.usage.output) == (None, 4)
    assert len(reply.warnings) == 1
    assert "raise num_ctx" in reply.warnings[0]
    assert reply.warnings[0] in caplog.text
    assert b"raise num_ctx" in spool.trace(reply.trace_id)[0].span


@pytest.mark.parametrize(
    ("tokens", "size", "options"),
    [
        (502, 480, {"num_ctx": 1000}),  # a template and 480 bytes of digits; 1,000 tokens cannot have been cut off
        (480, 2000, {"num_ctx": 1000}),
        (1500, 6000, {}),
        (2049, 6100, {"num_ctx": 8192}),
        (9000, 36_000, {"num_ctx": 16_384}),
        (20, 150, {}),
    ],
)
def test_a_prompt_that_was_read_whole_is_counted(tokens: int, size: int, options: dict[str, Any]) -> None:
    reply, _ = _ask(_counted(tokens), prompt=(WORDS * (size // len(WORDS) + 1))[:size], **options)
    assert reply.usage.input == tokens
    assert reply.warnings == ()


def test_a_missing_count_is_unknown_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    reply, _ = _ask(_counted(None))
    assert (reply.usage.input, reply.usage.output) == (None, 4)
    assert "no prompt token count" in caplog.text
    reply, _ = _ask(_counted(None, None))
    assert reply.usage is None


@pytest.mark.parametrize(
    ("name", "cost"), [("llama3.2", 0.0), ("gpt-oss:120b-cloud", None), ("kimi-k2:1t-cloud", None), ("x:cloud", None)]
)
def test_ones_own_machine_costs_nothing_and_the_cloud_is_unknown(name: str, cost: float | None) -> None:
    reply, _ = _ask(ollama_reply("hi", model=name), name)
    assert reply.cost_usd == cost
    assert reply.cost_source == ("local" if cost == 0.0 else None)


def test_a_model_at_ollamas_own_address_is_in_its_cloud() -> None:
    assert not ModelFactory.get_model("ollama", "x", base_url="https://ollama.com")._is_free("x")


@pytest.mark.parametrize(
    ("name", "effort", "think"),
    [("gpt-oss:20b", "high", "high"), ("gpt-oss:20b", "none", "low"), ("qwen3", "low", True), ("qwen3", "none", False)],
)
def test_says_effort_as_the_model_takes_it(name: str, effort: str, think: object) -> None:
    _, sent = _ask(ollama_reply("hi", model=name), name, reasoning_effort=effort)
    assert sent["think"] == think


def test_a_missing_model_says_how_to_get_it() -> None:
    with pytest.raises(ModelNotFound, match=r"ollama pull mistral"):
        _ask(Reply(404, b'{"error":"model \'mistral\' not found"}'), "mistral")


def test_a_server_that_is_not_there_says_how_to_start_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(ConnectionFailed, match="ollama serve"):
        ModelFactory.get_model("ollama", base_url=address).generate_response(None, "hi")


@pytest.mark.parametrize("what", ["tools", "thinking"])
def test_what_a_model_does_not_do_is_named(what: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        _ask(Reply(400, json.dumps({"error": f'"x" does not support {what}'}).encode()), "x")
    assert caught.value.parameter == what


def test_an_images_address_is_refused() -> None:
    with pytest.raises(Unsupported, match="bytes"):
        _ask(ollama_reply("hi"), "llava", ["look", ImagePart(url="http://x/y.png")])


def test_a_tools_result_names_its_tool() -> None:
    function = {"name": "price_of", "arguments": '{"symbol": "BTC"}'}
    messages = [
        {"role": "user", "content": "price?"},
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "c1", "content": "5"},
    ]
    with Server(lambda _: ollama_reply("five")) as server:
        ModelFactory.get_model("ollama", base_url=server.url).chat(messages)
    messages = server.received[0].json["messages"]
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == {"symbol": "BTC"}
    assert messages[2]["tool_name"] == "price_of"


def test_the_host_is_read_as_the_sdk_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:5678")
    model: Any = ModelFactory.get_model("ollama")
    assert str(model.client._client.base_url) == "http://127.0.0.1:5678"
