"""Tool calls in a conversation of several turns: each has an id of its own, and each result reaches its call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models.types import Message
from tests.contract.dialects.base import Says

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from src.models.types import ToolCall
    from tests.contract.dialects.base import Dialect
    from tests.contract.harness import Caller, Wire

TOOLS = [
    {"name": "price", "description": "", "input_schema": {"type": "object", "properties": {"s": {"type": "string"}}}}
]
WITHOUT_IDS = ("gemini", "gemini__legacy", "ollama")


@pytest.fixture(params=["openai", "openai__responses", "groq", "claude", *WITHOUT_IDS])
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _calls(call: Caller, model: BaseModel, messages: list[Any], *, streamed: bool) -> tuple[ToolCall, ...]:
    if not streamed:
        return call.chat(model, messages, tools=TOOLS).tool_calls
    text = messages[-1].text if isinstance(messages[-1], Message) else str(messages[-1])
    reply = call.stream(model, None, text, tools=TOOLS)[-1].reply
    assert reply is not None
    return reply.tool_calls


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", WITHOUT_IDS)
def test_ids_are_unique_over_the_turns(
    streamed: bool, call: Caller, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire
) -> None:
    says = Says(text="", tools=[("price", {"s": "BTC"}), ("price", {"s": "ETH"})], finish="tool_calls")
    wire.say((dialect.stream if streamed else dialect.reply)(says))
    model, messages, ids = make(), [Message(role="user", content="prices?")], []
    for _ in range(3):
        calls = _calls(call, model, messages, streamed=streamed)
        assert [json.loads(item.arguments)["s"] for item in calls] == ["BTC", "ETH"]
        ids += [item.id for item in calls]
        messages += [Message(role="assistant", content="", tool_calls=calls)]
        messages += [Message(role="tool", content="1", tool_call_id=item.id) for item in calls]
        messages += [Message(role="user", content="again")]
    assert len(set(ids)) == 6
    assert all(item.isascii() and item.replace("_", "").isalnum() and len(item) <= 40 for item in ids)


def _parts(body: dict[str, Any]) -> list[str]:
    """Return the results in a request of Gemini's or Ollama's, in their order."""
    if "contents" in body:
        parts = [part for turn in body["contents"] for part in turn["parts"]]
        results = [part.get("functionResponse") or part.get("function_response") for part in parts]
        return [result["response"]["result"] for result in results if result]
    return [f"{message['content']}" for message in body["messages"] if message["role"] == "tool"]


@pytest.mark.parametrize("case", WITHOUT_IDS)
def test_results_of_parallel_calls_are_sent_in_the_order_of_their_calls(
    call: Caller, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire
) -> None:
    """A provider that takes no ids knows by the order alone which result belongs to which call of one tool."""
    says = Says(text="", tools=[("price", {"s": "BTC"}), ("price", {"s": "ETH"})], finish="tool_calls")
    wire.say(dialect.reply(says))
    first = call.chat(make(), [Message(role="user", content="prices?")], tools=TOOLS)
    second = call.chat(make(), [Message(role="user", content="prices?")], tools=TOOLS)
    wire.received.clear()
    wire.say(dialect.reply(Says(text="ok")))
    results = {item.id: f"{turn}{json.loads(item.arguments)['s']}" for turn, reply in enumerate((first, second), 1)
               for item in reply.tool_calls}  # fmt: skip
    messages: list[Any] = [Message(role="user", content="prices?")]
    for reply in (first, second):
        messages += [reply]
        messages += [
            Message(role="tool", content=results[item.id], tool_call_id=item.id) for item in reversed(reply.tool_calls)
        ]
    call.chat(make(), [*messages, Message(role="user", content="so?")], tools=TOOLS)
    assert _parts(wire.received[0].json) == ["1BTC", "1ETH", "2BTC", "2ETH"]


@pytest.mark.parametrize("case", ["ollama", "gemini"])
def test_an_id_that_comes_again_is_that_of_the_turn_before(
    call: Caller, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire
) -> None:
    """Conversations that were stored by an earlier version have call_0 in each turn."""
    wire.say(dialect.reply(Says(text="ok")))
    messages: list[Any] = [Message(role="user", content="prices?")]
    for name in ("price_of", "volume_of"):
        function = {"name": name, "arguments": "{}"}
        messages += [{"role": "assistant", "tool_calls": [{"id": "call_0", "type": "function", "function": function}]}]
        messages += [{"role": "tool", "tool_call_id": "call_0", "content": "5"}]
    call.chat(make(), [*messages, {"role": "user", "content": "so?"}])
    assert [name for name in ("price_of", "volume_of") if wire.received[0].body.count(name.encode()) == 2] == [
        "price_of",
        "volume_of",
    ]


def test_a_call_without_an_id_gets_one(
    call: Caller, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire
) -> None:
    says = Says(text="", tools=[("price", {"s": "BTC"})], finish="tool_calls")
    wire.say(dialect.reply(says))
    first, second = (call.chat(make(), "prices?", tools=TOOLS).tool_calls[0] for _ in range(2))
    assert first.id
    assert second.id
