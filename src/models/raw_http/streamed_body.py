"""Read the events of a streamed reply from the pieces of its body, as they come over the wire."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from src.models.limits import reply_size
from src.models.raw_http import response_body
from src.models.types import Chunk, ToolDelta

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.models.raw_http.addresses import Route
    from src.models.types import Completion

_FIELDS: Final = (b"data:", b"event:", b":", b"id:", b"retry:")
_LINES: Final = frozenset({"ollama_chat", "ollama_generate"})  # the protocols that send one JSON value a line
_END: Final = b"[DONE]"


class StreamedBody:
    """The body of one response, fed piece by piece.

    Args:
        route: Where the request went.
        decoders: Undo the body's compressions, the last one first.
        most_bytes: The most that a body, or one event of a stream, may have after decompression.

    Attributes:
        has_ended: Whether the event that ends the stream has come.
    """

    def __init__(self, route: Route, decoders: list[Any], most_bytes: int) -> None:
        self._decoders = decoders
        self._route = route
        self._rest = bytearray()
        self._most_bytes = most_bytes
        self._meter = reply_size.Meter(most_bytes, is_stream=True)
        self._is_events: bool | None = None  # None until the first character has come
        self.has_ended = False

    def feed(self, piece: bytes) -> Iterator[Any]:
        """Yield the events that a piece completes."""
        for decoded in self._decoded(piece, 0):
            yield from self._take(decoded)

    def end(self) -> Iterator[Any]:
        """Yield the event that the body's last line holds; of a body that is no stream, the `Completion`."""
        rest, self._rest = bytes(self._rest), bytearray()
        if self._is_events:
            yield from self._event(rest)
        elif rest.strip():
            yield rest

    def text(self) -> bytes:
        """Return what has come of a body that is no stream of events."""
        return bytes(self._rest)

    def chunks(self, event: Any, model: str) -> Iterable[Chunk]:
        """Return the chunks in an event, or in a whole body."""
        if isinstance(event, bytes):
            return (_as_chunk(response_body.completion(event, self._route, model)),)
        chunks = tuple(response_body.read_event(event, self._route, model))
        self.has_ended = self.has_ended or any(chunk.finish_reason is not None for chunk in chunks)
        return chunks

    def _decoded(self, piece: bytes, position: int) -> Iterator[bytes]:
        if position == len(self._decoders):
            yield piece
            return
        for decoded in self._decoders[position].feed(piece):
            yield from self._decoded(decoded, position + 1)

    def _take(self, text: bytes) -> Iterator[Any]:
        self._meter.take(text)
        self._rest += text
        if self._is_events is None:
            start = self._rest.lstrip()
            if not start:
                return
            self._is_events = start.startswith(_FIELDS) or (self._route.protocol in _LINES and start[:1] == b"{")
        if not self._is_events:
            if len(self._rest) > self._most_bytes:
                raise reply_size.too_long(self._most_bytes)
        elif b"\n" in text:
            *lines, self._rest = self._rest.split(b"\n")
            for line in lines:
                yield from self._event(bytes(line))

    def _event(self, line: bytes) -> Iterator[Any]:
        line = line.strip()
        if not line.startswith(b"{"):
            if not line.startswith(b"data:"):
                return
            line = line[5:].strip()
        if line == _END:
            self.has_ended = True
            return
        try:
            yield json.loads(line)
        except ValueError:
            return


def _as_chunk(completion: Completion) -> Chunk:
    """Return a whole reply as one chunk of a stream."""
    calls = enumerate(completion.tool_calls)
    return Chunk(
        content=completion.content,
        reasoning=completion.reasoning or "",
        finish_reason=completion.finish_reason,
        model=completion.model,
        usage=completion.usage,
        tool_deltas=tuple(
            ToolDelta(index=position, id=call.id, name=call.name, arguments=call.arguments) for position, call in calls
        ),
        response_id=completion.response_id,
        reported_cost=completion.reported_cost,
        service_tier=completion.service_tier,
        notes=completion.notes,
    )
