"""Recorded replies of providers, read through their SDKs and the adapters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from src.models import ModelFactory, errors
from src.models.retry import NO_RETRIES
from tests.servers import Reply, Server

RECORDED = Path(__file__).parents[4] / "shared" / "recorded"
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings beside the project are not here")


def served(name: str) -> tuple[dict[str, Any], Reply]:
    recording = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    response = recording["response"]
    if "stream" in response:
        return recording, Reply(recording["status"], response["stream"].encode(), {"content-type": "text/event-stream"})
    body = json.dumps(response).encode()
    return recording, Reply(recording["status"], body, {"content-type": "application/json"})


def model_at(monkeypatch: pytest.MonkeyPatch, provider: str, server: Server, name: str) -> Any:
    variable, key = {"claude": ("CLAUDE_BASE_URL", "ANTHROPIC_KEY"), "gemini": ("GEMINI_BASE_URL", "GEMINI_KEY")}[
        provider
    ]
    monkeypatch.setenv(variable, server.url)
    monkeypatch.setenv(key, "test-key-0123456789")
    return ModelFactory.get_model(provider, name, retry_policy=NO_RETRIES)


def test_claude_cache_reads_and_writes_are_counted_apart_from_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    recording, answer = served("anthropic/cache_read_and_write")
    with Server(lambda _: answer) as server:
        reply = model_at(monkeypatch, "claude", server, "claude-sonnet-4-5").generate_response("s", "u")
    assert reply.content == recording["response"]["content"][0]["text"]
    assert reply.usage.details() == {
        "input": 3, "input_cached_tokens": 1111, "input_cache_creation": 418, "output": 33,
    }  # fmt: skip
    assert (reply.finish_reason, reply.model_name) == ("stop", "claude-sonnet-4-5-20250929")
    assert reply.cost_usd == pytest.approx((3 * 3 + 1111 * 0.3 + 418 * 3.75 + 33 * 15) / 1e6)


def test_an_unknown_claude_model_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    _, answer = served("anthropic/error_404_model")
    with Server(lambda _: answer) as server, pytest.raises(errors.ModelNotFound) as raised:
        model_at(monkeypatch, "claude", server, "claude-does-not-exist").generate_response("s", "u")
    assert "claude-does-not-exist" in raised.value.message


def test_claude_streams_its_thinking_as_reasoning(monkeypatch: pytest.MonkeyPatch) -> None:
    _, answer = served("anthropic/thinking_stream")
    with Server(lambda _: answer) as server:
        chunks = list(model_at(monkeypatch, "claude", server, "claude-sonnet-4-0").stream_response("s", "u"))
    text, reasoning = "".join(chunk.content for chunk in chunks), "".join(chunk.reasoning for chunk in chunks)
    assert reasoning.startswith("This is a straightforward question about pedestrian safety.")
    assert text.endswith("when crossing streets.")
    assert "straightforward question" not in text
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, chunks[-1].finish_reason) == (43, 282, "stop")


def test_gemini_thoughts_are_reasoning_and_reasoning_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    recording, answer = served("gemini/thoughts")
    with Server(lambda _: answer) as server:
        reply = model_at(monkeypatch, "gemini", server, "gemini-3-pro-preview").generate_response("s", "u")
    assert reply.reasoning.startswith("**A Safe Street-Crossing Guide")
    assert "My Thought Process" not in reply.content
    assert reply.usage.details() == {"input": 29, "output": 736, "output_reasoning_tokens": 1001}
    assert reply.usage.total_tokens == recording["response"]["usageMetadata"]["totalTokenCount"]


def test_gemini_streams_its_thoughts_as_reasoning(monkeypatch: pytest.MonkeyPatch) -> None:
    _, answer = served("gemini/thoughts_stream")
    with Server(lambda _: answer) as server:
        chunks = list(model_at(monkeypatch, "gemini", server, "gemini-2.5-pro").stream_response("s", "u"))
    assert "".join(chunk.content for chunk in chunks).endswith("Always assume a driver might not see you.")
    assert any(chunk.reasoning for chunk in chunks)
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.details() == {"input": 34, "output": 469, "output_reasoning_tokens": 787}
    assert (usage.total_tokens, chunks[-1].finish_reason) == (1290, "stop")


def test_a_token_limit_used_up_by_gemini_thoughts_is_an_empty_response(
    monkeypatch: pytest.MonkeyPatch, spool: Any
) -> None:
    _, answer = served("gemini/thoughts_only_max_tokens_empty")
    with Server(lambda _: answer) as server, pytest.raises(errors.EmptyResponse, match="raise max_tokens"):
        model_at(monkeypatch, "gemini", server, "gemini-2.5-pro").generate_response("s", "u")
    row = spool.rows_after(0)[-1]
    assert (row.error_category, row.input_tokens, row.output_tokens) == ("empty_response", 15, 2)


def test_a_gemini_safety_finish_is_content_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    _, answer = served("gemini/safety_finish")
    with Server(lambda _: answer) as server, pytest.raises(errors.ContentBlocked):
        model_at(monkeypatch, "gemini", server, "gemini-1.5-flash").generate_response("s", "u")
