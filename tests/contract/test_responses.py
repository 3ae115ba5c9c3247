"""What OpenAI's Responses API alone does, and which tools go there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import ModelFactory, errors
from src.models.types import Usage
from tests.contract.dialects.base import Says
from tests.contract.dialects.chat import EVENTS, JSON
from tests.contract.harness import dialect_of, in_turn
from tests.servers import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from tests.contract.harness import Caller, Wire


@pytest.fixture
def case() -> str:
    return "openai__responses"


def _failed(code: str) -> dict[str, Any]:
    return {"type": "response.failed", "response": {"id": "r", "status": "failed", "output": [],
            "error": {"code": code, "message": "no"}}}  # fmt: skip


EVENTS_OF_ERRORS = [
    ({"type": "error", "code": "rate_limit_exceeded", "message": "no", "param": None}, errors.RateLimited),
    ({"type": "error", "code": "server_error", "message": "no", "param": None}, errors.ServerFailed),
    ({"type": "error", "error": {"code": "insufficient_quota", "message": "no"}}, errors.QuotaExhausted),
    ({"type": "error", "error": "overloaded"}, errors.Overloaded),
    (_failed("server_error"), errors.ServerFailed),
    (_failed("rate_limit_exceeded"), errors.RateLimited),
    (_failed("context_length_exceeded"), errors.ContextTooLong),
]


@in_turn(("event", "expected"), EVENTS_OF_ERRORS)
def test_an_error_inside_a_stream_is_its_kind(
    model: BaseModel, wire: Wire, call: Caller, event: dict[str, Any], expected: type[errors.ModelError]
) -> None:
    first_event = {"type": "response.output_text.delta", "delta": "hel", "output_index": 0}
    body = b"".join(f"event: {item['type']}\ndata: {json.dumps(item)}\n\n".encode() for item in (first_event, event))
    wire.say(Reply(body=body, headers=EVENTS))
    with pytest.raises(errors.ModelError) as caught:
        call.stream(model, None, "hi")
    assert type(caught.value) is expected


@in_turn(
    ("body", "expected"),
    [
        ({"error": {"code": "rate_limit_exceeded", "message": "no"}}, errors.RateLimited),
        ({"error": "overloaded", "output": None}, errors.Overloaded),
        ({"output": None}, errors.MalformedResponse),
        ({"output": []}, errors.EmptyResponse),
    ],
)
def test_an_error_inside_a_200_is_its_kind(
    model: BaseModel, wire: Wire, call: Caller, body: Any, expected: type[errors.ModelError]
) -> None:
    wire.say(Reply(body=json.dumps(body).encode(), headers=JSON))
    with pytest.raises(errors.ModelError) as caught:
        call.ask(model, None, "hi")
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("name", "settings", "options", "path"),
    [
        ("gpt-5.6-terra", {}, {}, "/v1/responses"),
        ("gpt-6.1-sol", {}, {"reasoning_effort": "none"}, "/v1/responses"),
        ("gpt-5.6-terra", {}, {"reasoning_effort": "none"}, "/v1/chat/completions"),
        ("gpt-5.4", {}, {"reasoning_effort": "low"}, "/v1/responses"),
        ("gpt-5.4", {}, {}, "/v1/chat/completions"),
        ("gpt-4o", {}, {}, "/v1/chat/completions"),
        ("gpt-5.6-terra", {"api": "chat"}, {}, "/v1/chat/completions"),
        ("gpt-5.6-terra", {}, {"tools": None}, "/v1/chat/completions"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_tools_go_where_the_model_takes_them(
    name: str, settings: dict[str, Any], options: dict[str, Any], path: str, *, stream: bool
) -> None:
    dialect = dialect_of("openai__responses" if path.endswith("responses") else "openai")
    says = Says(text="", tools=(("quote", {"pair": "x"}),), model=name)
    with Server(lambda _: dialect.stream(says) if stream else dialect.reply(says)) as server:
        model = ModelFactory.get_model("openai", name, api_key="k", base_url=f"{server.url}/v1", **settings)
        arguments = {"tools": [{"name": "quote", "input_schema": {"type": "object"}}], **options}
        reply = (
            list(model.stream_response(None, "hi", **arguments))[-1].reply if stream else model.chat("hi", **arguments)
        )
    (request,) = server.received
    assert request.path == path
    assert ("tools" in request.json) is (arguments["tools"] is not None)
    assert reply is not None
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("quote", '{"pair": "x"}')]


def _reply(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    return {"id": "r", "object": "response", "status": "completed", "output": list(output), "usage": usage, **more}


def _stream(*stream_events: dict[str, Any]) -> Reply:
    body = b"".join(f"event: {item['type']}\ndata: {json.dumps(item)}\n\n".encode() for item in stream_events)
    return Reply(body=body, headers=EVENTS)


TEXT = {"type": "message", "content": [{"type": "output_text", "text": "42"}]}
THOUGHT = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
CUSTOM = {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "4 + 4"}


def test_thoughts_themselves_are_read_where_they_have_no_summary(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(Reply(body=json.dumps(_reply(THOUGHT, TEXT)).encode(), headers=JSON))
    reply = call.ask(model, None, "hi")
    assert (reply.content, reply.reasoning, reply.finish_reason) == ("42", "hm", "stop")


def test_a_reply_without_a_reason_for_its_end_was_cut(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(Reply(body=json.dumps(_reply(TEXT, status="incomplete")).encode(), headers=JSON))
    assert call.ask(model, None, "hi").finish_reason == "length"


@in_turn("streamed", [False, True])
def test_a_call_of_a_tool_that_takes_a_text(model: BaseModel, wire: Wire, call: Caller, *, streamed: bool) -> None:
    first_event = {"type": "response.output_item.added", "output_index": 0, "item": {**CUSTOM, "input": ""}}
    pieces = [{"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "4 "}]
    end = {"type": "response.completed", "response": _reply(CUSTOM)}
    wire.say(
        _stream(first_event, *pieces, end)
        if streamed
        else Reply(body=json.dumps(_reply(CUSTOM)).encode(), headers=JSON)
    )
    reply = call.stream(model, None, "hi")[-1] if streamed else call.ask(model, None, "hi")
    assert [(tool_call.id, tool_call.name, tool_call.arguments) for tool_call in reply.tool_calls] == [
        ("c", "f", "4 + 4")
    ]
    assert reply.finish_reason == "tool_calls"


@in_turn("has_event_name", [True, False])
def test_an_end_that_tells_all_there_is(model: BaseModel, wire: Wire, call: Caller, *, has_event_name: bool) -> None:
    whole = _reply(THOUGHT, TEXT)
    wire.say(
        _stream({"type": "response.completed", "response": whole})
        if has_event_name
        else Reply(body=json.dumps(whole).encode(), headers=JSON)
    )
    chunks = call.stream(model, None, "hi")
    assert "".join(chunk.content for chunk in chunks) == "42"
    assert "".join(chunk.reasoning for chunk in chunks) == "hm"
    assert chunks[-1].usage == Usage(input=10, output=5)


def test_a_refusal_in_a_stream_is_content_blocked(model: BaseModel, wire: Wire, call: Caller) -> None:
    pieces = [{"type": "response.refusal.delta", "delta": word} for word in ("I will", " not.")]
    wire.say(_stream(*pieces, {"type": "response.completed", "response": _reply()}))
    with pytest.raises(errors.ContentBlocked, match=r"I will not\."):
        call.stream(model, None, "hi")


class TestAtXAI:
    """xAI's Responses tell a cost, and what its server searched by itself."""

    @pytest.fixture
    def case(self) -> str:
        return "xai"

    @pytest.mark.parametrize("streamed", [False, True])
    def test_the_cost_that_it_tells_is_taken(
        self, make: Callable[..., BaseModel], wire: Wire, call: Caller, *, streamed: bool
    ) -> None:
        usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cost_in_usd_ticks": 25_000_000}
        whole = _reply({**CUSTOM, "name": "x_search"}, TEXT, usage=usage)
        text = {"type": "response.output_text.delta", "delta": "42", "output_index": 1}
        end = {"type": "response.completed", "response": whole}
        wire.say(_stream(text, end) if streamed else Reply(body=json.dumps(whole).encode(), headers=JSON))
        model = make(api="responses")
        reply = call.stream(model, None, "hi")[-1] if streamed else call.ask(model, None, "hi")
        assert (reply.cost_usd, reply.tool_calls, reply.finish_reason) == (0.0025, (), "stop")
