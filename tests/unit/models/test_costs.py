"""What a call costs, at the public edge: usages through the providers' SDKs, against prices computed by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import ModelFactory
from src.models.retry import NO_RETRIES
from src.observability import attributes as names
from src.observability.spans import otlp
from tests.servers import Reply, Server
from tests.unit.models.priced_usages import ROWS, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.observability.store.spool import Spool

JSON = {"content-type": "application/json"}
ADDRESSES = ("OPENAI_BASE_URL", "DEEPSEEK_BASE_URL", "XAI_BASE_URL", "OPENROUTER_BASE_URL", "GROQ_BASE_URL",
             "CLAUDE_BASE_URL", "GEMINI_BASE_URL", "OLLAMA_HOST")  # fmt: skip
KEYS = (
    "OPENAI_KEY",
    "DEEPSEEK_KEY",
    "GROK_API_KEY",
    "OPENROUTER_API_KEY",
    "GROQ_API_KEY",
    "ANTHROPIC_KEY",
    "GEMINI_KEY",
)


class Provider:
    """All providers on one loopback server; `body` is what it answers."""

    def __init__(self) -> None:
        self.body: Any = {}
        self.events: list[Any] = []
        self.server = Server(lambda _: self._reply())

    def _reply(self) -> Reply:
        if not self.events:
            return Reply(body=json.dumps(self.body).encode(), headers=JSON)
        lines = [
            f"event: {event['type']}\n" * ("type" in event) + f"data: {json.dumps(event)}\n\n" for event in self.events
        ]
        return Reply(body="".join(lines).encode(), headers={"content-type": "text/event-stream"})


@pytest.fixture(scope="module")
def shared_provider() -> Iterator[Provider]:
    provider = Provider()
    with provider.server:
        yield provider


@pytest.fixture
def provider(shared_provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    for address in ADDRESSES:
        suffix = "/v1" if address in ADDRESSES[:4] else ""
        monkeypatch.setenv(address, shared_provider.server.url + suffix)
    for key in KEYS:
        monkeypatch.setenv(key, "a-key-of-the-tests-0123456789")
    shared_provider.events = []
    return shared_provider


def model_of(row: Row) -> Any:
    name, _, api = row.provider.partition(":")
    return ModelFactory.get_model(name, row.model, retry_policy=NO_RETRIES, **({"api": api} if api else {}))


def reply_body(row: Row) -> dict[str, Any]:
    """Return the reply as the row's provider sends it."""
    extra = {name: value for name, value in row.body.items() if name != "items"}
    items = row.body.get("items", [])
    match row.provider:
        case "claude":
            text = {"type": "text", "text": "hello"}
            return {"id": "m", "type": "message", "role": "assistant", "model": row.model, "content": [*items, text],
                    "stop_reason": "end_turn", "stop_sequence": None, "usage": row.usage, **extra}  # fmt: skip
        case "gemini":
            candidate = {"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP", **extra}
            return {"candidates": [candidate], "usageMetadata": row.usage, "modelVersion": row.model}
        case "ollama":
            message = {"role": "assistant", "content": "hello"}
            return {"model": row.model, "message": message, "done": True, "done_reason": "stop", **row.usage}
        case "openai:responses":
            content = [{"type": "output_text", "text": "hello", "annotations": []}]
            message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}
            return {"id": "r", "object": "response", "status": "completed", "model": row.model, **extra,
                    "output": [*items, message], "usage": row.usage}  # fmt: skip
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello", **row.message}}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": row.model, "choices": [choice],
            "usage": row.usage, **extra}  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.provider} {row.name}")
def test_each_request_costs_what_the_published_prices_say(row: Row, provider: Provider, spool: Spool) -> None:
    provider.body = reply_body(row)
    reply = model_of(row).generate_response(None, "hi", temperature=None, **row.options)
    assert (reply.cost.known, reply.cost.unknown) == (float(row.known), row.unknown)
    assert reply.cost_usd == reply.cost.total == (None if row.unknown else float(row.known))
    (stored,) = spool.trace(str(reply.trace_id))
    assert (stored.cost_usd, stored.is_unpriced) == (
        float(row.known) if row.priced or not row.unknown else None,
        bool(row.unknown),
    )
    details = otlp.decode_span(stored.span).attributes.get(names.COST_DETAILS)
    expected = {unit: float(count * float(price) / per) for unit, (count, price, per) in row.priced.items()}
    if row.unknown and not row.priced:
        assert details in (None, '{"unknown":0.0}')
    elif row.unknown:
        assert json.loads(str(details)) == pytest.approx({**expected, "unknown": 0})
    else:
        assert json.loads(str(details)) == pytest.approx({**expected, "total": float(row.known)})
