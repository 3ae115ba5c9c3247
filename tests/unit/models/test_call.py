"""Every call of a whole reply, through the real openai SDK against a real server."""

from __future__ import annotations

import asyncio
import json
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from src.models import errors
from src.models.adapters.openai import OpenAIModel
from src.models.retry import RetryPolicy
from src.models.types import Timeouts
from src.observability import attributes as names
from src.observability.spans import otlp
from src.observability.store import background
from tests.servers import Received, Reply, Server, chat_reply, error_reply, in_turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.observability.store.spool import Spool, TraceRow

QUICK = RetryPolicy(max_attempts=3, first_wait_s=0.001, longest_wait_s=0.002)


def model_at(server: Server, **settings: Any) -> OpenAIModel:
    settings.setdefault("retry_policy", QUICK)
    settings.setdefault("timeouts", Timeouts(connect=5, read=10, total=30))
    return OpenAIModel("gpt-4o", api_key="sk-test-0123456789abcdefghij", base_url=f"{server.url}/v1", **settings)


def attributes(row: TraceRow) -> dict[str, Any]:
    return dict(otlp.decode_span(row.span).attributes)


def test_a_reply_has_usage_and_cost_and_its_generation_is_stored(spool: Spool) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    with Server(lambda _: chat_reply("hello", usage=usage)) as server:
        reply = model_at(server).generate_response("You trade.", "What now?", temperature=0.5, max_tokens=77)
        sent = server.received[0].json
    assert sent["messages"] == [
        {"role": "system", "content": "You trade."},
        {"role": "user", "content": "What now?"},
    ]
    assert (sent["temperature"], sent["max_completion_tokens"]) == (0.5, 77)
    assert (reply.content, reply.finish_reason, reply.attempts) == ("hello", "stop", 1)
    assert reply.usage is not None
    assert reply.usage.details() == {
        "input": 60, "input_cached_tokens": 40, "output": 30, "output_reasoning_tokens": 20,
    }  # fmt: skip
    assert reply.usage.total_tokens == 150
    assert reply.cost_usd == pytest.approx((60 * 2.5 + 40 * 1.25 + 50 * 10) / 1e6)
    rows = spool.trace(reply.trace_id or "")
    assert [(row.name, row.type, row.span_id) for row in rows] == [
        ("openai.generate", "generation", reply.observation_id)
    ]
    recorded = attributes(rows[0])
    assert json.loads(recorded[names.INPUT]) == sent["messages"]
    assert recorded[names.OUTPUT] == "hello"
    assert recorded[names.INPUT_TOKENS] == 100
    assert json.loads(recorded[names.USAGE_DETAILS]) == reply.usage.details()
    assert recorded[names.RESPONSE_MODEL] == "gpt-4o-2024-08-06"


def test_prompts_reach_the_provider_byte_for_byte() -> None:
    odd = "  naïve\t\u2028 \U0001f680 «quotes» \\n \r\n end "
    with Server(lambda _: chat_reply("ok")) as server:
        model_at(server).generate_response(odd, odd)
        sent = server.received[0].json["messages"]
    assert [item["content"] for item in sent] == [odd, odd]


