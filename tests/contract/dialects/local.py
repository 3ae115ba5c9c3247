"""Speak as llama.cpp's server does inside this process."""

from __future__ import annotations

import json
from typing import ClassVar

from tests.contract.dialects import chat
from tests.servers import Reply


class Dialect(chat.ChatDialect):
    model: ClassVar[str] = "smollm2-135m-instruct.q4_1"
    text_only_model: ClassVar[str | None] = model
    sees: ClassVar[bool] = False
    priced: ClassVar[bool] = True
    engine: ClassVar[bool] = True
    unsaid: ClassVar[frozenset[str]] = frozenset(
        {"authentication", "permission", "model_not_found", "rate_limit", "quota", "content_blocked"}
    )

    def error(self, category: str) -> Reply:
        status, _, kind, message, _ = chat.ERRORS[category]
        body = {"error": {"code": status, "message": message, "type": kind}}
        return Reply(status, json.dumps(body).encode(), chat.JSON)
