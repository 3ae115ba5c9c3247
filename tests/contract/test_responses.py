"""What OpenAI's Responses API alone does: errors in events of several forms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import errors
from tests.contract.dialects.chat import EVENTS, JSON
from tests.servers import Reply

if TYPE_CHECKING:
    from src.models.base_model import BaseModel
    from tests.contract.harness import Caller, Wire


@pytest.fixture
def case() -> str:
    return "openai__responses"


def _failed(code: str) -> dict[str, Any]:
    return {"type": "response.failed", "response": {"id": "r", "status": "failed", "output": [],
            "error": {"code": code, "message": "no"}}}  # fmt: skip


EVENTS_OF_ERRORS = [
    ({"type": "error", "code": "rate_limit_exceeded", "message": "no", "param": None}, errors.RateLimited),
    ({"type": "error", "code": "server_error", "message": "no", "param": None}, errors.ServerFailed),
    ({"type": "error", "error": {"code": "insufficient_quota", "message": "no"}}, errors.QuotaExhausted),
    ({"type": "error", "error": "overloaded"}, errors.Overloaded),
    (_failed("server_error"), errors.ServerFailed),
    (_failed("rate_limit_exceeded"), errors.RateLimited),
    (_failed("context_length_exceeded"), errors.ContextTooLong),
]


@pytest.mark.parametrize(("event", "expected"), EVENTS_OF_ERRORS)
def test_an_error_inside_a_stream_is_its_kind(
    model: BaseModel, wire: Wire, call: Caller, event: dict[str, Any], expected: type[errors.ModelError]
) -> None:
    begun = {"type": "response.output_text.delta", "delta": "hel", "output_index": 0}
    body = b"".join(f"event: {told['type']}\ndata: {json.dumps(told)}\n\n".encode() for told in (begun, event))
    wire.say(Reply(body=body, headers=EVENTS))
    with pytest.raises(errors.ModelError) as caught:
        call.stream(model, None, "hi")
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"code": "rate_limit_exceeded", "message": "no"}}, errors.RateLimited),
        ({"error": "overloaded", "output": None}, errors.Overloaded),
        ({"output": None}, errors.MalformedResponse),
        ({"output": []}, errors.EmptyResponse),
    ],
)
def test_an_error_inside_a_200_is_its_kind(
    model: BaseModel, wire: Wire, call: Caller, body: Any, expected: type[errors.ModelError]
) -> None:
    wire.say(Reply(body=json.dumps(body).encode(), headers=JSON))
    with pytest.raises(errors.ModelError) as caught:
        call.ask(model, None, "hi")
    assert type(caught.value) is expected
