"""Follow a stream of Anthropic's, for what one event alone does not tell."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from src.models.errors import MalformedResponse
from src.models.fields import count, field
from src.models.protocols.messages import conversation, reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@cache
def streams() -> tuple[Any, Any]:
    """Return the SDK's stream classes, made to read events whose name only their data tells.

    The SDK passes over an event without an `event:` line, as gateways send them, and over an error in one too.
    """
    import anthropic

    event = anthropic.types.RawMessageStreamEvent

    class Plain(anthropic.Stream[event]):  # type: ignore[valid-type] # an alias of the SDK's
        """Name the events of a stream."""

        def _iter_events(self) -> Iterator[Any]:
            yield from (_with_name(told) for told in super()._iter_events())

    class Asynchronous(anthropic.AsyncStream[event]):  # type: ignore[valid-type] # an alias of the SDK's
        """Name the events of an asynchronous stream."""

        async def _iter_events(self) -> AsyncIterator[Any]:
            async for told in super()._iter_events():
                yield _with_name(told)

    return Plain, Asynchronous


def _with_name(told: Any) -> Any:
    # What keeps a connection open; OpenRouter ends this protocol too with the [DONE] of Chat Completions.
    if not told.data.startswith("{"):
        return told if told.event == "error" else type(told)(event="ping", data="{}")
    if told.event is not None:
        return told
    data = json.loads(told.data)
    name = data.get("type") if isinstance(data.get("type"), str) else None
    failed = data.get("error") or data.get("object") == "error"
    return type(told)(event="error" if failed else name, data=told.data)


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
        self._is_open = False

    def passed(self, event: Any) -> Any:
        """Return the event as the reader needs it; None where it is none of its business."""
        kind, at = field(event, "type"), count(event, "index") or 0
        if kind == "message_start":
            self._renew()
        elif kind == "message_delta":
            self._is_open = False
        if kind == "content_block_start":
            self._is_open = True
            return self._begun(event, at, field(event, "content_block"))
        if kind != "content_block_delta":
            return event
        delta = field(event, "delta")
        if at in self._thoughts:
            for name in ("thinking", "signature"):
                self._thoughts[at][name] = self._thoughts[at].get(name, "") + (field(delta, name) or "")
        return None if at in self._foreign else event

    def _renew(self) -> None:
        """Begin with a message, where the one before has ended."""
        if self._is_open:
            raise MalformedResponse("another message began in the stream before the first had ended")
        self._thoughts, self._foreign = {}, set()

    def _begun(self, event: Any, at: int, block: Any) -> Any:
        kind = field(block, "type")
        self._foreign.discard(at)
        if kind in ("thinking", "redacted_thinking"):
            self._thoughts[at] = reply.thought(block)
        elif kind == "tool_use":
            if field(block, "input"):  # told whole, by servers that imitate this one
                self._foreign.add(at)
            replay, self._thoughts = conversation.replay(list(self._thoughts.values()), self._model), {}
            return {"type": "content_block_start", "index": at, "content_block": block, "replay": replay}
        elif kind != "text":
            self._foreign.add(at)
        return event
