"""A fallback chain calls its models in order, through real SDKs and real servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from src.models.call.membership import as_member
from src.models.errors import (
    ModelNotFound,
    ModelTimeout,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerFailed,
    Unsupported,
)
from src.models.model_factory import ModelFactory
from src.models.retry import RetryPolicy
from src.models.types import ImagePart, Timeouts
from tests.servers import Reply, Server, chat_reply, error_reply, ollama_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool

QUICK = RetryPolicy(max_attempts=2, first_wait_s=0.0, longest_wait_s=0.0)
Two = tuple[Server, Server]
ASK: list[Callable[..., Any]] = [
    lambda model, *a, **o: model.generate_response(*a, **o),
    lambda model, *a, **o: asyncio.run(model.agenerate_response(*a, **o)),
]


class Both:
    """The two providers of the chain: openai first, then ollama."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.first: Callable[[], Reply] = lambda: chat_reply("first")
        self.second: Callable[[], Reply] = lambda: ollama_reply("second")
        self.first_server = Server(lambda _: self.first())
        self.second_server = Server(lambda _: self.second())
        monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdefghij")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{self.first_server.url}/v1")
        monkeypatch.setenv("OLLAMA_HOST", self.second_server.url)

    def chain(self, **settings: Any) -> BaseModel:
        return ModelFactory.get_model("openai", fallbacks=["ollama:llama3.2"], **{"retry_policy": QUICK, **settings})


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    servers = Both(monkeypatch)
    with servers.first_server, servers.second_server:
        yield servers


@pytest.mark.parametrize("ask", ASK)
def test_the_first_model_answers_where_it_can(both: Both, ask: Callable[..., Any], spool: Spool) -> None:
    reply = ask(both.chain(), None, "hi")
    assert (reply.content, reply.provider, reply.model_name) == ("first", "openai", "gpt-4o-2024-08-06")
    assert both.second_server.received == []
    assert [row.type for row in spool.trace(reply.trace_id)] == ["generation", "chain"]


@pytest.mark.parametrize("ask", ASK)
def test_fails_over_at_once_where_a_retry_cannot_help(both: Both, ask: Callable[..., Any], spool: Spool) -> None:
    both.first = lambda: error_reply(401, "Incorrect API key provided")
    reply = ask(both.chain(), None, "hi", max_tokens=9)
    assert (reply.content, reply.provider, reply.model_name) == ("second", "ollama", "llama3.2")
    assert len(both.first_server.received) == 1
    assert both.second_server.received[0].json["options"]["num_predict"] == 9
    rows = {row.name: row for row in spool.trace(reply.trace_id)}
    chain = rows["fallback"] if rows["fallback"].type == "chain" else None
    generations = [row for row in spool.trace(reply.trace_id) if row.type == "generation"]
    assert [(row.name, row.level) for row in generations] == [
        ("openai.generate", "ERROR"),
        ("ollama.generate", "DEFAULT"),
    ]
    parents = {row.parent_span_id for row in generations}
    (root,) = [row for row in spool.trace(reply.trace_id) if row.type == "chain"]
    assert parents == {root.span_id}
    assert root.name == "fallback"
    assert chain is None or chain.span_id == root.span_id


@pytest.mark.parametrize("ask", ASK)
def test_retries_first_where_a_retry_may_help(both: Both, ask: Callable[..., Any]) -> None:
    both.first = lambda: error_reply(503, "overloaded")
    assert ask(both.chain(), None, "hi").content == "second"
    assert len(both.first_server.received) == 2


@pytest.mark.parametrize("ask", ASK)
def test_the_last_error_is_raised_where_all_fail(both: Both, ask: Callable[..., Any], spool: Spool) -> None:
    both.first = lambda: error_reply(402, "no credit")
    both.second = lambda: Reply(500, json.dumps({"error": "broken"}).encode())
    with pytest.raises(ServerFailed) as caught:
        ask(both.chain(), None, "hi")
    assert caught.value.provider == "ollama"
    (root,) = [row for row in spool.rows_after(0) if row.type == "chain"]
    assert (root.level, root.error_category) == ("ERROR", "server")


