"""Errors inside a stream of Claude that began with 200, and gateways that imitate it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import errors
from src.models.types import Usage
from tests.contract.dialects import claude
from tests.contract.dialects.base import Says, Tokens
from tests.contract.dialects.claude import JSON, events_of
from tests.contract.harness import in_turn
from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from tests.contract.harness import Caller, Wire

EVENTS = {"content-type": "text/event-stream"}
HELLO = claude.Dialect().reply(Says(text="hello"))
TOOL = {"type": "function", "function": {"name": "price_of", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
def case() -> str:
    return "claude"


@in_turn("has_event_name", [True, False])
@in_turn(
    ("kind", "message", "expected"),
    [
        ("overloaded_error", "Overloaded", errors.Overloaded),
        ("rate_limit_error", "Number of requests has exceeded your limit", errors.RateLimited),
        ("api_error", "Internal server error", errors.ServerFailed),
        ("authentication_error", "invalid x-api-key", errors.AuthenticationFailed),
        ("permission_error", "no", errors.PermissionRefused),
        ("not_found_error", "model: x", errors.ModelNotFound),
        ("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", errors.ContextTooLong),
        ("invalid_request_error", "tools.0.name: Field required", errors.InvalidRequest),
        ("timeout_error", "timed out", errors.ModelTimeout),
        ("billing_error", "Your credit balance is too low", errors.QuotaExhausted),
    ],
)
def test_an_error_event_is_its_kind(
    model: BaseModel,
    wire: Wire,
    call: Caller,
    kind: str,
    message: str,
    expected: type[errors.ModelError],
    *,
    has_event_name: bool,
) -> None:
    first_events = list(claude.Dialect().events(Says()))[:4]
    body = events_of(
        [*first_events, {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_9"}]
    )
    wire.say(Reply(body=body if has_event_name else _unnamed(body), headers=EVENTS))
    with pytest.raises(errors.ModelError) as caught:
        call.stream(model, None, "hi")
    assert (type(caught.value), caught.value.request_id) == (expected, "req_9")


def _unnamed(body: bytes) -> bytes:
    return b"\n".join(line for line in body.split(b"\n") if not line.startswith(b"event:"))


def test_events_without_names_are_read(model: BaseModel, wire: Wire, call: Caller) -> None:
    answer = claude.Dialect().stream(Says(text="hello", reasoning="hm"))
    wire.say(Reply(body=_unnamed(answer.body) + b"data: [DONE]\n\n", headers=EVENTS))
    chunks = call.stream(model, None, "hi")
    assert "".join(chunk.content for chunk in chunks) == "hello"
    assert chunks[-1].finish_reason == "stop"


@in_turn(
    ("body", "expected"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, errors.Overloaded),
        ({"error": {"type": "rate_limit_error", "message": "slow down"}}, errors.RateLimited),
        ({"error": "overloaded"}, errors.Overloaded),
        ({"error": {"code": 401, "message": "no"}}, errors.AuthenticationFailed),
        ({"type": "message", "content": None, "usage": None}, errors.MalformedResponse),
    ],
)
def test_an_error_that_says_200_is_no_success(
    model: BaseModel, wire: Wire, call: Caller, body: Any, expected: type[errors.ModelError]
) -> None:
    wire.say(Reply(body=json.dumps(body).encode(), headers=JSON))
    with pytest.raises(expected):
        call.ask(model, None, "hi")


@in_turn(
    ("more", "text", "usage"),
    [
        ({"content": "plain text"}, "plain text", Usage(input=3, output=4)),
        ({"usage": None}, "hi", None),
        ({"usage": {"input_tokens": 3.0, "output_tokens": "4"}}, "hi", Usage(input=3, output=4)),
        ({"usage": {"input_tokens": 3, "output_tokens": 4, "output_tokens_details": {"thinking_tokens": 9}}}, "hi",
         Usage(input=3, output=0, output_reasoning_tokens=4)),
        ({"stop_reason": None}, "hi", Usage(input=3, output=4)),
        ({"id": None, "model": None, "role": None}, "hi", Usage(input=3, output=4)),
        ({"content": [{"type": "text", "text": "hi"}, {"type": "text", "text": None}, {"type": "new_kind"}]}, "hi",
         Usage(input=3, output=4)),
    ],
)  # fmt: skip
def test_a_reply_of_a_careless_gateway_is_read(
    model: BaseModel, wire: Wire, call: Caller, more: Any, text: str, usage: Usage | None
) -> None:
    plain = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "hi"}], "model": "m",
             "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 4}}  # fmt: skip
    wire.say(Reply(body=json.dumps({**plain, **more}).encode(), headers=JSON))
    reply = call.ask(model, None, "hi")
    assert (reply.content, reply.usage) == (text, usage)


def test_a_refusal_says_which_rule_it_was_for(model: BaseModel, wire: Wire, call: Caller) -> None:
    message = claude.Dialect().message(Says(text="", finish="content_filter"), [])
    message["stop_details"] = {"type": "refusal", "category": "cyber", "explanation": "no"}
    wire.say(Reply(body=json.dumps(message).encode(), headers=JSON))
    with pytest.raises(errors.ContentBlocked, match="cyber"):
        call.ask(model, None, "hi")


@in_turn("kind", ["text/plain", "application/octet-stream", ""])
@in_turn("mark", [b"", b"\xef\xbb\xbf"])
def test_a_reply_under_any_content_type(model: BaseModel, wire: Wire, call: Caller, kind: str, mark: bytes) -> None:
    wire.say(Reply(body=mark + HELLO.body, headers={"content-type": kind} if kind else {}))
    assert call.ask(model, None, "hi").content == "hello"


@in_turn(
    "written",
    [
        lambda body: body.replace(b"\n", b"\r\n"),
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: b": keep-alive\n\n" + body,
        lambda body: body.replace(b"data: ", b"data:"),
        lambda body: body.partition(b"event: message_stop")[0],
    ],
)
def test_a_stream_as_loosely_as_the_format_allows(
    model: BaseModel, wire: Wire, call: Caller, written: Callable[[bytes], bytes]
) -> None:
    wire.say(Reply(body=written(claude.Dialect().stream(Says(text="hello")).body), headers=EVENTS))
    chunks = call.stream(model, None, "hi")
    assert ("".join(chunk.content for chunk in chunks), chunks[-1].finish_reason) == ("hello", "stop")
    assert chunks[-1].usage == claude.Dialect().expected_usage(Tokens())


@in_turn("kind", ["application/json", "text/event-stream"])
def test_a_whole_reply_where_a_stream_was_asked(model: BaseModel, wire: Wire, call: Caller, kind: str) -> None:
    says = Says(text="hello", reasoning="hm", tools=[("price_of", {"n": 1})])
    wire.say(Reply(body=claude.Dialect().reply(says).body, headers={"content-type": kind}))
    chunks = call.stream(model, None, "hi", tools=[TOOL])
    assert "".join(chunk.content for chunk in chunks) == "hello"
    assert "".join(chunk.reasoning for chunk in chunks) == "hm"
    assert [json.loads(item.arguments) for item in chunks[-1].tool_calls] == [{"n": 1}]
    assert chunks[-1].finish_reason == "tool_calls"
    assert chunks[-1].usage == claude.Dialect().expected_usage(Tokens())


@in_turn("kind", ["application/json", "text/event-stream"])
def test_a_whole_error_where_a_stream_was_asked(model: BaseModel, wire: Wire, call: Caller, kind: str) -> None:
    body = json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, indent=2)
    wire.say(Reply(body=body.encode(), headers={"content-type": kind}))
    with pytest.raises(errors.Overloaded):
        call.stream(model, None, "hi")
