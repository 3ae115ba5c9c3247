"""What a call costs, at the public edge: usages through the providers' SDKs, against prices computed by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.models import ModelFactory
from src.models.errors import ConnectionFailed, ContentBlocked, ModelError
from src.models.retry import NO_RETRIES
from src.observability import attributes as names
from src.observability.spans import otlp
from tests.servers import Reply, Server
from tests.unit.models.priced.row import Row, chat, gemini, modality, responses
from tests.unit.models.priced_usages import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.observability.store.spool import Spool

JSON = {"content-type": "application/json"}
ADDRESSES = ("OPENAI_BASE_URL", "DEEPSEEK_BASE_URL", "XAI_BASE_URL", "OPENROUTER_BASE_URL", "GROQ_BASE_URL",
             "CLAUDE_BASE_URL", "GEMINI_BASE_URL", "OLLAMA_HOST")  # fmt: skip
KEYS = (
    "OPENAI_KEY",
    "DEEPSEEK_KEY",
    "GROK_API_KEY",
    "OPENROUTER_API_KEY",
    "GROQ_API_KEY",
    "ANTHROPIC_KEY",
    "GEMINI_KEY",
)


class Provider:
    """All providers on one loopback server; `body` is what it answers."""

    def __init__(self) -> None:
        self.body: Any = {}
        self.events: list[Any] = []
        self.server = Server(lambda _: self._reply())

    def _reply(self) -> Reply:
        if not self.events:
            return Reply(body=json.dumps(self.body).encode(), headers=JSON)
        lines = [
            (f"event: {event['type']}\n" if "type" in event else "") + f"data: {json.dumps(event)}\n\n"
            for event in self.events
        ]
        return Reply(body="".join(lines).encode(), headers={"content-type": "text/event-stream"})


@pytest.fixture(scope="module")
def shared_provider() -> Iterator[Provider]:
    provider = Provider()
    with provider.server:
        yield provider


@pytest.fixture
def provider(shared_provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    for address in ADDRESSES:
        suffix = "/v1" if address in ADDRESSES[:4] else ""
        monkeypatch.setenv(address, shared_provider.server.url + suffix)
    for key in KEYS:
        monkeypatch.setenv(key, "a-key-of-the-tests-0123456789")
    shared_provider.events = []
    return shared_provider


def model_of(row: Row) -> Any:
    name, _, api = row.provider.partition(":")
    return ModelFactory.get_model(name, row.model, retry_policy=NO_RETRIES, **({"api": api} if api else {}))


def reply_body(row: Row) -> dict[str, Any]:
    """Return the reply as the row's provider sends it."""
    extra = {name: value for name, value in row.body.items() if name != "items"}
    items = row.body.get("items", [])
    match row.provider:
        case "claude":
            text = {"type": "text", "text": "hello"}
            return {"id": "m", "type": "message", "role": "assistant", "model": row.model, "content": [*items, text],
                    "stop_reason": "end_turn", "stop_sequence": None, "usage": row.usage, **extra}  # fmt: skip
        case "gemini":
            candidate = {"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP", **extra}
            return {"candidates": [candidate], "usageMetadata": row.usage, "modelVersion": row.model}
        case "ollama":
            answer_text = {"role": "assistant", "content": "hello"}
            return {"model": row.model, "message": answer_text, "done": True, "done_reason": "stop", **row.usage}
        case "openai:responses":
            content = [{"type": "output_text", "text": "hello", "annotations": []}]
            answer = {
                "type": "message",
                "id": "m",
                "role": "assistant",
                "status": "completed",
                "content": content,
            }
            return {"id": "r", "object": "response", "status": "completed", "model": row.model, **extra,
                    "output": [*items, answer], "usage": row.usage}  # fmt: skip
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello", **row.message}}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": row.model, "choices": [choice],
            "usage": row.usage, **extra}  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.provider} {row.name}")
def test_each_request_costs_what_the_published_prices_say(row: Row, provider: Provider, spool: Spool) -> None:
    provider.body = reply_body(row)
    reply = model_of(row).generate_response(None, "hi", temperature=None, **row.options)
    assert (reply.cost.known, reply.cost.unknown) == (float(row.known), row.unknown)
    assert reply.cost_usd == reply.cost.total == (None if row.unknown else float(row.known))
    (stored,) = spool.trace(str(reply.trace_id))
    assert (stored.cost_usd, stored.is_unpriced) == (
        float(row.known) if row.priced or not row.unknown else None,
        bool(row.unknown),
    )
    details = otlp.decode_span(stored.span).attributes.get(names.COST_DETAILS)
    expected = {unit: float(count * float(price) / per) for unit, (count, price, per) in row.priced.items()}
    if row.unknown and not row.priced:
        assert details in (None, '{"unknown":0.0}')
    else:
        assert json.loads(str(details)) == pytest.approx({**expected, "total": float(row.known)})


