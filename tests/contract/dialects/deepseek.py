"""Speak as DeepSeek does: api-docs.deepseek.com/api/create-chat-completion and /quick_start/error_codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tests.contract.dialects import chat
from tests.servers import Reply

if TYPE_CHECKING:
    from tests.contract.dialects.base import Tokens


class Dialect(chat.ChatDialect):
    model: ClassVar[str] = "deepseek-flash"
    text_only_model: ClassVar[str | None] = "deepseek-v4-pro"
    priced: ClassVar[bool] = True
    prefix: ClassVar[str] = ""

    def usage(self, tokens: Tokens | None) -> dict[str, Any] | None:
        counts = super().usage(tokens)
        if counts is None or tokens is None:
            return counts
        del counts["prompt_tokens_details"]
        return {**counts, "prompt_cache_hit_tokens": tokens.cached, "prompt_cache_miss_tokens": tokens.input}

    def error(self, category: str) -> Reply:
        if category == "quota":
            message = b'{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":null}}'
            return Reply(402, message, chat.JSON)
        return super().error(category)
