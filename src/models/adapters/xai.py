"""Ask xAI's models."""

from __future__ import annotations

from typing import ClassVar

from src.models.adapters.openai_compatible import OpenAICompatibleModel


class XAIModel(OpenAICompatibleModel):
    """A Grok model; its cost is the one that xAI reports."""

    provider: ClassVar[str] = "xai"
    default_base_url: ClassVar[str | None] = "https://api.x.ai/v1"
    # The server reports its own searches as custom tool calls: docs.x.ai/docs/guides/tools/overview
    custom_tools: ClassVar[bool] = False
