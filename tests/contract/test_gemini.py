"""What Gemini alone does: levels and budgets, signed tool calls, and the safety blocks of both SDKs."""

from __future__ import annotations

import base64
import importlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import errors
from src.models.model_factory import ModelFactory
from src.models.types import ImagePart, Message, Usage
from tests.contract.conftest import ONCE
from tests.contract.dialects import gemini
from tests.contract.dialects.base import Says
from tests.contract.dialects.gemini import JSON, events_of
from tests.contract.harness import Caller, in_turn
from tests.servers import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool
    from tests.contract.harness import Wire

EVENTS = {"content-type": "text/event-stream"}
HELLO = gemini.Dialect().reply(Says(text="hello"))
TOOL = {"type": "function", "function": {"name": "price_of", "parameters": {"type": "object", "properties": {}}}}
SIGNED = base64.b64encode(b"signed-1").decode()
UNSIGNED = base64.b64encode(b"skip_thought_signature_validator").decode()


@pytest.fixture
def case() -> str:
    return "gemini"


def _sent(wire: Wire) -> dict[str, Any]:
    body: dict[str, Any] = wire.received[-1].json
    return body


def _reply(parts: list[dict[str, Any]], *, streamed: bool = False, **candidate: Any) -> Reply:
    pieces = [[part] for part in parts] if streamed else [parts]
    candidates: list[dict[str, Any]] = [{"content": {"role": "model", "parts": piece}} for piece in pieces]
    candidates[-1] |= {"finishReason": "STOP", **candidate}
    bodies = [{"candidates": [item], "modelVersion": "gemini-3-flash"} for item in candidates]
    if streamed:
        return Reply(body=events_of(bodies), headers=EVENTS)
    return Reply(body=json.dumps(bodies[0]).encode(), headers=JSON)


# Effort.


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-2.5-flash", "none", {"thinking_budget": 0, "include_thoughts": False}),
        ("gemini-2.5-flash", "low", {"thinking_budget": 1024, "include_thoughts": True}),
        ("gemini-2.5-flash", "max", {"thinking_budget": 24_576, "include_thoughts": True}),
        ("gemini-2.5-pro", "none", {"thinking_budget": 512, "include_thoughts": True}),
        ("gemini-3-pro-preview", "medium", {"thinking_level": "LOW", "include_thoughts": True}),
        ("gemini-3-pro-preview", "none", {"thinking_level": "LOW", "include_thoughts": True}),
        ("gemini-3.1-pro-preview", "medium", {"thinking_level": "MEDIUM", "include_thoughts": True}),
        ("gemini-3-flash-preview", "minimal", {"thinking_level": "MINIMAL", "include_thoughts": True}),
        ("gemini-3-flash-preview", "xhigh", {"thinking_level": "HIGH", "include_thoughts": True}),
        ("gemini-2.0-flash", "high", None),
    ],
)
def test_an_effort_is_said_as_the_model_takes_it(
    make: Callable[..., BaseModel], wire: Wire, call: Caller, model: str, effort: str, config: Any
) -> None:
    wire.say(HELLO)
    call.ask(make(model), None, "hi", reasoning_effort=effort)
    assert _sent(wire)["generationConfig"].get("thinkingConfig") == config


def test_an_effort_that_is_no_word_is_refused(make: Callable[..., BaseModel], wire: Wire, call: Caller) -> None:
    with pytest.raises(errors.InvalidRequest, match="banana"):
        call.ask(make("gemini-2.5-flash"), None, "hi", reasoning_effort="banana")
    assert wire.received == []


def test_a_changed_effort_is_told(make: Callable[..., BaseModel], wire: Wire, call: Caller, spool: Spool) -> None:
    wire.say(HELLO)
    reply = call.ask(make("gemini-3-pro-preview"), None, "hi", reasoning_effort="max")
    (row,) = spool.trace(str(reply.trace_id))
    assert b"max -> high" in row.span


def test_gemma_gets_its_system_prompt_in_the_users_turn(
    make: Callable[..., BaseModel], wire: Wire, call: Caller
) -> None:
    wire.say(HELLO)
    call.ask(make("gemma-3-27b-it"), "be kind", "hi")
    assert "systemInstruction" not in _sent(wire)
    (turn,) = _sent(wire)["contents"]
    assert "".join(part["text"] for part in turn["parts"]) == "be kind\n\nhi"


# Tools.


CALLS: list[dict[str, Any]] = [
    {"functionCall": {"id": "fc-1", "name": "price_of", "args": {"n": 1}}, "thoughtSignature": SIGNED},
    {"functionCall": {"id": "fc-2", "name": "price_of", "args": {"n": 2}}},
]
BARE: list[dict[str, Any]] = [{"functionCall": {"name": "price_of", "args": {"n": n}}} for n in (1, 2)]


