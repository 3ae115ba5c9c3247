"""What failed requests, retries, repairs and the tries of a chain cost, and what a call says where nobody knows."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from src.agents.market import Candle, Candles
from src.agents.trading_agent import TradingAgent
from src.models import ModelFactory, errors
from src.models.call.membership import as_member
from src.models.retry import NO_RETRIES, RetryPolicy
from src.models.types import Timeouts
from src.observability import attributes as names
from src.observability.spans import otlp
from src.observability.store import background
from tests.servers import Reply, Server, chat_reply, decision, error_reply, ollama_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.observability.store.records import TraceRow
    from src.observability.store.spool import Spool

QUICK = RetryPolicy(max_attempts=2, first_wait_s=0.0, longest_wait_s=0.0)
# gpt-4o: 2.5 dollars per million tokens in, 10 out; chat_reply counts 10 in and 5 out.
WHOLE, TWICE = 0.000075, 0.00015
FREE = {"total": 0.0}


class Answer(pydantic.BaseModel):
    n: int


class OpenAI:
    """A provider that gives its answers in turn, the last of them again and again."""

    def __init__(self) -> None:
        self.answers: list[Reply] = []
        self.server = Server(lambda _: self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    def model(self, name: str = "gpt-4o", **settings: Any) -> Any:
        return ModelFactory.get_model("openai", name, **{"retry_policy": NO_RETRIES, **settings})


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAI]:
    provider = OpenAI()
    with provider.server:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.server.url + "/v1")
        monkeypatch.setenv("OPENAI_KEY", "sk-of-the-tests-0123456789")
        yield provider


def generation(spool: Spool) -> TraceRow:
    assert background.drain(20) == 0
    (row,) = [row for row in spool.rows_after(0) if row.type == "generation"]
    return row


def wire(row: TraceRow) -> dict[str, Any]:
    """Return what the row says of usage and cost to Langfuse's server."""
    attributes = otlp.decode_span(row.span).attributes
    keys = {"cost": names.COST_DETAILS, "usage": names.USAGE_DETAILS, "known": names.METADATA + "usage_known",
            "unknown": names.METADATA + "cost_unknown"}  # fmt: skip
    return {key: json.loads(str(attributes[name])) for key, name in keys.items() if name in attributes}


def in_json(body: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"content-type": "application/json"})


def in_events(*events: Any) -> Reply:
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    return Reply(body=body, headers={"content-type": "text/event-stream"})


def piece(content: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [choice], **more}


CANDLES = Candles(
    bars=tuple(
        Candle(
            time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=n),
            open=100,
            high=103,
            low=99,
            close=101 + n % 7,
            volume=5.0,
        )
        for n in range(90)
    ),
    symbol="X",
    interval_s=3600,
    source="made for the test",
)
COUNTS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 429, 500, 503, 529])
def test_a_refused_request_costs_nothing(status: int, openai: OpenAI, spool: Spool) -> None:
    openai.answers = [error_reply(status, "no")]
    with pytest.raises(errors.ModelError) as raised:
        openai.model().generate_response(None, "hi")
    assert (raised.value.cost_usd, raised.value.usage) == (0.0, None)
    row = generation(spool)
    assert (row.cost_usd, row.is_unpriced, wire(row)) == (0.0, False, {"cost": FREE})


