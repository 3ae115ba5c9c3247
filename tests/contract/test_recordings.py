"""Real responses of the providers, read through their SDK and our adapter, mean what they meant.

The recordings lie beside the project and are not part of it; without them these tests are skipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from src.models import errors
from src.models.model_factory import ModelFactory
from src.models.types import Usage
from tests.contract.conftest import ONCE
from tests.contract.harness import ORIGIN, ROWS, Caller, Wire, dialect_of
from tests.servers import Reply

if TYPE_CHECKING:
    from src.observability.store.spool import Spool
    from tests.contract.dialects.base import Dialect

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "recorded"
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not beside the project")

# File -> (text begins, reasoning begins, usage, finish reason, cost); None is not told.
REPLIES: dict[str, tuple[str, str | None, Usage | None, str | None]] = {
    "openai/chat_cached_tokens": ("OK", None, Usage(8, 4012, 0, 4, 0), "stop"),
    "openai/chat_reasoning_tokens": ("The capital of Mexico", None, Usage(13, 0, None, 46, 192), "stop"),
    "deepseek/reasoner": ("Crossing the street", "Okay, the user is asking", Usage(12, 0, None, 374, 415), "stop"),
    "deepseek/reasoner_stream": ("Hello there! 😊", "Hmm, ", Usage(6, 0, None, 14, 198), "stop"),
    "groq/gpt_oss_reasoning": ("4", "The user asks:", Usage(84, None, None, 10, 95), "stop"),
    "groq/stream": ("", "We need to call", Usage(304, None, None, 26, 23), "tool_calls"),
    "xai/chat_reasoning_cost": ("hello", 'The user says: "Reply', Usage(5, 192, None, 1, 146), "stop"),
    "openrouter/cost_reasoning": ("ok", "The user is asking me", Usage(43, 0, 0, 5, 48), "stop"),
    "ollama/chat_llama3": ("A joke about OpenTelemetry!", None, Usage(17, None, None, 66), "stop"),
    "ollama/chat_stream_tail_llama3": ("Why did the!)", None, Usage(17, None, None, 50), "stop"),
}
ERRORS: dict[str, tuple[type[errors.ModelError], int | None, str | None]] = {
    "openai/error_400_o1_system_role": (errors.InvalidRequest, 400, "messages[0].role"),
    "groq/error_404_model": (errors.ModelNotFound, 404, None),
    "openrouter/error_429": (errors.RateLimited, 429, None),
    "openrouter/stream_error_inside_200": (errors.InvalidRequest, 400, None),
}
COSTS = {"xai/chat_reasoning_cost": 0.00041215, "openrouter/cost_reasoning": 0.000924}


@pytest.fixture
def case(name: str) -> str:
    return name.partition("/")[0]


@pytest.fixture
def recording(name: str, wire: Wire) -> dict[str, Any]:
    path = RECORDED / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"{name} is not among the recordings")
    exchange: dict[str, Any] = json.loads(path.read_text("utf-8"))
    response = exchange["response"]
    streamed = isinstance(response, dict) and set(response) == {"stream"}
    body = response["stream"] if streamed else json.dumps(response)
    headers = {"content-type": "text/event-stream" if streamed else "application/json"}
    wire.say(Reply(exchange["status"], body.encode(), headers))
    return {"streamed": streamed, "model": ((exchange["request"] or {}).get("body") or {}).get("model")}


def _ask(call: Caller, case: str, dialect: Dialect, recording: dict[str, Any]) -> dict[str, Any]:
    address = dialect.base_url(ORIGIN)
    name = recording["model"] or dialect.model
    model = ModelFactory.get_model(case, name, base_url=address, retry_policy=ONCE)
    if not recording["streamed"]:
        reply = call.ask(model, None, "hi", temperature=None)
        return {"text": reply.content, "reasoning": reply.reasoning, "usage": reply.usage, "cost": reply.cost_usd,
                "finish": reply.finish_reason, "tools": reply.tool_calls}  # fmt: skip
    chunks = call.stream(model, None, "hi", temperature=None)
    last = chunks[-1]
    return {
        "text": "".join(chunk.content for chunk in chunks),
        "reasoning": "".join(chunk.reasoning for chunk in chunks) or None,
        "usage": last.usage, "cost": last.cost_usd, "finish": last.finish_reason, "tools": last.tool_calls,
    }  # fmt: skip


@pytest.mark.parametrize("name", REPLIES)
def test_a_recorded_reply_is_read_right(
    name: str, case: str, dialect: Dialect, recording: dict[str, Any], call: Caller
) -> None:
    text, reasoning, usage, finish = REPLIES[name]
    reply = _ask(call, case, dialect, recording)
    assert reply["text"].startswith(text)
    assert bool(reply["text"]) or reply["tools"]
    assert (reply["reasoning"] or "").startswith(reasoning or "")
    assert bool(reply["reasoning"]) is bool(reasoning)
    assert reply["usage"] == usage
    assert reply["finish"] == finish
    if name in COSTS:
        assert reply["cost"] == pytest.approx(COSTS[name])


@pytest.mark.parametrize("name", [name for name in REPLIES if not name.startswith("ollama/")])
def test_the_buckets_sum_to_the_recorded_total(
    name: str, case: str, dialect: Dialect, recording: dict[str, Any], call: Caller
) -> None:
    usage = _ask(call, case, dialect, recording)["usage"]
    text = (RECORDED / f"{name}.json").read_text("utf-8").replace('\\"', '"')
    total = int(text.rpartition('"total_tokens":')[2].strip().partition(",")[0].partition("}")[0])
    assert usage.total_tokens == total
    assert sum(usage.details().values()) == total


@pytest.mark.parametrize("name", ERRORS)
def test_a_recorded_error_is_its_class(
    name: str, case: str, dialect: Dialect, recording: dict[str, Any], call: Caller, spool: Spool
) -> None:
    kind, status, parameter = ERRORS[name]
    with pytest.raises(errors.ModelError) as caught:
        _ask(call, case, dialect, recording)
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.parameter == parameter
    assert spool.trace(str(caught.value.trace_id))[0].level == "ERROR"


def test_every_recording_of_these_providers_is_tried() -> None:
    ours = {"openai", "deepseek", "groq", "xai", "openrouter", "ollama"} & set(ROWS)
    recorded = {f"{path.parent.name}/{path.stem}" for path in RECORDED.glob("*/*.json") if path.parent.name in ours}
    assert recorded == set(REPLIES) | set(ERRORS)
    assert all(dialect_of(name) for name in ours)