def test_a_parameter_of_none_is_not_sent() -> None:
    with Server(lambda _: chat_reply("ok")) as server:
        model_at(server).generate_response(None, "hi", temperature=None)
        model_at(server).chat([{"role": "user", "content": "hi"}])
        bodies = [request.json for request in server.received]
    for body in bodies:
        assert set(body) == {"model", "messages"}
        assert [item["role"] for item in body["messages"]] == ["user"]


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "Incorrect API key provided", errors.AuthenticationFailed),
        (403, "not allowed", errors.PermissionRefused),
        (404, "no such model", errors.ModelNotFound),
        (400, "Unsupported parameter: 'foo'", errors.InvalidRequest),
        (400, "This model's maximum context length is 8192 tokens", errors.ContextTooLong),
        (402, "pay", errors.QuotaExhausted),
        (429, "slow down", errors.RateLimited),
        (429, "You exceeded your current quota", errors.QuotaExhausted),
        (500, "oops", errors.ServerFailed),
        (503, "busy", errors.Overloaded),
        (529, "overloaded", errors.Overloaded),
    ],
)
def test_each_status_is_its_own_error_and_recorded_on_the_generation(
    spool: Spool, status: int, message: str, kind: type[errors.ModelError]
) -> None:
    with Server(lambda _: error_reply(status, message)) as server, pytest.raises(kind) as raised:
        model_at(server).generate_response("s", "u")
    error = raised.value
    assert type(error) is kind
    assert (error.status, error.provider, error.model) == (status, "openai", "gpt-4o")
    assert error.attempts == (3 if kind.retryable else 1)
    generation = next(row for row in spool.trace(error.trace_id or "") if row.type == "generation")
    assert (generation.level, generation.error_category) == ("ERROR", kind.category)
    recorded = attributes(generation)
    assert json.loads(recorded[names.METADATA + "error_category"]) == kind.category


def test_a_retried_failure_is_a_child_event_of_its_generation(spool: Spool) -> None:
    replies = iter([error_reply(503, "busy"), error_reply(429, "slow", retry_after="0.01"), chat_reply("there")])
    with Server(in_turn(replies)) as server:
        reply = model_at(server).generate_response("s", "u")
    assert (reply.content, reply.attempts) == ("there", 3)
    rows = spool.trace(reply.trace_id or "")
    events = [row for row in rows if row.type == "event"]
    assert [row.name for row in events] == ["attempt_failed", "attempt_failed"]
    assert {row.parent_span_id for row in events} == {reply.observation_id}
    assert {row.level for row in events} == {"WARNING"}
    metadata = [attributes(row) for row in events]
    assert [json.loads(item[names.METADATA + "category"]) for item in metadata] == ["overloaded", "rate_limit"]
    assert json.loads(metadata[1][names.METADATA + "wait_s"]) == 0.01


def test_a_retry_after_longer_than_the_cap_is_not_retried() -> None:
    with (
        Server(lambda _: error_reply(429, "slow", retry_after="3600")) as server,
        pytest.raises(errors.RateLimited) as raised,
    ):
        model_at(server).generate_response("s", "u")
    assert raised.value.retry_after_s == 3600
    assert len(server.received) == 1


def test_the_total_deadline_ends_the_retries() -> None:
    policy = RetryPolicy(max_attempts=50, first_wait_s=0.2, longest_wait_s=0.2)
    late = (errors.Overloaded, errors.ModelTimeout)  # whichever the deadline meets
    with Server(lambda _: error_reply(503, "busy")) as server, pytest.raises(late):
        model_at(server, retry_policy=policy).generate_response("s", "u", timeout=0.5)
    assert len(server.received) < 50


def test_a_hang_is_a_timeout() -> None:
    with Server(lambda _: Reply(hang=True)) as server, pytest.raises(errors.ModelTimeout):
        model_at(server, retry_policy=RetryPolicy(max_attempts=1)).generate_response("s", "u", timeout=0.3)


def test_a_reset_in_mid_body_and_a_refused_connection_are_connection_failures() -> None:
    with Server(lambda _: Reply(body=b'{"id":', reset=True)) as server:
        with pytest.raises(errors.ConnectionFailed):
            model_at(server).generate_response("s", "u")
        assert len(server.received) == 3
    with pytest.raises(errors.ConnectionFailed):
        model_at(server).generate_response("s", "u")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"<html>hello</html>",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"index": 0, "finish_reason": "stop"}]}',
        b"null",
    ],
)
def test_a_reply_that_cannot_be_read_is_malformed(body: bytes) -> None:
    reply = Reply(body=body, headers={"content-type": "application/json"})
    with Server(lambda _: reply) as server, pytest.raises(errors.MalformedResponse):
        model_at(server).generate_response("s", "u")


