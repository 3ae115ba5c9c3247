"""What Groq alone does: it refuses what its model wrote where that does not fit, and shows it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from src.models.errors import MalformedResponse
from tests.contract.dialects import groq
from tests.contract.dialects.base import Says
from tests.contract.dialects.chat import EVENTS, JSON, events
from tests.contract.harness import in_turn
from tests.servers import Reply

if TYPE_CHECKING:
    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool
    from tests.contract.harness import Caller, Wire

DRAFT = '{"action": "BUY", "confidence": "high"'
TOOL = {"type": "function", "function": {"name": "price_of", "parameters": {"type": "object", "properties": {}}}}


class Verdict(pydantic.BaseModel):
    """What is asked for."""

    action: str
    confidence: int


@pytest.fixture
def case() -> str:
    return "groq"


def _refused(code: str = "json_validate_failed", draft: Any = DRAFT) -> Reply:
    words = {"message": "Failed to generate JSON.", "type": "invalid_request_error", "code": code}
    return Reply(400, json.dumps({"error": {**words, "failed_generation": draft}}).encode(), JSON)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refused_text_is_shown_to_the_model_in_the_repair(
    model: BaseModel, wire: Wire, call: Caller, spool: Spool, *, streamed: bool
) -> None:
    wire.say(_refused(), groq.Dialect().reply(Says(text='{"action": "BUY", "confidence": 80}')))
    if streamed:
        chunks = call.stream(model, None, "now?", response_format=Verdict)
        assert "".join(chunk.content for chunk in chunks) == '{"action": "BUY", "confidence": 80}'
        reply = chunks[-1].reply
        assert reply is not None
    else:
        reply = call.ask(model, None, "now?", response_format=Verdict)
    assert reply.parsed == Verdict(action="BUY", confidence=80)
    *_, wrote, correction = wire.received[1].json["messages"]
    assert wrote == {"role": "assistant", "content": DRAFT}
    assert "Failed to generate JSON." in correction["content"]
    rows = spool.trace(str(reply.trace_id))
    assert sorted(row.name for row in rows) == ["groq.generate", "repair"]


def test_a_refused_tool_call_is_shown_to_the_model(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(
        _refused("tool_use_failed", '<function=price_of{"symbol"}'),
        groq.Dialect().reply(Says(text="", tools=[("price_of", {"symbol": "BTC"})])),
    )
    reply = call.ask(model, None, "price?", tools=[TOOL])
    assert [json.loads(item.arguments) for item in reply.tool_calls] == [{"symbol": "BTC"}]
    *_, wrote, correction = wire.received[1].json["messages"]
    assert (wrote["content"], "Call the tool again" in correction["content"]) == ('<function=price_of{"symbol"}', True)


@in_turn("draft", [None, "", "  ", 7])
def test_a_refusal_that_shows_nothing_is_malformed_at_once(
    model: BaseModel, wire: Wire, call: Caller, draft: Any
) -> None:
    wire.say(_refused(draft=draft))
    for ask in (call.ask, call.stream):
        with pytest.raises(MalformedResponse):
            ask(model, None, "now?", response_format=Verdict)
    assert len(wire.received) == 2


def test_a_second_refusal_is_malformed(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(_refused())
    with pytest.raises(MalformedResponse, match="Failed to generate JSON"):
        call.ask(model, None, "now?", response_format=Verdict)
    assert len(wire.received) == 2


def test_a_refusal_inside_a_stream_is_malformed(model: BaseModel, wire: Wire, call: Caller) -> None:
    first_event = {"choices": [{"index": 0, "delta": {"content": "hel"}}]}
    wire.say(Reply(body=events([first_event, json.loads(_refused().body)]), headers=EVENTS))
    with pytest.raises(MalformedResponse):
        call.stream(model, None, "now?", response_format=Verdict)
