"""A request over raw HTTP stays what it was for the program, and is recorded as the model call that it is."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests

from src.models import ModelFactory, guard
from src.models.raw_http.addresses import route
from src.observability import attributes as names
from src.observability.spans import otlp
from src.observability.store import background
from tests.contract.dialects.base import Says
from tests.servers import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.observability.store.spool import Spool

KEY = "sk-proj-Zq8Lw3Tn5Rb7Yc1Vd9Xe2Mf4"
JPEG = "/9j/4AAQSkZJRgABAQ=="
CHAT = {"model": "gpt-4o", "messages": [{"role": "system", "content": "Brief."}, {"role": "user", "content": "Trend?"}],
        "temperature": 0.3}  # fmt: skip
# Protocol: dialect, path, body, provider, and what is read of the body as texts by role.
PROTOCOLS: dict[str, tuple[str, str, dict[str, Any], str, list[tuple[str, str]]]] = {
    "chat": ("openai", "/v1/chat/completions", CHAT, "openai_compatible", [("system", "Brief."), ("user", "Trend?")]),
    "messages": (
        "claude", "/v1/messages",
        {"model": "claude-haiku-4-5", "max_tokens": 50, "system": [{"type": "text", "text": "Brief."}],
         "messages": [{"role": "user", "content": [{"type": "text", "text": "Trend?"}]}], "temperature": 0.3},
        "claude", [("system", '[{"type": "text", "text": "Brief."}]'), ("user", "Trend?")],
    ),
    "gemini": (
        "gemini", "/v1beta/models/gemini-3.5-flash-lite:generateContent?key=AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
        {"systemInstruction": {"parts": [{"text": "Brief."}]}, "contents": [{"parts": [{"text": "Trend?"}]}],
         "generationConfig": {"temperature": 0.3}},
        "gemini", [("system", "Brief."), ("user", "Trend?")],
    ),
    "ollama": (
        "ollama", "/api/chat",
        {"model": "gemma4", "stream": False, "options": {"temperature": 0.3},
         "messages": [{"role": "system", "content": "Brief."}, {"role": "user", "content": "Trend?"}]},
        "ollama", [("system", "Brief."), ("user", "Trend?")],
    ),
    "responses": (
        "openai__responses", "/v1/responses",
        {"model": "gpt-4o", "instructions": "Brief.", "input": "Trend?", "temperature": 0.3},
        "openai_compatible", [("system", "Brief."), ("user", "Trend?")],
    ),
}  # fmt: skip
HEADERS = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> tuple[Any, str, dict[str, Any], str, list[tuple[str, str]]]:
    dialect, *rest = PROTOCOLS[request.param]
    return (importlib.import_module(f"tests.contract.dialects.{dialect}").Dialect(), *rest)


@pytest.fixture(autouse=True)
def guarded() -> Iterator[None]:
    """Let no request pass that is not traced."""
    guard.install("block")
    yield
    guard.uninstall()


def only(spool: Spool) -> tuple[Any, dict[str, Any]]:
    rows = spool.rows_after(0)
    assert len(rows) == 1
    return rows[0], dict(otlp.decode_span(rows[0].span).attributes)


def test_what_was_asked_and_told_is_recorded(protocol: Any, spool: Spool) -> None:
    dialect, path, body, provider, texts = protocol
    says = Says("Up, slowly.")
    with Server(lambda _: dialect.reply(says)) as server:
        response = ModelFactory.post(server.url + path, headers=HEADERS, json=body, timeout=10)
        assert server.received[0].json == body
        assert server.received[0].headers["authorization"] == HEADERS["Authorization"]
    assert isinstance(response, requests.Response)
    assert "Up, slowly." in response.text
    row, attributes = only(spool)
    assert attributes[names.PROVIDER] == provider
    assert attributes[names.OUTPUT] == "Up, slowly."
    assert [(message["role"], message["content"]) for message in json.loads(attributes[names.INPUT])] == texts
    assert json.loads(attributes[names.MODEL_PARAMETERS])["temperature"] == 0.3
    assert json.loads(attributes[names.USAGE_DETAILS]) == dialect.expected_usage(says.tokens).details()
    assert row.error_category is None
    assert attributes[names.REQUEST_MODEL] == body.get("model", "gemini-3.5-flash-lite")


def test_no_header_and_no_key_of_an_address_is_stored(protocol: Any, spool: Spool) -> None:
    dialect, path, body, *_ = protocol
    with Server(lambda _: dialect.error("server")) as server:
        ModelFactory.post(server.url + path, headers=HEADERS, json=body)
    with pytest.raises(requests.ConnectionError) as raised:
        ModelFactory.post("http://127.0.0.1:9" + path, headers=HEADERS, json=body)
    stored = b"".join(file.read_bytes() for file in spool.path.parent.iterdir())
    assert KEY.encode() not in stored
    assert b"AIzaSyD" not in stored
    assert path.partition("?")[0] in str(raised.value)


@pytest.mark.parametrize("category", ["authentication", "rate_limit", "context_length", "server"])
def test_an_error_response_comes_back_as_it_is_and_is_recorded_as_one(
    protocol: Any, category: str, spool: Spool
) -> None:
    dialect, path, body, *_ = protocol
    answer = dialect.error(category)
    with Server(lambda _: answer) as server:
        response = ModelFactory.post(server.url + path, json=body)
        assert len(server.received) == 1
    assert (response.status_code, response.content) == (answer.status, answer.body)
    assert only(spool)[0].error_category == category


def test_an_exception_comes_back_as_it_is(spool: Spool) -> None:
    with Server(lambda _: Reply(hang=True)) as server, pytest.raises(requests.exceptions.ReadTimeout) as raised:
        ModelFactory.post(server.url + "/v1/chat/completions", json=CHAT, timeout=0.2)
    assert raised.value.__cause__ is None
    assert only(spool)[0].error_category == "timeout"


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"", b'{"choices": []}', b"[]", b'{"a": "\xff"}'])
def test_a_reply_that_is_none_is_recorded_as_malformed(body: bytes, spool: Spool) -> None:
    with Server(lambda _: Reply(body=body)) as server:
        response = ModelFactory.post(server.url + "/v1/chat/completions", json=CHAT)
    assert response.content == body
    assert only(spool)[0].error_category == "malformed_response"


@pytest.mark.parametrize(
    "body",
    [{"messages": "hello"}, {"messages": [1, None]}, {"messages": [{"content": {"a": 1}}]}, {"model": 7}, {},
     {"messages": [{"role": "user", "content": [{"type": "odd"}]}]}, {"messages": []}],
)  # fmt: skip
def test_whatever_is_asked_is_sent(body: dict[str, Any], spool: Spool) -> None:
    dialect = importlib.import_module("tests.contract.dialects.openai").Dialect()
    with Server(lambda _: dialect.reply(Says("yes"))) as server:
        assert ModelFactory.post(server.url + "/v1/chat/completions", json=body).ok
        assert server.received[0].json == body
    assert only(spool)[1][names.OUTPUT] == "yes"


def test_bodies_that_are_texts_and_positional_arguments_are_read(spool: Spool) -> None:
    dialect = importlib.import_module("tests.contract.dialects.openai").Dialect()
    with Server(lambda _: dialect.reply(Says("yes"))) as server:
        url = server.url + "/v1/chat/completions"
        assert ModelFactory.post(url, json.dumps(CHAT), headers=HEADERS).ok
        assert ModelFactory.post(url, None, CHAT).ok
        assert ModelFactory.post(url=url, data=json.dumps(CHAT).encode()).ok
        assert ModelFactory.post(httpx.URL(url), via=httpx.post, content=json.dumps(CHAT)).is_success
        assert [request.json for request in server.received] == [CHAT] * 4
    recorded = [dict(otlp.decode_span(row.span).attributes) for row in spool.rows_after(0)]
    assert [attributes[names.REQUEST_MODEL] for attributes in recorded] == ["gpt-4o"] * 4


def test_a_stream_is_recorded_whole_and_can_still_be_read_line_by_line(protocol: Any, spool: Spool) -> None:
    dialect, path, body, *_ = protocol
    path = path.replace(":generateContent?", ":streamGenerateContent?alt=sse&")
    answer = dialect.stream(Says("Up, slowly."))
    with Server(lambda _: answer) as server:
        response = ModelFactory.post(server.url + path, json={**body, "stream": True}, stream=True)
        lines = list(response.iter_lines())
    assert lines == answer.body.splitlines()
    _, attributes = only(spool)
    assert attributes[names.OUTPUT] == "Up, slowly."
    assert json.loads(attributes[names.USAGE_DETAILS])["output"] == 7


def test_ollamas_generate_is_read_with_its_images(spool: Spool) -> None:
    reply = {"model": "llava", "response": "a chart", "done": True, "prompt_eval_count": 9, "eval_count": 3}
    with Server(lambda _: Reply(body=json.dumps(reply).encode())) as server:
        ModelFactory.post(
            server.url + "/api/generate", json={"model": "llava", "prompt": "What?", "system": "See.", "images": [JPEG]}
        )
    row, attributes = only(spool)
    assert attributes[names.OUTPUT] == "a chart"
    assert JPEG not in attributes[names.INPUT]
    assert "sha256" in attributes[names.INPUT]
    assert (row.model, json.loads(attributes[names.USAGE_DETAILS])) == ("llava", {"input": 9, "output": 3})


def test_the_price_is_the_one_that_openrouter_reports(monkeypatch: pytest.MonkeyPatch, spool: Spool) -> None:
    dialect = importlib.import_module("tests.contract.dialects.openai").Dialect()
    body = json.loads(dialect.reply(Says("yes")).body)
    body["usage"]["cost"] = 0.0123
    response = requests.Response()
    response.status_code, response._content = 200, json.dumps(body).encode()
    monkeypatch.setattr(requests, "post", lambda *_, **__: response)
    assert ModelFactory.post("https://openrouter.ai/api/v1/chat/completions", json=CHAT) is response
    row, attributes = only(spool)
    assert attributes[names.PROVIDER] == "openrouter"
    assert row.cost_usd == 0.0123


def test_ones_own_key_at_openrouter_costs_the_fee_and_what_the_provider_bills(
    monkeypatch: pytest.MonkeyPatch, spool: Spool
) -> None:
    dialect = importlib.import_module("tests.contract.dialects.openai").Dialect()
    body = json.loads(dialect.reply(Says("yes")).body)
    body["usage"].update({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.0360795}})
    response = requests.Response()
    response.status_code, response._content = 200, json.dumps(body).encode()
    monkeypatch.setattr(requests, "post", lambda *_, **__: response)
    ModelFactory.post("https://openrouter.ai/api/v1/chat/completions", json=CHAT)
    row, attributes = only(spool)
    details = {"openrouter_fee": 0, "upstream_inference": 0.0360795, "total": 0.0360795}
    assert (row.cost_usd, json.loads(attributes[names.COST_DETAILS])) == (0.0360795, details)


def test_a_request_that_reached_nobody_costs_nothing(spool: Spool) -> None:
    with Server(lambda _: Reply()) as server:
        address = server.url + "/v1/chat/completions"
    with pytest.raises(requests.exceptions.ConnectionError):
        ModelFactory.post(address, json=CHAT)
    row, _ = only(spool)
    assert (row.error_category, row.cost_usd, row.is_unpriced) == ("connection", 0.0, False)


async def test_asyncio_and_cancellation(spool: Spool) -> None:
    dialect = importlib.import_module("tests.contract.dialects.openai").Dialect()
    async with httpx.AsyncClient() as client:
        with Server(lambda _: dialect.reply(Says("yes"))) as server:
            url = server.url + "/v1/chat/completions"
            responses = await asyncio.gather(*(ModelFactory.apost(url, via=client.post, json=CHAT) for _ in range(5)))
            assert all(isinstance(response, httpx.Response) and response.is_success for response in responses)
        with Server(lambda _: Reply(hang=True)) as server:
            hanging = asyncio.create_task(
                ModelFactory.apost(server.url + "/v1/chat/completions", via=client.post, json=CHAT)
            )
            await asyncio.sleep(0.2)
            hanging.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hanging
    assert background.drain(20) == 0  # after a cancellation nothing waits for the row
    categories = [row.error_category for row in spool.rows_after(0)]
    assert categories == [None] * 5 + ["cancelled"]


def test_what_no_model_answers_passes_by_and_is_not_recorded(spool: Spool) -> None:
    with Server(lambda _: Reply(body=b"{}")) as server:
        assert ModelFactory.post(server.url + "/api/orders", json={"pair": "BTC"}).ok
    with pytest.raises(requests.exceptions.InvalidURL):
        ModelFactory.post("no address at all", json={})
    assert spool.rows_after(0) == []


def test_a_store_that_cannot_be_written_costs_the_program_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MOONDEV_TRACE_DB", "/proc/nowhere/traces.db")
    dialect = importlib.import_module("tests.contract.dialects.openai").Dialect()
    with caplog.at_level(logging.CRITICAL), Server(lambda _: dialect.reply(Says("yes"))) as server:
        assert ModelFactory.post(server.url + "/v1/chat/completions", json=CHAT).ok


@pytest.mark.parametrize(
    ("address", "provider", "protocol", "model"),
    [
        ("https://api.openai.com/v1/chat/completions", "openai", "chat", ""),
        ("https://api.openai.com/v1/responses", "openai", "responses", ""),
        ("https://api.openai.com/v1/completions?x=1", "openai", "completions", ""),
        ("https://desk.openai.azure.com/openai/deployments/a/chat/completions?api-version=1", "openai", "chat", ""),
        ("https://api.anthropic.com/v1/messages", "claude", "messages", ""),
        ("https://api.deepseek.com/chat/completions", "deepseek", "chat", ""),
        ("https://api.groq.com/openai/v1/chat/completions", "groq", "chat", ""),
        ("https://api.x.ai/v1/chat/completions", "xai", "chat", ""),
        ("https://openrouter.ai/api/v1/chat/completions/", "openrouter", "chat", ""),
        ("https://generativelanguage.googleapis.com/v1beta/models/gemini-3.5-flash-lite:generateContent?key=k",
         "gemini", "gemini", "gemini-3.5-flash-lite"),
        ("http://localhost:11434/api/generate", "ollama", "ollama_generate", ""),
        ("http://localhost:11434/v1/chat/completions", "ollama", "chat", ""),
        ("http://127.0.0.1:1234/v1/chat/completions", "openai_compatible", "chat", ""),
    ],
)  # fmt: skip
def test_an_address_tells_provider_and_protocol(address: str, provider: str, protocol: str, model: str) -> None:
    destination = route(address)
    assert destination is not None
    assert (destination.provider, destination.protocol, destination.model) == (provider, protocol, model)
    assert "?" not in destination.endpoint


@pytest.mark.parametrize(
    "address",
    ["https://api.openai.com/v1/audio/speech", "https://api.openai.com/v1/models", "http://localhost:11434/api/tags",
     "https://hooks.slack.com/services/x", "", "http://[::1", "https://example.com/v1/messages/inbox"],
)  # fmt: skip
def test_other_addresses_are_none_of_ours(address: str) -> None:
    assert route(address) is None