# Counts that cannot all be true, by provider; the Chat Completions of test_billing.py have more of them.
CONTRADICTIONS = [
    ("claude", {"input_tokens": 3, "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 6}}),
    ("claude", {"input_tokens": -3, "output_tokens": 5}),
    ("claude", {"input_tokens": 3.5, "output_tokens": 5}),
    ("claude", {"input_tokens": 3, "output_tokens": 5, "cache_creation_input_tokens": 9,
                "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 5}}),
    ("claude", {"input_tokens": 3, "output_tokens": 5, "cache_creation_input_tokens": 9,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": "many"}}),
    ("gemini", gemini(10, 5, cachedContentTokenCount=11)),
    ("gemini", gemini(10, 5) | {"totalTokenCount": 9}),
    ("gemini", gemini(10, 5, promptTokensDetails=modality(audio=11))),
    ("gemini", gemini(10, 5, candidatesTokensDetails=modality(image=6))),
    ("gemini", gemini(10, 5, thoughtsTokenCount=-1)),
    ("openai:responses", responses(10, 5, cached=11)),
    ("openai:responses", responses(10, 5, reasoning=6)),
    ("openai:responses", responses(10, 5) | {"total_tokens": 16}),
    ("openai:responses", responses(10, 5) | {"input_tokens": "ten"}),
    ("groq", chat(10, 5, prompt={"cached_tokens": 11})),
    ("deepseek", {**chat(10, 5), "prompt_cache_hit_tokens": 9, "prompt_cache_miss_tokens": 9}),
    ("xai", chat(10, 5, total=99, completion={"reasoning_tokens": 3})),
]  # fmt: skip
MODELS = {"claude": "claude-opus-5", "gemini": "gemini-2.5-flash", "openai:responses": "gpt-4o",
          "groq": "openai/gpt-oss-120b", "deepseek": "deepseek-flash", "xai": "grok-4.7"}  # fmt: skip


@pytest.mark.parametrize(("name", "usage"), CONTRADICTIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_no_providers_contradiction_is_priced(name: str, usage: dict[str, Any], provider: Provider) -> None:
    row = Row(name="", provider=name, model=MODELS[name], usage=usage, priced={}, page="")
    provider.body = reply_body(row)
    reply = model_of(row).generate_response(None, "hi", temperature=None)
    (reason,) = reply.cost.unknown
    assert reason.startswith("usage contradicts itself: ")
    assert (reply.cost_usd, reply.cost.known) == (None, 0)
    assert all(count >= 0 for count in reply.usage.details().values())


# The same in streams.


def chunk(**more: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "choices": [], **more}


def text_chunks(model: str, usage: dict[str, Any]) -> list[Any]:
    choice = {"index": 0, "delta": {"content": "hello"}, "finish_reason": "stop"}
    return [chunk(model=model, choices=[choice]), chunk(model=model, usage=usage)]


CLAUDE_START = {"type": "message_start", "message": {
    "id": "m", "type": "message", "role": "assistant", "model": "claude-opus-5", "content": [], "stop_reason": None,
    "usage": {"input_tokens": 3, "cache_creation_input_tokens": 618, "cache_read_input_tokens": 1111,
              "output_tokens": 1, "output_tokens_details": {"thinking_tokens": 3},
              "cache_creation": {"ephemeral_5m_input_tokens": 418, "ephemeral_1h_input_tokens": 200},
              "service_tier": "standard"}}}  # fmt: skip
CLAUDE_TEXT = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}},
    {"type": "content_block_stop", "index": 0},
]


def claude_end(**usage: Any) -> list[Any]:
    counts = {
        "output_tokens": 33,
        "input_tokens": 3,
        "cache_creation_input_tokens": 618,
        "cache_read_input_tokens": 1111,
    }
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    return [{"type": "message_delta", "delta": delta, "usage": {**counts, **usage}}, {"type": "message_stop"}]


def claude_code(at: int) -> list[Any]:
    block = {"type": "server_tool_use", "id": "s", "name": "code_execution", "input": {}}
    return [
        {"type": "content_block_start", "index": at, "content_block": block},
        {"type": "content_block_stop", "index": at},
    ]


def gemini_event(text: str, **more: Any) -> dict[str, Any]:
    usage = more.pop("usage")
    candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, **more}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3.1-pro-preview"}


# For the whole of the cache: 3 x 5 + 1111 x 0.50 + 418 x 6.25 + 200 x 10 + 33 x 25 dollars per million.
CACHE = (15 + 555.5 + 2612.5 + 2000 + 825) / 1e6
SEARCHED = {"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0}}
STREAMS: dict[str, tuple[str, str, list[Any], float, tuple[str, ...]]] = {
    "own key": ("openrouter", "openai/gpt-4o", text_chunks("openai/gpt-4o", {
        **chat(9171, 113), "cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.0360795}}),
        0.0370795, ()),
    "ticks": ("xai", "grok-4.7", text_chunks("grok-4.7", {
        **chat(197, 1, total=344, completion={"reasoning_tokens": 146}), "cost_in_usd_ticks": 4_121_500}),
        0.00041215, ()),
    "audio": ("openai", "gpt-audio", text_chunks("gpt-audio", chat(100, 80, prompt={"audio_tokens": 70})),
              (30 * 2.5 + 70 * 32 + 80 * 10) / 1e6, ()),
    "a search model": ("openai", "gpt-4o-search-preview", text_chunks("gpt-4o-search-preview", chat(100, 80)),
                       (100 * 2.5 + 80 * 10) / 1e6, ("web_searches",)),
    "cache": ("claude", "claude-opus-5", [CLAUDE_START, *CLAUDE_TEXT, *claude_end()], CACHE, ()),
    "cache and searches": ("claude", "claude-opus-5", [CLAUDE_START, *CLAUDE_TEXT, *claude_end(**SEARCHED)],
                           CACHE + 0.02, ()),
    "code": ("claude", "claude-opus-5", [CLAUDE_START, *claude_code(0), *CLAUDE_TEXT, *claude_end()], CACHE,
             ("code_executions",)),
    "code beside searches": ("claude", "claude-opus-5",
                             [CLAUDE_START, *claude_code(0), *CLAUDE_TEXT, *claude_end(**SEARCHED)], CACHE + 0.02, ()),
    "grounding": ("gemini", "gemini-3.1-pro-preview", [
        gemini_event("hel", usage=gemini(100, 4)),
        gemini_event("lo", usage=gemini(100, 10, promptTokensDetails=modality(text=40, audio=60)), finishReason="STOP",
                     groundingMetadata={"webSearchQueries": ["a", "b"]})],
        (100 * 2 + 10 * 12) / 1e6 + 2 * 0.014, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_costs_what_the_same_reply_costs_whole(case: str, provider: Provider, spool: Spool) -> None:
    name, model, events, known, unknown = STREAMS[case]
    provider.events = events
    chunks = list(ModelFactory.get_model(name, model, retry_policy=NO_RETRIES).stream_response(None, "hi"))
    reply = chunks[-1].reply
    assert reply is not None
    assert reply.content == "hello"
    assert reply.cost.known == pytest.approx(known, rel=1e-12)
    assert reply.cost.unknown == unknown
    assert chunks[-1].cost_usd == reply.cost_usd == (None if unknown else reply.cost.known)
    (row,) = spool.trace(str(reply.trace_id))
    assert (row.cost_usd, row.is_unpriced) == (reply.cost.known, bool(unknown))


def test_a_claude_stream_that_breaks_costs_its_input_and_an_unknown_output(provider: Provider) -> None:
    provider.events = [CLAUDE_START, *CLAUDE_TEXT[:2]]
    with pytest.raises(ConnectionFailed) as raised:
        list(ModelFactory.get_model("claude", "claude-opus-5", retry_policy=NO_RETRIES).stream_response(None, "hi"))
    assert raised.value.cost is not None
    assert raised.value.cost.known == pytest.approx(CACHE - 825e-6)
    assert raised.value.cost.unknown == ("output", "output after the interruption")


def test_a_prompt_that_gemini_blocked_costs_what_gemini_counted(provider: Provider) -> None:
    provider.body = {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "gemini-2.5-pro",
                     "usageMetadata": {"promptTokenCount": 100, "totalTokenCount": 100}}  # fmt: skip
    with pytest.raises(ContentBlocked) as raised:
        ModelFactory.get_model("gemini", "gemini-2.5-pro", retry_policy=NO_RETRIES).generate_response(None, "hi")
    assert raised.value.cost_usd == 100 * 1.25 / 1e6


def test_a_reply_that_openrouter_marks_as_failed_costs_what_it_says(provider: Provider) -> None:
    choice = {"index": 0, "finish_reason": "error", "message": {"role": "assistant", "content": "ha"}}
    provider.body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice],
                     "usage": {**chat(10, 5), "cost": 0.25}}  # fmt: skip
    with pytest.raises(ModelError) as raised:
        ModelFactory.get_model("openrouter", "openai/gpt-4o", retry_policy=NO_RETRIES).generate_response(None, "hi")
    assert raised.value.cost_usd == 0.25


def test_ones_own_machine_costs_nothing_also_where_it_fails(provider: Provider, spool: Spool) -> None:
    with pytest.raises(ModelError):
        ModelFactory.get_model("ollama", "llama3.2", retry_policy=NO_RETRIES).generate_response(
            None, "hi", timeout=0.001
        )
    (row,) = spool.rows_after(0)
    assert (row.cost_usd, row.is_unpriced) == (0.0, False)
