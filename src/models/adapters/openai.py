"""Ask OpenAI's models through Chat Completions."""

from __future__ import annotations

from typing import ClassVar

from src.models.adapters.openai_compatible import OpenAICompatibleModel


class OpenAIModel(OpenAICompatibleModel):
    """An OpenAI model."""

    provider: ClassVar[str] = "openai"
    default_base_url: ClassVar[str | None] = "https://api.openai.com/v1"
