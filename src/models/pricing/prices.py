"""Price the tokens of a call. An unknown price is None, never 0."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from src.models.pricing import user_prices
from src.models.types import Cost, Rates, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("moondev.models")

# Our provider names as the price catalogue spells them.
CATALOGUE_NAMES = {
    "claude": "anthropic", "openai": "openai", "deepseek": "deepseek", "groq": "groq", "gemini": "google",
    "xai": "x-ai", "openrouter": "openrouter",
}  # fmt: skip
# The usage buckets, and the catalogue's names of their prices.
_BUCKETS: Final = {
    "input": "input_mtok",
    "input_cached_tokens": "cache_read_mtok",
    "input_cache_creation": "cache_write_mtok",
    "output": "output_mtok",
    "output_reasoning_tokens": "output_mtok",
}
_FALLBACKS: Final = {"cache_read_mtok": "input_mtok", "cache_write_mtok": "input_mtok"}
_MILLION: Final = 1_000_000
# Tiers that are billed at the standard rates.
_STANDARD_TIERS: Final = frozenset({"default", "standard", "on_demand", "auto"})
# Some prices depend on the day or its hour (DeepSeek's off-peak rates), so rates are cached for this long only.
_SLOT_S: Final = 600


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
        reported_usd: The provider's own figure; it wins.
        tier: The service tier that the response names, where some are billed differently.
        at: Unix time of the call, by default now.
    """
    at = time.time() if at is None else at
    if reported_usd is not None:
        return Cost(usd=reported_usd, source="provider", date=_day(at), details={"total": reported_usd})
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    candidates = tuple(dict.fromkeys(name for name in models if name))
    try:
        rates = _first_rates(provider, candidates, None if tier in _STANDARD_TIERS else tier, int(at // _SLOT_S))
        return None if rates is None else _cost(rates, usage)
    except Exception as error:  # noqa: BLE001 - a price must never cost the reply that it is of
        _log.warning("The price of %s:%s is unknown: %s", provider, candidates[0] if candidates else "?", error)
        return None


def _first_rates(provider: str, models: tuple[str, ...], tier: str | None, slot: int) -> Rates | None:
    """Return the first known rates: of the catalogue, then of the user's table."""
    for model in models:
        rates = _catalogue_rates(provider, model, tier, slot)
        if rates is not None:
            return rates
    return next((rates for model in models if (rates := user_prices.rates(provider, model))), None)


def free() -> Cost:
    """Return the cost of a model on the user's own machine."""
    return Cost(usd=0.0, source="local", details={"total": 0.0})


def warm(provider: str, model: str) -> None:
    """Load the price catalogue and look a model up, so that its first call need not."""
    _catalogue_rates(provider, model, None, int(time.time() // _SLOT_S))


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


@lru_cache(maxsize=1024)
def _catalogue_rates(provider: str, model: str, tier: str | None, slot: int) -> Rates | None:
    import genai_prices

    when = datetime.fromtimestamp(slot * _SLOT_S, UTC)
    try:
        calculation = genai_prices.calc_price(
            genai_prices.Usage(input_tokens=1),
            model_ref=model,
            provider_id=CATALOGUE_NAMES.get(provider, provider),
            genai_request_timestamp=when,
            price_context={"service_tier": tier} if tier else None,
        )
    except LookupError:
        return None
    prices = {key: value for key, value in vars(calculation.model_price).items() if value is not None}
    source, day = f"genai-prices {_catalogue_version()}", when.date().isoformat()
    if any(not _is_flat(prices.get(key, 0)) for key in set(_BUCKETS.values())):
        return Rates(per_million={}, source=source, date=day, tiered=calculation.model_price)
    if "input_mtok" not in prices and "output_mtok" not in prices:
        return None
    per_million = {bucket: _per_million(prices, key) for bucket, key in _BUCKETS.items()}
    return Rates(per_million=per_million, source=source, date=day)


def _is_flat(price: object) -> bool:
    """Tell a flat price from one in tiers."""
    return not hasattr(price, "tiers")


def _per_million(prices: Mapping[str, Any], key: str) -> float:
    return float(prices.get(key, prices.get(_FALLBACKS.get(key, key), 0)))


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
    return Cost(usd=total, source=rates.source, date=rates.date, details={**dollars, "total": total})


def _tiered_cost(rates: Rates, usage: Usage) -> Cost:
    """Let the catalogue calculate a cost whose rate depends on the length of the prompt."""
    import genai_prices

    tokens = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.input_cached_tokens or None,
        cache_write_tokens=usage.input_cache_creation or None,
    )
    calculation = cast("Any", rates.tiered).calc_price(tokens)
    dollars = {"input": float(calculation["input_price"]), "output": float(calculation["output_price"])}
    total = float(calculation["total_price"])
    return Cost(usd=total, source=rates.source, date=rates.date, details={**dollars, "total": total})