def test_an_empty_reply_is_an_error_not_a_success() -> None:
    with Server(lambda _: chat_reply("  ")) as server, pytest.raises(errors.EmptyResponse):
        model_at(server).generate_response("s", "u")


def test_zero_usage_with_a_text_is_unknown_not_free() -> None:
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    with Server(lambda _: chat_reply("text", usage=usage)) as server:
        reply = model_at(server).generate_response("s", "u")
    assert reply.usage is None
    assert reply.cost_usd is None


def test_a_leading_think_block_is_reasoning_not_content() -> None:
    with Server(lambda _: chat_reply("<think>hm, up</think>\nBUY")) as server:
        reply = model_at(server).generate_response("s", "u")
    assert (reply.content, reply.reasoning) == ("BUY", "hm, up")


class Answer(pydantic.BaseModel):
    action: str = pydantic.Field(max_length=10)
    confidence: int = pydantic.Field(ge=0, le=100)


def test_structured_output_is_requested_natively_and_parsed() -> None:
    with Server(lambda _: chat_reply('{"action": "BUY", "confidence": 7}')) as server:
        reply = model_at(server).generate_response("s", "u", response_format=Answer)
        sent = server.received[0].json["response_format"]
    assert reply.parsed == Answer(action="BUY", confidence=7)
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["schema"]["additionalProperties"] is False
    action = sent["json_schema"]["schema"]["properties"]["action"]
    assert "maxLength" not in action  # strict mode refuses the keyword; it is validated here
    assert "maxLength 10" in action["description"]


def test_a_reply_that_does_not_fit_is_repaired_in_the_same_generation(spool: Spool) -> None:
    replies = iter(
        [chat_reply('{"action": "BUY", "confidence": 700}'), chat_reply('{"action": "BUY", "confidence": 70}')]
    )
    with Server(in_turn(replies)) as server:
        reply = model_at(server).generate_response("s", "u", response_format=Answer)
        repair = server.received[1].json["messages"]
    assert reply.parsed == Answer(action="BUY", confidence=70)
    assert [item["role"] for item in repair] == ["system", "user", "assistant", "user"]
    assert "confidence" in repair[-1]["content"]
    assert reply.usage is not None
    assert reply.usage.total_tokens == 30
    rows = spool.trace(reply.trace_id or "")
    assert [(row.name, row.type) for row in rows] == [("repair", "event"), ("openai.generate", "generation")]


def test_a_reply_is_repaired_only_once() -> None:
    with Server(lambda _: chat_reply("no idea")) as server:
        with pytest.raises(errors.MalformedResponse):
            model_at(server).generate_response("s", "u", response_format=Answer)
        assert len(server.received) == 2


def test_the_async_calls_do_the_same(spool: Spool) -> None:
    async def both(server: Server) -> tuple[Any, Any]:
        model = model_at(server)
        return await asyncio.gather(model.agenerate_response("s", "u"), model.achat([{"role": "user", "content": "x"}]))

    with Server(lambda _: chat_reply("ok")) as server:
        replies = asyncio.run(both(server))
        bodies = [request.json for request in server.received]
    assert [reply.content for reply in replies] == ["ok", "ok"]
    assert len({reply.trace_id for reply in replies}) == 2
    assert {body["model"] for body in bodies} == {"gpt-4o"}


def test_an_async_hang_ends_at_the_total_deadline(spool: Spool) -> None:
    with Server(lambda _: Reply(hang=True)) as server, pytest.raises(errors.ModelTimeout) as raised:
        asyncio.run(
            model_at(server).agenerate_response("s", "u", timeout=Timeouts(connect=5, read=50, total=0.3)),
        )
    row = spool.trace(raised.value.trace_id or "")[-1]
    assert (row.level, row.error_category) == ("ERROR", "timeout")


