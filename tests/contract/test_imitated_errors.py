"""Errors of servers that imitate a provider, in the envelopes that are about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import errors
from tests.contract.dialects.chat import EVENTS, JSON, events
from tests.contract.harness import Caller, in_turn
from tests.servers import Reply

if TYPE_CHECKING:
    from src.models.base_model import BaseModel
    from tests.contract.harness import Wire


@pytest.fixture(params=["openai", "groq"])
def case(request: pytest.FixtureRequest) -> str:
    """Return each SDK that speaks the protocol, once: the other providers run the same code."""
    return str(request.param)


@pytest.fixture
def call(case: str) -> Caller:
    return Caller("async" if case == "groq" else "sync")


INSIDE: list[tuple[Any, type[errors.ModelError]]] = [
    ({"error": {"code": "429", "message": "no"}}, errors.RateLimited),
    ({"error": {"code": 429, "message": "no"}}, errors.RateLimited),
    ({"error": {"code": "rate_limit_exceeded", "message": "no"}}, errors.RateLimited),
    ({"error": {"type": "insufficient_quota", "message": "no"}}, errors.QuotaExhausted),
    ({"error": {"code": "invalid_api_key", "message": "no"}}, errors.AuthenticationFailed),
    ({"error": {"code": 401, "message": "User not found."}}, errors.AuthenticationFailed),
    ({"error": {"code": "context_length_exceeded", "message": "no"}}, errors.ContextTooLong),
    ({"error": {"code": "model_not_found", "message": "no"}}, errors.ModelNotFound),
    ({"error": {"status": "UNAVAILABLE", "message": "no"}}, errors.Overloaded),
    ({"error": {"status": "DEADLINE_EXCEEDED", "message": "no"}}, errors.ModelTimeout),
    ({"error": {"type": "server_error", "message": "no"}}, errors.ServerFailed),
    ({"error": {"message": "Request timed out"}}, errors.ModelTimeout),
    ({"error": {"message": "flagged by our content policy"}}, errors.ContentBlocked),
    ({"error": "the upstream is overloaded"}, errors.Overloaded),
    ({"error": ["slow down: too many requests"]}, errors.RateLimited),
    ({"object": "error", "message": "maximum context length is 9 tokens", "type": "BadRequestError", "code": 400},
     errors.ContextTooLong),
    ({"error": {"code": "new_words", "message": "who knows"}}, errors.ServerFailed),
]  # fmt: skip


@in_turn(("body", "expected"), INSIDE)
def test_an_error_inside_a_200_is_its_kind(
    model: BaseModel, wire: Wire, call: Caller, body: Any, expected: type[errors.ModelError]
) -> None:
    wire.say(Reply(body=json.dumps(body).encode(), headers=JSON))
    with pytest.raises(errors.ModelError) as caught:
        call.ask(model, None, "q")
    assert type(caught.value) is expected


@in_turn("has_event_name", [False, True])
@in_turn(("body", "expected"), INSIDE)
def test_an_error_inside_a_stream_is_its_kind(
    model: BaseModel, wire: Wire, call: Caller, body: Any, expected: type[errors.ModelError], *, has_event_name: bool
) -> None:
    first_events = events([{"choices": [{"index": 0, "delta": {"content": "hel"}}]}]).replace(b"data: [DONE]\n\n", b"")
    error_event = events([body])
    wire.say(
        Reply(body=first_events + (b"event: error\n" + error_event if has_event_name else error_event), headers=EVENTS)
    )
    with pytest.raises(errors.ModelError) as caught:
        call.stream(model, None, "q")
    assert type(caught.value) is expected


@in_turn("streamed", [False, True])
def test_an_error_inside_a_choice_is_raised(model: BaseModel, wire: Wire, call: Caller, *, streamed: bool) -> None:
    choice = {"index": 0, "finish_reason": "error", "error": {"code": 502, "message": "the upstream broke off"}}
    if streamed:
        wire.say(Reply(body=events([{"choices": [{**choice, "delta": {"content": "hel"}}]}]), headers=EVENTS))
    else:
        wire.say(
            Reply(body=json.dumps({"choices": [{**choice, "message": {"content": "hel"}}]}).encode(), headers=JSON)
        )
    with pytest.raises(errors.ServerFailed, match="broke off") as caught:
        call.stream(model, None, "q") if streamed else call.ask(model, None, "q")
    assert caught.value.status == 502


@in_turn("streamed", [False, True])
def test_a_finish_reason_of_error_is_no_success(model: BaseModel, wire: Wire, call: Caller, *, streamed: bool) -> None:
    if streamed:
        choice = {"index": 0, "delta": {"content": "hel"}, "finish_reason": "error"}
        wire.say(Reply(body=events([{"choices": [choice]}]), headers=EVENTS))
    else:
        choice = {"index": 0, "message": {"content": "hel"}, "finish_reason": "error"}
        wire.say(Reply(body=json.dumps({"choices": [choice]}).encode(), headers=JSON))
    with pytest.raises(errors.ServerFailed):
        call.stream(model, None, "q") if streamed else call.ask(model, None, "q")


@in_turn(
    ("status", "body", "expected", "words"),
    [
        (401, {"detail": "Not authenticated"}, errors.AuthenticationFailed, "Not authenticated"),
        (404, {"detail": "Not Found"}, errors.ModelNotFound, "Not Found"),
        (422, {"detail": [{"loc": ["body", "temperature"], "msg": "Input should be a number", "type": "float"}]},
         errors.InvalidRequest, "Input should be a number"),
        (403, {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]},
         errors.PermissionRefused, "Authentication error"),
        (429, {"message": "slow down"}, errors.RateLimited, "slow down"),
        (500, {"error": {"message": None, "code": None}}, errors.ServerFailed, ""),
        (200, {"detail": "Not authenticated"}, errors.AuthenticationFailed, "Not authenticated"),
        (200, {"code": 429, "msg": "too fast"}, errors.RateLimited, "too fast"),
        (200, {"message": "hello"}, errors.MalformedResponse, "hello"),
        (200, {"choices": []}, errors.MalformedResponse, "no choices"),
        (200, {"choices": [None]}, errors.MalformedResponse, "no message"),
        (200, {"choices": {"0": {}}}, errors.MalformedResponse, "no choices"),
        (200, {"choices": [{"message": None}]}, errors.MalformedResponse, "no message"),
    ],
)  # fmt: skip
def test_an_envelope_of_another_maker(
    model: BaseModel, wire: Wire, call: Caller, status: int, body: Any, expected: type[errors.ModelError], words: str
) -> None:
    wire.say(Reply(status, json.dumps(body).encode(), JSON))
    with pytest.raises(errors.ModelError) as caught:
        call.ask(model, None, "q")
    assert type(caught.value) is expected
    assert words in caught.value.message
    if status == 422:
        assert caught.value.parameter == "temperature"
