"""Speak as OpenRouter does: openrouter.ai/docs/api-reference/errors and /docs/use-cases/usage-accounting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from tests.contract.dialects import chat
from tests.servers import Reply

if TYPE_CHECKING:
    from tests.contract.dialects.base import Says, Tokens

STATUS = {"quota": 402, "content_blocked": 403, "overloaded": 502}


class Dialect(chat.ChatDialect):
    model: ClassVar[str] = "google/gemini-3.5-flash-lite"
    priced: ClassVar[bool] = True

    def usage(self, tokens: Tokens | None) -> dict[str, Any] | None:
        counts = super().usage(tokens)
        return None if counts is None else {**counts, "cost": 0.000924, "is_byok": False}

    def message(self, says: Says) -> dict[str, Any]:
        message = super().message(says)
        if "reasoning_content" in message:
            message["reasoning"] = message.pop("reasoning_content")
        return message

    def stream(self, says: Says) -> Reply:
        reply = super().stream(says)
        return Reply(body=b": OPENROUTER PROCESSING\n\n" + reply.body, headers=reply.headers)

    def error(self, category: str) -> Reply:
        known = chat.ERRORS[category]
        status = {"quota": 402, "content_blocked": 403, "overloaded": 503}.get(category, known[0])
        words = {"content_blocked": "The request was flagged by moderation", "quota": "Insufficient credits."}
        error = {"code": status, "message": words.get(category, known[3]), "metadata": {"provider_name": "Google"}}
        return Reply(status, json.dumps({"error": error, "user_id": "user_x"}).encode(), chat.JSON)
