"""Servers that imitate a provider badly are read for what they say."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import errors
from src.models.types import Usage
from tests.contract.dialects.chat import EVENTS, JSON, events
from tests.contract.harness import Caller, in_turn
from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool
    from tests.contract.harness import Wire


@pytest.fixture(params=["openai", "groq"])
def case(request: pytest.FixtureRequest) -> str:
    """Return each SDK that speaks the protocol, once: the other providers run the same code."""
    return str(request.param)


@pytest.fixture
def call(case: str) -> Caller:
    return Caller("async" if case == "groq" else "sync")


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


@in_turn(
    ("reason", "expected"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("weird", "weird"),
        ("STOP", "stop"),
        ("", None),
        (7, None),
    ],
)
def test_finish_reasons_in_other_words(model: BaseModel, wire: Wire, call: Caller, reason: str, expected: str) -> None:
    wire.say(_whole({"content": "hi"}, finish=reason))
    assert call.ask(model, None, "q").finish_reason == expected


@in_turn(
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


@in_turn("error", [{"code": 503, "message": "no capacity"}, "overloaded", {"message": "overloaded"}])
def test_an_error_inside_a_whole_200(model: BaseModel, wire: Wire, call: Caller, error: Any) -> None:
    wire.say(Reply(body=json.dumps({"error": error}).encode(), headers=JSON))
    with pytest.raises(errors.Overloaded):
        call.ask(model, None, "q")


def test_a_refusal_is_content_blocked(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(_whole({"content": None, "refusal": "I cannot help with that."}))
    with pytest.raises(errors.ContentBlocked):
        call.ask(model, None, "q")


def test_a_stream_without_usage_or_done(model: BaseModel, wire: Wire, call: Caller) -> None:
    stream_events = [
        {"choices": [{"index": 0, "delta": {"content": "hi"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    wire.say(Reply(body=events(stream_events).replace(b"data: [DONE]\n\n", b""), headers=EVENTS))
    chunks = call.stream(model, None, "q")
    assert "".join(chunk.content for chunk in chunks) == "hi"
    assert chunks[-1].usage is None


def test_a_stream_with_empty_choices_and_null_deltas(model: BaseModel, wire: Wire, call: Caller) -> None:
    stream_events: list[dict[str, Any]] = [
        {"choices": []},
        {"choices": [{"index": 0, "delta": {"content": None, "role": None, "tool_calls": None}}], "usage": None},
        {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}},
    ]
    wire.say(Reply(body=events(stream_events), headers=EVENTS))
    chunks = call.stream(model, None, "q")
    assert "".join(chunk.content for chunk in chunks) == "hi"
    assert chunks[-1].usage is None


@in_turn("kind", ["application/json", "text/event-stream", "text/plain"])
@in_turn("indent", [None, 2])
def test_a_whole_reply_where_a_stream_was_asked(
    model: BaseModel, wire: Wire, call: Caller, kind: str, indent: int | None
) -> None:
    reply = json.loads(_whole({"content": "hi"}, {"prompt_tokens": 5, "completion_tokens": 4}).body)
    wire.say(Reply(body=json.dumps(reply, indent=indent).encode(), headers={"content-type": kind}))
    chunks = call.stream(model, None, "q")
    assert "".join(chunk.content for chunk in chunks) == "hi"
    assert (chunks[-1].finish_reason, chunks[-1].usage) == ("stop", Usage(input=5, output=4))


@in_turn("kind", ["application/json", "text/event-stream"])
def test_a_whole_error_where_a_stream_was_asked(model: BaseModel, wire: Wire, call: Caller, kind: str) -> None:
    body = json.dumps({"error": {"code": 429, "message": "slow down"}}, indent=2)
    wire.say(Reply(body=body.encode(), headers={"content-type": kind}))
    with pytest.raises(errors.RateLimited):
        call.stream(model, None, "q")


@in_turn("kind", ["application/json", "text/plain", ""])
def test_a_stream_under_another_content_type(model: BaseModel, wire: Wire, call: Caller, kind: str) -> None:
    stream_events = [{"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}]
    wire.say(Reply(body=events(stream_events), headers={"content-type": kind} if kind else {}))
    assert "".join(chunk.content for chunk in call.stream(model, None, "q")) == "hi"


# What wraps a reply.


@in_turn("kind", ["text/plain; charset=utf-8", "application/octet-stream", "text/html", ""])
@in_turn("mark", [b"", b"\xef\xbb\xbf", b"\r\n  "])
def test_a_reply_under_any_content_type(model: BaseModel, wire: Wire, call: Caller, kind: str, mark: bytes) -> None:
    plain = _whole({"content": "hi"})
    wire.say(Reply(body=mark + plain.body, headers={"content-type": kind} if kind else {}))
    assert call.ask(model, None, "q").content == "hi"


@in_turn("kind", ["text/html", "application/json"])
def test_a_web_page_in_place_of_a_reply(model: BaseModel, wire: Wire, call: Caller, kind: str) -> None:
    wire.say(Reply(body=b"<!doctype html><html><body>Sign in</body></html>", headers={"content-type": kind}))
    with pytest.raises(errors.MalformedResponse, match="web page" if kind == "text/html" else "could not be read"):
        call.ask(model, None, "q")
    with pytest.raises((errors.MalformedResponse, errors.EmptyResponse)):
        call.stream(model, None, "q")


def test_an_error_that_is_compressed(model: BaseModel, wire: Wire, call: Caller) -> None:
    body = gzip.compress(json.dumps({"error": {"message": "slow down", "type": "rate_limit_error"}}).encode())
    wire.say(Reply(429, body, {**JSON, "content-encoding": "gzip", "retry-after-ms": "1500"}))
    for ask in (call.ask, call.stream):
        with pytest.raises(errors.RateLimited) as caught:
            ask(model, None, "q")
        assert caught.value.retry_after_s == 1.5
        assert "slow down" in caught.value.message


# Reasoning, under all its names.


@in_turn(
    "message",
    [
        {"reasoning": "hm"},
        {"reasoning_content": "hm"},
        {"reasoning_content": "hm", "reasoning": "hm"},
        {"thinking": "hm"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "h"}, {"type": "reasoning.text", "text": "m"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                     {"type": "text", "text": "42"}]},
        {"content": "<think>hm</think>42"},
    ],
)  # fmt: skip
@in_turn("streamed", [False, True])
def test_reasoning_under_any_name(
    model: BaseModel, wire: Wire, call: Caller, message: dict[str, Any], *, streamed: bool
) -> None:
    message = {"content": "42", **message}
    if streamed:
        choice = {"index": 0, "delta": message, "finish_reason": "stop"}
        wire.say(Reply(body=events([{"choices": [choice]}]), headers=EVENTS))
        chunks = call.stream(model, None, "q")
        texts = "".join(chunk.content for chunk in chunks), "".join(chunk.reasoning for chunk in chunks)
    else:
        wire.say(_whole(message))
        reply = call.ask(model, None, "q")
        texts = reply.content, reply.reasoning or ""
    assert texts == ("42", "hm")


# Tool calls in every loose form that gateways send.


def _deltas(*pieces: dict[str, Any], finish: str = "tool_calls") -> Reply:
    stream_events = [{"choices": [{"index": 0, "delta": {"tool_calls": [piece]}}]} for piece in pieces]
    return Reply(
        body=events([*stream_events, {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}]), headers=EVENTS
    )


def _function(name: str | None, arguments: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}}


@in_turn(
    "pieces",
    [
        # By their numbers.
        [{"index": 0, "id": "a", **_function("f", "")}, {"index": 0, **_function(None, '{"n": 1}')},
         {"index": 1, "id": "b", **_function("f", "")}, {"index": 1, **_function(None, '{"n": 2}')}],
        # Without numbers.
        [{"id": "a", **_function("f", '{"n"')}, _function(None, ": 1}"), {"id": "b", **_function("f", '{"n": 2}')}],
        # Without numbers and ids.
        [_function("f", '{"n"'), _function(None, ": 1}"), _function("f", '{"n": 2}')],
        # All of them numbered 0.
        [{"index": 0, "id": "a", **_function("f", '{"n": 1}')}, {"index": 0, "id": "b", **_function("f", '{"n": 2}')}],
        # Whole, and decoded already.
        [{"index": 0, "id": "a", **_function("f", {"n": 1})}, {"index": 1, "id": "b", **_function("f", {"n": 2})}],
        # The id again in each piece.
        [{"index": 0, "id": "a", **_function("f", '{"n"')}, {"index": 0, "id": "a", **_function("", ": 1}")},
         {"index": 1, "id": "b", **_function("f", '{"n": 2}')}],
        # Numbers that begin at 1.
        [{"index": 1, "id": "a", **_function("f", '{"n": 1}')}, {"index": 2, "id": "b", **_function("f", '{"n": 2}')}],
    ],
)  # fmt: skip
@in_turn("finish", ["tool_calls", "stop", "function_call"])
def test_streamed_calls_are_told_apart(
    model: BaseModel, wire: Wire, call: Caller, pieces: list[dict[str, Any]], finish: str
) -> None:
    wire.say(_deltas(*pieces, finish=finish))
    last = call.stream(model, None, "q")[-1]
    assert [(item.name, json.loads(item.arguments)) for item in last.tool_calls] == [("f", {"n": 1}), ("f", {"n": 2})]
    assert len({item.id for item in last.tool_calls}) == 2
    assert all(item.id for item in last.tool_calls)
    assert last.finish_reason == "tool_calls"


def test_a_streamed_call_as_the_protocol_had_it_before_tools(model: BaseModel, wire: Wire, call: Caller) -> None:
    pieces = [{"name": "f", "arguments": ""}, {"arguments": '{"n"'}, {"arguments": ": 1}"}]
    stream_events = [{"choices": [{"index": 0, "delta": {"function_call": piece}}]} for piece in pieces]
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "function_call"}]}
    wire.say(Reply(body=events([*stream_events, last]), headers=EVENTS))
    (called,) = call.stream(model, None, "q")[-1].tool_calls
    assert (called.name, called.arguments, bool(called.id)) == ("f", '{"n": 1}', True)


@in_turn(
    "message",
    [
        {"tool_calls": [_function("f", "")]},
        {"tool_calls": [_function("f", None)]},
        {"tool_calls": [_function("f", {}), {"id": "x"}, _function(None, "{}"), None]},
        {"function_call": {"name": "f", "arguments": "{}"}},
    ],
)
@in_turn("finish", ["tool_calls", "stop", None, "function_call"])
def test_a_whole_call_that_is_told_loosely(
    model: BaseModel, wire: Wire, call: Caller, message: dict[str, Any], finish: str | None
) -> None:
    wire.say(_whole({"content": None, **message}, finish=finish))
    reply = call.ask(model, None, "q")
    (called,) = reply.tool_calls
    assert (called.name, called.arguments, bool(called.id)) == ("f", "{}", True)
    assert reply.finish_reason == "tool_calls"


# Tokens that do not add up.


def _usage(prompt: int, completion: int, total: int | None, cached: int = 0, thought: int = 0) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


@in_turn(
    ("usage", "expected"),
    [
        (_usage(10, 5, 15, cached=4), Usage(6, 4, None, 5, 0)),
        (_usage(10, 5, 15, cached=12), Usage(0, 10, None, 5, 0)),  # more than the prompt, which the total holds
        (_usage(10, 5, 27, cached=12), Usage(10, 12, None, 5, 0)),  # beside the prompt, says the total
        (_usage(10, 5, None, cached=12), Usage(10, 12, None, 5, 0)),  # beside the prompt: it cannot be inside
        ({"prompt_tokens": 10, "total_tokens": 15}, Usage(10, None, None, 5)),
        ({"completion_tokens": 5, "total_tokens": 15}, Usage(10, None, None, 5)),
        (_usage(10, 5, 18, thought=3), Usage(10, 0, None, 5, 3)),
        (_usage(10, 5, 15, thought=9), Usage(10, 0, None, 0, 5)),
        (_usage(10, 5, 22, cached=4, thought=3), Usage(10, 4, None, 5, 3)),
    ],
)
def test_counts_are_held_to_the_total(model: BaseModel, wire: Wire, call: Caller, usage: Any, expected: Usage) -> None:
    wire.say(_whole({"content": "hi"}, usage))
    counts = call.ask(model, None, "q").usage
    assert counts == expected
    assert usage["total_tokens"] in (None, expected.total_tokens)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_total_that_nothing_sums_up_to_is_told(
    model: BaseModel, wire: Wire, call: Caller, spool: Spool, *, streamed: bool
) -> None:
    usage = _usage(10, 5, 99)
    if streamed:
        choice = {"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}
        wire.say(Reply(body=events([{"choices": [choice]}, {"choices": [], "usage": usage}]), headers=EVENTS))
        assert call.stream(model, None, "q")[-1].usage == Usage(10, 0, None, 5, 0)
    else:
        wire.say(_whole({"content": "hi"}, usage))
        assert call.ask(model, None, "q").usage == Usage(10, 0, None, 5, 0)
    (row,) = spool.rows_after(0)
    assert b"provider_total_tokens" in row.span


# Streams.


@in_turn(
    "written",
    [
        lambda body: body.replace(b"\n", b"\r\n"),
        lambda body: body.replace(b"data: ", b"data:"),
        lambda body: b": keep-alive\n\n" + body.replace(b"data: ", b": ping\n\ndata: "),
        lambda body: body.replace(b"data: [DONE]\n\n", b"data:[DONE]\n\n"),
        lambda body: body.replace(b"data: {", b"event: message\nid: 7\nretry: 1000\ndata: {"),
        lambda body: body.replace(b"data: [DONE]\n\n", b""),
        lambda body: body + b"data: rubbish after the end\n\n",
        lambda body: b"\xef\xbb\xbf" + body.partition(b"\n\n")[2],  # what comes first is text
    ],
)
def test_a_stream_as_loosely_as_the_format_allows(
    model: BaseModel, wire: Wire, call: Caller, written: Callable[[bytes], bytes]
) -> None:
    stream_events: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant"}}]},
        {"choices": [{"index": 0, "delta": {"content": "hel"}, "finish_reason": ""}]},
        {"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]},
        {"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]},
        {"choices": [], "usage": _usage(10, 5, 15)},
    ]
    wire.say(Reply(body=written(events(stream_events)), headers=EVENTS))
    chunks = call.stream(model, None, "q")
    assert "".join(chunk.content for chunk in chunks) == "hello"
    assert (chunks[-1].finish_reason, chunks[-1].usage) == ("stop", Usage(10, 0, None, 5, 0))


def test_a_stream_that_tells_messages_in_place_of_deltas(model: BaseModel, wire: Wire, call: Caller) -> None:
    stream_events = [{"choices": [{"index": 0, "message": {"content": piece}, "finish_reason": finish}]}
            for piece, finish in (("hel", None), ("lo", "STOP"))]  # fmt: skip
    wire.say(Reply(body=events(stream_events), headers=EVENTS))
    chunks = call.stream(model, None, "q")
    assert ("".join(chunk.content for chunk in chunks), chunks[-1].finish_reason) == ("hello", "stop")


def test_a_choice_that_is_a_text(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(Reply(body=b'{"choices": [{"text": "hi", "finish_reason": "length"}], "model": 7, "id": 8}', headers=JSON))
    reply = call.ask(model, None, "q")
    assert (reply.content, reply.finish_reason, reply.model_name) == ("hi", "length", model.model_name)
