"""Sort the token counts of OpenAI-style usage into buckets that exclude one another."""

from __future__ import annotations

from src.models.types import Usage


def exclusive(
    prompt: int | None,
    output: int | None,
    *,
    cached: int | None = None,
    written: int | None = None,
    reasoning: int | None = None,
    total: int | None = None,
) -> Usage | None:
    """Return the buckets of one reply; None where the provider reports neither side.

    Where one side is missing, it is the rest of the total.

    A prompt includes the tokens read from or written to a cache, and an output includes reasoning, unless the total
    shows that they are counted separately (xAI counts reasoning so, gateways to Anthropic the cache), or the part is
    greater than the whole. What contradicts the total is cut down to it: no token is counted twice.

    Args:
        prompt: The reported prompt tokens.
        output: The reported output tokens.
        cached: The tokens read from a cache.
        written: The tokens written to a cache.
        reasoning: The tokens of reasoning.
        total: The reported total.
    """
    if prompt is None and output is None:
        return None
    prompt, output = _completed(prompt, output, total)
    cache = (cached or 0) + (written or 0)
    reasoning_is_separate, cache_is_separate = _separate(
        (prompt or 0) + (output or 0), reasoning=reasoning or 0, cache=cache, total=total
    )
    if total is None and cache > (prompt or 0):
        cache_is_separate = True
    if prompt is not None and not cache_is_separate:
        cached = None if cached is None else min(cached, prompt)
        written = None if written is None else min(written, prompt - (cached or 0))
        prompt -= (cached or 0) + (written or 0)
    if output is not None and not reasoning_is_separate:
        reasoning = None if reasoning is None else min(reasoning, output)
        output -= reasoning or 0
    return Usage(
        input=prompt,
        input_cached_tokens=cached,
        input_cache_creation=written,
        output=output,
        output_reasoning_tokens=reasoning,
    )


def _completed(prompt: int | None, output: int | None, total: int | None) -> tuple[int | None, int | None]:
    """Return both sides; one that is missing is the rest of the total, where that leaves any."""
    if total is not None and prompt is None and output is not None and total > output:
        return total - output, output
    if total is not None and output is None and prompt is not None and total > prompt:
        return prompt, total - prompt
    return prompt, output


def _separate(both_sides: int, *, reasoning: int, cache: int, total: int | None) -> tuple[bool, bool]:
    """Tell whether reasoning and cache are counted apart from output and prompt, by what the total sums up."""
    if reasoning and total == both_sides + reasoning:
        return True, False
    if cache and total == both_sides + cache:
        return False, True
    all_separate = bool(reasoning and cache) and total == both_sides + reasoning + cache
    return all_separate, all_separate


def mismatch(usage: Usage | None, total: int | None) -> dict[str, object]:
    """Return a note for the trace where the buckets do not sum up to the total that the provider reports."""
    if usage is None or not total or usage.total_tokens in (None, total):
        return {}
    return {"provider_total_tokens": total}
