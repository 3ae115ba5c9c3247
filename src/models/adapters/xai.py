"""Ask xAI's models."""

from __future__ import annotations

from typing import ClassVar

from src.models.adapters.openai_compatible import OpenAICompatibleModel


class XAIModel(OpenAICompatibleModel):
    """Ask a Grok model; its price is the one that xAI reports."""

    provider: ClassVar[str] = "xai"
    default_base_url: ClassVar[str | None] = "https://api.x.ai/v1"
    # What its server searches by itself is told as such calls: docs.x.ai/docs/guides/tools/overview
    custom_tools: ClassVar[bool] = False
