"""Turn usage into money. An unknown price is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from src.models.types import Cost, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

# Our provider names as the price catalogue spells them.
CATALOGUE_NAMES = {
    "claude": "anthropic", "openai": "openai", "deepseek": "deepseek", "groq": "groq", "gemini": "google",
    "xai": "x-ai", "openrouter": "openrouter",
}  # fmt: skip
_BUCKETS = {
    "input": "input_mtok",
    "input_cached_tokens": "cache_read_mtok",
    "input_cache_creation": "cache_write_mtok",
    "output": "output_mtok",
    "output_reasoning_tokens": "output_mtok",
}
_FALLBACKS = {"cache_read_mtok": "input_mtok", "cache_write_mtok": "input_mtok"}
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Hold dollars per million tokens by usage bucket, or the catalogue's own tiered price where it is not flat."""

    per_million: Mapping[str, float]
    source: str
    tiered: Any = None


def price(
    provider: str, models: tuple[str | None, ...], usage: Usage | None, reported_usd: float | None
) -> Cost | None:
    """Return what a call cost in US dollars, or None where that is unknown.

    Args:
        provider: Our name of the provider.
        models: The response's model, then the requested one; the first with a known price is taken.
        usage: The tokens, in buckets that exclude one another.
        reported_usd: What the provider itself says; it wins.
    """
    if reported_usd is not None:
        return Cost(reported_usd, "provider", {"total": reported_usd})
    if provider == "local":
        return Cost(0.0, "local", {"total": 0.0})
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    for model in dict.fromkeys(name for name in models if name):
        rates = _rates(provider, model)
        if rates is not None:
            return _cost(rates, usage)
    return None


def warm(provider: str, model: str) -> None:
    """Load the price catalogue and look a model up, so that its first call need not."""
    _rates(provider, model)


@lru_cache(maxsize=1024)
def _rates(provider: str, model: str) -> Rates | None:
    name = CATALOGUE_NAMES.get(provider)
    if name is None:
        return None
    import genai_prices

    try:
        found = genai_prices.calc_price(genai_prices.Usage(input_tokens=1), model_ref=model, provider_id=name)
    except LookupError:
        return None
    prices = {key: value for key, value in vars(found.model_price).items() if value is not None}
    source = f"genai-prices {_catalogue_version()}"
    if any(not _is_number(prices.get(key, 0)) for key in set(_BUCKETS.values())):
        return Rates({}, source, found.model_price)
    if "input_mtok" not in prices and "output_mtok" not in prices:
        return None
    return Rates({bucket: _rate(prices, key) for bucket, key in _BUCKETS.items()}, source)


def _is_number(value: object) -> bool:
    return not hasattr(value, "tiers")


def _rate(prices: Mapping[str, Any], key: str) -> float:
    value = prices.get(key, prices.get(_FALLBACKS.get(key, key), 0))
    return float(value)


@lru_cache(maxsize=1)
def _catalogue_version() -> str:
    from importlib.metadata import version

    return version("genai-prices")


def _cost(rates: Rates, usage: Usage) -> Cost:
    if rates.tiered is not None:
        return _tiered_cost(rates, usage)
    counts = usage.details()
    dollars = {bucket: count * rates.per_million[bucket] / _MILLION for bucket, count in counts.items() if count}
    total = sum(dollars.values())
    return Cost(total, rates.source, {**dollars, "total": total})


def _tiered_cost(rates: Rates, usage: Usage) -> Cost:
    """Ask the catalogue itself: the rate depends on how long the prompt is."""
    import genai_prices

    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.input_cached_tokens or None,
        cache_write_tokens=usage.input_cache_creation or None,
    )
    found = rates.tiered.calc_price(counted)
    dollars = {"input": float(found["input_price"]), "output": float(found["output_price"])}
    return Cost(float(found["total_price"]), rates.source, {**dollars, "total": float(found["total_price"])})
