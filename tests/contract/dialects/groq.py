"""Speak as Groq does: a stream's usage stands in x_groq too, and its SDK adds /openai/v1 to its address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tests.contract.dialects import chat

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.contract.dialects.base import Says


class Dialect(chat.ChatDialect):
    model: ClassVar[str] = "meta-llama/llama-4-scout-17b-16e-instruct"
    text_only_model: ClassVar[str | None] = "llama-3.3-70b-versatile"
    priced: ClassVar[bool] = True
    prefix: ClassVar[str] = ""

    def message(self, says: Says) -> dict[str, Any]:
        message = super().message(says)
        if "reasoning_content" in message:
            message["reasoning"] = message.pop("reasoning_content")
        return message

    def chunks(self, says: Says) -> Iterable[dict[str, Any]]:
        chunks = list(super().chunks(says))
        usage = chunks.pop() if says.tokens is not None else {}
        chunks[-1] = {**chunks[-1], "usage": usage.get("usage"), "x_groq": {"id": "req_1", "usage": usage.get("usage")}}
        for chunk in chunks:
            for choice in chunk["choices"]:
                if "reasoning_content" in choice["delta"]:
                    choice["delta"]["reasoning"] = choice["delta"].pop("reasoning_content")
            yield chunk
