"""Ask xAI's models."""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import override

from src.models.adapters.openai_compatible import OpenAICompatibleModel
from src.models.fields import field

TICKS_PER_DOLLAR = 10**10  # docs.x.ai/docs/api-reference: usage.cost_in_usd_ticks


class XAIModel(OpenAICompatibleModel):
    """Ask a Grok model; its price is the one that xAI reports."""

    provider: ClassVar[str] = "xai"
    default_base_url: ClassVar[str | None] = "https://api.x.ai/v1"
    # What its server searches by itself is told as such calls: docs.x.ai/docs/guides/tools/overview
    custom_tools: ClassVar[bool] = False

    @override
    def _reported_cost(self, usage: Any) -> float | None:
        ticks = field(usage, "cost_in_usd_ticks")
        return ticks / TICKS_PER_DOLLAR if isinstance(ticks, int | float) and not isinstance(ticks, bool) else None
