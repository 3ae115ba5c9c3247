"""Look up a model's prices in the genai-prices catalogue."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from src.models.pricing import corrections
from src.models.pricing.listed_names import is_model
from src.models.pricing.price_list import PriceList, Rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Our provider names as the catalogue spells them.
CATALOGUE_NAMES: Final = {
    "claude": "anthropic", "openai": "openai", "deepseek": "deepseek", "groq": "groq", "gemini": "google",
    "xai": "x-ai", "openrouter": "openrouter",
}  # fmt: skip
# The units, and the catalogue's names of their prices: the first that a model has is taken. Where a model has no price
# for audio, or for tokens from or to a cache, that unit is not priced, unless the provider says that it costs the same.
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "input": ("input_mtok",),
    "input_audio_tokens": ("input_audio_mtok",),
    "input_image_tokens": ("input_image_mtok", "input_mtok"),
    "input_video_tokens": ("input_video_mtok",),
    "input_cached_tokens": ("cache_read_mtok",),
    "input_cached_audio_tokens": ("cache_audio_read_mtok",),
    "input_cached_image_tokens": ("cache_image_read_mtok", "cache_read_mtok"),
    "input_cached_video_tokens": ("cache_video_read_mtok",),
    "input_cache_creation": ("cache_write_5m_mtok", "cache_write_mtok"),
    "input_cache_creation_1h": ("cache_write_1h_mtok",),
    "output": ("output_mtok",),
    "output_audio_tokens": ("output_audio_mtok",),
    "output_image_tokens": ("output_image_mtok",),
    "output_video_tokens": ("output_video_mtok",),
    "output_reasoning_tokens": ("output_reasoning_mtok", "output_mtok"),
    "web_searches": ("web_searches_kcount",),
    "social_searches": ("social_searches_kcount",),
    "storage_searches": ("storage_searches_kcount",),
    "code_executions": ("code_executions_kcount",),
    "requests": ("requests_kcount",),
}
# Google has one input rate for all content where it lists no second: ai.google.dev/gemini-api/docs/pricing
# OpenAI and Groq list a rate for cached tokens of the models that have a discount; others cost what fresh input does,
# and writing costs nothing more: developers.openai.com/api/docs/pricing, console.groq.com/docs/prompt-caching
_SAME: Final[Mapping[str, Mapping[str, str]]] = {
    "gemini": {
        "input_audio_tokens": "input_mtok",
        "input_video_tokens": "input_mtok",
        "input_cached_audio_tokens": "cache_read_mtok",
        "input_cached_video_tokens": "cache_read_mtok",
    },
    "openai": {"input_cached_tokens": "input_mtok", "input_cache_creation": "input_mtok"},
    "groq": {"input_cached_tokens": "input_mtok"},
}
# Tiers that are billed at the standard rates. Groq's flex is: console.groq.com/docs/flex-processing
_STANDARD_TIERS: Final = frozenset({"default", "standard", "on_demand", "auto", "unspecified"})
# DeepSeek's weekends, in Beijing's time, are off-peak all day since this date, as the catalogue notes beside these
# models without being able to express it; 12:00 UTC is off-peak.
_OFF_PEAK_WEEKENDS: Final = frozenset({"deepseek-flash", "deepseek-v4-flash", "deepseek-v4-pro"})
_WEEKENDS_SINCE: Final = date(2026, 8, 23)
_BEIJING: Final = timedelta(hours=8)
# Some prices depend on the day or its hour (DeepSeek's off-peak rates), so prices are remembered for this long only.
_SLOT_S: Final = 600


def prices_at(provider: str, model: str, tier: str | None, at: float) -> PriceList | None:
    """Return a model's prices at a time, None where the catalogue has none.

    Args:
        provider: Our name of the provider.
        model: The model's name.
        tier: The service tier that the response names.
        at: Unix time of the request.
    """
    tier = tier.lower() if tier else None
    is_standard = tier is None or tier in _STANDARD_TIERS or (provider == "groq" and tier == "flex")
    return _prices(provider, model, None if is_standard else tier, int(at // _SLOT_S))


@lru_cache(maxsize=1024)
def _prices(provider: str, model: str, tier: str | None, slot: int) -> PriceList | None:
    from genai_prices import data_snapshot

    try:
        owner, listed = data_snapshot.get_snapshot().find_provider_model(
            model, None, CATALOGUE_NAMES.get(provider, provider), None
        )
    except LookupError:
        return None
    if provider != "openrouter" and not is_model(listed.match, model):  # whose names have endings of its own
        return None
    if corrections.is_outdated(provider, listed.id, slot * _SLOT_S):
        return None
    when = datetime.fromtimestamp(slot * _SLOT_S, UTC)
    if provider == "deepseek" and listed.id in _OFF_PEAK_WEEKENDS:
        when = _off_peak_at_weekends(when)
    source, day = f"genai-prices {_version()}", when.date().isoformat()
    context = _context(provider, tier) if tier else None
    if context and not (any(listed is own for own in owner.models) and _has_variant(listed, context, when)):
        return PriceList(rates={}, source=source, date=day, unpriced=f"service tier {tier}")
    prices = {key: price for key, price in vars(listed.get_prices(when, context)).items() if price is not None}
    if not prices and not _is_free(provider, model):
        return None
    rates = {**corrections.rates(provider, model), **_rates(provider, listed.id, prices)}
    return PriceList(
        rates=rates,
        source=source,
        date=day,
        longest_prompt=corrections.longest_prompt(provider, listed.id),
        also_billed=corrections.also_billed(provider, listed.id),
    )


def _off_peak_at_weekends(when: datetime) -> datetime:
    in_beijing = when + _BEIJING
    is_weekend = in_beijing.weekday() >= 5 and in_beijing.date() >= _WEEKENDS_SINCE
    return when.replace(hour=12) if is_weekend else when


def _context(provider: str, tier: str) -> dict[str, str]:
    """Return a tier as the catalogue names what a price depends on."""
    if tier == "batch":
        return {"processing": "batch"}
    return {"speed" if provider == "claude" else "service_tier": tier}


def _has_variant(listed: Any, context: Mapping[str, str], when: datetime) -> bool:
    """Tell whether the catalogue has prices for a tier at that time; else it would give the standard ones."""
    variants: Iterable[Any] = listed.price_variants or ()
    return any(
        all(context.get(name) == value for name, value in variant.when.items())
        and (variant.constraint is None or variant.constraint.active(when))
        for variant in variants
    )


def _is_free(provider: str, model: str) -> bool:
    """Tell whether a model without prices is free, rather than one whose price the catalogue lacks.

    ai.google.dev/gemini-api/docs/pricing lists Gemma as free of charge; openrouter.ai/docs/faq says so of `:free`.
    """
    return provider == "gemini" or model.endswith(":free")


def _rates(provider: str, model: str, prices: Mapping[str, Any]) -> dict[str, Rate]:
    from genai_prices.data_units import unit_data

    counted_by = {unit["price_key"]: unit["per"] for unit in unit_data.values()}
    same = dict(_SAME.get(provider, {}))
    if provider == "gemini" and "tts" in model:
        same["output_audio_tokens"] = "output_mtok"  # all that such a model writes
    if model.startswith("ft:"):  # tuned ones have a discount for cached tokens, which the catalogue lacks
        same.pop("input_cached_tokens", None)
    rates = {}
    for unit, keys in _KEYS.items():
        for key in (*keys, same.get(unit, "")):
            if key in prices:
                rates[unit] = _rate(prices[key], counted_by[key])
                break
    return rates if prices else {unit: Rate(Decimal(0)) for unit in _KEYS if unit not in ("web_searches", "requests")}


def _rate(price: Any, per: int) -> Rate:
    if not hasattr(price, "tiers"):
        return Rate(Decimal(price) / per)
    tiers = sorted(((tier.start, Decimal(tier.price) / per) for tier in price.tiers), reverse=True)
    return Rate(Decimal(price.base) / per, tuple(tiers))


@lru_cache(maxsize=1)
def _version() -> str:
    from importlib.metadata import version

    return version("genai-prices")
