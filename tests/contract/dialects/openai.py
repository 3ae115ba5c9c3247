"""Speak as OpenAI does."""

from __future__ import annotations

from typing import ClassVar

from tests.contract.dialects.chat import ChatDialect


class Dialect(ChatDialect):
    model: ClassVar[str] = "gpt-4o"
    text_only_model: ClassVar[str | None] = "gpt-3.5-turbo"
    priced: ClassVar[bool] = True
