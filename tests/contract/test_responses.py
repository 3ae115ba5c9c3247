"""What OpenAI's Responses API alone does: errors in events of several forms, tools of models that think."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import ModelFactory, errors
from tests.contract.dialects.base import Says
from tests.contract.dialects.chat import EVENTS, JSON
from tests.contract.harness import dialect_of
from tests.servers import Reply, Server

if TYPE_CHECKING:
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


@pytest.mark.parametrize(("event", "expected"), EVENTS_OF_ERRORS)
def test_an_error_inside_a_stream_is_its_kind(
    model: BaseModel, wire: Wire, call: Caller, event: dict[str, Any], expected: type[errors.ModelError]
) -> None:
    begun = {"type": "response.output_text.delta", "delta": "hel", "output_index": 0}
    body = b"".join(f"event: {told['type']}\ndata: {json.dumps(told)}\n\n".encode() for told in (begun, event))
    wire.say(Reply(body=body, headers=EVENTS))
    with pytest.raises(errors.ModelError) as caught:
        call.stream(model, None, "hi")
    assert type(caught.value) is expected


@pytest.mark.parametrize(
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
        asked = {"tools": [{"name": "quote", "input_schema": {"type": "object"}}], **options}
        reply = list(model.stream_response(None, "hi", **asked))[-1].reply if stream else model.chat("hi", **asked)
    (request,) = server.received
    assert request.path == path
    assert ("tools" in request.json) is (asked["tools"] is not None)
    assert reply is not None
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("quote", '{"pair": "x"}')]
