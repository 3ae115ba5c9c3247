"""Price one request. What has no known price is named, never taken for 0."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from src.models.pricing import catalogue_prices, user_prices
from src.models.pricing.price_list import PARTS, REQUESTS, PriceList
from src.models.usage import BUCKETS, NO_USAGE, Cost, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

_log = logging.getLogger("moondev.models")


def price(
    provider: str,
    models: tuple[str | None, ...],
    usage: Usage | None,
    reported: Cost | None = None,
    *,
    tier: str | None = None,
    at: float | None = None,
) -> Cost:
    """Return what one request cost in US dollars, by the units that are billed.

    The provider's own figure comes first, then the genai-prices catalogue, then the user's table (MOONDEV_PRICES),
    which also prices the units that the catalogue lacks and comes first where it says `override = true`.

    Args:
        provider: Our name of the provider.
        models: The response's model, then the requested one; the first with a known price is taken.
        usage: What the request used; a usage that contradicts itself is not priced.
        reported: The provider's own figure; it wins.
        tier: The service tier that the response names, where some are billed differently.
        at: Unix time of the request, by default now.
    """
    at = time.time() if at is None else at
    if reported is not None:
        return replace(reported, date=datetime.fromtimestamp(at, UTC).date().isoformat())
    if usage is None:
        return Cost(unknown=(NO_USAGE,))
    candidates = tuple(dict.fromkeys(name for name in models if name))
    try:
        prices = known_prices(provider, candidates, tier, at)
        return _cost(prices, usage)
    except Exception as error:  # noqa: BLE001 - a price must never cost the reply that it is of
        _log.warning("The price of %s:%s is unknown: %s", provider, candidates[0] if candidates else "?", error)
        return Cost(unknown=tuple(_counts(usage)) or (NO_USAGE,))


def known_prices(provider: str, models: Sequence[str], tier: str | None, at: float) -> PriceList | None:
    """Return the first known prices: of the catalogue, with the user's table for what it lacks, or of that alone.

    None where no model has a known price; the arguments are those of `price`.
    """
    own = user_prices.first(provider, models)
    if own is not None and own.overrides:
        return own
    prices = None
    for model in models:
        prices = catalogue_prices.prices_at(provider, model, tier, at)
        if prices is not None:
            break
    if prices is None or own is None or prices.unpriced:
        return prices or own
    added = {unit: rate for unit, rate in own.rates.items() if unit not in prices.rates}
    return replace(prices, rates={**prices.rates, **added}, source=f"{prices.source}, {own.source}")


def free() -> Cost:
    """Return the cost of a model on the user's own machine."""
    return Cost(source="local")


def warm(provider: str, model: str) -> None:
    """Load the price catalogue and look a model up, so that its first call need not."""
    catalogue_prices.prices_at(provider, model, None, time.time())


def _counts(usage: Usage) -> dict[str, int | None]:
    """Return how much was used of each unit, None where that is not known; the units exclude one another."""
    counts: dict[str, int | None] = {name: count for name in BUCKETS if (count := getattr(usage, name))}
    if usage.input_tokens is None:
        counts["input"] = None
    if usage.output_tokens is None:
        counts["output"] = None
    if not usage.units:
        return counts
    for unit, count in usage.units.items():
        bucket = PARTS.get(unit)
        whole = counts.get(bucket) if bucket else None
        if bucket and whole is not None:
            counts[bucket] = whole - count
        if count:
            counts[unit] = count
    return {unit: count for unit, count in counts.items() if count != 0}


def _cost(prices: PriceList | None, usage: Usage) -> Cost:
    counts = _counts(usage)
    contradiction = usage.contradiction or (_excess(counts) if usage.units else None)
    if prices is None:
        return Cost(unknown=(contradiction,) if contradiction else tuple(counts) or (NO_USAGE,))
    problem = contradiction or prices.unpriced or _too_long(prices, usage)
    if problem:
        return Cost(unknown=(problem,), source=prices.source, date=prices.date)
    rates = prices.rates
    if REQUESTS in rates:
        counts[REQUESTS] = 1
    prompt_tokens = usage.input_tokens
    depends_on_prompt = prompt_tokens is None and prices.is_tiered
    parts: dict[str, Decimal] = {}
    unknown = []
    for unit, count in counts.items():
        rate = rates.get(unit)
        if rate is None or count is None:
            unknown.append(unit)
            continue
        if depends_on_prompt and rate.tiers:
            unknown.append(f"{unit} above the price for short prompts")
        parts[unit] = count * rate.at(prompt_tokens or 0)
    unknown += [other for unit, other in prices.also_billed.items() if counts.get(unit)]
    return Cost(parts=parts, unknown=tuple(unknown), source=prices.source, date=prices.date)


def _too_long(prices: PriceList, usage: Usage) -> str | None:
    """Return which rates are not known for a prompt of this length; None for nothing."""
    longest = prices.longest_prompt
    return f"rates above {longest:,} tokens" if longest and (usage.input_tokens or 0) > longest else None


def _excess(counts: dict[str, int | None]) -> str | None:
    """Return a problem where parts of the counts exceed their whole; None for none."""
    below_zero = next((unit for unit, count in counts.items() if count is not None and count < 0), None)
    return f"usage contradicts itself: the parts of {below_zero} are more than the whole" if below_zero else None
