"""xAI's format: reasoning tokens are not part of completion_tokens, and the price is in ticks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from tests.contract.dialects import chat
from tests.servers import Reply

if TYPE_CHECKING:
    from tests.contract.dialects.base import Tokens


class Dialect(chat.ChatDialect):
    model: ClassVar[str] = "grok-4.3"
    text_only_model: ClassVar[str | None] = "grok-3"
    stops: ClassVar[bool] = False
    priced: ClassVar[bool] = True

    def usage(self, tokens: Tokens | None) -> dict[str, Any] | None:
        counts = super().usage(tokens)
        if counts is None or tokens is None:
            return counts
        return {**counts, "completion_tokens": tokens.output, "cost_in_usd_ticks": 4121500}

    def error(self, category: str) -> Reply:
        if category == "authentication":
            body = {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***me."}
            return Reply(400, json.dumps(body).encode(), chat.JSON)
        return super().error(category)