def test_a_cancelled_call_is_recorded(spool: Spool) -> None:
    async def cancel(server: Server) -> None:
        task = asyncio.create_task(model_at(server).agenerate_response("s", "u"))
        while not server.received:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Server(lambda _: Reply(hang=True)) as server:
        asyncio.run(cancel(server))
    assert background.drain(20) == 0
    assert [row.error_category for row in spool.rows_after(0)] == ["cancelled"]


BAD: list[tuple[Callable[[OpenAIModel], Any], str]] = [
    (lambda m: m.generate_response("s", ""), "user_content"),
    (lambda m: m.generate_response("s", 5), "user_content"),
    (lambda m: m.generate_response(5, "u"), "system_prompt"),  # type: ignore[arg-type] # on purpose
    (lambda m: m.generate_response("s", "u", temperature=9), "temperature"),
    (lambda m: m.generate_response("s", "u", max_tokens=0), "max_tokens"),
    (lambda m: m.generate_response("s", "u", timeout=-1), "timeout"),
    (lambda m: m.generate_response("s", "u", response_format=5), "response_format"),
    (lambda m: m.chat([]), "messages"),
    (lambda m: m.chat([{"role": "king", "content": "x"}]), "messages[0]"),
]


@pytest.mark.parametrize(("ask", "parameter"), BAD)
def test_a_wrong_argument_is_named_and_nothing_is_sent(ask: Callable[[OpenAIModel], Any], parameter: str) -> None:
    with Server(lambda _: chat_reply("ok")) as server:
        with pytest.raises(errors.InvalidRequest) as raised:
            ask(model_at(server))
        assert server.received == []
    assert raised.value.parameter == parameter


def test_a_key_that_a_provider_echoes_does_not_reach_error_trace_or_traceback(spool: Spool, tmp_path: Any) -> None:
    import traceback

    key = "sk-proj-" + "Ab1" * 15
    with Server(lambda _: error_reply(401, f"Incorrect API key provided: {key}")) as server:
        model = OpenAIModel("gpt-4o", api_key=key, base_url=f"{server.url}/v1")
        with pytest.raises(errors.AuthenticationFailed) as raised:
            model.generate_response("s", f"my key is {key}")
    assert key not in "".join(traceback.format_exception(raised.value))
    spool.close()
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert key.encode() not in stored
    assert b"[REDACTED" in stored


def test_without_tracing_a_call_works_and_has_no_ids(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("MOONDEV_TRACING", "off")
    with Server(lambda _: chat_reply("ok")) as server:
        reply = model_at(server).generate_response("s", "u")
    assert (reply.content, reply.trace_id, reply.observation_id) == ("ok", None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_written_does_not_stop_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_TRACE_DB", "/proc/nowhere/traces.db")
    with Server(lambda _: chat_reply("ok")) as server:
        assert model_at(server).generate_response("s", "u").content == "ok"


def test_retries_stop_at_the_last_attempt() -> None:
    with Server(in_turn(chain(repeat(error_reply(500, "x"), 3), repeat(chat_reply("late"))))) as server:
        with pytest.raises(errors.ServerFailed):
            model_at(server).generate_response("s", "u")
        assert len(server.received) == 3


def test_images_are_sent_and_only_their_hash_is_traced(spool: Spool) -> None:
    from src.models.types import ImagePart

    picture = ImagePart(media_type="image/png", data=b"\x89PNG-not-really")

    def answer(request: Received) -> Reply:
        parts = request.json["messages"][0]["content"]
        assert parts[1]["image_url"]["url"].startswith("data:image/png;base64,")
        return chat_reply("a chart")

    with Server(answer) as server:
        reply = model_at(server).generate_response(None, ["what is this?", picture])
    recorded = attributes(spool.trace(reply.trace_id or "")[0])[names.INPUT]
    assert "sha256" in recorded
    assert "base64" not in recorded
