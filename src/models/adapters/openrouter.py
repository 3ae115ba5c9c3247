"""Ask any model through OpenRouter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models.adapters.openai_compatible import OpenAICompatibleModel
from src.models.reading import field

if TYPE_CHECKING:
    from collections.abc import Mapping


class OpenRouterModel(OpenAICompatibleModel):
    """Ask a model that OpenRouter routes to; its price is the one that OpenRouter reports."""

    provider: ClassVar[str] = "openrouter"
    default_base_url: ClassVar[str | None] = "https://openrouter.ai/api/v1"
    # openrouter.ai/docs/use-cases/usage-accounting: the cost is told only when it is asked for.
    extra_body: ClassVar[Mapping[str, object]] = {"usage": {"include": True}}

    @override
    def _reported_cost(self, usage: Any) -> float | None:
        cost = field(usage, "cost")
        return float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) else None
