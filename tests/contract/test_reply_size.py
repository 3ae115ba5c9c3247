"""A reply that is too long is not read to its end, however small it is on the wire."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import requests

from src.models import ModelFactory
from src.models.errors import InvalidRequest, MalformedResponse
from src.observability.spans import otlp
from tests.contract.dialects.base import Says
from tests.servers import Reply, Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool
    from tests.contract.dialects.base import Dialect
    from tests.contract.harness import Caller, Wire

LIMIT_MB = 0.05
LONG = "buy " * 100_000


def packed(reply: Reply, encoding: str) -> Reply:
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = {
        "identity": lambda: reply.body,
        "gzip": lambda: gzip.compress(reply.body),
        "deflate": lambda: zlib.compress(reply.body),
        "raw deflate": lambda: raw.compress(reply.body) + raw.flush(),
        "gzip, gzip": lambda: gzip.compress(gzip.compress(reply.body)),
    }[encoding]()
    name = encoding.removeprefix("raw ")
    return Reply(status=reply.status, body=body, headers={**reply.headers, "content-encoding": name})


def test_a_long_reply_is_malformed_whole_and_streamed(
    make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller
) -> None:
    if dialect.engine:
        pytest.skip("the embedded model has no wire")
    model = make(reply_max_mb=LIMIT_MB)
    ordinary = dialect.reply(Says(text="hold", model=dialect.model))
    for reply, ask in (
        (dialect.reply(Says(text=LONG, model=dialect.model)), call.ask),
        (dialect.stream(Says(text=LONG, model=dialect.model)), call.stream),
    ):
        wire.say(packed(ordinary, "gzip"))  # the first call teaches the client what to repeat
        assert call.ask(model, None, "hi").content == "hold"
        wire.say(packed(reply, "gzip"))
        before = len(wire.received)
        with pytest.raises(MalformedResponse, match=r"longer than 0\.05 MB"):
            ask(model, None, "hi")
        assert len(wire.received) == before + 1  # nothing is asked again


@pytest.mark.parametrize("encoding", ["identity", "deflate", "raw deflate", "gzip, gzip"])
@pytest.mark.parametrize("case", ["openai", "ollama"], indirect=True)
def test_each_compression_is_undone_and_bounded(
    make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller, encoding: str
) -> None:
    model = make(reply_max_mb=LIMIT_MB)
    wire.say(packed(dialect.reply(Says(text="hold", model=dialect.model)), encoding))
    assert call.ask(model, None, "hi").content == "hold"
    wire.say(packed(dialect.reply(Says(text=LONG, model=dialect.model)), encoding))
    with pytest.raises(MalformedResponse):
        call.ask(model, None, "hi")


@pytest.mark.parametrize("case", ["openai"], indirect=True)
def test_what_was_not_asked_for_is_not_unpacked(
    make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller
) -> None:
    wire.say(Reply(body=b"\x28\xb5\x2f\xfd", headers={"content-type": "application/json", "content-encoding": "zstd"}))
    with pytest.raises(MalformedResponse, match="'zstd', which was not asked for"):
        call.ask(make(), None, "hi")
    assert wire.received[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("case", ["openai"], indirect=True)
def test_a_stream_may_have_many_small_events_and_no_text_without_end(
    make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller
) -> None:
    def events(pieces: list[str]) -> Reply:
        choices = [{"index": 0, "delta": {"content": piece}} for piece in pieces]
        bodies = [{"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [choice]}
                  for choice in choices]  # fmt: skip
        bodies[-1]["choices"][0]["finish_reason"] = "stop"  # type: ignore[index] # as it was just made
        lines = b"".join(b"data: " + json.dumps(body).encode() + b"\n\n" for body in bodies)
        return Reply(body=lines + b"data: [DONE]\n\n", headers={"content-type": "text/event-stream"})

    model = make(reply_max_mb=LIMIT_MB)
    wire.say(events(["word "] * 1000))  # more bytes than a whole reply may have
    assert "".join(chunk.content for chunk in call.stream(model, None, "hi")) == "word " * 1000
    wire.say(events(["a few words more " * 100] * 40))
    with pytest.raises(MalformedResponse, match="longer"):
        call.stream(model, None, "hi")


def test_the_limit_is_eight_megabytes_and_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ModelFactory.get_model("ollama", "m").reply_max_bytes == 8 * 1024 * 1024
    assert ModelFactory.get_model("ollama", "m", reply_max_mb=20).reply_max_bytes == 20 * 1024 * 1024
    monkeypatch.setenv("MOONDEV_REPLY_MAX_MB", "0.5")
    assert ModelFactory.get_model("ollama", "another").reply_max_bytes == 512 * 1024


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "much"])
def test_a_limit_that_makes_no_sense_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_REPLY_MAX_MB", value)
    with pytest.raises(InvalidRequest, match="MOONDEV_REPLY_MAX_MB is "):
        ModelFactory.get_model("ollama", "m")
    bad: Any = value
    with pytest.raises(InvalidRequest, match="reply_max_mb is"):
        ModelFactory.get_model("ollama", "m", reply_max_mb=bad)


def test_a_long_reply_to_a_programs_own_request_reaches_the_program_alone(
    monkeypatch: pytest.MonkeyPatch, spool: Spool
) -> None:
    monkeypatch.setenv("MOONDEV_REPLY_MAX_MB", str(LIMIT_MB))
    with Server(lambda _: chat_reply(LONG)) as server:
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
        response = ModelFactory.post(server.url + "/v1/chat/completions", via=requests.post, json=body)
    assert len(response.content) > len(LONG)
    (row,) = spool.rows_after(0)
    assert row.error_category == "malformed_response"
    assert len(otlp.decode_span(row.span).attributes) < 60
    assert len(row.span) < 20_000
