"""Read the usage that Gemini's API reports, with its searches and its kinds of tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from src.models.fields import count, field, miscount, text
from src.models.pricing import token_buckets
from src.models.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

_COUNTS: Final = frozenset(
    {
        "prompt_token_count", "candidates_token_count", "total_token_count", "thoughts_token_count",
        "tool_use_prompt_token_count", "cached_content_token_count",
    }
)  # fmt: skip
_KINDS: Final = {"AUDIO": "audio", "IMAGE": "image", "DOCUMENT": "image", "VIDEO": "video"}
# cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse#TrafficType
_TRAFFIC: Final = {
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_OFFPEAK": "offpeak",
    "PROVISIONED_THROUGHPUT": "provisioned throughput",
}
# ai.google.dev/gemini-api/docs/flex-inference
TIER_HEADER: Final = "x-gemini-service-tier"
_GENERATION: Final = re.compile(r"gemini-(\d+)")


def usage(raw: Any) -> Usage | None:
    """Return the tokens: candidates exclude thoughts, the prompt includes cached content and excludes tool prompts.

    ai.google.dev/api/generate-content#UsageMetadata. The old SDK does not report thoughts: they are what the total
    exceeds the other counts by.
    """
    body = field(raw, "usage_metadata")
    prompt, output = count(body, "prompt_token_count"), count(body, "candidates_token_count")
    total, thoughts = count(body, "total_token_count"), count(body, "thoughts_token_count")
    if prompt is None and output is None and not thoughts:
        return None
    tools, cached = count(body, "tool_use_prompt_token_count") or 0, count(body, "cached_content_token_count")
    problem = miscount(body, _COUNTS)
    if thoughts is None and total is not None and total > (prompt or 0) + tools + (output or 0) and output is not None:
        thoughts = total - (prompt or 0) - tools - output
    elif thoughts and output is not None and total == (prompt or 0) + tools + output >= thoughts:
        output = max(output - thoughts, 0)  # of a gateway that counts as Chat Completions do
    if output is None and total is not None:
        output = max(total - (prompt or 0) - tools - (thoughts or 0), 0)
    if prompt is not None and cached is not None and cached > prompt:
        problem = problem or f"{cached} cached tokens are more than the {prompt} of the prompt"
        cached = prompt
    tokens = Usage(
        input=None if prompt is None else prompt + tools - (cached or 0),
        input_cached_tokens=cached,
        output=output,
        output_reasoning_tokens=thoughts,
    )
    tokens = token_buckets.with_problem(tokens, problem or token_buckets.total_problem(tokens, total))
    return token_buckets.with_units(tokens, _kinds(body, cached or 0))


def grounding(candidates: Iterable[Any], model: str) -> dict[str, int]:
    """Return the billed searches of a reply's candidates.

    From Gemini 3 on each query that is no repetition is billed, before that a reply that was grounded:
    ai.google.dev/gemini-api/docs/google-search#pricing
    """
    queries: set[str] = set()
    maps = 0
    for candidate in candidates:
        metadata = field(candidate, "grounding_metadata")
        for name in ("web_search_queries", "image_search_queries"):
            queries.update(query for query in field(metadata, name) or () if isinstance(query, str) and query.strip())
        maps += any(field(chunk, "maps") for chunk in field(metadata, "grounding_chunks") or ())
    generation = _GENERATION.search(model)
    by_reply = generation is not None and int(generation[1]) < 3
    return {"web_searches": min(len(queries), 1) if by_reply else len(queries), "maps_groundings": min(maps, 1)}


def tier(raw: Any) -> str | None:
    """Return the service tier that a reply, or the header of its response, names."""
    body = field(raw, "usage_metadata")
    traffic = field(body, "traffic_type")
    traffic_type = str(getattr(traffic, "value", traffic) or "")
    headers = field(field(raw, "sdk_http_response"), "headers") or {}
    return _TRAFFIC.get(traffic_type) or text(body, "service_tier").lower() or headers.get(TIER_HEADER)


def _kinds(body: Any, cached: int) -> dict[str, int]:
    """Return the tokens of audio, images and videos; DOCUMENT pages count as images."""
    prompt, results, written, from_cache = (
        _by_kind(field(body, name))
        for name in ("prompt_tokens_details", "tool_use_prompt_tokens_details", "candidates_tokens_details",
                     "cache_tokens_details")
    )  # fmt: skip
    units = {f"output_{kind}_tokens": tokens for kind, tokens in written.items()}
    in_prompt = {kind: prompt.get(kind, 0) - from_cache.get(kind, 0) for kind in set(_KINDS.values())}
    if from_cache or not cached:
        units.update({f"input_cached_{kind}_tokens": tokens for kind, tokens in from_cache.items()})
        fresh = {f"input_{kind}_tokens": tokens for kind, tokens in in_prompt.items()}
    else:
        fresh = token_buckets.uncached(in_prompt, cached)
    for kind, tokens in results.items():
        fresh[f"input_{kind}_tokens"] = fresh.get(f"input_{kind}_tokens", 0) + tokens
    return {**units, **fresh}


def _by_kind(details: Any) -> dict[str, int]:
    """Return how many tokens of each kind that is no text a list of counts by modality has."""
    tokens: dict[str, int] = {}
    for part in details if isinstance(details, list) else ():
        modality = field(part, "modality")
        kind = _KINDS.get(str(getattr(modality, "value", modality)))
        if kind is not None:
            tokens[kind] = tokens.get(kind, 0) + (count(part, "token_count") or 0)
    return tokens
