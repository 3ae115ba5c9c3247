"""Read what providers really sent, through their SDKs and our adapters."""

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
    told = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    response = told["response"]
    if "stream" in response:
        return told, Reply(told["status"], response["stream"].encode(), {"content-type": "text/event-stream"})
    body = json.dumps(response).encode()
    return told, Reply(told["status"], body, {"content-type": "application/json"})


def model_at(monkeypatch: pytest.MonkeyPatch, provider: str, server: Server, name: str) -> Any:
    variable, key = {"claude": ("CLAUDE_BASE_URL", "ANTHROPIC_KEY"), "gemini": ("GEMINI_BASE_URL", "GEMINI_KEY")}[
        provider
    ]
    monkeypatch.setenv(variable, server.url)
    monkeypatch.setenv(key, "test-key-0123456789")
    return ModelFactory.get_model(provider, name, retry_policy=NO_RETRIES)


def test_claude_cache_reads_and_writes_stand_beside_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    told, reply = served("anthropic/cache_read_and_write")
    with Server(lambda _: reply) as server:
        found = model_at(monkeypatch, "claude", server, "claude-sonnet-4-5").generate_response("s", "u")
    assert found.content == told["response"]["content"][0]["text"]
    assert found.usage.details() == {
        "input": 3, "input_cached_tokens": 1111, "input_cache_creation": 418, "output": 33,
    }  # fmt: skip
    assert (found.finish_reason, found.model_name) == ("stop", "claude-sonnet-4-5-20250929")
    assert found.cost_usd == pytest.approx((3 * 3 + 1111 * 0.3 + 418 * 3.75 + 33 * 15) / 1e6)


def test_claude_unknown_model(monkeypatch: pytest.MonkeyPatch) -> None:
    _, reply = served("anthropic/error_404_model")
    with Server(lambda _: reply) as server, pytest.raises(errors.ModelNotFound) as raised:
        model_at(monkeypatch, "claude", server, "claude-does-not-exist").generate_response("s", "u")
    assert "claude-does-not-exist" in raised.value.message


def test_claude_thinking_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    _, reply = served("anthropic/thinking_stream")
    with Server(lambda _: reply) as server:
        chunks = list(model_at(monkeypatch, "claude", server, "claude-sonnet-4-0").stream_response("s", "u"))
    text, thought = "".join(item.content for item in chunks), "".join(item.reasoning for item in chunks)
    assert thought.startswith("This is a straightforward question about pedestrian safety.")
    assert text.endswith("when crossing streets.")
    assert "straightforward question" not in text
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, chunks[-1].finish_reason) == (43, 282, "stop")


def test_gemini_thoughts_stand_outside_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    told, reply = served("gemini/thoughts")
    with Server(lambda _: reply) as server:
        found = model_at(monkeypatch, "gemini", server, "gemini-3-pro-preview").generate_response("s", "u")
    assert found.reasoning.startswith("**A Safe Street-Crossing Guide")
    assert "My Thought Process" not in found.content
    assert found.usage.details() == {"input": 29, "output": 736, "output_reasoning_tokens": 1001}
    assert found.usage.total_tokens == told["response"]["usageMetadata"]["totalTokenCount"]


def test_gemini_thoughts_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    _, reply = served("gemini/thoughts_stream")
    with Server(lambda _: reply) as server:
        chunks = list(model_at(monkeypatch, "gemini", server, "gemini-2.5-pro").stream_response("s", "u"))
    assert "".join(item.content for item in chunks).endswith("Always assume a driver might not see you.")
    assert any(item.reasoning for item in chunks)
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.details() == {"input": 34, "output": 469, "output_reasoning_tokens": 787}
    assert (usage.total_tokens, chunks[-1].finish_reason) == (1290, "stop")


def test_gemini_thoughts_can_use_the_whole_limit_up(monkeypatch: pytest.MonkeyPatch, spool: Any) -> None:
    _, reply = served("gemini/thoughts_only_max_tokens_empty")
    with Server(lambda _: reply) as server, pytest.raises(errors.EmptyResponse, match="raise max_tokens"):
        model_at(monkeypatch, "gemini", server, "gemini-2.5-pro").generate_response("s", "u")
    row = spool.rows_after(0)[-1]
    assert (row.error_category, row.input_tokens, row.output_tokens) == ("empty_response", 15, 2)


def test_gemini_safety_is_content_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    _, reply = served("gemini/safety_finish")
    with Server(lambda _: reply) as server, pytest.raises(errors.ContentBlocked):
        model_at(monkeypatch, "gemini", server, "gemini-1.5-flash").generate_response("s", "u")
