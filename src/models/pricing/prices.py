"""Turn usage into money. An unknown price is None, never 0."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from src.models.pricing import user_prices
from src.models.types import Cost, Rates, Usage

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
_log = logging.getLogger("moondev.models")
# Tiers that are billed at the standard rates.
_STANDARD = frozenset({"default", "standard", "on_demand", "auto"})
# Some prices depend on the day or its hour (DeepSeek's off-peak rates), so rates are looked up anew now and then.
_SLOT_S = 600


def price(
    provider: str,
    models: tuple[str | None, ...],
    usage: Usage | None,
    reported_usd: float | None = None,
    *,
    tier: str | None = None,
    at: float | None = None,
) -> Cost | None:
    """Return what a call cost in US dollars, or None where that is unknown.

    The provider's own figure comes first, then the genai-prices catalogue, then the user's table (MOONDEV_PRICES).

    Args:
        provider: Our name of the provider.
        models: The response's model, then the requested one; the first with a known price is taken.
        usage: The tokens, in buckets that exclude one another.
        reported_usd: What the provider itself says; it wins.
        tier: The service tier that the response names, where some are billed differently.
        at: Unix time of the call; now where not given.
    """
    at = time.time() if at is None else at
    if reported_usd is not None:
        return Cost(reported_usd, "provider", _day(at), {"total": reported_usd})
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    named = tuple(dict.fromkeys(name for name in models if name))
    try:
        rates = _first(provider, named, None if tier in _STANDARD else tier, int(at // _SLOT_S))
        return None if rates is None else _cost(rates, usage)
    except Exception as error:  # noqa: BLE001 - a price must never cost the reply that it is of
        _log.warning("The price of %s:%s is unknown: %s", provider, named[0] if named else "?", error)
        return None


def _first(provider: str, models: tuple[str, ...], tier: str | None, slot: int) -> Rates | None:
    """Return the first rates that are known: of the catalogue, then of the user's table."""
    for model in models:
        found = _rates(provider, model, tier, slot)
        if found is not None:
            return found
    return next((found for model in models if (found := user_prices.rates(provider, model))), None)


def free() -> Cost:
    """Return the cost of a model on one's own machine."""
    return Cost(0.0, "local", None, {"total": 0.0})


def warm(provider: str, model: str) -> None:
    """Load the price catalogue and look a model up, so that its first call need not."""
    _rates(provider, model, None, int(time.time() // _SLOT_S))


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


@lru_cache(maxsize=1024)
def _rates(provider: str, model: str, tier: str | None, slot: int) -> Rates | None:
    import genai_prices

    when = datetime.fromtimestamp(slot * _SLOT_S, UTC)
    try:
        found = genai_prices.calc_price(
            genai_prices.Usage(input_tokens=1),
            model_ref=model,
            provider_id=CATALOGUE_NAMES.get(provider, provider),
            genai_request_timestamp=when,
            price_context={"service_tier": tier} if tier else None,
        )
    except LookupError:
        return None
    prices = {key: value for key, value in vars(found.model_price).items() if value is not None}
    source, day = f"genai-prices {_catalogue_version()}", when.date().isoformat()
    if any(not _is_number(prices.get(key, 0)) for key in set(_BUCKETS.values())):
        return Rates({}, source, day, found.model_price)
    if "input_mtok" not in prices and "output_mtok" not in prices:
        return None
    return Rates({bucket: _rate(prices, key) for bucket, key in _BUCKETS.items()}, source, day)


def _is_number(value: object) -> bool:
    """Tell a flat rate from one in tiers."""
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
    return Cost(total, rates.source, rates.date, {**dollars, "total": total})


def _tiered_cost(rates: Rates, usage: Usage) -> Cost:
    """Ask the catalogue itself: the rate depends on how long the prompt is."""
    import genai_prices

    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.input_cached_tokens or None,
        cache_write_tokens=usage.input_cache_creation or None,
    )
    found = cast("Any", rates.tiered).calc_price(counted)
    dollars = {"input": float(found["input_price"]), "output": float(found["output_price"])}
    total = float(found["total_price"])
    return Cost(total, rates.source, rates.date, {**dollars, "total": total})
