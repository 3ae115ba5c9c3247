"""Read a stream of Anthropic's beyond single events: their names, and the thoughts before each tool call."""

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
def stream_classes() -> tuple[Any, Any]:
    """Return the SDK's stream classes, extended to read events whose name is in their data only.

    The SDK skips an event without an `event:` line, as gateways send them, even where it is an error.
    """
    import anthropic

    event = anthropic.types.RawMessageStreamEvent

    class Plain(anthropic.Stream[event]):  # type: ignore[valid-type] # an alias of the SDK's
        """A stream that names its events."""

        def _iter_events(self) -> Iterator[Any]:
            yield from (_with_name(raw_event) for raw_event in super()._iter_events())

    class Asynchronous(anthropic.AsyncStream[event]):  # type: ignore[valid-type] # an alias of the SDK's
        """An asynchronous stream that names its events."""

        async def _iter_events(self) -> AsyncIterator[Any]:
            async for raw_event in super()._iter_events():
                yield _with_name(raw_event)

    return Plain, Asynchronous


def _with_name(event: Any) -> Any:
    # Keep-alive events; OpenRouter also ends this protocol with the [DONE] of Chat Completions.
    if not event.data.startswith("{"):
        return event if event.event == "error" else type(event)(event="ping", data="{}")
    if event.event is not None:
        return event
    data = json.loads(event.data)
    name = data.get("type") if isinstance(data.get("type"), str) else None
    failed = data.get("error") or data.get("object") == "error"
    return type(event)(event="error" if failed else name, data=event.data)


def follow(events: Any, model: str) -> Iterator[Any]:
    """Yield the events of a stream as `protocols.messages.reply.read_event` takes them."""
    state = _StreamState(model)
    try:
        yield from (prepared for event in events if (prepared := state.prepare(event)) is not None)
    finally:
        events.close()


async def afollow(events: Any, model: str) -> AsyncIterator[Any]:
    """Do what `follow` does, in asyncio."""
    state = _StreamState(model)
    try:
        async for event in events:
            prepared = state.prepare(event)
            if prepared is not None:
                yield prepared
    finally:
        await events.close()


class _StreamState:
    """Adds to each tool call the thoughts before it, and drops calls that the server makes itself."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._thoughts: dict[int, dict[str, str]] = {}
        self._foreign: set[int] = set()
        self._is_open = False

    def prepare(self, event: Any) -> Any:
        """Return the event as the reader takes it; None for one to drop."""
        kind, at = field(event, "type"), count(event, "index") or 0
        if kind == "message_start":
            self._start_message()
        elif kind == "message_delta":
            self._is_open = False
        if kind == "content_block_start":
            self._is_open = True
            return self._start_block(event, at, field(event, "content_block"))
        if kind != "content_block_delta":
            return event
        delta = field(event, "delta")
        if at in self._thoughts:
            for name in ("thinking", "signature"):
                self._thoughts[at][name] = self._thoughts[at].get(name, "") + (field(delta, name) or "")
        return None if at in self._foreign else event

    def _start_message(self) -> None:
        """Start a message.

        Raises:
            MalformedResponse: the one before has not ended.
        """
        if self._is_open:
            raise MalformedResponse("another message began in the stream before the first had ended")
        self._thoughts, self._foreign = {}, set()

    def _start_block(self, event: Any, at: int, block: Any) -> Any:
        kind = field(block, "type")
        self._foreign.discard(at)
        if kind in ("thinking", "redacted_thinking"):
            self._thoughts[at] = reply.thinking_block(block)
        elif kind == "tool_use":
            if field(block, "input"):  # sent whole, by compatible servers
                self._foreign.add(at)
            replay, self._thoughts = conversation.replay_text(list(self._thoughts.values()), self._model), {}
            return {"type": "content_block_start", "index": at, "content_block": block, "replay": replay}
        elif kind != "text":
            self._foreign.add(at)
        return event