def test_a_provider_that_cannot_be_reached_bills_nothing(
    openai: OpenAI, monkeypatch: pytest.MonkeyPatch, spool: Spool
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
    with pytest.raises(errors.ConnectionFailed) as raised:
        openai.model().generate_response(None, "hi")
    assert (raised.value.cost_usd, wire(generation(spool))) == (0.0, {"cost": FREE})


@pytest.mark.parametrize(
    ("answer", "category"),
    [
        (Reply(body=b'{"id": ', headers={"content-type": "application/json"}, reset=True), "connection"),
        (error_reply(504, "the gateway gave up"), "timeout"),
        (Reply(hang=True), "timeout"),
        (in_json({"id": "c", "choices": [{"index": 0, "finish_reason": "stop"}]}), "malformed_response"),
    ],
    ids=["reset", "gateway", "hang", "no message"],
)
def test_where_the_model_may_have_worked_the_cost_is_unknown(
    answer: Reply, category: str, openai: OpenAI, spool: Spool
) -> None:
    openai.answers = [answer]
    # Where the server hangs, the reply is late and not the request.
    timeouts = Timeouts(connect=20, read=0.3 if answer.hang else 20, total=20)
    with pytest.raises(errors.ModelError) as raised:
        openai.model().generate_response(None, "hi", timeout=timeouts)
    error = raised.value
    assert error.cost is not None
    assert (error.category, error.cost_usd, error.cost.known) == (category, None, 0)
    assert error.cost.unknown == (f"a failed request ({category})",)
    row = generation(spool)
    assert (row.cost_usd, row.is_unpriced) == (None, True)
    assert wire(row) == {"cost": FREE, "known": False, "unknown": [f"a failed request ({category})"]}


def test_a_reply_without_usage_costs_what_nobody_knows(openai: OpenAI, spool: Spool) -> None:
    body = json.loads(chat_reply("hello").body)
    openai.answers = [in_json({**body, "usage": None})]
    reply = openai.model().generate_response(None, "hi")
    assert (reply.cost_usd, reply.cost.unknown) == (None, ("usage",))
    assert wire(generation(spool)) == {"cost": FREE, "known": False, "unknown": ["usage"]}


def test_a_reply_that_was_billed_and_is_of_no_use_is_in_the_cost_of_the_error(openai: OpenAI, spool: Spool) -> None:
    openai.answers = [chat_reply("")]
    with pytest.raises(errors.EmptyResponse) as raised:
        openai.model(retry_policy=QUICK).generate_response(None, "hi")
    assert raised.value.cost_usd == TWICE
    row = generation(spool)
    assert (row.cost_usd, row.is_unpriced, row.level) == (TWICE, False, "ERROR")


def test_an_attempt_that_may_have_been_billed_makes_the_cost_of_its_retry_the_least(
    openai: OpenAI, spool: Spool
) -> None:
    openai.answers = [error_reply(504, "the gateway gave up"), chat_reply("hello")]
    reply = openai.model(retry_policy=QUICK).generate_response(None, "hi")
    assert (reply.cost_usd, reply.cost.known, reply.cost.unknown) == (None, WHOLE, ("a failed request (timeout)",))
    row = generation(spool)
    assert (row.cost_usd, row.is_unpriced) == (WHOLE, True)
    assert wire(row)["cost"] == pytest.approx({"input": 25e-6, "output": 50e-6, "total": 75e-6})


def test_an_attempt_that_was_refused_adds_nothing(openai: OpenAI) -> None:
    openai.answers = [error_reply(503, "busy"), chat_reply("hello")]
    assert openai.model(retry_policy=QUICK).generate_response(None, "hi").cost_usd == WHOLE


def test_a_repair_is_priced_as_a_request_of_its_own(openai: OpenAI, spool: Spool) -> None:
    usage = {"prompt_tokens": 150_000, "completion_tokens": 5_000, "total_tokens": 155_000}
    openai.answers = [
        chat_reply("no json", model="gpt-5.4", usage=usage),
        chat_reply('{"n": 1}', model="gpt-5.4", usage=usage),
    ]
    reply = openai.model("gpt-5.4").generate_response(None, "hi", response_format=Answer)
    assert reply.cost_usd == 2 * (150_000 * 2.5 + 5_000 * 15) / 1e6 == 0.9  # together they would be above 272,000
    assert generation(spool).cost_usd == 0.9


# Streams.


def test_a_stream_that_breaks_costs_at_least_what_was_reported(openai: OpenAI, spool: Spool) -> None:
    openai.answers = [in_events(piece("half", usage=COUNTS), {"error": {"message": "broken", "code": 500}})]
    with pytest.raises(errors.ModelError) as raised:
        list(openai.model().stream_response(None, "hi"))
    assert raised.value.cost is not None
    assert (raised.value.cost.known, raised.value.cost.unknown) == (WHOLE, ("output after the interruption",))
    assert wire(generation(spool))["cost"] == pytest.approx({"input": 25e-6, "output": 50e-6, "total": 75e-6})


def test_a_stream_that_is_left_costs_what_nobody_knows(openai: OpenAI, spool: Spool) -> None:
    openai.answers = [in_events(piece("one"), piece("two"), piece("", "stop"))]
    for _ in openai.model().stream_response(None, "hi"):
        break
    row = generation(spool)
    assert (row.error_category, row.cost_usd, row.is_unpriced) == ("cancelled", None, True)
    assert wire(row) == {"cost": FREE, "known": False, "unknown": ["a failed request (cancelled)"]}


def test_a_call_that_is_cancelled_before_anything_was_sent_costs_nothing(openai: OpenAI, spool: Spool) -> None:
    openai.answers = [error_reply(503, "busy")]
    slow = RetryPolicy(max_attempts=2, first_wait_s=30, longest_wait_s=30)

    async def cancelled() -> None:
        call = asyncio.ensure_future(openai.model(retry_policy=slow).agenerate_response(None, "hi"))
        while not [row for row in spool.rows_after(0) if row.name == "attempt_failed"]:  # now it waits to try again
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancelled())
    row = generation(spool)
    assert (row.error_category, row.cost_usd, wire(row)) == ("cancelled", 0.0, {"cost": FREE})


# Usage that contradicts itself.


