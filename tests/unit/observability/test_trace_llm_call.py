"""The decorator that records calls which bypass the factory."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import TYPE_CHECKING, Any

import pytest

from src.observability import (
    attributes,
    get_tracker,
)
from tests.servers import Reply, Server, chat_reply
from tests.unit.observability.stored import attributes_of, only

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from src.observability.store.spool import Spool


def test_trace_llm_call_records_a_call_that_bypasses_the_factory(spool: Spool) -> None:
    class Counts:
        prompt_tokens, completion_tokens = 5, 3

    class Reply:
        model, usage = "gpt-4o", Counts()

        def __str__(self) -> str:
            return "the reply"

    tracker = get_tracker()

    @tracker.trace_llm_call
    def ask(prompt: str) -> Reply:
        return Reply()

    @tracker.trace_llm_call
    async def fail(prompt: str) -> None:
        raise TimeoutError("slow")

    assert isinstance(ask("buy?"), Reply)
    with pytest.raises(TimeoutError):
        asyncio.run(fail("x"))
    good, bad = spool.rows_after(0)
    assert (good.type, good.model, good.input_tokens, good.output_tokens) == ("generation", "gpt-4o", 5, 3)
    assert "buy?" in attributes_of(good)[attributes.INPUT]
    assert (bad.level, bad.error_category) == ("ERROR", "timeout")


@pytest.mark.parametrize(
    ("usage", "buckets"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 40},
          "completion_tokens_details": {"reasoning_tokens": 5}},
         {"input": 60, "input_cached_tokens": 40, "output": 15, "output_reasoning_tokens": 5}),
        ({"input_tokens": 100, "output_tokens": 20, "input_tokens_details": {"cached_tokens": 40},
          "output_tokens_details": {"reasoning_tokens": 0}},
         {"input": 60, "input_cached_tokens": 40, "output": 20}),
        ({"input_tokens": 50, "output_tokens": 20, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 10},
         {"input": 50, "input_cached_tokens": 40, "input_cache_creation": 10, "output": 20}),
    ],
)  # fmt: skip
def test_trace_llm_call_sorts_tokens_into_buckets_that_do_not_overlap(
    usage: dict[str, Any], buckets: dict[str, int], spool: Spool
) -> None:
    @get_tracker().trace_llm_call
    def ask(*, model: str) -> dict[str, Any]:
        return {"model": f"{model}-2026", "usage": usage}

    ask(model="m")
    stored = attributes_of(only(spool))
    assert json.loads(stored[attributes.USAGE_DETAILS]) == buckets
    assert (stored[attributes.INPUT_TOKENS], stored[attributes.OUTPUT_TOKENS]) == (100, 20)
    assert (stored[attributes.REQUEST_MODEL], stored[attributes.RESPONSE_MODEL]) == ("m", "m-2026")
    assert stored[attributes.OPERATION] == "chat"


def test_trace_llm_call_leaves_out_counts_that_contradict_one_another(spool: Spool) -> None:
    @get_tracker().trace_llm_call
    def ask() -> dict[str, Any]:
        return {"usage": {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 12}}}

    ask()
    assert attributes.USAGE_DETAILS not in attributes_of(only(spool))


def test_trace_llm_call_records_methods_and_the_items_of_generators(spool: Spool) -> None:
    track = get_tracker().trace_llm_call

    class Client:
        @track
        def whole(self, prompt: str, model: str = "") -> str:
            raise ConnectionError("gone")

        @track
        def stream(self, prompt: str) -> Iterator[str]:
            yield "he"
            yield "llo"

        @track
        async def later(self, prompt: str) -> AsyncIterator[dict[str, int]]:
            yield {"piece": 1}
            yield {"piece": 2}

    async def first() -> None:
        async for _ in (pieces := Client().later("d")):
            break
        await pieces.aclose()  # type: ignore[attr-defined] # an async generator

    with pytest.raises(ConnectionError):
        Client().whole("a", model="m")
    assert inspect.isgeneratorfunction(Client().stream)
    assert "".join(Client().stream("b")) == "hello"
    asyncio.run(first())
    failed, streamed, left = (attributes_of(row) for row in spool.rows_after(0))
    assert json.loads(failed[attributes.INPUT]) == {"args": ["a"], "kwargs": {"model": "m"}}
    assert (failed[attributes.MODEL], failed[attributes.LEVEL]) == ("m", "ERROR")
    # Without these the server would count the tokens of the input, and price them.
    assert json.loads(failed[attributes.COST_DETAILS]) == {"total": 0}
    assert failed[attributes.METADATA + attributes.USAGE_KNOWN] == "false"
    assert streamed[attributes.OUTPUT] == "hello"
    assert json.loads(left[attributes.OUTPUT]) == [{"piece": 1}]


def test_trace_llm_call_around_the_factory_counts_nothing_twice(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.models import ModelFactory, ModelResponse

    with Server(lambda _: chat_reply("hold")) as provider:
        monkeypatch.setenv("OPENAI_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")

        @get_tracker().trace_llm_call
        def ask() -> ModelResponse:
            return ModelFactory.get_model("openai").generate_response(None, "x")

        assert ask().content == "hold"
    inner, outer = spool.rows_after(0)
    assert (inner.type, inner.input_tokens, inner.parent_span_id) == ("generation", 10, outer.span_id)
    assert (outer.type, outer.input_tokens, outer.model) == ("span", None, None)
    assert attributes_of(outer)[attributes.OUTPUT] == "hold"
