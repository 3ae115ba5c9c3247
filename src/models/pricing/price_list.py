"""Define a model's prices by the units that are billed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

# Units that are parts of a bucket of the usage, and that bucket.
PARTS: Final = {
    "input_audio_tokens": "input",
    "input_image_tokens": "input",
    "input_video_tokens": "input",
    "input_cached_audio_tokens": "input_cached_tokens",
    "input_cached_image_tokens": "input_cached_tokens",
    "input_cached_video_tokens": "input_cached_tokens",
    "input_cache_creation_1h": "input_cache_creation",
    "input_cache_creation_12h": "input_cache_creation",
    "output_audio_tokens": "output",
    "output_image_tokens": "output",
    "output_video_tokens": "output",
}
# A fee for each request, which no usage counts.
REQUESTS: Final = "requests"


@dataclass(frozen=True, slots=True)
class Rate:
    """The dollars for one of a unit; `tiers` holds those for prompts of more than so many tokens, the longest first."""

    dollars: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def at(self, prompt_tokens: int) -> Decimal:
        """Return the dollars for one of the unit, in a request with a prompt of this length."""
        if not self.tiers:
            return self.dollars
        return next((dollars for start, dollars in self.tiers if prompt_tokens > start), self.dollars)


@dataclass(frozen=True, slots=True)
class PriceList:
    """A model's prices at one time; `unpriced` says why none of them holds for a request, such as its service tier.

    `overrides` tells, of a user's own table, that it comes before the catalogue. The rates hold for prompts of at most
    `longest_prompt` tokens, None for all. `also_billed` maps a unit to another that is billed with it
    at an unknown price.
    """

    rates: Mapping[str, Rate]
    source: str
    date: str
    unpriced: str | None = None
    overrides: bool = False
    longest_prompt: int | None = None
    also_billed: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def is_tiered(self) -> bool:
        """Tell whether a price depends on the length of the prompt."""
        return any(rate.tiers for rate in self.rates.values())
