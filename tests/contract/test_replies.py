"""Every provider's replies are read the same way, whole and streamed, plainly and in asyncio."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from src.models import capabilities
from src.models.errors import EmptyResponse, MalformedResponse, Unsupported
from src.models.types import ImagePart
from tests.contract.dialects.base import Says, Tokens
from tests.contract.harness import in_turn
from tests.long import rounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool
    from tests.contract.dialects.base import Dialect
    from tests.contract.harness import Caller, Wire

UNICODE = "¿Qué? 价格 📈 \u2028 \x7f \\u0041 «ÆØÅ»"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
TOOL = {
    "type": "function",
    "function": {
        "name": "price_of",
        "description": "Return a price.",
        "parameters": {"type": "object", "properties": {"symbol": {"type": "string"}}, "required": ["symbol"]},
    },
}


class Odds(pydantic.BaseModel):
    wins: int
    losses: int

    @pydantic.field_validator("losses")
    @classmethod
    def _divides(cls, value: int) -> int:
        return value if 1 / value else 0


class Verdict(pydantic.BaseModel):
    action: str
    confidence: int = pydantic.Field(ge=0, le=100)


def test_answers_with_text_usage_and_cost(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    wire.say(dialect.reply(Says(text="buy low", model=dialect.model)))
    reply = call.ask(model, "be brief", "what now?", max_tokens=50)
    assert reply.content == str(reply) == "buy low"
    assert reply.usage == dialect.expected_usage(Tokens())
    assert reply.finish_reason == "stop"
    assert reply.provider == model.provider
    assert reply.model_name == dialect.model
    assert (reply.cost_usd is not None) is dialect.priced
    assert reply.raw_response is not None


def test_sends_the_prompts_byte_for_byte(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    wire.say(dialect.reply(Says(text=UNICODE)))
    reply = call.ask(model, f"system {UNICODE}", f"user {UNICODE}", temperature=0.2, max_tokens=50)
    request = dialect.parse_request(wire.received[0])
    assert (request.model, request.system, request.texts) == (dialect.model, f"system {UNICODE}", [f"user {UNICODE}"])
    assert request.max_tokens == 50
    assert request.stream is dialect.engine  # which is always asked for events: it can be stopped between them
    assert request.temperature == (0.2 if model.capabilities.temperature else None)
    assert reply.content == UNICODE


def test_sends_no_system_message_and_no_parameter_unasked(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller
) -> None:
    wire.say(dialect.reply(Says()))
    call.ask(model, None, "hi", temperature=None)
    request = dialect.parse_request(wire.received[0])
    assert request.system is None
    assert request.temperature is None
    assert request.max_tokens == model.capabilities.default_max_tokens


def test_streams_text_then_usage(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    wire.say(dialect.stream(Says(text="one two")))
    chunks = call.stream(model, None, UNICODE)
    assert "".join(chunk.content for chunk in chunks) == "one two"
    assert len([chunk for chunk in chunks if chunk.content]) > 1
    assert dialect.parse_request(wire.received[0]).stream
    assert chunks[-1].usage == dialect.expected_usage(Tokens())
    assert chunks[-1].finish_reason == "stop"
    assert (chunks[-1].cost_usd is not None) is dialect.priced


@in_turn("streamed", [False, True])
def test_keeps_reasoning_out_of_the_text(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, *, streamed: bool
) -> None:
    if not dialect.reasons:
        pytest.skip("this SDK cannot tell reasoning apart")
    says = Says(text="42", reasoning="let me think")
    wire.say(dialect.stream(says) if streamed else dialect.reply(says))
    if streamed:
        chunks = call.stream(model, None, "why?")
        text, thought = "".join(c.content for c in chunks), "".join(c.reasoning for c in chunks)
    else:
        reply = call.ask(model, None, "why?")
        text, thought = reply.content, reply.reasoning or ""
    assert (text, thought) == ("42", "let me think")


@in_turn("streamed", [False, True])
def test_takes_a_leading_think_block_out(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, *, streamed: bool
) -> None:
    says = Says(text="<think>hm, well</think>\n\n42")
    wire.say(dialect.stream(says) if streamed else dialect.reply(says))
    if streamed:
        chunks = call.stream(model, None, "why?")
        text, thought = "".join(c.content for c in chunks), "".join(c.reasoning for c in chunks)
    else:
        reply = call.ask(model, None, "why?")
        text, thought = reply.content, reply.reasoning or ""
    assert (text, thought) == ("42", "hm, well")


def test_parses_structured_output(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    wire.say(dialect.reply(Says(text='{"action": "BUY", "confidence": 70}')))
    reply = call.ask(model, "you trade", "now?", response_format=Verdict)
    assert reply.parsed == Verdict(action="BUY", confidence=70)
    request = dialect.parse_request(wire.received[0])
    if model.capabilities.structured == "json_schema":
        assert request.schema is not None
        assert set(request.schema["properties"]) == {"action", "confidence"}
        assert request.system == "you trade"
    else:
        assert request.schema is None
        assert (request.system or "").startswith("you trade")
        assert '"confidence"' in (request.system or "")


def test_repairs_a_misfit_once_inside_the_same_generation(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, spool: Spool
) -> None:
    wire.say(dialect.reply(Says(text='{"action": "BUY", "confidence": 700}')),
             dialect.reply(Says(text='{"action": "BUY", "confidence": 70}')))  # fmt: skip
    reply = call.ask(model, None, "now?", response_format=Verdict)
    assert reply.parsed == Verdict(action="BUY", confidence=70)
    assert len(wire.received) == 2
    once = dialect.expected_usage(Tokens())
    assert reply.usage == once + once
    rows = spool.trace(str(reply.trace_id))
    assert sorted((row.type, row.name) for row in rows) == [
        ("event", "repair"),
        ("generation", f"{model.provider}.generate"),
    ]
    assert any("700" in text for text in dialect.parse_request(wire.received[1]).texts)


def test_a_misfit_after_the_repair_is_malformed(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    wire.say(dialect.reply(Says(text="I would buy.")))
    with pytest.raises(MalformedResponse, match="repair"):
        call.ask(model, None, "now?", response_format=Verdict)
    assert len(wire.received) == 2


def test_what_no_validator_can_process_is_repaired_once(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller
) -> None:
    misfits = ('{"wins": 1, "losses": 0}', '{"wins": 1, "losses": Infinity}', '{"wins": 1, "losses": 2, "losses": 3}')
    for misfit in misfits:
        wire.received.clear()
        wire.say(dialect.reply(Says(text=misfit)), dialect.reply(Says(text='{"wins": 1, "losses": 4}')))
        assert call.ask(model, None, "odds?", response_format=Odds).parsed == Odds(wins=1, losses=4)
        assert len(wire.received) == 2
    wire.say(dialect.stream(Says(text=misfits[0])), dialect.reply(Says(text=misfits[0])))
    with pytest.raises(MalformedResponse, match="ZeroDivisionError"):
        call.stream(model, None, "odds?", response_format=Odds)


def test_a_stream_ends_with_the_parsed_reply(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    text = '{"action": "BUY", "confidence": 70}'
    wire.say(dialect.stream(Says(text=text)))
    *chunks, last = call.stream(model, None, "now?", response_format=Verdict)
    assert "".join(chunk.content for chunk in chunks) == text
    assert last.parsed == Verdict(action="BUY", confidence=70)
    assert last.reply is not None
    assert (last.reply.content, last.reply.parsed, last.reply.usage) == (text, last.parsed, last.usage)
    assert [chunk.reply for chunk in chunks] == [None] * len(chunks)
    assert len(wire.received) == 1


def test_a_stream_that_does_not_fit_is_repaired_after_it_was_streamed(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, spool: Spool
) -> None:
    wire.say(dialect.stream(Says(text='{"action": "BUY", "confidence": 700}')),
             dialect.reply(Says(text='{"action": "BUY", "confidence": 70}')))  # fmt: skip
    *chunks, last = call.stream(model, None, "now?", response_format=Verdict)
    assert "".join(chunk.content for chunk in chunks) == '{"action": "BUY", "confidence": 700}'
    assert last.reply is not None
    assert (last.reply.content, last.parsed) == (
        '{"action": "BUY", "confidence": 70}',
        Verdict(action="BUY", confidence=70),
    )
    once = dialect.expected_usage(Tokens())
    assert last.usage == last.reply.usage == once + once
    assert any("700" in text for text in dialect.parse_request(wire.received[1]).texts)
    rows = spool.trace(str(last.reply.trace_id))
    assert sorted((row.type, row.name) for row in rows) == [
        ("event", "repair"),
        ("generation", f"{model.provider}.generate"),
    ]


def test_a_stream_that_does_not_fit_after_the_repair_is_malformed(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller
) -> None:
    wire.say(dialect.stream(Says(text="I would buy.")), dialect.reply(Says(text="I would buy.")))
    with pytest.raises(MalformedResponse, match="repair"):
        call.stream(model, None, "now?", response_format=Verdict)
    assert len(wire.received) == 2


def test_takes_a_json_schema_too(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wire.say(dialect.reply(Says(text='{"n": 3}')))
    assert call.ask(model, None, "count", response_format=schema).parsed == {"n": 3}


@in_turn("streamed", [False, True])
def test_passes_tools_through_and_calls_back(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, *, streamed: bool
) -> None:
    says = Says(text="", tools=[("price_of", {"symbol": "BTC"}), ("price_of", {"symbol": "ETH"})])
    wire.say(dialect.stream(says) if streamed else dialect.reply(says))
    if streamed:
        last = call.stream(model, None, "price?", tools=[TOOL])[-1]
        calls, reason = last.tool_calls, last.finish_reason
    else:
        reply = call.ask(model, None, "price?", tools=[TOOL])
        calls, reason = reply.tool_calls, reply.finish_reason
    assert dialect.parse_request(wire.received[0]).tools == ["price_of"]
    assert [item.name for item in calls] == ["price_of", "price_of"]
    assert [json.loads(item.arguments) for item in calls] == [{"symbol": "BTC"}, {"symbol": "ETH"}]
    assert len({item.id for item in calls}) == 2
    assert reason == "tool_calls" or streamed


def test_continues_after_a_tool_call(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    function = {"name": "price_of", "arguments": '{"symbol": "BTC"}'}
    wire.say(dialect.reply(Says(text="it is 5")))
    messages = [
        {"role": "user", "content": "price?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "c1", "content": "5"},
    ]
    assert call.chat(model, messages, tools=[TOOL]).content == "it is 5"
    assert '"5"' in json.dumps(wire.received[0].json) or "'5'" in str(wire.received[0].json)


def test_sends_images(
    make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller, tmp_path: Any
) -> None:
    if not dialect.sees:
        pytest.skip("this provider has no model that takes images")
    path = tmp_path / "chart.png"
    path.write_bytes(PNG)
    wire.say(dialect.reply(Says(text="a chart")))
    parts = ["what is this?", ImagePart("image/png", PNG), path]
    assert call.ask(make(), None, parts).content == "a chart"
    request = dialect.parse_request(wire.received[0])
    assert request.images == [PNG, PNG]
    assert request.texts == ["what is this?"]


def test_refuses_an_image_before_sending_it_to_a_model_that_cannot_see(
    make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller
) -> None:
    if dialect.text_only_model is None:
        pytest.skip("every model of this provider sees")
    with pytest.raises(Unsupported, match="takes no images") as caught:
        call.ask(make(dialect.text_only_model), None, ["look", ImagePart("image/png", PNG)])
    assert caught.value.parameter == "messages"
    assert wire.received == []


def test_sends_stop_sequences_or_refuses_before_sending(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller
) -> None:
    wire.say(dialect.reply(Says()))
    if model.capabilities.stop:
        call.ask(model, None, "hi", stop=["END"])
        assert dialect.parse_request(wire.received[0]).stop == ["END"]
    else:
        with pytest.raises(Unsupported, match="stop"):
            call.ask(model, None, "hi", stop=["END"])
        assert wire.received == []


def test_says_on_the_trace_which_parameters_were_not_sent(
    model: BaseModel, dialect: Dialect, wire: Wire, call: Caller, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = replace(model.capabilities, temperature=False, seed=False)
    monkeypatch.setattr(capabilities, "of", lambda provider, name: without)
    wire.say(dialect.reply(Says()))
    reply = call.ask(model, None, "hi", temperature=0.5, seed=3)
    assert dialect.parse_request(wire.received[0]).temperature is None
    (row,) = spool.trace(str(reply.trace_id))
    assert b"adjusted_parameters" in row.span
    assert b"dropped" in row.span


def test_zero_usage_beside_a_text_is_unknown(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    wire.say(dialect.zero_usage("hello"))
    reply = call.ask(model, None, "hi")
    assert reply.content == "hello"
    assert reply.usage is None
    assert reply.cost_usd is None or reply.cost_source in ("local", "provider")


def test_no_usage_is_unknown(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    wire.say(dialect.reply(Says(tokens=None)))
    reply = call.ask(model, None, "hi")
    assert reply.usage is None
    assert reply.cost_usd is None or reply.cost_source == "local"


def test_an_empty_reply_is_an_error(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    wire.say(dialect.empty())
    with pytest.raises(EmptyResponse):
        call.ask(model, None, "hi")


def test_an_empty_reply_is_asked_for_again(
    make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller
) -> None:
    from tests.contract.conftest import QUICK

    wire.say(dialect.empty(), dialect.reply(Says(text="second")))
    reply = call.ask(make(retry_policy=QUICK), None, "hi")
    assert (reply.content, reply.attempts) == ("second", 2)


def test_a_long_prompt_arrives_whole(model: BaseModel, dialect: Dialect, wire: Wire, call: Caller) -> None:
    prompt = "price 1234.5 | " * rounds(5_000, 70_000)  # a megabyte in a long run
    wire.say(dialect.reply(Says()))
    call.ask(model, None, prompt)
    assert dialect.parse_request(wire.received[0]).texts == [prompt]
