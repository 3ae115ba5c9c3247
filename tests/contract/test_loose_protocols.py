"""Servers that imitate Claude, Gemini or Ollama loosely are read for what they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import errors
from src.models.types import Usage
from tests.contract.dialects import claude, gemini, ollama
from tests.contract.dialects.base import Says, Tokens
from tests.contract.dialects.chat import EVENTS, JSON
from tests.contract.harness import in_turn
from tests.servers import Reply

if TYPE_CHECKING:
    from src.models.base_model import BaseModel
    from tests.contract.harness import Caller, Wire


def _json(value: Any) -> Reply:
    return Reply(body=json.dumps(value).encode(), headers=JSON)


def _text(chunks: list[Any]) -> str:
    return "".join(chunk.content for chunk in chunks)


class TestClaude:
    @pytest.fixture
    def case(self) -> str:
        return "claude"

    @in_turn("end", [b"event: data\ndata: [DONE]\n\n", b"data: [DONE]\n\n", b"event: beat\ndata: ok\n\n"])
    def test_an_event_that_holds_no_json_is_passed_over(
        self, model: BaseModel, wire: Wire, call: Caller, end: bytes
    ) -> None:
        body = claude.Dialect().stream(Says(text="hello")).body
        wire.say(
            Reply(body=body.replace(b"event: content_block_stop", end + b"event: content_block_stop"), headers=EVENTS)
        )
        chunks = call.stream(model, None, "hi")
        assert (_text(chunks), chunks[-1].finish_reason) == ("hello", "stop")

    @in_turn("over", [False, True])
    def test_a_message_that_begins_inside_another(
        self, model: BaseModel, wire: Wire, call: Caller, *, over: bool
    ) -> None:
        first, second = (list(claude.Dialect().events(Says(text=text))) for text in ("half ", "whole"))
        wire.say(Reply(body=claude.events_of([*(first if over else first[:4]), *second]), headers=EVENTS))
        if over:
            assert _text(call.stream(model, None, "hi")) == "half whole"
        else:
            with pytest.raises(errors.MalformedResponse, match="another message"):
                call.stream(model, None, "hi")

    def test_a_call_that_is_told_whole_and_in_pieces_is_one(self, model: BaseModel, wire: Wire, call: Caller) -> None:
        stream_events = list(claude.Dialect().events(Says(text="", tools=[("f", {"n": 1})])))
        for event in stream_events:
            if event["type"] == "content_block_start":
                event["content_block"]["input"] = {"n": 1}
        wire.say(Reply(body=claude.events_of(stream_events), headers=EVENTS))
        (tool_call,) = call.stream(model, None, "hi")[-1].tool_calls
        assert json.loads(tool_call.arguments) == {"n": 1}

    @in_turn(
        "content",
        ["hi", ["hi"], {"type": "text", "text": "hi"}, [{"text": "hi"}], [None, {"type": "text", "text": "hi"}]],
    )
    def test_a_content_in_any_form(self, model: BaseModel, wire: Wire, call: Caller, content: Any) -> None:
        wire.say(_json({"content": content, "stop_reason": "end_turn"}))
        assert call.ask(model, None, "hi").content == "hi"

    @in_turn(
        ("body", "expected"),
        [
            ({"type": "overloaded_error", "message": "Overloaded"}, errors.Overloaded),
            ({"detail": "Not authenticated"}, errors.AuthenticationFailed),
            ({"message": "Too many requests"}, errors.RateLimited),
            ([{"error": {"type": "rate_limit_error", "message": "no"}}], errors.RateLimited),
            ({"message": "hello"}, errors.MalformedResponse),
        ],
    )
    def test_an_error_without_its_envelope_that_says_200(
        self, model: BaseModel, wire: Wire, call: Caller, body: Any, expected: type[errors.ModelError]
    ) -> None:
        wire.say(_json(body))
        with pytest.raises(errors.ModelError) as caught:
            call.ask(model, None, "hi")
        assert type(caught.value) is expected

    def test_what_was_written_to_the_cache_by_how_long_it_is_kept(
        self, model: BaseModel, wire: Wire, call: Caller
    ) -> None:
        lifetimes = {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 2}
        usage = {"input_tokens": 10, "output_tokens": 5, "cache_creation": lifetimes}
        wire.say(_json({"content": "hi", "usage": usage}))
        assert call.ask(model, None, "hi").usage == Usage(10, None, 5, 5)


HI = {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP", "index": 0}]}


@pytest.mark.parametrize("case", ["gemini", "gemini__legacy"])
class TestGemini:
    @in_turn("streamed", [False, True])
    def test_reasons_that_are_told_by_number(
        self, model: BaseModel, dialect: Any, wire: Wire, call: Caller, *, streamed: bool
    ) -> None:
        usage = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15, "trafficType": 1,
                 "promptTokensDetails": [{"modality": 1, "tokenCount": 10}]}  # fmt: skip
        body = {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": 2}], "usageMetadata": usage}
        wire.say(dialect.events([body]) if streamed else _json(body))
        reply = call.stream(model, None, "q")[-1] if streamed else call.ask(model, None, "q")
        assert (reply.finish_reason, reply.usage) == ("length", Usage(input=10, output=5))

    @in_turn("streamed", [False, True])
    def test_a_block_that_is_told_by_number(
        self, model: BaseModel, dialect: Any, wire: Wire, call: Caller, *, streamed: bool
    ) -> None:
        body = {"promptFeedback": {"blockReason": 1}}
        wire.say(dialect.events([body]) if streamed else _json(body))
        with pytest.raises(errors.ContentBlocked, match="SAFETY"):
            call.stream(model, None, "q") if streamed else call.ask(model, None, "q")

    def test_of_several_candidates_the_first_is_taken(
        self, model: BaseModel, dialect: Any, wire: Wire, call: Caller
    ) -> None:
        other = {"candidates": [{"content": {"parts": [{"text": "bye"}]}, "finishReason": "MAX_TOKENS", "index": 1}]}
        wire.say(dialect.events([{"candidates": [{"content": {"parts": [{"text": "oh "}]}}]}, other, HI]))
        chunks = call.stream(model, None, "q")
        assert (_text(chunks), chunks[-1].finish_reason) == ("oh hi", "stop")

    def test_a_stream_that_stops_before_its_end_is_no_success(
        self, model: BaseModel, dialect: Any, wire: Wire, call: Caller
    ) -> None:
        usage = {"promptTokenCount": 10, "candidatesTokenCount": 1, "totalTokenCount": 11}
        body = {"candidates": [{"content": {"parts": [{"text": "the first"}]}}], "usageMetadata": usage}
        wire.say(dialect.events([body]))
        with pytest.raises(errors.ConnectionFailed):
            call.stream(model, None, "q")

    @in_turn("written", [json.dumps, lambda body: gemini.events_of(body).decode()])
    def test_a_stream_as_an_array_and_as_events(self, model: BaseModel, wire: Wire, call: Caller, written: Any) -> None:
        whole = gemini.Dialect().body(
            Says(reasoning="hm"), [{"text": "hm", "thought": True}, {"text": "hi 📈"}], last=True
        )
        wire.say(Reply(body=written([whole]).encode(), headers=JSON))
        chunks = call.stream(model, None, "q")
        assert (_text(chunks), "".join(chunk.reasoning for chunk in chunks)) == ("hi 📈", "hm")
        assert chunks[-1].usage == gemini.Dialect().expected_usage(Tokens())

    def test_thoughts_that_a_gateway_counts_among_the_candidates(
        self, model: BaseModel, wire: Wire, call: Caller
    ) -> None:
        usage = {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 3, "totalTokenCount": 15}
        wire.say(_json({**HI, "usageMetadata": usage}))
        assert call.ask(model, None, "q").usage == Usage(10, None, None, 2, 3)

    @in_turn(
        ("status", "body", "expected"),
        [
            (400, ["no"], errors.InvalidRequest),
            (401, None, errors.AuthenticationFailed),
            (404, 7, errors.ModelNotFound),
            (503, {"error": "no"}, errors.Overloaded),
            (200, {"id": "x" * 80, "error": {"code": 429, "message": "slow down"}}, errors.RateLimited),
            (200, {"detail": "Not authenticated"}, errors.AuthenticationFailed),
            (200, 7, errors.MalformedResponse),
        ],
    )
    def test_an_error_in_any_body(
        self, model: BaseModel, wire: Wire, call: Caller, status: int, body: Any, expected: type[errors.ModelError]
    ) -> None:
        wire.say(Reply(status, json.dumps(body).encode(), JSON))
        with pytest.raises(errors.ModelError) as caught:
            call.ask(model, None, "q")
        assert type(caught.value) is expected

    def test_the_field_that_is_refused_is_named(self, model: BaseModel, wire: Wire, call: Caller) -> None:
        details = [{"fieldViolations": [{"field": "generation_config.temperature", "description": "no"}]}]
        body = {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT", "details": details}}
        wire.say(Reply(400, json.dumps(body).encode(), JSON))
        with pytest.raises(errors.InvalidRequest) as caught:
            call.ask(model, None, "q")
        assert caught.value.parameter == "generation_config.temperature"


def _called(*arguments: Any) -> dict[str, Any]:
    calls = [{"function": {"name": "f", "arguments": encoded}} for encoded in arguments]
    return {"model": "m", "message": {"role": "assistant", "content": "", "tool_calls": calls}, "done": False}


class TestOllama:
    @pytest.fixture
    def case(self) -> str:
        return "ollama"

    def test_calls_in_several_events_are_several(self, model: BaseModel, wire: Wire, call: Caller) -> None:
        end = ollama.Dialect().body(Says(), "", done=True)
        wire.say(Reply(body=ollama.lines([_called({"n": 1}), _called({"n": 2}, {"n": 2}), end]), headers=ollama.LINES))
        tool_calls = call.stream(model, None, "q")[-1].tool_calls
        assert [json.loads(tool_call.arguments)["n"] for tool_call in tool_calls] == [1, 2, 2]
        assert len({tool_call.id for tool_call in tool_calls}) == 3

    @in_turn("arguments", ['{"n": 1}', {"n": 1}])
    def test_arguments_as_a_text_or_as_a_value(
        self, model: BaseModel, wire: Wire, call: Caller, arguments: Any
    ) -> None:
        wire.say(_json({**_called(arguments), "done": True}))
        reply = call.ask(model, None, "q")
        (tool_call,) = reply.tool_calls
        assert (json.loads(tool_call.arguments), reply.raw_response is None) == ({"n": 1}, False)

    @in_turn(("prompt", "expected"), [(4096, None), (4095, None), (4094, 4094), (6000, 6000), (0, None)])
    def test_a_prompt_that_filled_its_context_is_of_unknown_length(
        self, model: BaseModel, wire: Wire, call: Caller, prompt: int, expected: int | None
    ) -> None:
        body = {**ollama.Dialect().body(Says(), "hi", done=True), "prompt_eval_count": prompt, "eval_count": 5}
        wire.say(_json(body))
        assert call.ask(model, None, "q", num_ctx=4096).usage == Usage(input=expected, output=5)

    def test_a_stream_as_events_whose_end_has_no_message(self, model: BaseModel, wire: Wire, call: Caller) -> None:
        end = {"model": "m", "done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 4}
        bodies = [ollama.Dialect().body(Says(), "hi", done=False), end]
        body = b"\xef\xbb\xbf: hello\n\n" + b"".join(b"data: " + json.dumps(item).encode() + b"\n\n" for item in bodies)
        wire.say(Reply(body=body + b"data: [DONE]\n\n", headers=EVENTS))
        chunks = call.stream(model, None, "q")
        assert (_text(chunks), chunks[-1].finish_reason, chunks[-1].usage) == ("hi", "stop", Usage(input=3, output=4))

    @in_turn("body", [None, ["no"], 7])
    @in_turn("streamed", [False, True])
    def test_an_error_in_any_body(
        self, model: BaseModel, wire: Wire, call: Caller, body: Any, *, streamed: bool
    ) -> None:
        wire.say(Reply(401, json.dumps(body).encode(), JSON))
        with pytest.raises(errors.AuthenticationFailed) as caught:
            call.stream(model, None, "q") if streamed else call.ask(model, None, "q")
        assert caught.value.status == 401

    def test_the_model_that_is_missing_is_the_one_to_pull(self, model: BaseModel, wire: Wire) -> None:
        wire.say(Reply(404, b'{"error": "model \'other:1b\' not found"}', JSON))
        with pytest.raises(errors.ModelNotFound, match="ollama pull other:1b"):
            model.generate_response(None, "q", model="other:1b")
