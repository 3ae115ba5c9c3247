"""Servers that imitate a provider badly are read for what they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import errors
from src.models.types import Usage
from tests.contract.dialects.chat import EVENTS, JSON, events
from tests.servers import Reply

if TYPE_CHECKING:
    from src.models.base_model import BaseModel
    from tests.contract.harness import Caller, Wire


@pytest.fixture(params=["openai", "groq", "openrouter", "example"])
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _whole(message: dict[str, Any], usage: Any = None, **more: Any) -> Reply:
    choice = {"index": 0, "message": message, "finish_reason": more.pop("finish", "stop")}
    return Reply(body=json.dumps({"choices": [choice], "usage": usage, **more}).encode(), headers=JSON)


def test_a_reply_with_hardly_anything_in_it(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(Reply(body=b'{"choices": [{"message": {"content": "hi"}}]}', headers=JSON))
    reply = call.ask(model, None, "q")
    assert (reply.content, reply.usage, reply.finish_reason) == ("hi", None, None)
    assert reply.model_name == model.model_name


def test_content_in_parts(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(_whole({"content": [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]}))
    assert call.ask(model, None, "q").content == "one two"


def test_arguments_that_are_decoded_already(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(_whole({"content": None, "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}]}))
    (called,) = call.ask(model, None, "q").tool_calls
    assert json.loads(called.arguments) == {"a": 1}


@pytest.mark.parametrize(
    ("told", "meant"), [("end_turn", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"), ("weird", "weird")]
)
def test_finish_reasons_in_other_words(model: BaseModel, wire: Wire, call: Caller, told: str, meant: str) -> None:
    wire.say(_whole({"content": "hi"}, finish=told))
    assert call.ask(model, None, "q").finish_reason == meant


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({}, None),
        ({"prompt_tokens": None, "completion_tokens": None}, None),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
        ({"prompt_tokens": 5, "completion_tokens": 0}, Usage(input=5)),
        ({"prompt_tokens": 0, "completion_tokens": 4}, Usage(output=4)),
        ({"prompt_tokens": "five", "completion_tokens": 4}, Usage(output=4)),
        ({"prompt_tokens": 5.0, "completion_tokens": 4}, Usage(input=5, output=4)),
        ({"prompt_tokens": -5, "completion_tokens": 4}, Usage(output=4)),
    ],
)
def test_usage_that_cannot_be_is_unknown(
    model: BaseModel, wire: Wire, call: Caller, usage: Any, expected: Usage | None
) -> None:
    wire.say(_whole({"content": "hi"}, usage))
    assert call.ask(model, None, "q").usage == expected


@pytest.mark.parametrize("error", [{"code": 503, "message": "no capacity"}, "overloaded", {"message": "overloaded"}])
def test_an_error_inside_a_whole_200(model: BaseModel, wire: Wire, call: Caller, error: Any) -> None:
    wire.say(Reply(body=json.dumps({"error": error}).encode(), headers=JSON))
    with pytest.raises(errors.Overloaded):
        call.ask(model, None, "q")


def test_a_refusal_is_content_blocked(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(_whole({"content": None, "refusal": "I cannot help with that."}))
    with pytest.raises(errors.ContentBlocked):
        call.ask(model, None, "q")


def test_a_stream_without_usage_or_done(model: BaseModel, wire: Wire, call: Caller) -> None:
    told = [
        {"choices": [{"index": 0, "delta": {"content": "hi"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    wire.say(Reply(body=events(told).replace(b"data: [DONE]\n\n", b""), headers=EVENTS))
    chunks = call.stream(model, None, "q")
    assert "".join(chunk.content for chunk in chunks) == "hi"
    assert chunks[-1].usage is None


def test_a_stream_with_empty_choices_and_null_deltas(model: BaseModel, wire: Wire, call: Caller) -> None:
    told: list[dict[str, Any]] = [
        {"choices": []},
        {"choices": [{"index": 0, "delta": {"content": None, "role": None, "tool_calls": None}}], "usage": None},
        {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}},
    ]
    wire.say(Reply(body=events(told), headers=EVENTS))
    chunks = call.stream(model, None, "q")
    assert "".join(chunk.content for chunk in chunks) == "hi"
    assert chunks[-1].usage is None


def test_a_whole_reply_where_a_stream_was_asked(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(_whole({"content": "hi"}))
    with pytest.raises(errors.ModelError) as caught:
        call.stream(model, None, "q")
    assert caught.value.category in ("empty_response", "malformed_response")
