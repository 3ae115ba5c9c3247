"""Sort the token counts of OpenAI-style usage into buckets that exclude one another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from src.models.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONTRADICTION = "usage contradicts itself: "


def exclusive(
    prompt: int | None,
    output: int | None,
    *,
    cached: int | None = None,
    written: int | None = None,
    reasoning: int | None = None,
    total: int | None = None,
    problem: str | None = None,
) -> Usage | None:
    """Return the buckets of one reply; None where prompt and output are both missing.

    Where one of them is missing, it is the rest of the total.

    A prompt includes the tokens read from or written to a cache, and an output includes reasoning, unless the total
    shows that they are counted separately (xAI counts reasoning so, gateways to Anthropic the cache), or the part is
    greater than the whole. What contradicts the total is cut down to it: no token is counted twice; the usage says so.

    Args:
        prompt: The reported prompt tokens.
        output: The reported output tokens.
        cached: The tokens read from a cache.
        written: The tokens written to a cache.
        reasoning: The tokens of reasoning.
        total: The reported total.
        problem: What is wrong with the counts apart from that; None for nothing.
    """
    if prompt is None and output is None:
        return None
    prompt, output = _completed(prompt, output, total)
    cache = (cached or 0) + (written or 0)
    reasoning_is_separate, cache_is_separate = _separate(prompt or 0, output or 0, reasoning or 0, cache, total)
    if prompt is not None and not cache_is_separate:
        problem = problem or (_excess(cache, prompt, "cached tokens") if cache > prompt else None)
        cached = None if cached is None else min(cached, prompt)
        written = None if written is None else min(written, prompt - (cached or 0))
        prompt -= (cached or 0) + (written or 0)
    if output is not None and not reasoning_is_separate:
        problem = problem or (_excess(reasoning, output, "reasoning tokens") if (reasoning or 0) > output else None)
        reasoning = None if reasoning is None else min(reasoning, output)
        output -= reasoning or 0
    usage = Usage(
        input=prompt,
        input_cached_tokens=cached,
        input_cache_creation=written,
        output=output,
        output_reasoning_tokens=reasoning,
    )
    return with_problem(usage, problem or total_problem(usage, total))


def _excess(part: int | None, whole: int, name: str) -> str:
    return f"{part} {name} are more than the {whole} that they are part of"


def total_problem(usage: Usage, total: int | None) -> str | None:
    """Return what is wrong with a usage whose buckets do not sum up to the reported total; None for nothing."""
    parts = usage.total_tokens if total else None
    return None if parts is None or parts == total else f"its parts sum up to {parts}, its total is {total}"


def with_problem(usage: Usage, problem: str | None) -> Usage:
    """Return a usage with its contradiction, if there is one."""
    return replace(usage, contradiction=_CONTRADICTION + problem) if problem else usage


def with_units(usage: Usage | None, units: Mapping[str, int]) -> Usage | None:
    """Return a usage with further units; those with a count of 0 are left out."""
    used = {name: count for name, count in units.items() if count} if units else {}
    if not used:
        return usage
    return Usage(units=used) if usage is None else replace(usage, units={**usage.units, **used})


def _completed(prompt: int | None, output: int | None, total: int | None) -> tuple[int | None, int | None]:
    """Return prompt and output; a missing one is the rest of the total, if there is any."""
    if total is not None and prompt is None and output is not None and total > output:
        return total - output, output
    if total is not None and output is None and prompt is not None and total > prompt:
        return prompt, total - prompt
    return prompt, output


def _separate(prompt: int, output: int, reasoning: int, cache: int, total: int | None) -> tuple[bool, bool]:
    """Tell whether reasoning and cache are counted apart from output and prompt, by what the total sums up.

    Without a total a part is counted apart where it cannot be inside.
    """
    if total is None:
        return reasoning > output, cache > prompt
    both_sides = prompt + output
    if reasoning and total == both_sides + reasoning:
        return True, False
    if cache and total == both_sides + cache:
        return False, True
    all_separate = bool(reasoning and cache) and total == both_sides + reasoning + cache
    return all_separate, all_separate


def total_note(usage: Usage | None, total: int | None) -> dict[str, object]:
    """Return a note for the trace where the buckets do not sum up to the total that the provider reports."""
    if usage is None or not total or usage.total_tokens in (None, total):
        return {}
    return {"provider_total_tokens": total}


def uncached(tokens_by_kind: Mapping[str, int], cached: int) -> dict[str, int]:
    """Return the units of audio, image and video tokens in a prompt of which some tokens were cached.

    How many of each kind were cached is not known where a provider does not say so: only what exceeds the cached tokens
    is certain not to be, and the rest has no known price unless it is priced as text is.

    Args:
        tokens_by_kind: The tokens of the prompt, cached ones included, of each kind that is no text.
        cached: The cached tokens of all kinds.
    """
    units = {}
    for kind, tokens in tokens_by_kind.items():
        units[f"input_{kind}_tokens"] = max(tokens - cached, 0)
        units[f"{kind}_among_cached_tokens"] = min(tokens, cached) if kind == "audio" else 0
    return units