def test_a_hanging_model_leaves_time_for_the_next(both: Both) -> None:
    both.first = lambda: Reply(hang=True)
    reply = both.chain(timeouts=Timeouts(connect=2.0, read=30.0, total=6.0)).generate_response(None, "hi")
    assert reply.content == "second"


def test_all_hanging_is_a_timeout(both: Both) -> None:
    both.first = both.second = lambda: Reply(hang=True)
    with pytest.raises(ModelTimeout):
        both.chain(timeouts=Timeouts(connect=2.0, read=30.0, total=0.8)).generate_response(None, "hi")


def test_a_request_that_one_model_does_not_support_goes_to_the_next(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = ModelFactory.get_model("ollama", "llama3.2", fallbacks=["openai:gpt-4o"])
    reply = chain.generate_response(None, ["what?", ImagePart(media_type="image/png", data=b"png")])
    assert reply.content == "first"
    assert both.second_server.received == []


def test_a_model_that_is_not_set_up_is_skipped(both: Both) -> None:
    chain = ModelFactory.get_model("groq", fallbacks=["openai"])
    assert chain
    assert chain.generate_response(None, "hi").content == "first"


def test_a_chain_of_models_that_are_not_set_up_is_falsy() -> None:
    assert not ModelFactory.get_model("groq", fallbacks=["xai"])


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_stream_fails_over_before_its_first_chunk(both: Both, *, asynchronous: bool) -> None:
    both.first = lambda: error_reply(429, "insufficient_quota: billing")
    lines = [json.loads(ollama_reply("second").body), json.loads(ollama_reply("").body)]
    lines[0]["done"] = False
    both.second = lambda: Reply(body=b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    chain = both.chain()

    async def collect() -> list[Any]:
        return [chunk async for chunk in chain.astream_response(None, "hi")]

    chunks = asyncio.run(collect()) if asynchronous else list(chain.stream_response(None, "hi"))
    assert "".join(chunk.content for chunk in chunks) == "second"


def test_a_stream_does_not_fail_over_after_its_first_chunk(both: Both) -> None:
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o",
             "choices": [{"index": 0, "delta": {"content": "half"}, "finish_reason": None}]}  # fmt: skip
    broken = {"error": {"message": "overloaded", "code": 503}}
    body = b"".join(b"data: " + json.dumps(item).encode() + b"\n\n" for item in (chunk, broken))
    both.first = lambda: Reply(body=body, headers={"content-type": "text/event-stream"})
    texts: list[str] = []
    with pytest.raises(Exception, match="overloaded"):
        texts.extend(chunk.content for chunk in both.chain().stream_response(None, "hi"))
    assert both.second_server.received == []


# As a member of a swarm.


@pytest.mark.parametrize("ask", ASK)
def test_as_a_member_all_tries_are_one_generation(both: Both, ask: Callable[..., Any], spool: Spool) -> None:
    both.first = lambda: error_reply(401, "Incorrect API key provided")
    with as_member():
        reply = ask(both.chain(), None, "hi")
    assert (reply.content, reply.provider, reply.model_name) == ("second", "ollama", "llama3.2")
    rows = spool.trace(reply.trace_id)
    (generation,) = [row for row in rows if row.type == "generation"]
    (event,) = [row for row in rows if row.type == "event"]
    assert len(rows) == 2
    assert (event.name, event.parent_span_id, event.level) == ("fallback", generation.span_id, "WARNING")
    assert (generation.level, generation.provider, generation.model) == ("DEFAULT", "ollama", "llama3.2")


def test_as_a_member_tokens_and_cost_are_summed_up(both: Both, spool: Spool) -> None:
    class Answer(pydantic.BaseModel):
        n: int

    both.first = lambda: chat_reply("not json")
    both.second = lambda: ollama_reply('{"n": 1}')
    with as_member():
        reply = both.chain().generate_response(None, "hi", response_format=Answer)
    assert reply.parsed == Answer(n=1)
    assert reply.usage is not None
    assert reply.usage.details() == {"input": 10 + 10 + 9, "output": 5 + 5 + 4}  # asked, repaired, then the second
    assert reply.cost_usd == pytest.approx((20 * 2.5 + 10 * 10) / 1e6)
    (generation,) = [row for row in spool.trace(str(reply.trace_id)) if row.type == "generation"]
    assert generation.cost_usd == pytest.approx(reply.cost_usd)


def test_as_a_member_the_cost_is_unknown_where_one_trys_is(both: Both) -> None:
    both.first = lambda: chat_reply("", model="nobody-knows")
    with as_member():
        chain = ModelFactory.get_model("openai", "nobody-knows", fallbacks=["ollama"], retry_policy=QUICK)
        reply = chain.generate_response(None, "hi")
    assert reply.content == "second"
    assert reply.cost_usd is None


def test_as_a_member_the_last_error_marks_the_generation(both: Both, spool: Spool) -> None:
    both.first = lambda: error_reply(429, "slow down", retry_after="99")
    both.second = lambda: Reply(402, json.dumps({"error": "no credits"}).encode())
    with as_member(), pytest.raises(QuotaExhausted):
        both.chain().generate_response(None, "hi")
    (generation,) = [row for row in spool.rows_after(0) if row.type == "generation"]
    assert (generation.level, generation.error_category) == ("ERROR", "quota")


def test_after_the_block_each_try_is_a_generation_again(both: Both, spool: Spool) -> None:
    with as_member():
        both.chain().generate_response(None, "hi")
    reply = both.chain().generate_response(None, "hi")
    assert [row.type for row in spool.trace(str(reply.trace_id))] == ["generation", "chain"]


def test_an_image_that_no_model_accepts_is_refused_before_anything_is_sent(both: Both) -> None:
    chain = ModelFactory.get_model("ollama", "llama3.2", fallbacks=["ollama:mistral"])
    with pytest.raises(Unsupported):
        chain.generate_response(None, ["what?", ImagePart(media_type="image/png", data=b"png")])
    assert both.second_server.received == []


def test_the_retry_policy_applies_to_every_model(both: Both) -> None:
    both.first = lambda: error_reply(503, "overloaded")
    both.second = lambda: Reply(503, json.dumps({"error": "server busy"}).encode())
    with pytest.raises(Overloaded):
        both.chain().generate_response(None, "hi")
    assert (len(both.first_server.received), len(both.second_server.received)) == (2, 2)


def test_a_rate_limit_longer_than_the_cap_fails_over_at_once(both: Both) -> None:
    both.first = lambda: error_reply(429, "slow down", retry_after="99")
    assert both.chain().generate_response(None, "hi").content == "second"
    assert len(both.first_server.received) == 1
    assert RateLimited.retryable


@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize("member", [True, False])
def test_where_all_fail_the_error_notes_each_failure(both: Both, ask: Callable[..., Any], *, member: bool) -> None:
    both.first, both.second = lambda: error_reply(401, "wrong key"), lambda: error_reply(404, "no such model")
    with as_member() if member else contextlib.nullcontext(), pytest.raises(ModelNotFound) as caught:
        ask(both.chain(), None, "hi")
    assert caught.value.provider == "ollama"
    assert caught.value.__notes__ == ["asked before, openai/gpt-4o: wrong key [authentication, HTTP 401]"]


@pytest.mark.parametrize("member", [True, False])
def test_a_chain_within_a_chain_calls_all_of_its_models(both: Both, *, member: bool) -> None:
    both.first = lambda: error_reply(401, "wrong key")
    inner = ModelFactory.get_model("openai", "gpt-4o-mini", fallbacks=[both.chain()], retry_policy=QUICK)
    with as_member() if member else contextlib.nullcontext():
        assert inner.generate_response(None, "hi").provider == "ollama"
    assert [request.json["model"] for request in both.first_server.received] == ["gpt-4o-mini", "gpt-4o"]