def _tool_turn(call: Caller, model: BaseModel, *, streamed: bool) -> list[Message]:
    reply = call.stream(model, None, "prices?", tools=[TOOL])[-1] if streamed else call.ask(
        model, None, "prices?", tools=[TOOL]
    )  # fmt: skip
    results = [Message("tool", "5", tool_call_id=item.id) for item in reply.tool_calls]
    return [Message("user", "prices?"), Message("assistant", tool_calls=reply.tool_calls), *results]


@pytest.mark.parametrize("streamed", [False, True])
def test_signatures_and_ids_come_back_with_their_calls(
    make: Callable[..., BaseModel], wire: Wire, call: Caller, *, streamed: bool
) -> None:
    model = make("gemini-3-flash-preview")
    wire.say(_reply(CALLS, streamed=streamed), HELLO)
    turns = _tool_turn(call, model, streamed=streamed)
    assert [item.id for item in turns[1].tool_calls] == ["fc-1", "fc-2"]
    call.chat(model, turns, tools=[TOOL])
    _, called, results = _sent(wire)["contents"]
    assert called["parts"] == CALLS
    assert [part["functionResponse"]["id"] for part in results["parts"]] == ["fc-1", "fc-2"]
    assert {part["functionResponse"]["name"] for part in results["parts"]} == {"price_of"}


@pytest.mark.parametrize("streamed", [False, True])
def test_calls_without_ids_get_ids_of_ours_that_are_not_sent(
    make: Callable[..., BaseModel], wire: Wire, call: Caller, *, streamed: bool
) -> None:
    model = make("gemini-2.5-flash")
    wire.say(_reply(BARE, streamed=streamed), HELLO)
    turns = _tool_turn(call, model, streamed=streamed)
    assert len({item.id for item in turns[1].tool_calls} - {""}) == 2
    call.chat(model, turns, tools=[TOOL])
    _, called, results = _sent(wire)["contents"]
    assert called["parts"] == BARE
    assert ["id" in part["functionResponse"] for part in results["parts"]] == [False, False]


def test_calls_of_another_model_are_marked_as_such_where_a_signature_is_needed(
    make: Callable[..., BaseModel], wire: Wire, call: Caller
) -> None:
    wire.say(_reply(CALLS), HELLO)
    turns = _tool_turn(call, make("gemini-3-pro-preview"), streamed=False)
    call.chat(make("gemini-3-flash-preview"), turns, tools=[TOOL])
    first, second = _sent(wire)["contents"][1]["parts"]
    assert (first["thoughtSignature"], "thoughtSignature" in second) == (UNSIGNED, False)
    assert "id" not in first["functionCall"]
    call.chat(make("gemini-2.5-flash"), turns, tools=[TOOL])
    assert not any("thoughtSignature" in part for part in _sent(wire)["contents"][1]["parts"])


@in_turn(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("required", {"mode": "ANY"}),
        ("none", {"mode": "NONE"}),
        ("price_of", {"mode": "ANY", "allowedFunctionNames": ["price_of"]}),
        ({"type": "function", "function": {"name": "price_of"}}, {"mode": "ANY", "allowedFunctionNames": ["price_of"]}),
        ({"type": "tool", "name": "price_of"}, {"mode": "ANY", "allowedFunctionNames": ["price_of"]}),
        ({"type": "any"}, {"mode": "ANY"}),
    ],
)
def test_a_tool_choice_in_anybodys_form(
    model: BaseModel, wire: Wire, call: Caller, choice: Any, config: dict[str, Any]
) -> None:
    wire.say(HELLO)
    call.ask(model, None, "hi", tools=[TOOL], tool_choice=choice)
    assert _sent(wire)["toolConfig"]["functionCallingConfig"] == config


