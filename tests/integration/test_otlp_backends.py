"""What a backend other than Langfuse receives: OpenTelemetry's GenAI conventions, from real calls over the wire."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from src.models import ModelFactory
from src.observability import flush, observe_agent
from src.observability.tracing.observation import observe
from src.observability.tracker import set_tracker
from tests.servers import Langfuse, Received, Reply, Server, chat_reply, claude_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOL = {"type": "function", "function": {"name": "price", "description": "The last price.", "parameters": {}}}
CALL = {"id": "call_7", "type": "function", "function": {"name": "price", "arguments": '{"symbol": "BTC-USD"}'}}
PIXEL = "iVBORw0KGgo="


class Backend:
    """An OTLP server that keeps the attributes of each span by the span's name."""

    def __init__(self) -> None:
        self.spans: dict[str, dict[str, Any]] = {}
        self.server = Server(self._take)

    def _take(self, request: Received) -> Reply:
        body = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans[span.name] = {
                        item.key: getattr(item.value, str(item.value.WhichOneof("value"))) for item in span.attributes
                    }
        return Reply(body=b"", headers={"content-type": "application/x-protobuf"})


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    running = Backend()
    with running.server:
        monkeypatch.setenv("MOONDEV_OTLP", "on")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.server.url)
        set_tracker(None)
        yield running


def use(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    for name in ("OPENAI_KEY", "ANTHROPIC_KEY"):
        monkeypatch.setenv(name, "sk-test-of-a-provider-0123456789")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    monkeypatch.setenv("CLAUDE_BASE_URL", server.url)


def test_messages_and_tools_follow_the_conventions(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = [
        {"role": "system", "content": "You trade."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_7", "content": "42000"},
    ]  # fmt: skip
    monkeypatch.setenv("MOONDEV_IMAGES", "whole")
    with Server(lambda _: chat_reply("BUY")) as server:
        use(monkeypatch, server)
        with observe_agent("trader", session_id="run-1"):
            ModelFactory.get_model("openai", "gpt-4o").chat(conversation, tools=[TOOL], temperature=0.5, max_tokens=9)
    assert flush(60) == 0
    span = backend.spans["openai.generate"]
    assert json.loads(span["gen_ai.system_instructions"]) == [{"type": "text", "content": "You trade."}]
    assert json.loads(span["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [
            {"type": "text", "content": "What is this?"},
            {"type": "blob", "mime_type": "image/png", "modality": "image", "content": PIXEL},
        ]},
        {"role": "assistant", "parts": [
            {"type": "tool_call", "id": "call_7", "name": "price", "arguments": {"symbol": "BTC-USD"}},
        ]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_7", "response": "42000"}]},
    ]  # fmt: skip
    assert json.loads(span["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "BUY"}], "finish_reason": "stop"}
    ]
    assert json.loads(span["gen_ai.tool.definitions"]) == [{"type": "function", **TOOL["function"]}]  # type: ignore[dict-item] # a mapping
    assert (span["gen_ai.provider.name"], span["gen_ai.operation.name"]) == ("openai", "chat")
    assert (span["gen_ai.request.temperature"], span["gen_ai.request.max_tokens"]) == (0.5, 9)
    assert span["gen_ai.conversation.id"] == "run-1"


def test_a_provider_has_the_name_that_the_conventions_list(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: claude_reply("SELL")) as server:
        use(monkeypatch, server)
        ModelFactory.get_model("claude").generate_response(None, "Go.")
    assert flush(60) == 0
    assert backend.spans["claude.generate"]["gen_ai.provider.name"] == "anthropic"


def test_agents_and_tools_show_what_went_in_and_out(backend: Backend) -> None:
    with observe_agent("trader", input="market") as run, observe("fetch", "tool", input={"symbol": "X"}) as tool:
        tool.update(output=[1, 2])
        run.update(output={"action": "BUY"})
    assert flush(60) == 0
    agent, fetch = backend.spans["trader.run"], backend.spans["fetch"]
    assert json.loads(agent["gen_ai.input.messages"])[0]["parts"] == [{"type": "text", "content": "market"}]
    assert json.loads(agent["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": '{"action":"BUY"}'}]
    assert fetch["gen_ai.operation.name"] == "execute_tool"
    assert (fetch["gen_ai.tool.name"], fetch["gen_ai.tool.call.arguments"], fetch["gen_ai.tool.call.result"]) == (
        "fetch", '{"symbol":"X"}', "[1,2]",
    )  # fmt: skip


def test_texts_that_are_not_captured_are_not_made_up(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_CAPTURE", "metadata")
    set_tracker(None)
    with Server(lambda _: chat_reply("BUY")) as server:
        use(monkeypatch, server)
        ModelFactory.get_model("openai", "gpt-4o").generate_response("You trade.", "Go.")
    assert flush(60) == 0
    assert not [name for name in backend.spans["openai.generate"] if "messages" in name or "instructions" in name]


def test_langfuse_receives_the_bytes_that_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    with Langfuse() as langfuse, Server(lambda _: claude_reply("SELL")) as server:
        use(monkeypatch, server)
        for name, value in (("HOST", langfuse.url), ("PUBLIC_KEY", "pk-lf-1"), ("SECRET_KEY", "sk-lf-1")):
            monkeypatch.setenv(f"LANGFUSE_{name}", value)
        set_tracker(None)
        ModelFactory.get_model("claude").generate_response(None, "Go.")
        assert flush(60) == 0
    (span,) = langfuse.spans
    assert span.attributes["gen_ai.provider.name"] == "claude"
    assert "gen_ai.input.messages" not in span.attributes
