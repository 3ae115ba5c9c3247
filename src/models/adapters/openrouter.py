"""Ask any model through OpenRouter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from src.models.adapters.openai_compatible import OpenAICompatibleModel
from src.models.fields import field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from src.models.types import Timeouts


class OpenRouterModel(OpenAICompatibleModel):
    """A model that OpenRouter routes to; its cost is the one that OpenRouter reports."""

    provider: ClassVar[str] = "openrouter"
    default_base_url: ClassVar[str | None] = "https://openrouter.ai/api/v1"
    # openrouter.ai/docs/use-cases/usage-accounting: the cost is reported only on request.
    extra_body: ClassVar[Mapping[str, object]] = {"usage": {"include": True}}

    @override
    def _open_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> Iterator[Any]:
        return _follow(super()._open_stream(payload, timeouts))

    @override
    async def _aopen_stream(self, payload: dict[str, Any], timeouts: Timeouts) -> AsyncIterator[Any]:
        return _afollow(await super()._aopen_stream(payload, timeouts))


class _Thoughts:
    """Collects the signed thoughts of a stream, which must be sent back with the results of its tool calls."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[Any, Any], dict[str, Any]] = {}
        self._first: dict[str, Any] | None = None

    def observe(self, event: Any) -> None:
        """Collect the thoughts of an event, and note the first tool call."""
        for choice in field(event, "choices") or ():
            delta = field(choice, "delta")
            for block in field(delta, "reasoning_details") or ():
                self._add(block)
            for call in field(delta, "tool_calls") or ():
                known = {"index": field(call, "index") or 0, "extra_content": field(call, "extra_content")}
                self._first = self._first or known

    def _add(self, block: Any) -> None:
        if not isinstance(block, dict):
            return
        known = self._blocks.setdefault((block.get("index"), block.get("type")), {})
        for name, value in block.items():
            is_piece = name in ("text", "summary") and isinstance(value, str) and isinstance(known.get(name), str)
            if value is not None:
                known[name] = known[name] + value if is_piece else value

    def last_event(self) -> dict[str, Any] | None:
        """Return an event that adds the thoughts to the first tool call; None without thoughts or calls."""
        if self._first is None or not self._blocks:
            return None
        call = {**self._first, "reasoning_details": list(self._blocks.values())}
        return {"choices": [{"delta": {"tool_calls": [call]}}]}


def _follow(events: Any) -> Iterator[Any]:
    thoughts = _Thoughts()
    try:
        for event in events:
            thoughts.observe(event)
            yield event
        last = thoughts.last_event()
        if last is not None:
            yield last
    finally:
        events.close()


async def _afollow(events: Any) -> AsyncIterator[Any]:
    thoughts = _Thoughts()
    try:
        async for event in events:
            thoughts.observe(event)
            yield event
        last = thoughts.last_event()
        if last is not None:
            yield last
    finally:
        await events.close()