def test_an_images_address_says_its_type(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(HELLO)
    call.ask(model, None, ["look", ImagePart(url="https://example.test/a.jpg?x=1")])
    assert _sent(wire)["contents"][0]["parts"][1]["fileData"]["mime_type"] == "image/jpeg"


# Finish reasons and blocks.


@in_turn("streamed", [False, True])
@in_turn(
    ("reason", "expected"),
    [
        ("SAFETY", errors.ContentBlocked),
        ("RECITATION", errors.ContentBlocked),
        ("PROHIBITED_CONTENT", errors.ContentBlocked),
        ("MODEL_ARMOR", errors.ContentBlocked),
        ("MALFORMED_FUNCTION_CALL", errors.MalformedResponse),
        ("UNEXPECTED_TOOL_CALL", errors.MalformedResponse),
        ("MALFORMED_RESPONSE", errors.MalformedResponse),
        ("MISSING_THOUGHT_SIGNATURE", errors.InvalidRequest),
        ("MAX_TOKENS", errors.EmptyResponse),
        ("OTHER", errors.EmptyResponse),
        ("SOMETHING_NEW", errors.EmptyResponse),
    ],
)
def test_a_reply_that_says_nothing_says_why(
    model: BaseModel, wire: Wire, call: Caller, reason: str, expected: type[errors.ModelError], *, streamed: bool
) -> None:
    wire.say(_reply([{"text": ""}], streamed=streamed, finishReason=reason))
    with pytest.raises(errors.ModelError) as caught:
        call.stream(model, None, "hi") if streamed else call.ask(model, None, "hi")
    assert type(caught.value) is expected


@in_turn("streamed", [False, True])
def test_a_withheld_reply_tells_the_kind_of_harm(model: BaseModel, wire: Wire, call: Caller, *, streamed: bool) -> None:
    ratings = [
        {"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True},
        {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "LOW"},
    ]
    wire.say(_reply([{"text": ""}], streamed=streamed, finishReason="SAFETY", safetyRatings=ratings))
    with pytest.raises(errors.ContentBlocked, match="SAFETY, HARM_CATEGORY_HARASSMENT\\)"):
        call.stream(model, None, "hi") if streamed else call.ask(model, None, "hi")


def test_a_blocked_prompt_in_a_stream_is_content_blocked(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(Reply(body=events_of([{"promptFeedback": {"blockReason": "JAILBREAK"}}]), headers=EVENTS))
    with pytest.raises(errors.ContentBlocked, match="JAILBREAK"):
        call.stream(model, None, "hi")


def test_a_text_that_was_cut_for_safety_is_told_as_such(model: BaseModel, wire: Wire, call: Caller) -> None:
    wire.say(_reply([{"text": "the first half"}], finishReason="SAFETY"))
    reply = call.ask(model, None, "hi")
    assert (reply.content, reply.finish_reason) == ("the first half", "content_filter")


# Errors inside a 200, and gateways.

ERRORS_INSIDE = [
    ({"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}, errors.RateLimited),
    ({"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}, errors.Overloaded),
    ({"code": 500, "message": "internal", "status": "INTERNAL"}, errors.ServerFailed),
    ({"code": 400, "message": "The input token count exceeds the maximum"}, errors.ContextTooLong),
    ({"message": "The model is overloaded."}, errors.Overloaded),
    ("the upstream is overloaded", errors.Overloaded),
    ({"code": "rate_limit_exceeded", "message": "no"}, errors.RateLimited),
]


@in_turn("streamed", [False, True])
@in_turn(("error", "expected"), ERRORS_INSIDE)
def test_an_error_inside_a_200_is_its_kind(
    model: BaseModel, wire: Wire, call: Caller, error: Any, expected: type[errors.ModelError], *, streamed: bool
) -> None:
    error_body = {"error": error}
    first_event = gemini.Dialect().body(Says(), [{"text": "hel"}], last=False)
    wire.say(
        Reply(body=events_of([first_event, error_body]), headers=EVENTS)
        if streamed
        else Reply(body=json.dumps(error_body).encode(), headers=JSON)
    )
    with pytest.raises(errors.ModelError) as caught:
        call.stream(model, None, "hi") if streamed else call.ask(model, None, "hi")
    assert type(caught.value) is expected


def test_a_stream_with_what_gateways_add_is_read(model: BaseModel, wire: Wire, call: Caller) -> None:
    body = gemini.Dialect().stream(Says(text="hello you")).body
    added = b"\xef\xbb\xbf: keep-alive\r\n\r\n" + body.replace(b"data: ", b"event: message\r\nid: 1\r\ndata:")
    wire.say(Reply(body=added + b"data: [DONE]\n\n", headers=EVENTS))
    chunks = call.stream(model, None, "hi")
    assert ("".join(chunk.content for chunk in chunks), chunks[-1].finish_reason) == ("hello you", "stop")


@in_turn(
    ("usage", "expected"),
    [
        (None, None),
        ({}, None),
        ({"promptTokenCount": 5}, Usage(input=5)),
        ({"promptTokenCount": 5, "candidatesTokenCount": 4, "totalTokenCount": 12},
         Usage(input=5, output=4, output_reasoning_tokens=3)),
        ({"promptTokenCount": 5, "thoughtsTokenCount": 3, "totalTokenCount": 12},
         Usage(input=5, output=4, output_reasoning_tokens=3)),
        ({"promptTokenCount": 5, "cachedContentTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 9},
         Usage(input=None, input_cached_tokens=5, output=4)),
        ({"promptTokenCount": 5, "toolUsePromptTokenCount": 7, "candidatesTokenCount": 4, "totalTokenCount": 16},
         Usage(input=12, output=4)),
    ],
)  # fmt: skip
def test_usage_of_a_careless_gateway(
    model: BaseModel, wire: Wire, call: Caller, usage: Any, expected: Usage | None
) -> None:
    body = {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}], "usageMetadata": usage}
    wire.say(Reply(body=json.dumps(body).encode(), headers=JSON))
    counts = call.ask(model, None, "hi").usage
    if expected is None:
        assert counts is None
    else:
        assert counts is not None
        assert (counts.input_tokens, counts.details().get("output_reasoning_tokens")) == (
            expected.input_tokens,
            expected.output_reasoning_tokens,
        )
        assert counts.total_tokens == expected.total_tokens


# The old SDK.


def test_the_old_sdk_keeps_each_models_key_and_address_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    process = importlib.import_module("google.generativeai.client")._client_manager
    monkeypatch.setenv("MOONDEV_GEMINI_SDK", "legacy")
    before = dict(process.client_config)
    with Server(lambda _: HELLO) as first, Server(lambda _: HELLO) as second:
        models = [
            ModelFactory.get_model("gemini", "gemini-2.5-flash", api_key=f"test-key-{name}", base_url=server.url)
            for name, server in (("one", first), ("two", second))
        ]
        for model in models:
            assert model.generate_response(None, "hi").content == "hello"
    assert [server.received[0].headers["x-goog-api-key"] for server in (first, second)] == [
        "test-key-one",
        "test-key-two",
    ]
    assert process.client_config == before


def test_the_old_sdk_says_that_it_cannot_say_an_effort(monkeypatch: pytest.MonkeyPatch, spool: Spool) -> None:
    monkeypatch.setenv("MOONDEV_GEMINI_SDK", "legacy")
    with Server(lambda _: HELLO) as server:
        model = ModelFactory.get_model("gemini", "gemini-2.5-flash", api_key="test-key-one", base_url=server.url)
        reply = model.generate_response(None, "hi", reasoning_effort="low", seed=7)
    (row,) = spool.trace(str(reply.trace_id))
    assert b"reasoning_effort" in row.span
    assert b"dropped" in row.span


def test_the_old_sdk_takes_a_tool_turn_of_the_new_one(
    make: Callable[..., BaseModel], wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.say(_reply(CALLS))
    turns = _tool_turn(Caller("sync"), make("gemini-2.5-flash"), streamed=False)
    monkeypatch.setenv("MOONDEV_GEMINI_SDK", "legacy")
    with Server(lambda _: HELLO) as server:
        model = ModelFactory.get_model("gemini", "gemini-2.5-flash", api_key="k-123456789", base_url=server.url)
        assert model.chat(turns, tools=[TOOL]).content == "hello"
    assert [part["functionCall"]["args"] for part in server.received[0].json["contents"][1]["parts"]] == [
        {"n": 1},
        {"n": 2},
    ]


@pytest.mark.parametrize(("error", "expected"), ERRORS_INSIDE)
def test_the_old_sdk_tells_an_error_inside_a_200_by_its_kind(
    monkeypatch: pytest.MonkeyPatch, error: Any, expected: type[errors.ModelError]
) -> None:
    monkeypatch.setenv("MOONDEV_GEMINI_SDK", "legacy")
    answer = Reply(body=json.dumps({"error": error}).encode(), headers=JSON)
    with Server(lambda _: answer) as server:
        model = ModelFactory.get_model(
            "gemini", "gemini-2.5-flash", api_key="k-123456789", base_url=server.url, retry_policy=ONCE
        )
        with pytest.raises(errors.ModelError) as caught:
            model.generate_response(None, "hi")
    assert type(caught.value) is expected


@pytest.mark.parametrize("streamed", [False, True])
def test_a_total_that_nothing_sums_up_to_is_told(
    model: BaseModel, wire: Wire, call: Caller, spool: Spool, *, streamed: bool
) -> None:
    body = json.loads(HELLO.body)
    body["usageMetadata"] = {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 1,
                             "totalTokenCount": 99}  # fmt: skip
    wire.say(
        Reply(body=events_of([body]), headers=EVENTS)
        if streamed
        else Reply(body=json.dumps(body).encode(), headers=JSON)
    )
    call.stream(model, None, "hi") if streamed else call.ask(model, None, "hi")
    (row,) = spool.rows_after(0)
    assert b"provider_total_tokens" in row.span
