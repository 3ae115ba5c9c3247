"""Ask DeepSeek's models."""

from __future__ import annotations

from typing import ClassVar

from src.models.adapters.openai_compatible import OpenAICompatibleModel


class DeepSeekModel(OpenAICompatibleModel):
    """Ask a DeepSeek model; its cache hits and its reasoning are read by the protocol's own rules."""

    provider: ClassVar[str] = "deepseek"
    default_base_url: ClassVar[str | None] = "https://api.deepseek.com"
