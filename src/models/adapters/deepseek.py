"""Ask DeepSeek's models."""

from __future__ import annotations

from typing import ClassVar

from src.models.adapters.openai_compatible import OpenAICompatibleModel


class DeepSeekModel(OpenAICompatibleModel):
    """A DeepSeek model; `chat_completions.reply` reads its cache hits and its reasoning."""

    provider: ClassVar[str] = "deepseek"
    default_base_url: ClassVar[str | None] = "https://api.deepseek.com"
