"""A reply with nothing in it is asked for again, as docs/errors.md says: whole or streamed, in asyncio too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models.errors import EmptyResponse, MalformedResponse, RateLimited
from tests.contract.conftest import QUICK
from tests.contract.dialects.base import Says, Tokens
from tests.contract.dialects.chat import EVENTS, JSON, events
from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool
    from tests.contract.dialects.base import Dialect
    from tests.contract.harness import Caller, Wire

PLAIN = {"content-type": "text/plain"}
BLANK = {
    "nothing": Reply(body=b"", headers=JSON),
    "spaces": Reply(body=b" \r\n\n", headers=JSON),
    "a byte order mark": Reply(body=b"\xef\xbb\xbf", headers=JSON),
    "no content": Reply(status=204, headers=JSON),
    "text": Reply(body=b"", headers=PLAIN),
    "no event": Reply(body=b"", headers=EVENTS),
    "comments": Reply(body=b": waiting\n\n: waiting\n\n", headers=EVENTS),
    "an end": Reply(body=b"data: [DONE]\n\n", headers=EVENTS),
}


# Each SDK and protocol once: the other providers run the same code.
@pytest.fixture(params=["openai", "openai__responses", "groq", "claude", "gemini", "gemini__legacy", "ollama"])
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _asked(call: Caller, model: BaseModel, *, streamed: bool) -> Any:
    if not streamed:
        return call.ask(model, None, "hi")
    chunks = call.stream(model, None, "hi")
    reply = chunks[-1].reply
    assert reply is not None
    assert "".join(chunk.content for chunk in chunks) == reply.content
    return reply


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_blank_reply_is_asked_for_again(
    streamed: bool, call: Caller, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire
) -> None:
    good, model = (dialect.stream if streamed else dialect.reply)(Says(text="hello")), make(retry_policy=QUICK)
    for name, blank in BLANK.items():
        wire.say(blank, good)
        reply = _asked(call, model, streamed=streamed)
        assert (name, reply.content, reply.attempts) == (name, "hello", 2)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_replies_that_stay_blank_are_told_as_empty(
    streamed: bool, call: Caller, make: Callable[..., BaseModel], wire: Wire, spool: Spool
) -> None:
    wire.say(BLANK["nothing"])
    with pytest.raises(EmptyResponse) as raised:
        _asked(call, make(retry_policy=QUICK), streamed=streamed)
    assert raised.value.attempts == len(wire.received) == 3
    rows = spool.trace(str(raised.value.trace_id))
    assert [row.name for row in rows].count("attempt_failed") == 2
    assert [row.error_category for row in rows if row.type == "generation"] == ["empty_response"]


def test_a_stream_without_text_is_asked_for_again(
    call: Caller, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire
) -> None:
    empty = Says(text="", tokens=Tokens(20, None, 0, None))
    wire.say(dialect.stream(empty), dialect.stream(Says(text="hello", tokens=Tokens(20, None, 7, None))))
    reply = _asked(call, make(retry_policy=QUICK), streamed=True)
    assert (reply.content, reply.attempts) == ("hello", 2)


@pytest.mark.parametrize("case", ["openai"])
def test_a_stream_that_fails_before_its_text_is_asked_for_again(
    call: Caller, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire
) -> None:
    role = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    error = {"error": {"message": "rate limit reached", "code": 429}}
    broken = Reply(body=events([role]), headers=EVENTS)
    limited = Reply(body=events([role, error]), headers=EVENTS)
    wire.say(broken, limited, dialect.stream(Says(text="hello")))
    reply = _asked(call, make(retry_policy=QUICK), streamed=True)
    assert (reply.content, reply.attempts) == ("hello", 3)
    started = {"choices": [{"index": 0, "delta": {"content": "hel"}}]}
    wire.say(Reply(body=events([started, error]), headers=EVENTS))
    wire.received.clear()
    with pytest.raises(RateLimited):
        _asked(call, make(retry_policy=QUICK), streamed=True)
    assert len(wire.received) == 1


def test_a_reply_that_is_an_empty_object_is_no_empty_reply(make: Callable[..., BaseModel], wire: Wire) -> None:
    """It says something, though nothing that can be read: asking again would pay twice."""
    wire.say(Reply(body=json.dumps({}).encode(), headers=JSON))
    with pytest.raises(MalformedResponse):
        make(retry_policy=QUICK).generate_response(None, "hi")
    assert len(wire.received) == 1