@pytest.mark.parametrize(
    "usage",
    [
        {**COUNTS, "prompt_tokens_details": {"cached_tokens": 12}},
        {**COUNTS, "completion_tokens_details": {"reasoning_tokens": 9}},
        {**COUNTS, "total_tokens": 99},
        {**COUNTS, "prompt_tokens": -10},
        {**COUNTS, "prompt_tokens": 10.5},
        {**COUNTS, "completion_tokens": "five"},
        {**COUNTS, "completion_tokens": True},
        {**COUNTS, "prompt_tokens_details": {"cached_tokens": -1}},
        {**COUNTS, "prompt_tokens_details": {"audio_tokens": 11}},
        {**COUNTS, "completion_tokens_details": {"audio_tokens": 6}},
        {**COUNTS, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 4},
    ],
    ids=lambda usage: json.dumps(usage)[-60:],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_usage_that_contradicts_itself_is_not_priced(
    usage: dict[str, Any], stream: bool, openai: OpenAI, spool: Spool
) -> None:
    if stream:
        openai.answers = [in_events(piece("hello", "stop"), {**piece(""), "choices": [], "usage": usage})]
        reply = list(openai.model().stream_response(None, "hi"))[-1].reply
    else:
        openai.answers = [chat_reply("hello", usage=usage)]
        reply = openai.model().generate_response(None, "hi")
    assert (reply.cost_usd, reply.cost.known) == (None, 0)
    (reason,) = reply.cost.unknown
    assert reason.startswith("usage contradicts itself: ")
    row = generation(spool)
    assert (row.cost_usd, row.is_unpriced) == (None, True)
    assert wire(row)["cost"] == {"unknown": 0}


@pytest.mark.parametrize(
    "usage",
    [
        {**COUNTS, "total_tokens": None},
        {name: str(count) for name, count in COUNTS.items()},
        {name: float(count) for name, count in COUNTS.items()},
    ],
)
def test_a_usage_in_another_spelling_is_priced(usage: dict[str, Any], openai: OpenAI) -> None:
    openai.answers = [chat_reply("hello", usage=usage)]
    assert openai.model().generate_response(None, "hi").cost_usd == WHOLE


# Chains and swarms.


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(lambda _: ollama_reply('{"n": 1}')) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


def ask_whole(model: Any, **options: Any) -> Any:
    return model.generate_response(None, "hi", **options)


def ask_stream(model: Any, **options: Any) -> Any:
    last = list(model.stream_response(None, "hi", **options))[-1]
    assert last.cost_usd == last.reply.cost_usd
    return last.reply


@pytest.mark.parametrize("member", [False, True])
def test_a_chains_failed_tries_are_in_its_cost(member: bool, openai: OpenAI, ollama: Server, spool: Spool) -> None:
    openai.answers = [chat_reply("no json")]
    chain = openai.model(fallbacks=["ollama:llama3.2"])
    if member:
        with as_member():
            reply = ask_whole(chain, response_format=Answer)
    else:
        reply = ask_whole(chain, response_format=Answer)
    assert (reply.provider, reply.parsed) == ("ollama", Answer(n=1))
    assert reply.cost_usd == TWICE  # the first model was asked twice
    assert reply.usage.details() == {"input": 2 * 10 + 9, "output": 2 * 5 + 4}
    rows = [row for row in spool.trace(reply.trace_id) if row.type == "generation"]
    assert sum(row.cost_usd or 0 for row in rows) == TWICE
    assert spool.traces()[0].cost_usd == TWICE


@pytest.mark.parametrize("ask", [ask_whole, ask_stream])
def test_a_chains_try_of_unknown_cost_makes_its_cost_the_least(
    ask: Callable[..., Any], openai: OpenAI, ollama: Server, spool: Spool
) -> None:
    openai.answers = [error_reply(504, "the gateway gave up")]
    reply = ask(openai.model(fallbacks=["ollama:llama3.2"]))
    assert (reply.provider, reply.cost_usd, reply.cost.known) == ("ollama", None, 0)
    assert reply.cost.unknown == ("a failed request (timeout)",)
    assert spool.traces()[0].cost_unknown


def test_the_error_of_a_chain_has_the_cost_of_all_its_tries(openai: OpenAI) -> None:
    openai.answers = [chat_reply("")]
    chain = openai.model(fallbacks=["openai:gpt-4o-mini"])
    with pytest.raises(errors.EmptyResponse) as raised:
        chain.generate_response(None, "hi")
    assert raised.value.cost_usd == TWICE  # each reply names gpt-4o


def test_a_swarm_counts_the_members_that_failed_after_they_were_billed(
    openai: OpenAI, ollama: Server, spool: Spool
) -> None:
    answers = {"gpt-4o": chat_reply(decision("BUY")), "gpt-4": chat_reply("no json"), "gpt-5": error_reply(401, "no"),
               "gpt-4.1": error_reply(504, "gave up")}  # fmt: skip
    with Server(lambda request: answers[request.json["model"]]) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", server.url + "/v1")
        agent = TradingAgent([f"openai:{name}" for name in answers], member_timeout_s=20)
        result = agent.decide("X", CANDLES)
    assert [vote.cost_usd for vote in result.votes] == [WHOLE, TWICE, 0.0, None]
    assert (result.cost_usd, result.unpriced) == (0.000225, 1)
    printed = result.to_dict()
    assert (printed["cost_usd"], printed["unpriced"]) == (result.cost_usd, 1)
    assert [len(vote["cost_unknown"]) for vote in printed["votes"]][:3] == [0, 0, 0]
    summary = spool.traces()[0]
    assert (summary.cost_usd, summary.cost_unknown) == (0.000225, True)
