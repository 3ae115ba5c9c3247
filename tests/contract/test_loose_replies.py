"""Servers that imitate Chat Completions loosely: streams written otherwise, several replies, odd counts."""

from __future__ import annotations

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
    from tests.contract.harness import Wire

COUNTS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
COUNTED: dict[str, Any] = {"choices": [], "usage": COUNTS}


@pytest.fixture(params=["openai", "groq"])
def case(request: pytest.FixtureRequest) -> str:
    """Return each SDK that speaks the protocol, once: the other providers run the same code."""
    return str(request.param)


@pytest.fixture
def call(case: str) -> Caller:
    return Caller("sync" if case == "groq" else "async")


def _piece(finish: str | None = None, at: int | None = 0, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": at, "delta": delta, "finish_reason": finish}]}


def _whole(message: dict[str, Any], usage: Any = None, finish: str = "stop") -> Reply:
    body = {"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage}
    return Reply(body=json.dumps(body).encode(), headers=JSON)


STREAM = [_piece(content="hel"), _piece(content="lo"), _piece("stop"), COUNTED]


@in_turn(
    "written",
    [
        lambda body: body.replace(b"}\n\n", b"}\n"),
        lambda body: body.rpartition(b"data: [DONE]")[0].rstrip(),
        lambda body: body.replace(b"data: [DONE]", b"data:  [done]"),
        lambda body: body.replace(b"data: {", b"data:\n\ndata: {"),
        lambda body: json.dumps(STREAM).encode(),
        lambda body: b"\n".join(json.dumps(item).encode() for item in STREAM),
    ],
)
def test_a_stream_that_an_sdk_alone_cannot_read(
    model: BaseModel, wire: Wire, call: Caller, written: Callable[[bytes], bytes]
) -> None:
    wire.say(Reply(body=written(events(STREAM)), headers=EVENTS))
    chunks = call.stream(model, None, "q")
    assert "".join(chunk.content for chunk in chunks) == "hello"
    assert (chunks[-1].finish_reason, chunks[-1].usage) == ("stop", Usage(input=10, output=5))


@in_turn(
    "last_event",
    [
        b'error: {"code": 503, "message": "no"}\n\n',
        b'event: error\ndata: {"code": 503, "message": "no"}\n\n',
    ],
)
def test_an_error_beside_the_data_of_a_stream_is_raised(
    model: BaseModel, wire: Wire, call: Caller, last_event: bytes
) -> None:
    first_events = events([_piece(content="hel")]).replace(b"data: [DONE]\n\n", b"")
    wire.say(Reply(body=first_events + last_event, headers=EVENTS))
    with pytest.raises(errors.Overloaded):
        call.stream(model, None, "q")


def test_of_several_replies_the_first_is_taken(model: BaseModel, wire: Wire, call: Caller) -> None:
    both = {"choices": [*_piece(content="lo")["choices"], *_piece(at=1, content="bye")["choices"]]}
    stream_events = [
        _piece(content="hel"),
        _piece(at=1, content="good"),
        both,
        _piece("length", at=1),
        _piece("stop"),
        COUNTED,
    ]
    wire.say(Reply(body=events(stream_events), headers=EVENTS))
    chunks = call.stream(model, None, "q")
    assert "".join(chunk.content for chunk in chunks) == "hello"
    assert (chunks[-1].finish_reason, chunks[-1].usage) == ("stop", Usage(input=10, output=5))


def test_pieces_that_are_numbered_one_by_one_are_no_reply_cut_short(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(Reply(body=events([_piece(content="hel"), _piece("stop", at=1, content="lo"), COUNTED]), headers=EVENTS))
    with pytest.raises(errors.ConnectionFailed):
        call.stream(model, None, "q")


def test_usage_in_each_piece_is_no_end(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(Reply(body=events([{**_piece(content="hel"), "usage": COUNTS}]), headers=EVENTS))
    with pytest.raises(errors.ConnectionFailed):
        call.stream(model, None, "q")


@in_turn("streamed", [False, True])
def test_a_refusal_is_content_blocked_in_its_own_words(
    model: BaseModel, wire: Wire, call: Caller, *, streamed: bool
) -> None:
    pieces = [_piece(content=None, refusal=word) for word in ("I will", " not.")]
    answer = Reply(body=events([*pieces, _piece("stop")]), headers=EVENTS)
    wire.say(answer if streamed else _whole({"content": None, "refusal": "I will not."}))
    with pytest.raises(errors.ContentBlocked, match=r"I will not\."):
        call.stream(model, None, "q") if streamed else call.ask(model, None, "q")


def test_a_reply_that_was_withheld_before_it_had_a_message(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(Reply(body=b'{"choices": [{"index": 0, "finish_reason": "content_filter"}]}', headers=JSON))
    with pytest.raises(errors.ContentBlocked):
        call.ask(model, None, "q")


CALLS = [
    {"id": "a", "type": "custom", "custom": {"name": "f", "input": "4 + 4"}},
    {"id": "a", "name": "f", "arguments": "4 + 4"},
]


@in_turn("raw_calls", [*([tool_call] for tool_call in CALLS), CALLS[1]])
@in_turn("streamed", [False, True])
def test_a_call_without_the_frame_of_a_function(
    model: BaseModel, wire: Wire, call: Caller, raw_calls: Any, *, streamed: bool
) -> None:
    pieces = [_piece(content=None, tool_calls=raw_calls), _piece("tool_calls")]
    message = {"content": None, "tool_calls": raw_calls}
    wire.say(Reply(body=events(pieces), headers=EVENTS) if streamed else _whole(message, finish="tool_calls"))
    reply = call.stream(model, None, "q")[-1] if streamed else call.ask(model, None, "q")
    assert [(tool_call.id, tool_call.name, tool_call.arguments) for tool_call in reply.tool_calls] == [
        ("a", "f", "4 + 4")
    ]


def test_a_call_that_is_told_twice_is_one(model: BaseModel, wire: Wire, call: Caller) -> None:
    event = _piece(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"n": 1}'}}])
    wire.say(Reply(body=events([event, event, _piece("tool_calls")]), headers=EVENTS))
    (tool_call,) = call.stream(model, None, "q")[-1].tool_calls
    assert tool_call.arguments == '{"n": 1}'


@in_turn(
    ("usage", "expected"),
    [
        ({"input_tokens": 10, "output_tokens": 5}, Usage(10, output=5)),
        ({**COUNTS, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2}, Usage(4, 4, 2, 5)),
        ({**COUNTS, "cached_tokens": 4, "reasoning_tokens": 3}, Usage(6, 4, None, 2, 3)),
        ({**COUNTS, "total_tokens": 45, "prompt_tokens_details": {"audio_tokens": 30}}, Usage(40, output=5)),
    ],
)
def test_counts_under_other_names(
    model: BaseModel, wire: Wire, call: Caller, usage: dict[str, Any], expected: Usage
) -> None:
    wire.say(_whole({"content": "hi"}, usage))
    assert call.ask(model, None, "q").usage == expected


CACHED = {**COUNTS, "prompt_tokens_details": {"cached_tokens": 4}}


@in_turn(
    ("usages", "expected"),
    [
        ([CACHED, COUNTS], Usage(6, 4, output=5)),
        ([COUNTS, CACHED], Usage(6, 4, output=5)),
        ([CACHED, {**COUNTS, "prompt_tokens": 12, "total_tokens": 17}], Usage(12, output=5)),
        ([COUNTS, dict.fromkeys(COUNTS, 0)], Usage(10, output=5)),
        ([{**COUNTS, "completion_tokens": 1, "total_tokens": 11}, COUNTS], Usage(10, output=5)),
    ],
)
def test_the_last_counts_of_a_stream_count_each_token_once(
    model: BaseModel, wire: Wire, call: Caller, usages: list[dict[str, Any]], expected: Usage
) -> None:
    pieces = [_piece("stop", content="hi"), *({"choices": [], "usage": usage} for usage in usages)]
    wire.say(Reply(body=events(pieces), headers=EVENTS))
    assert call.stream(model, None, "q")[-1].usage == expected


@in_turn(
    "message",
    [
        {"reasoning_text": "hm"},
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
        {"content": [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "42"}]},
        {"content": "<think>h</think>\n<think>m</think>42"},
    ],
)
def test_reasoning_under_more_names(model: BaseModel, wire: Wire, call: Caller, message: dict[str, Any]) -> None:
    wire.say(_whole({"content": "42", **message}))
    reply = call.ask(model, None, "q")
    assert (reply.content, reply.reasoning) == ("42", "hm")


@in_turn("body", [b'{"choices": [{"message": {"content": "\xff"}}]}', b"[" * 100_000, b"5", b"null"])
def test_a_body_that_nothing_can_read_is_malformed(model: BaseModel, wire: Wire, call: Caller, body: bytes) -> None:
    wire.say(Reply(body=body, headers=JSON))
    with pytest.raises(errors.MalformedResponse):
        call.ask(model, None, "q")
