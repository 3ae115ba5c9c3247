"""List usages as the providers report them, and what each costs, computed by hand from published prices.

A price stands beside its count, in dollars per million (per thousand for searches), with the page that it is from. The
pages were read in stored copies on 2026-11-30. Where a page could not be read, the price is the catalogue's own figure
(genai-prices 0.2.3), and the row says so: such a row checks the arithmetic and the units, not the price.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

MILLION, THOUSAND = 10**6, 10**3
CATALOGUE = "genai-prices 0.2.3; the provider's page was not read"
ANTHROPIC = "platform.claude.com/docs/en/about-claude/pricing"
AUDIO = "developers.openai.com/api/docs/models/gpt-4o-audio-preview"
OPENROUTER = "openrouter.ai/docs/use-cases/usage-accounting"
XAI = "docs.x.ai/developers/pricing"
GROQ = "console.groq.com/docs/flex-processing: the same price as on demand; the price itself is genai-prices 0.2.3"


@dataclass(frozen=True)
class Row:
    """One reply and its cost.

    `priced` maps each unit to its count, its price, and what that is the price of; `body` is added to the reply.
    """

    name: str
    provider: str
    model: str
    usage: dict[str, Any]
    priced: dict[str, tuple[int, str, int]]
    page: str
    unknown: tuple[str, ...] = ()
    body: dict[str, Any] = field(default_factory=dict)
    message: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> Decimal:
        """Return the sum of the priced units."""
        return sum((count * Decimal(price) / per for count, price, per in self.priced.values()), Decimal(0))


def tokens(count: int, price: str) -> tuple[int, str, int]:
    return count, price, MILLION


def pieces(count: int, price: str) -> tuple[int, str, int]:
    return count, price, THOUSAND


def chat(sent: int, output: int, *, total: int | None = None, **details: dict[str, int]) -> dict[str, Any]:
    return {
        "prompt_tokens": sent,
        "completion_tokens": output,
        "total_tokens": sent + output if total is None else total,
        **{f"{name}_tokens_details": counts for name, counts in details.items()},
    }


def gemini(prompt: int, output: int, *, thoughts: int = 0, tools: int = 0, **more: Any) -> dict[str, Any]:
    body = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": output,
        "totalTokenCount": prompt + output + thoughts + tools,
    }
    optional = {"thoughtsTokenCount": thoughts, "toolUsePromptTokenCount": tools}
    return {**body, **{name: count for name, count in optional.items() if count}, **more}


def modality(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": kind.upper(), "tokenCount": count} for kind, count in counts.items()]


def grounded(*queries: str) -> dict[str, Any]:
    return {"groundingMetadata": {"webSearchQueries": list(queries)}}


def responses(prompt: int, output: int, *, cached: int = 0, written: int = 0, reasoning: int = 0) -> dict[str, Any]:
    return {
        "input_tokens": prompt,
        "output_tokens": output,
        "total_tokens": prompt + output,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens_details": {"reasoning_tokens": reasoning},
    }


def search_call(action: str) -> dict[str, Any]:
    return {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": action, "query": "q"}}


OPENAI = [
    Row("text", "openai", "gpt-4o", chat(60, 50), {"input": tokens(60, "2.5"), "output": tokens(50, "10")}, CATALOGUE),
    Row(
        "cache and reasoning",
        "openai",
        "gpt-5",
        chat(1000, 500, prompt={"cached_tokens": 600}, completion={"reasoning_tokens": 400}),
        {
            "input": tokens(400, "1.25"),
            "input_cached_tokens": tokens(600, "0.125"),
            "output": tokens(100, "10"),
            "output_reasoning_tokens": tokens(400, "10"),
        },
        CATALOGUE,
    ),
    Row(
        "cache writes",
        "openai",
        "gpt-5.6-sol",
        chat(1000, 10, prompt={"cached_tokens": 100, "cache_write_tokens": 200}),
        {
            "input": tokens(700, "4"),
            "input_cached_tokens": tokens(100, "0.4"),
            "input_cache_creation": tokens(200, "5"),
            "output": tokens(10, "20"),
        },
        CATALOGUE,
    ),
    Row(
        "cache writes of a model that charges none",
        "openai",
        "gpt-4o",
        chat(1000, 10, prompt={"cache_write_tokens": 200}),
        {"input": tokens(800, "2.5"), "input_cache_creation": tokens(200, "2.5"), "output": tokens(10, "10")},
        CATALOGUE,
    ),
    Row(
        "exactly 272,000",
        "openai",
        "gpt-5.4",
        chat(272_000, 10),
        {"input": tokens(272_000, "2.5"), "output": tokens(10, "15")},
        CATALOGUE,
    ),
    Row(
        "above 272,000 with the cached ones",
        "openai",
        "gpt-5.4",
        chat(272_001, 10, prompt={"cached_tokens": 272_000}),
        {"input": tokens(1, "5"), "input_cached_tokens": tokens(272_000, "0.5"), "output": tokens(10, "22.5")},
        CATALOGUE,
    ),
    Row(
        "audio",
        "openai",
        "gpt-audio",
        chat(100, 80, prompt={"audio_tokens": 70}, completion={"audio_tokens": 60}),
        {
            "input": tokens(30, "2.5"),
            "input_audio_tokens": tokens(70, "32"),
            "output": tokens(20, "10"),
            "output_audio_tokens": tokens(60, "64"),
        },
        CATALOGUE,
    ),
    Row(
        "audio that the catalogue lacks",
        "openai",
        "gpt-4o-audio-preview",
        chat(100, 80, prompt={"audio_tokens": 70}, completion={"audio_tokens": 60}),
        {
            "input": tokens(30, "2.5"),
            "input_audio_tokens": tokens(70, "40"),
            "output": tokens(20, "10"),
            "output_audio_tokens": tokens(60, "80"),
        },
        AUDIO,
    ),
    Row(
        "audio without a known price",
        "openai",
        "gpt-4o-mini-audio-preview",
        chat(100, 80, prompt={"audio_tokens": 70}, completion={"audio_tokens": 60}),
        {"input": tokens(30, "0.15"), "output": tokens(20, "0.6")},
        CATALOGUE,
        unknown=("input_audio_tokens", "output_audio_tokens"),
    ),
    Row(
        "flex",
        "openai",
        "gpt-5",
        chat(1000, 100),
        {"input": tokens(1000, "0.625"), "output": tokens(100, "5")},
        CATALOGUE,
        body={"service_tier": "flex"},
    ),
    Row(
        "priority",
        "openai",
        "gpt-4o",
        chat(1000, 100),
        {"input": tokens(1000, "4.25"), "output": tokens(100, "17")},
        CATALOGUE,
        body={"service_tier": "priority"},
    ),
    Row(
        "a tier that was asked for",
        "openai",
        "gpt-5",
        chat(1000, 100),
        {"input": tokens(1000, "0.625"), "output": tokens(100, "5")},
        CATALOGUE,
        options={"service_tier": "flex"},
    ),
    Row(
        "a tier that was asked for and not granted",
        "openai",
        "gpt-5",
        chat(1000, 100),
        {"input": tokens(1000, "1.25"), "output": tokens(100, "10")},
        CATALOGUE,
        body={"service_tier": "default"},
        options={"service_tier": "flex"},
    ),
    Row(
        "a tier without known prices",
        "openai",
        "gpt-4o",
        chat(1000, 100),
        {},
        CATALOGUE,
        unknown=("service tier scale",),
        body={"service_tier": "scale"},
    ),
    Row(
        "a search model",
        "openai",
        "gpt-4o-search-preview",
        chat(100, 10),
        {"input": tokens(100, "2.5"), "output": tokens(10, "10")},
        CATALOGUE,
        unknown=("web_searches",),
    ),
    Row("an unknown model", "openai", "no-such-model", chat(100, 10), {}, CATALOGUE, unknown=("input", "output")),
]
RESPONSES = [
    Row(
        "searches, not opened pages",
        "openai:responses",
        "gpt-5.4",
        responses(1000, 100, reasoning=50),
        {
            "input": tokens(1000, "2.5"),
            "output": tokens(50, "15"),
            "output_reasoning_tokens": tokens(50, "15"),
            "web_searches": pieces(2, "10"),
        },
        CATALOGUE,
        body={"items": [search_call("search"), search_call("open_page"), search_call("search")]},
    ),
    Row(
        "billable searches as counted",
        "openai:responses",
        "gpt-5.4",
        responses(1000, 100, reasoning=50),
        {
            "input": tokens(1000, "2.5"),
            "output": tokens(50, "15"),
            "output_reasoning_tokens": tokens(50, "15"),
            "web_searches": pieces(1, "10"),
        },
        CATALOGUE,
        body={"items": [search_call("search")] * 3, "tool_usage": {"web_search": {"num_requests": 1}}},
    ),
    Row(
        "the preview search of a model that does not think",
        "openai:responses",
        "gpt-4o",
        responses(1000, 100),
        {"input": tokens(1000, "2.5"), "output": tokens(100, "10")},
        CATALOGUE,
        unknown=("web_searches_preview",),
        body={"items": [search_call("search")], "tools": [{"type": "web_search_preview"}]},
    ),
    Row(
        "file search",
        "openai:responses",
        "gpt-4.1",
        responses(1000, 100),
        {"input": tokens(1000, "2"), "output": tokens(100, "8"), "storage_searches": pieces(1, "2.5")},
        CATALOGUE,
        body={"items": [{"type": "file_search_call", "id": "fs", "status": "completed", "queries": []}]},
    ),
    Row(
        "a search of a model that is billed a fixed block for what it brings",
        "openai:responses",
        "gpt-4.1-mini",
        responses(1000, 100),
        {"input": tokens(1000, "0.4"), "output": tokens(100, "1.6"), "web_searches": pieces(1, "10")},
        CATALOGUE,
        unknown=("web_search_content",),
        body={"items": [search_call("search")], "tools": [{"type": "web_search"}]},
    ),
    Row(
        "a container for code",
        "openai:responses",
        "gpt-4.1",
        responses(1000, 100),
        {"input": tokens(1000, "2"), "output": tokens(100, "8")},
        CATALOGUE,
        unknown=("code_interpreter_sessions",),
        body={"items": [{"type": "code_interpreter_call", "id": "c", "status": "completed", "code": "1"}]},
    ),
]
CLAUDE = [
    Row(
        "cache for five minutes and for an hour",
        "claude",
        "claude-opus-5",
        {
            "input_tokens": 3,
            "cache_read_input_tokens": 1111,
            "cache_creation_input_tokens": 618,
            "cache_creation": {"ephemeral_5m_input_tokens": 418, "ephemeral_1h_input_tokens": 200},
            "output_tokens": 33,
        },
        {
            "input": tokens(3, "5"),
            "input_cached_tokens": tokens(1111, "0.50"),
            "input_cache_creation": tokens(418, "6.25"),
            "input_cache_creation_1h": tokens(200, "10"),
            "output": tokens(33, "25"),
        },
        ANTHROPIC,
    ),
    Row(
        "an hour's cache alone",
        "claude",
        "claude-opus-5",
        {
            "input_tokens": 3,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 200},
            "output_tokens": 33,
        },
        {"input": tokens(3, "5"), "input_cache_creation_1h": tokens(200, "10"), "output": tokens(33, "25")},
        ANTHROPIC,
    ),
    Row(
        "web searches",
        "claude",
        "claude-opus-5",
        {
            "input_tokens": 100,
            "output_tokens": 10,
            "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1},
        },
        {"input": tokens(100, "5"), "output": tokens(10, "25"), "web_searches": pieces(3, "10")},
        ANTHROPIC,
    ),
    Row(
        "code",
        "claude",
        "claude-opus-5",
        {"input_tokens": 100, "output_tokens": 10},
        {"input": tokens(100, "5"), "output": tokens(10, "25")},
        ANTHROPIC,
        unknown=("code_executions",),
        body={"items": [{"type": "server_tool_use", "id": "s", "name": "bash_code_execution", "input": {}}]},
    ),
    Row(
        "code beside a search",
        "claude",
        "claude-opus-5",
        {
            "input_tokens": 100,
            "output_tokens": 10,
            "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
        },
        {"input": tokens(100, "5"), "output": tokens(10, "25"), "web_searches": pieces(1, "10")},
        ANTHROPIC,
        body={"items": [{"type": "server_tool_use", "id": "s", "name": "code_execution", "input": {}}]},
    ),
    Row(
        "fast mode",
        "claude",
        "claude-opus-5",
        {
            "input_tokens": 100,
            "cache_read_input_tokens": 50,
            "output_tokens": 10,
            "speed": "fast",
            "service_tier": "standard",
        },
        {"input": tokens(100, "10"), "input_cached_tokens": tokens(50, "1"), "output": tokens(10, "50")},
        CATALOGUE,
    ),
    Row(
        "fast mode without a known price",
        "claude",
        "claude-haiku-4-5",
        {"input_tokens": 100, "output_tokens": 10, "speed": "fast"},
        {},
        CATALOGUE,
        unknown=("service tier fast",),
    ),
    Row(
        "batch",
        "claude",
        "claude-opus-5",
        {"input_tokens": 100, "output_tokens": 10, "service_tier": "batch"},
        {"input": tokens(100, "2.5"), "output": tokens(10, "12.5")},
        CATALOGUE,
    ),
    Row(
        "priority",
        "claude",
        "claude-opus-5",
        {"input_tokens": 100, "output_tokens": 10, "service_tier": "priority"},
        {},
        CATALOGUE,
        unknown=("service tier priority",),
    ),
    Row(
        "the surcharge of a region",
        "claude",
        "claude-opus-5",
        {"input_tokens": 100, "output_tokens": 10, "inference_geo": "us"},
        {"input": tokens(100, "5"), "output": tokens(10, "25")},
        ANTHROPIC,
        unknown=("inference_geo_us",),
    ),
    Row(
        "a compaction",
        "claude",
        "claude-opus-5",
        {
            "input_tokens": 100,
            "output_tokens": 10,
            "iterations": [{"type": "compaction", "input_tokens": 9, "output_tokens": 9}, {"type": "message"}],
        },
        {"input": tokens(100, "5"), "output": tokens(10, "25")},
        ANTHROPIC,
        unknown=("other_iterations",),
    ),
    Row(
        "exactly 200,000",
        "claude",
        "claude-sonnet-4-5",
        {"input_tokens": 1000, "cache_read_input_tokens": 199_000, "output_tokens": 10},
        {"input": tokens(1000, "3"), "input_cached_tokens": tokens(199_000, "0.3"), "output": tokens(10, "15")},
        CATALOGUE,
    ),
    Row(
        "above 200,000 with the cached ones",
        "claude",
        "claude-sonnet-4-5",
        {"input_tokens": 1001, "cache_read_input_tokens": 199_000, "output_tokens": 10},
        {"input": tokens(1001, "6"), "input_cached_tokens": tokens(199_000, "0.6"), "output": tokens(10, "22.5")},
        CATALOGUE,
    ),
    Row(
        "thinking",
        "claude",
        "claude-opus-5",
        {"input_tokens": 100, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 40}},
        {"input": tokens(100, "5"), "output": tokens(10, "25"), "output_reasoning_tokens": tokens(40, "25")},
        ANTHROPIC,
    ),
]
GEMINI = [
    Row(
        "thoughts and the results of tools",
        "gemini",
        "gemini-2.5-flash",
        gemini(100, 10, thoughts=20, tools=30),
        {"input": tokens(130, "0.3"), "output": tokens(10, "2.5"), "output_reasoning_tokens": tokens(20, "2.5")},
        CATALOGUE,
    ),
    Row(
        "audio, some of it cached",
        "gemini",
        "gemini-2.5-flash",
        gemini(
            1000,
            10,
            cachedContentTokenCount=300,
            promptTokensDetails=modality(text=400, audio=600),
            cacheTokensDetails=modality(text=100, audio=200),
        ),
        {
            "input": tokens(300, "0.3"),
            "input_audio_tokens": tokens(400, "1"),
            "input_cached_tokens": tokens(100, "0.03"),
            "input_cached_audio_tokens": tokens(200, "0.1"),
            "output": tokens(10, "2.5"),
        },
        CATALOGUE,
    ),
    Row(
        "audio at the price of text",
        "gemini",
        "gemini-2.5-pro",
        gemini(1000, 10, promptTokensDetails=modality(text=400, audio=600)),
        {"input": tokens(400, "1.25"), "input_audio_tokens": tokens(600, "1.25"), "output": tokens(10, "10")},
        CATALOGUE,
    ),
    Row(
        "audio of which nobody says how much was cached",
        "gemini",
        "gemini-2.5-flash",
        gemini(1000, 10, cachedContentTokenCount=300, promptTokensDetails=modality(text=400, audio=600)),
        {
            "input": tokens(400, "0.3"),
            "input_audio_tokens": tokens(300, "1"),
            "input_cached_tokens": tokens(300, "0.03"),
            "output": tokens(10, "2.5"),
        },
        CATALOGUE,
        unknown=("audio_among_cached_tokens",),
    ),
    Row(
        "an image written",
        "gemini",
        "gemini-2.5-flash-image",
        gemini(100, 1300, candidatesTokensDetails=modality(text=10, image=1290)),
        {"input": tokens(100, "0.3"), "output": tokens(10, "2.5"), "output_image_tokens": tokens(1290, "30")},
        CATALOGUE,
    ),
    Row(
        "exactly 200,000",
        "gemini",
        "gemini-2.5-pro",
        gemini(200_000, 10),
        {"input": tokens(200_000, "1.25"), "output": tokens(10, "10")},
        CATALOGUE,
    ),
    Row(
        "above 200,000 with the cached ones",
        "gemini",
        "gemini-2.5-pro",
        gemini(200_001, 10, cachedContentTokenCount=200_000),
        {"input": tokens(1, "2.5"), "input_cached_tokens": tokens(200_000, "0.25"), "output": tokens(10, "15")},
        CATALOGUE,
    ),
    Row(
        "grounding by reply",
        "gemini",
        "gemini-2.5-flash",
        gemini(100, 10),
        {"input": tokens(100, "0.3"), "output": tokens(10, "2.5"), "web_searches": pieces(1, "35")},
        CATALOGUE,
        body=grounded("a", "b", "c"),
    ),
    Row(
        "grounding by query",
        "gemini",
        "gemini-3.1-pro-preview",
        gemini(100, 10),
        {"input": tokens(100, "2"), "output": tokens(10, "12"), "web_searches": pieces(2, "14")},
        CATALOGUE,
        body=grounded("", "a", "a", " ", "b"),
    ),
    Row(
        "maps",
        "gemini",
        "gemini-2.5-flash",
        gemini(100, 10),
        {"input": tokens(100, "0.3"), "output": tokens(10, "2.5")},
        CATALOGUE,
        unknown=("maps_groundings",),
        body={"groundingMetadata": {"groundingChunks": [{"maps": {"uri": "u"}}, {"maps": {"uri": "v"}}]}},
    ),
    Row(
        "a tier without known prices",
        "gemini",
        "gemini-2.5-flash",
        gemini(100, 10, trafficType="PROVISIONED_THROUGHPUT"),
        {},
        CATALOGUE,
        unknown=("service tier provisioned throughput",),
    ),
    Row(
        "a free model",
        "gemini",
        "gemma-3-27b-it",
        gemini(100, 10),
        {"input": tokens(100, "0"), "output": tokens(10, "0")},
        CATALOGUE,
    ),
]
OTHERS = [
    Row(
        "no own key",
        "openrouter",
        "openai/gpt-4o",
        {**chat(43, 53), "cost": 0.000924, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.000924}},
        {"total": tokens(924, "1")},
        OPENROUTER,
    ),
    Row(
        "an own key",
        "openrouter",
        "openai/gpt-4o",
        {**chat(9171, 113), "cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.0360795}},
        {"openrouter_fee": tokens(0, "1"), "upstream_inference": (360795, "1", 10**7)},
        OPENROUTER,
    ),
    Row(
        "an own key and a fee, as older replies say it",
        "openrouter",
        "openai/gpt-4o",
        {**chat(194, 2), "cost": 0.95, "cost_details": {"upstream_inference_cost": 19}},
        {"openrouter_fee": (95, "1", 100), "upstream_inference": (19, "1", 1)},
        OPENROUTER,
    ),
    Row(
        "an own key whose provider's price is missing",
        "openrouter",
        "openai/gpt-4o",
        {**chat(194, 2), "cost": 0.95, "is_byok": True, "cost_details": {"upstream_inference_cost": None}},
        {"openrouter_fee": (95, "1", 100)},
        OPENROUTER,
        unknown=("upstream_inference",),
    ),
    Row(
        "a free model",
        "openrouter",
        "meta-llama/llama-3.3-70b-instruct:free",
        {**chat(43, 53), "cost": 0},
        {"total": tokens(0, "1")},
        OPENROUTER,
    ),
    Row(
        "no price reported",
        "openrouter",
        "openai/gpt-4o",
        chat(1000, 100),
        {"input": tokens(1000, "2.5"), "output": tokens(100, "10")},
        CATALOGUE,
    ),
    Row(
        "ticks",
        "xai",
        "grok-4.7",
        {
            **chat(197, 1, total=344, completion={"reasoning_tokens": 146}),
            "cost_in_usd_ticks": 4_121_500,
            "num_sources_used": 2,
        },
        {"total": (41215, "1", 10**8)},
        XAI,
    ),
    Row(
        "reasoning beside the completion",
        "xai",
        "grok-4.7",
        chat(197, 1, total=344, prompt={"cached_tokens": 192}, completion={"reasoning_tokens": 146}),
        {
            "input": tokens(5, "2"),
            "input_cached_tokens": tokens(192, "0.5"),
            "output": tokens(1, "6"),
            "output_reasoning_tokens": tokens(146, "6"),
        },
        XAI,
    ),
    Row(
        "from 200,000",
        "xai",
        "grok-4.7",
        chat(200_000, 10),
        {"input": tokens(200_000, "4"), "output": tokens(10, "12")},
        XAI,
    ),
    Row(
        "below 200,000",
        "xai",
        "grok-4.7",
        chat(199_999, 10),
        {"input": tokens(199_999, "2"), "output": tokens(10, "6")},
        XAI,
    ),
    Row(
        "live search",
        "xai",
        "grok-4.7",
        {**chat(197, 1), "num_sources_used": 2},
        {"input": tokens(197, "2"), "output": tokens(1, "6")},
        XAI,
        unknown=("live_search_sources",),
    ),
    Row(
        "cache",
        "groq",
        "openai/gpt-oss-120b",
        chat(84, 105, prompt={"cached_tokens": 64}, completion={"reasoning_tokens": 95}),
        {
            "input": tokens(20, "0.15"),
            "input_cached_tokens": tokens(64, "0.075"),
            "output": tokens(10, "0.6"),
            "output_reasoning_tokens": tokens(95, "0.6"),
        },
        CATALOGUE,
        body={"service_tier": "on_demand"},
    ),
    Row(
        "cache of a model without a discount",
        "groq",
        "llama-3.3-70b-versatile",
        chat(84, 105, prompt={"cached_tokens": 64}),
        {"input": tokens(20, "0.59"), "input_cached_tokens": tokens(64, "0.59"), "output": tokens(105, "0.79")},
        CATALOGUE,
    ),
    Row(
        "flex",
        "groq",
        "llama-3.3-70b-versatile",
        chat(84, 105),
        {"input": tokens(84, "0.59"), "output": tokens(105, "0.79")},
        GROQ,
        body={"service_tier": "flex"},
    ),
    Row(
        "tools that Groq ran",
        "groq",
        "openai/gpt-oss-120b",
        chat(84, 105),
        {"input": tokens(84, "0.15"), "output": tokens(105, "0.6")},
        CATALOGUE,
        unknown=("executed_tools",),
        message={"executed_tools": [{"type": "browser_search", "index": 0, "arguments": "{}"}]},
    ),
    Row("one's own machine", "ollama", "llama3.2", {"prompt_eval_count": 10, "eval_count": 5}, {}, "no provider"),
    Row(
        "Ollama's cloud",
        "ollama",
        "gpt-oss:120b-cloud",
        {"prompt_eval_count": 10, "eval_count": 5},
        {},
        "no price is published",
        unknown=("input", "output"),
    ),
]
ROWS = [*OPENAI, *RESPONSES, *CLAUDE, *GEMINI, *OTHERS]
