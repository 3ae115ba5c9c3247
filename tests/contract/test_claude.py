"""What Claude alone does: thinking in its several forms, and thoughts that come back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import errors
from src.models.types import Message
from tests.contract.dialects import claude
from tests.contract.dialects.base import Says
from tests.contract.dialects.claude import JSON, events_of
from tests.contract.harness import in_turn
from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool
    from tests.contract.harness import Caller, Wire

EVENTS = {"content-type": "text/event-stream"}
HELLO = claude.Dialect().reply(Says(text="hello"))
TOOL = {"type": "function", "function": {"name": "price_of", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
def case() -> str:
    return "claude"


def _sent(wire: Wire) -> dict[str, Any]:
    body: dict[str, Any] = wire.received[-1].json
    return body


# Effort.


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "output_config"),
    [
        ("claude-sonnet-4-6", "low", {"type": "adaptive", "display": "summarized"}, {"effort": "low"}),
        ("claude-sonnet-4-6", "minimal", {"type": "adaptive", "display": "summarized"}, {"effort": "low"}),
        ("claude-sonnet-4-6", "xhigh", {"type": "adaptive", "display": "summarized"}, {"effort": "high"}),
        ("claude-opus-4-7", "xhigh", {"type": "adaptive", "display": "summarized"}, {"effort": "xhigh"}),
        ("claude-opus-5-5", "max", {"type": "adaptive", "display": "summarized"}, {"effort": "max"}),
        ("claude-sonnet-4-6", "none", None, None),
        ("claude-haiku-4-5", "none", None, None),
        ("claude-sonnet-5", "none", {"type": "disabled"}, None),
        ("claude-haiku-5-5", "none", {"type": "disabled"}, None),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None),
        ("claude-opus-5-5", "none", {"type": "adaptive", "display": "summarized"}, {"effort": "low"}),
        ("claude-fable-5-2", "none", {"type": "adaptive", "display": "summarized"}, {"effort": "low"}),
        ("claude-haiku-4-5", "low", {"type": "enabled", "budget_tokens": 2048}, None),
        ("claude-opus-4-5-20251101", "high", {"type": "enabled", "budget_tokens": 16_384}, None),
        ("claude-3-5-haiku-20241022", "high", None, None),
    ],
)
def test_an_effort_is_said_as_the_model_takes_it(
    make: Callable[..., BaseModel], wire: Wire, call: Caller, model: str, effort: str, thinking: Any, output_config: Any
) -> None:
    wire.say(HELLO)
    call.ask(make(model), None, "hi", reasoning_effort=effort)
    assert _sent(wire).get("thinking") == thinking
    assert _sent(wire).get("output_config") == output_config


def test_what_is_refused_beside_thinking_is_left_out_and_told(
    make: Callable[..., BaseModel], wire: Wire, call: Caller, spool: Spool
) -> None:
    wire.say(HELLO)
    reply = call.ask(make("claude-haiku-4-5"), None, "hi", temperature=0.2, top_p=0.5, reasoning_effort="low")
    assert not {"temperature", "top_p"} & _sent(wire).keys()
    assert _sent(wire)["max_tokens"] > _sent(wire)["thinking"]["budget_tokens"]
    (row,) = spool.trace(str(reply.trace_id))
    assert b"adjusted_parameters" in row.span


def test_without_thinking_a_temperature_is_sent(make: Callable[..., BaseModel], wire: Wire, call: Caller) -> None:
    wire.say(HELLO)
    call.ask(make("claude-haiku-4-5"), None, "hi", temperature=0.2)
    assert _sent(wire)["temperature"] == 0.2
    call.ask(make("claude-haiku-4-5"), None, "hi", temperature=0.2, top_p=0.9)
    assert (_sent(wire)["top_p"], "temperature" in _sent(wire)) == (0.9, False)
    call.ask(make("claude-sonnet-5"), None, "hi", temperature=0.2)
    assert "temperature" not in _sent(wire)


@pytest.mark.parametrize(("max_tokens", "budget"), [(6000, 3000), (2048, 1024), (2000, None)])
def test_a_budget_leaves_room_for_the_answer(
    make: Callable[..., BaseModel], wire: Wire, call: Caller, max_tokens: int, budget: int | None
) -> None:
    wire.say(HELLO)
    call.ask(make("claude-haiku-4-5"), None, "hi", max_tokens=max_tokens, reasoning_effort="high")
    assert (_sent(wire).get("thinking") or {}).get("budget_tokens") == budget
    assert _sent(wire)["max_tokens"] == max_tokens


def test_a_caller_can_say_thinking_itself(make: Callable[..., BaseModel], wire: Wire, call: Caller) -> None:
    wire.say(HELLO)
    call.ask(make("claude-haiku-4-5"), None, "hi", thinking={"type": "enabled", "budget_tokens": 1500})
    assert _sent(wire)["thinking"] == {"type": "enabled", "budget_tokens": 1500}
    assert "temperature" not in _sent(wire)
    assert _sent(wire)["max_tokens"] > 1500


# Tools.


@pytest.mark.parametrize("choice", ["required", "any", "price_of", {"type": "function", "function": {"name": "x"}}])
def test_a_forced_tool_is_refused_before_sending_where_the_model_refuses_it(
    make: Callable[..., BaseModel], wire: Wire, call: Caller, choice: object
) -> None:
    wire.say(HELLO)
    with pytest.raises(errors.Unsupported, match="tool_choice"):
        call.ask(make("claude-opus-5-5"), None, "hi", tools=[TOOL], tool_choice=choice)
    assert wire.received == []
    call.ask(make("claude-opus-5"), None, "hi", tools=[TOOL], tool_choice=choice)
    assert _sent(wire)["tool_choice"]["type"] in ("any", "tool")


def test_a_forced_tool_goes_before_a_budget(make: Callable[..., BaseModel], wire: Wire, call: Caller) -> None:
    wire.say(HELLO)
    call.ask(make("claude-haiku-4-5"), None, "hi", tools=[TOOL], tool_choice="required", reasoning_effort="low")
    assert (_sent(wire)["tool_choice"], _sent(wire).get("thinking")) == ({"type": "any"}, None)


def test_one_tool_at_a_time(make: Callable[..., BaseModel], wire: Wire, call: Caller) -> None:
    wire.say(HELLO)
    call.ask(make(), None, "hi", tools=[TOOL], parallel_tool_calls=False)
    assert _sent(wire)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    "tool",
    [
        TOOL,
        {"type": "function", "name": "price_of", "parameters": {"type": "object", "properties": {}}},
        {"name": "price_of", "input_schema": {"type": "object", "properties": {}}},
    ],
)
def test_a_tool_in_anybodys_form(make: Callable[..., BaseModel], wire: Wire, call: Caller, tool: Any) -> None:
    wire.say(HELLO)
    call.ask(make(), None, "hi", tools=[tool])
    assert _sent(wire)["tools"] == [{"name": "price_of", "input_schema": {"type": "object", "properties": {}}}]


def test_a_tool_of_the_servers_own_goes_as_it_is(make: Callable[..., BaseModel], wire: Wire, call: Caller) -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    wire.say(HELLO)
    call.ask(make(), None, "hi", tools=[search])
    assert _sent(wire)["tools"] == [search]


THOUGHT = {"type": "thinking", "thinking": "I need two prices.", "signature": "signed-1"}
HIDDEN = {"type": "redacted_thinking", "data": "opaque"}
CALLS = [{"type": "tool_use", "id": f"toolu_{n}", "name": "price_of", "input": {"n": n}} for n in (1, 2)]


def _thinking_reply(*, streamed: bool, blocks: list[dict[str, Any]] | None = None) -> Reply:
    blocks = [THOUGHT, HIDDEN, {"type": "text", "text": "Let me look."}, *CALLS] if blocks is None else blocks
    whole = claude.Dialect().message(Says(tools=[("x", {})]), blocks)
    if not streamed:
        return Reply(body=json.dumps(whole).encode(), headers=JSON)
    stream_events: list[dict[str, Any]] = [{"type": "message_start", "message": {**whole, "content": []}}]
    for at, block in enumerate(blocks):
        stream_events += [{"type": "content_block_start", "index": at, "content_block": _opened(block)}]
        stream_events += [{"type": "content_block_delta", "index": at, "delta": delta} for delta in _deltas(block)]
        stream_events += [{"type": "content_block_stop", "index": at}]
    stream_events += [{"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
             {"type": "message_stop"}]  # fmt: skip
    return Reply(body=events_of(stream_events), headers=EVENTS)


def _opened(block: dict[str, Any]) -> dict[str, Any]:
    empty: dict[str, dict[str, Any]] = {"thinking": {"thinking": "", "signature": ""}, "text": {"text": ""},
                                        "tool_use": {"input": {}}, "server_tool_use": {"input": {}}}  # fmt: skip
    return {**block, **empty.get(block["type"], {})}


def _deltas(block: dict[str, Any]) -> list[dict[str, Any]]:
    if block["type"] == "thinking":
        text = block["thinking"]
        return [{"type": "thinking_delta", "thinking": text[:5]}, {"type": "thinking_delta", "thinking": text[5:]},
                {"type": "signature_delta", "signature": block["signature"]}]  # fmt: skip
    if block["type"] == "text":
        return [{"type": "text_delta", "text": block["text"]}]
    if "input" in block:
        return [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    return []


def _tool_turn(call: Caller, model: BaseModel, *, streamed: bool, **options: Any) -> list[Message]:
    """Ask, and return the conversation as it goes on after the tools have been called."""
    reply = call.stream(model, None, "prices?", tools=[TOOL], **options)[-1] if streamed else call.ask(
        model, None, "prices?", tools=[TOOL], **options
    )  # fmt: skip
    results = [Message("tool", "5", tool_call_id=item.id) for item in reply.tool_calls]
    return [Message("user", "prices?"), Message("assistant", "Let me look.", tool_calls=reply.tool_calls), *results]


@pytest.mark.parametrize("streamed", [False, True])
def test_thoughts_come_back_with_the_results_of_their_tools(
    make: Callable[..., BaseModel], wire: Wire, call: Caller, *, streamed: bool
) -> None:
    model = make("claude-haiku-4-5")
    wire.say(_thinking_reply(streamed=streamed), HELLO)
    turns = _tool_turn(call, model, streamed=streamed, reasoning_effort="low")
    call.chat(model, turns, tools=[TOOL], reasoning_effort="low")
    question, answered, results = _sent(wire)["messages"]
    assert question == {"role": "user", "content": "prices?"}
    assert answered["content"] == [THOUGHT, HIDDEN, {"type": "text", "text": "Let me look."}, *CALLS]
    assert [block["tool_use_id"] for block in results["content"]] == ["toolu_1", "toolu_2"]
    assert _sent(wire)["thinking"]["type"] == "enabled"


@pytest.mark.parametrize("streamed", [False, True])
def test_thoughts_go_to_no_other_model(
    make: Callable[..., BaseModel], wire: Wire, call: Caller, *, streamed: bool
) -> None:
    wire.say(_thinking_reply(streamed=streamed), HELLO)
    turns = _tool_turn(call, make("claude-opus-5-5"), streamed=streamed)
    call.chat(make("claude-haiku-4-5"), turns, tools=[TOOL], reasoning_effort="low")
    assert [block["type"] for block in _sent(wire)["messages"][1]["content"]] == ["text", "tool_use", "tool_use"]
    assert "thinking" not in _sent(wire)  # a budget would be refused: the loop does not begin with thoughts


@pytest.mark.parametrize("streamed", [False, True])
def test_thoughts_that_nobody_signed_do_not_come_back(
    make: Callable[..., BaseModel], wire: Wire, call: Caller, *, streamed: bool
) -> None:
    model = make("claude-sonnet-5")
    wire.say(_thinking_reply(streamed=streamed, blocks=[{**THOUGHT, "signature": ""}, *CALLS]), HELLO)
    call.chat(model, _tool_turn(call, model, streamed=streamed), tools=[TOOL])
    assert [block["type"] for block in _sent(wire)["messages"][1]["content"]] == ["text", "tool_use", "tool_use"]


@in_turn("streamed", [False, True])
def test_a_tool_that_the_server_ran_is_no_call_of_ours(
    model: BaseModel, wire: Wire, call: Caller, *, streamed: bool
) -> None:
    ran = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "btc"}}
    wire.say(_thinking_reply(streamed=streamed, blocks=[ran, {"type": "text", "text": "It is 5."}]))
    outcomes = call.stream(model, None, "hi") if streamed else [call.ask(model, None, "hi")]
    assert outcomes[-1].tool_calls == ()
    assert "".join(item.content for item in outcomes) == "It is 5."


def test_an_id_of_another_provider_is_made_fit(model: BaseModel, wire: Wire, call: Caller) -> None:
    function = {"name": "f", "arguments": "{}"}
    wire.say(HELLO)
    call.chat(model, [
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [{"id": "call.1|x", "function": function}]},
        {"role": "tool", "tool_call_id": "call.1|x", "content": "done"},
    ])  # fmt: skip
    _, called, result = _sent(wire)["messages"]
    assert called["content"][0]["id"] == result["content"][0]["tool_use_id"] == "call_1_x"


# Structured output.


@in_turn(
    ("schema", "native"),
    [
        ({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}, True),
        ({"type": "object", "properties": {"n": {"type": "object"}}}, False),
        ({"type": "object", "properties": {"n": {"type": "object", "additionalProperties": {"type": "string"}}}},
         False),
        ({"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}},
          "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}}}, False),
    ],
)  # fmt: skip
def test_a_schema_that_native_output_cannot_say_is_said_in_words(
    model: BaseModel, wire: Wire, call: Caller, schema: Any, *, native: bool
) -> None:
    wire.say(claude.Dialect().reply(Says(text='{"n": 3}' if native else '{"n": {}}')))
    assert call.ask(model, None, "count", response_format=schema).parsed
    assert ("format" in _sent(wire).get("output_config", {})) is native
    assert ("JSON Schema" in _sent(wire).get("system", "")) is not native


def test_a_model_before_native_output_is_told_in_words(
    make: Callable[..., BaseModel], wire: Wire, call: Caller
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    wire.say(claude.Dialect().reply(Says(text='{"n": 3}')))
    call.ask(make("claude-opus-4-1-20250805"), None, "count", response_format=schema)
    assert "output_config" not in _sent(wire)


# What goes beside.


def test_options_go_where_the_api_takes_them(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(HELLO)
    call.ask(model, None, "hi", top_k=5, betas=["a-1", "b-2"], metadata={"user_id": "u"}, max_tokens=30_000)
    assert (_sent(wire)["top_k"], _sent(wire)["metadata"], _sent(wire)["max_tokens"]) == (5, {"user_id": "u"}, 30_000)
    assert wire.received[-1].headers["anthropic-beta"] == "a-1,b-2"
    assert not {"betas", "extra_body", "extra_headers"} & _sent(wire).keys()


MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def test_marks_for_the_cache_are_sent_as_they_are_written(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(HELLO, HELLO)
    rules = {"type": "text", "text": "rules", **MARK}
    call.ask(
        model, [rules, {"type": "text", "text": "of today"}], [{"type": "text", "text": "bars", **MARK}, "What now?"]
    )
    sent = _sent(wire)
    assert sent["system"] == [rules, {"type": "text", "text": "of today"}]
    assert sent["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "bars", **MARK}, {"type": "text", "text": "What now?"}]}
    ]
    model.chat([{"role": "system", "content": [rules]}, {"role": "user", "content": "What now?"}])
    assert _sent(wire)["system"] == [rules]
