"""Token buckets exclude one another and sum up to the provider's own total, whatever the counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.models.adapters.deepseek import DeepSeekModel
from src.models.adapters.groq import GroqModel
from src.models.adapters.openai import OpenAIModel
from src.models.adapters.openrouter import OpenRouterModel
from src.models.adapters.xai import XAIModel
from src.models.protocols import responses
from src.models.types import Usage

COUNT = st.integers(0, 10**6)
COMPATIBLE = [
    kind("m", api_key="k", base_url="http://x.test")
    for kind in (OpenAIModel, DeepSeekModel, GroqModel, OpenRouterModel, XAIModel)
]


def _reported(fresh: int, cached: int, written: int, answer: int, reasoning: int, *, separate: bool) -> dict[str, Any]:
    prompt, completion = fresh + cached + written, answer + (0 if separate else reasoning)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + answer + reasoning,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


@pytest.mark.parametrize("model", COMPATIBLE, ids=lambda model: model.provider)
@given(COUNT, COUNT, COUNT, COUNT, st.integers(1, 10**6))
def test_reasoning_counted_inside_or_apart_from_the_output_gives_the_same_buckets(
    model: OpenAIModel, fresh: int, cached: int, written: int, answer: int, reasoning: int
) -> None:
    for separate in (False, True):
        reported = _reported(fresh, cached, written, answer, reasoning, separate=separate)
        usage = model._usage(reported)
        assert usage == Usage(
            input=fresh,
            input_cached_tokens=cached,
            input_cache_creation=written,
            output=answer,
            output_reasoning_tokens=reasoning,
        )
        assert usage is not None
        assert usage.total_tokens == sum(usage.details().values()) == reported["total_tokens"]


@given(COUNT, COUNT, COUNT)
def test_deepseeks_hits_and_misses_sum_to_its_prompt(hit: int, miss: int, answer: int) -> None:
    reported = {"prompt_tokens": hit + miss, "prompt_cache_hit_tokens": hit, "prompt_cache_miss_tokens": miss,
            "completion_tokens": answer, "total_tokens": hit + miss + answer}  # fmt: skip
    usage = COMPATIBLE[1]._usage(reported)
    assert usage is not None
    assert (usage.input, usage.input_cached_tokens, usage.total_tokens) == (miss, hit, hit + miss + answer)


NAMES = ["prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details",
         "prompt_cache_hit_tokens"]  # fmt: skip
DETAILS = st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens"]), COUNT)
MALFORMED = st.one_of(st.none(), COUNT, st.booleans(), st.text(max_size=3), st.floats(-9, 9), DETAILS)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # a busy machine proves nothing
@given(st.dictionaries(st.sampled_from(NAMES), MALFORMED))
def test_no_usage_however_malformed_gives_a_negative_count(reported: dict[str, Any]) -> None:
    usage = COMPATIBLE[0]._usage(reported)
    assert usage is None or all(count >= 0 for count in usage.details().values())


@given(COUNT, COUNT, COUNT, COUNT)
def test_the_responses_apis_buckets_sum_to_its_total(fresh: int, cached: int, answer: int, reasoning: int) -> None:
    usage = responses.usage({"input_tokens": fresh + cached, "output_tokens": answer + reasoning,
                             "input_tokens_details": {"cached_tokens": cached},
                             "output_tokens_details": {"reasoning_tokens": reasoning}})  # fmt: skip
    assert usage == Usage(
        input=fresh,
        input_cached_tokens=cached,
        input_cache_creation=None,
        output=answer,
        output_reasoning_tokens=reasoning,
    )


def test_more_reasoning_than_output_is_cut_to_the_total() -> None:
    usage = COMPATIBLE[0]._usage({"prompt_tokens": 43, "completion_tokens": 10, "total_tokens": 53,
                                  "completion_tokens_details": {"reasoning_tokens": 11}})  # fmt: skip
    assert usage is not None
    assert usage.total_tokens == 53


def test_openrouter_is_asked_to_report_cost_and_xai_reports_it_in_ticks() -> None:
    openrouter, xai = COMPATIBLE[3], COMPATIBLE[4]
    assert openrouter.extra_body == {"usage": {"include": True}}
    charged = openrouter._reported_cost({"cost": 0.25})
    ticks = xai._reported_cost({"cost_in_usd_ticks": 4_121_500})
    assert charged is not None
    assert ticks is not None
    assert (charged.total, ticks.total) == (0.25, 0.00041215)
    assert openrouter._reported_cost({}) is None
    assert openrouter._reported_cost({"cost": True}) is None
    assert xai._reported_cost(None) is None
