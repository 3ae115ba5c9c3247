"""List prices that a provider publishes and the catalogue lacks, each with the page that says so."""

from __future__ import annotations

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


def rates(provider: str, model: str) -> dict[str, Rate]:
    """Return the rates that the catalogue lacks for a model."""
    return {
        unit: Rate(Decimal(dollars) / _MILLION)
        for row in CORRECTIONS
        if row.provider == provider and model.lower() in row.models
        for unit, dollars in row.per_million.items()
    }
