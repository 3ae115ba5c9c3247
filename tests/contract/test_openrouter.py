"""What OpenRouter alone does: signed thoughts of the models behind it, which come back with the results of tools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models.types import Message
from tests.contract.dialects import openrouter
from tests.contract.dialects.base import Says
from tests.contract.dialects.chat import EVENTS, JSON, events
from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from tests.contract.harness import Caller, Wire

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
DETAILS = [
    {
        "type": "reasoning.text",
        "text": "I need it.",
        "signature": "signed",
        "format": "anthropic-claude-v1",
        "index": 0,
    },
    {"type": "reasoning.encrypted", "data": "opaque", "id": "rs_1", "index": 1},
]
EXTRA = {"google": {"thought_signature": "signed-too"}}
CALLS: list[dict[str, Any]] = [
    {"index": n, "id": f"call-{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for n in (0, 1)
]


@pytest.fixture
def case() -> str:
    return "openrouter"


def _reply(*, streamed: bool) -> Reply:
    calls = [{**CALLS[0], "extra_content": EXTRA}, CALLS[1]]
    if not streamed:
        message = {"content": None, "tool_calls": calls, "reasoning_details": DETAILS}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        return Reply(body=json.dumps({"choices": [choice]}).encode(), headers=JSON)
    first, second = DETAILS
    deltas: list[dict[str, Any]] = [
        {"reasoning_details": [{"type": "reasoning.text", "text": "I need", "index": 0}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": " it.", "signature": None, "index": 0}]},
        {"reasoning_details": [{**first, "text": None}, second]},
        *({"tool_calls": [call]} for call in calls),
    ]
    stream_events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    return Reply(body=events([*stream_events, {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}]),
                 headers=EVENTS)  # fmt: skip


@pytest.mark.parametrize("streamed", [False, True])
def test_thoughts_and_signatures_come_back_with_the_results_of_tools(
    make: Callable[..., BaseModel], wire: Wire, call: Caller, *, streamed: bool
) -> None:
    model = make("anthropic/claude-sonnet-4.5")
    wire.say(_reply(streamed=streamed), openrouter.Dialect().reply(Says()))
    reply = call.stream(model, None, "go", tools=[TOOL])[-1] if streamed else call.ask(model, None, "go", tools=[TOOL])
    assert [item.id for item in reply.tool_calls] == ["call-0", "call-1"]
    results = [Message("tool", "5", tool_call_id=item.id) for item in reply.tool_calls]
    turns = [Message("user", "go"), Message("assistant", tool_calls=reply.tool_calls), *results]
    call.chat(model, turns, tools=[TOOL])
    sent = wire.received[-1].json["messages"][1]
    assert sent["reasoning_details"] == DETAILS
    assert [item.get("extra_content") for item in sent["tool_calls"]] == [EXTRA, None]
    call.chat(make("openai/gpt-4o"), turns, tools=[TOOL])
    sent = wire.received[-1].json["messages"][1]
    assert "reasoning_details" not in sent
    assert not any("extra_content" in item for item in sent["tool_calls"])
