"""Follow a stream of Anthropic's, for what one event alone does not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.models.adapters.claude import reading, turns
from src.models.reading import count, field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def followed(events: Any, model: str) -> Iterator[Any]:
    """Yield the events of a stream as `reading.event` needs them."""
    trail = _Trail(model)
    try:
        yield from (told for event in events if (told := trail.passed(event)) is not None)
    finally:
        events.close()


async def afollowed(events: Any, model: str) -> AsyncIterator[Any]:
    """Do what `followed` does, in asyncio."""
    trail = _Trail(model)
    try:
        async for event in events:
            told = trail.passed(event)
            if told is not None:
                yield told
    finally:
        await events.close()


class _Trail:
    """Give each call of a tool the thoughts before it, and leave out calls that the server makes itself."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._thoughts: dict[int, dict[str, str]] = {}
        self._foreign: set[int] = set()

    def passed(self, event: Any) -> Any:
        """Return the event as the reader needs it; None where it is none of its business."""
        kind, at = field(event, "type"), count(event, "index") or 0
        if kind == "content_block_start":
            return self._begun(event, at, field(event, "content_block"))
        if kind != "content_block_delta":
            return event
        delta = field(event, "delta")
        if at in self._thoughts:
            for name in ("thinking", "signature"):
                self._thoughts[at][name] = self._thoughts[at].get(name, "") + (field(delta, name) or "")
        return None if at in self._foreign else event

    def _begun(self, event: Any, at: int, block: Any) -> Any:
        kind = field(block, "type")
        if kind in ("thinking", "redacted_thinking"):
            self._thoughts[at] = reading.thought(block)
        elif kind == "tool_use":
            replay, self._thoughts = turns.replay(list(self._thoughts.values()), self._model), {}
            return {"type": "content_block_start", "index": at, "content_block": block, "replay": replay}
        elif kind != "text":
            self._foreign.add(at)
        return event
