"""Read the usage of servers that speak Chat Completions, under the names that each gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.models.fields import count, field, miscount
from src.models.pricing import token_buckets

if TYPE_CHECKING:
    from src.models.usage import Usage

_COUNTS = frozenset(
    {
        "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "reasoning_tokens",
        "prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
        "cached_tokens",
    }
)  # fmt: skip
# The fields that only some servers have, at the top level.
_UNUSUAL = frozenset(
    {
        "prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
        "cached_tokens", "reasoning_tokens", "num_sources_used", "server_tool_use",
    }
)  # fmt: skip
_CACHED = ("prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens")
_PROMPT_DETAILS = frozenset({"cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "video_tokens"})
_OUTPUT_DETAILS = frozenset({"reasoning_tokens", "audio_tokens", "image_tokens"})
# What is billed apart: kinds of tokens in a prompt, and units of an output.
_KINDS = {"audio_tokens": "audio", "image_tokens": "image", "video_tokens": "video"}
_APART = {"audio_tokens": "output_audio_tokens", "image_tokens": "output_image_tokens"}


def usage(body: Any) -> Usage | None:
    """Return the tokens in exclusive buckets, and what else is billed.

    DeepSeek has a name of its own for cache hits, and gateways to Anthropic use Anthropic's names; Moonshot and
    Perplexity put details at the top level, and Mistral counts audio beside the prompt:
    docs.mistral.ai/capabilities/audio
    """
    if body is None:
        return None
    details, output_details = field(body, "prompt_tokens_details"), field(body, "completion_tokens_details")
    prompt = _first_count(body, "prompt_tokens", "input_tokens")
    output, total = _first_count(body, "completion_tokens", "output_tokens"), count(body, "total_tokens")
    cached = written = thought = None
    if details is not None:
        audio = count(details, "audio_tokens")
        if audio and prompt is not None and total == prompt + (output or 0) + audio:
            prompt += audio
        cached, written = count(details, "cached_tokens"), count(details, "cache_write_tokens")
    if output_details is not None:
        thought = count(output_details, "reasoning_tokens")
    problem = miscount(body, _COUNTS) or miscount(details, _PROMPT_DETAILS) or miscount(output_details, _OUTPUT_DETAILS)
    if type(body) is not dict or not _UNUSUAL.isdisjoint(body):
        cached = _first_count(body, *_CACHED) if cached is None else cached
        written = count(body, "cache_creation_input_tokens") if written is None else written
        thought = count(body, "reasoning_tokens") if thought is None else thought
        problem = problem or _cache_problem(body, prompt)
    elif details is None and output_details is None:
        return token_buckets.exclusive(prompt, output, total=total, problem=problem)
    tokens = token_buckets.exclusive(
        prompt, output, cached=cached, written=written, reasoning=thought, total=total, problem=problem
    )
    return token_buckets.with_units(tokens, _units(body, details, output_details, cached or 0))


def _units(body: Any, details: Any, output_details: Any, cached: int) -> dict[str, int]:
    """Return what is billed apart: other kinds of tokens, and searches.

    xAI counts the sources of its live search (docs.x.ai/docs/guides/live-search), OpenRouter the searches of its tools.
    """
    units: dict[str, int] = {}
    if details is not None:
        kinds = {kind: count(details, name) or 0 for name, kind in _KINDS.items() if field(details, name)}
        units = token_buckets.uncached(kinds, cached) if kinds else {}
    if output_details is not None:
        units.update(
            {unit: count(output_details, name) or 0 for name, unit in _APART.items() if field(output_details, name)}
        )
    sources, tools = field(body, "num_sources_used"), field(body, "server_tool_use")
    if sources:
        units["live_search_sources"] = count(body, "num_sources_used") or 0
    if tools is not None:
        units["web_searches"] = count(tools, "web_search_requests") or 0
    return units


def _cache_problem(body: Any, prompt: int | None) -> str | None:
    """Return what is wrong with DeepSeek's hits and misses, which are all of the prompt; None for nothing."""
    if field(body, "prompt_cache_miss_tokens") is None:
        return None
    hits, misses = count(body, "prompt_cache_hit_tokens"), count(body, "prompt_cache_miss_tokens")
    if prompt is None or hits is None or misses is None or hits + misses == prompt:
        return None
    return f"{hits} cache hits and {misses} misses are not the {prompt} prompt tokens"


def hosted_tools(message: Any, model: str) -> dict[str, int]:
    """Return what the provider's own tools did for a reply, as far as it says so.

    OpenAI's search models search for each reply and count nothing:
    developers.openai.com/api/docs/guides/tools-web-search; Groq lists the tools that it ran:
    console.groq.com/docs/agentic-tooling
    """
    executed = field(message, "executed_tools")
    if executed is None and "-search-" not in model:
        return {}
    return {
        "web_searches": int("-search-preview" in model or "-search-api" in model),
        "executed_tools": len(executed) if isinstance(executed, list) else 0,
    }


def _first_count(body: Any, *names: str) -> int | None:
    """Return the count under the first of these names that has one."""
    for name in names:
        number = count(body, name)
        if number is not None:
            return number
    return None
