"""Sort the token counts of the OpenAI family into buckets that exclude one another."""

from __future__ import annotations

from src.models.types import Usage


def exclusive(
    prompt: int | None,
    output: int | None,
    *,
    cached: int | None = None,
    written: int | None = None,
    thought: int | None = None,
    total: int | None = None,
) -> Usage | None:
    """Return the buckets of one reply; None where neither side is told.

    Where one side is not told, it is what the total has more than the other.

    A prompt includes what was read from or written to a cache, and an output includes reasoning, unless the total says
    that they stand beside (xAI counts reasoning so, gateways to Anthropic the cache), or the part is greater than the
    whole. What contradicts the total is cut down to it: no token is counted twice.
    """
    if prompt is None and output is None:
        return None
    if total is not None and prompt is None and output is not None and total > output:
        prompt = total - output
    elif total is not None and output is None and prompt is not None and total > prompt:
        output = total - prompt
    cache = (cached or 0) + (written or 0)
    thought_beside, cache_beside = _beside((prompt or 0) + (output or 0), thought or 0, cache, total)
    if total is None and cache > (prompt or 0):
        cache_beside = True
    if prompt is not None and not cache_beside:
        cached = None if cached is None else min(cached, prompt)
        written = None if written is None else min(written, prompt - (cached or 0))
        prompt -= (cached or 0) + (written or 0)
    if output is not None and not thought_beside:
        thought = None if thought is None else min(thought, output)
        output -= thought or 0
    return Usage(prompt, cached, written, output, thought)


def _beside(plain: int, thought: int, cache: int, total: int | None) -> tuple[bool, bool]:
    """Tell whether reasoning and cache stand beside output and prompt, by what the total sums up."""
    if thought and total == plain + thought:
        return True, False
    if cache and total == plain + cache:
        return False, True
    both = bool(thought and cache) and total == plain + thought + cache
    return both, both


def mismatch(usage: Usage | None, total: int | None) -> dict[str, object]:
    """Return a note where the buckets do not sum to the total that the provider tells."""
    if usage is None or not total or usage.total_tokens in (None, total):
        return {}
    return {"provider_total_tokens": total}
