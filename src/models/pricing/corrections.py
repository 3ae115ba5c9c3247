"""List prices that a provider publishes and the catalogue lacks, each with the page that says so."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from src.models.pricing.price_list import Rate

if TYPE_CHECKING:
    from collections.abc import Mapping

_MILLION: Final = 1_000_000


class Correction(NamedTuple):
    """Rates of models that the catalogue has without them; `page` was read on the day `read_on`."""

    provider: str
    models: frozenset[str]
    per_million: Mapping[str, str]
    page: str
    read_on: str


CORRECTIONS: Final = (
    Correction(
        provider="openai",
        models=frozenset({"gpt-4o-audio-preview", "gpt-4o-audio-preview-2025-06-03"}),
        per_million={"input_audio_tokens": "40", "output_audio_tokens": "80"},
        page="developers.openai.com/api/docs/models/gpt-4o-audio-preview",
        read_on="2026-11-30",
    ),
)


# Longer requests cost about twice as much, says openrouter.ai/x-ai/grok-4; the catalogue has the rates of shorter ones
# alone. Where xAI reports the cost itself, as it does in new replies, that is taken.
_LONGEST_PROMPTS: Final[Mapping[tuple[str, str], int]] = {
    ("xai", "grok-4-0709"): 128_000,
    ("xai", "grok-4-fast"): 128_000,
    ("xai", "grok-4-1-fast"): 128_000,
    # Longer ones cost 6 and 22.50 dollars, says eonsr.com/en/claude-sonnet-4-1m-context-pricing-switch; the catalogue
    # has that of Claude Sonnet 4.5.
    ("claude", "claude-sonnet-4-0"): 200_000,
}
_DEEPSEEK_SINCE: Final = datetime(2025, 9, 5, 16, tzinfo=UTC).timestamp()
_RETIRED_GROK: Final = datetime(2026, 5, 15, 19, tzinfo=UTC).timestamp()
_PROMOTION_ENDS: Final = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
# Since when the catalogue's prices of a model are not known to hold.
_OUTDATED: Final[Mapping[tuple[str, str], float]] = {
    # Those of DeepSeek-V3 and R1; these names have others: api-docs.deepseek.com/quick_start/pricing (a stored copy of
    # August 2025), later changes beside it.
    ("deepseek", "deepseek-chat"): _DEEPSEEK_SINCE,
    ("deepseek", "deepseek-reasoner"): _DEEPSEEK_SINCE,
    # Of these it has one rate where there were two, with and without thoughts, and one for characters.
    ("gemini", "gemini-2.5-flash-preview"): _DEEPSEEK_SINCE,
    ("gemini", "gemini-pro"): _DEEPSEEK_SINCE,
    # Retired; where a request still works, a successor answers at its own price, up to six times as much:
    # docs.x.ai/developers/migration/may-15-retirement
    **dict.fromkeys(
        (
            ("xai", "grok-3"),
            ("xai", "grok-4-0709"),
            ("xai", "grok-4-fast-reasoning"),
            ("xai", "grok-4-fast-non-reasoning"),
            ("xai", "grok-4-1-fast-reasoning"),
            ("xai", "grok-4-1-fast-non-reasoning"),
            ("xai", "grok-code-fast-1"),
        ),
        _RETIRED_GROK,
    ),
    # Its lower price was promised until 21 November; what holds since then was not found on 1 December 2026:
    # docs.laozhang.ai/announcements/gpt-5-6-sol-price-cut-2026-09, github.com/TheKrush/PromptFuel/releases/tag/v1.0.17
    ("openai", "gpt-5.6-sol"): _PROMOTION_ENDS,
    # Prices of other companies' servers, as the catalogue says: OpenAI's API does not have these models.
    ("openai", "gpt-oss-120b"): 0.0,
    ("openai", "gpt-oss-20b"): 0.0,
    ("openai", "gpt-oss-safeguard-20b"): 0.0,
}
# What a search brought is billed to these as 8,000 input tokens, whatever it was; whether the reported usage has them
# is not documented: developers.openai.com/api/docs/pricing, «Built-in tools», of `web_search`.
_FIXED_SEARCH_CONTENT: Final = re.compile(r"gpt-4o-mini|gpt-4\.1-mini")


def longest_prompt(provider: str, listed_model: str) -> int | None:
    """Return up to how many prompt tokens the catalogue's rates of a model hold; None for any number."""
    return next(
        (
            tokens
            for (owner, prefix), tokens in _LONGEST_PROMPTS.items()
            if owner == provider and listed_model.startswith(prefix)
        ),
        None,
    )


def is_outdated(provider: str, listed_model: str, at: float) -> bool:
    """Tell whether the catalogue's prices of a model no longer hold at a time, and no others are known."""
    return at >= _OUTDATED.get((provider, listed_model), math.inf)


def also_billed(provider: str, listed_model: str) -> Mapping[str, str]:
    """Return the units that are billed together with other units of a model, at a price that is not known here."""
    is_fixed = provider == "openai" and _FIXED_SEARCH_CONTENT.match(listed_model)
    return {"web_searches": "web_search_content"} if is_fixed else {}


def rates(provider: str, model: str) -> dict[str, Rate]:
    """Return the rates that the catalogue lacks for a model."""
    return {
        unit: Rate(Decimal(dollars) / _MILLION)
        for row in CORRECTIONS
        if row.provider == provider and model.lower() in row.models
        for unit, dollars in row.per_million.items()
    }
