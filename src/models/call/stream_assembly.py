"""Put the pieces of a stream together."""

from __future__ import annotations

from dataclasses import replace

from src.models.call import think_tags
from src.models.errors import ConnectionFailed
from src.models.types import Chunk, Completion, ToolCall, ToolDelta, Usage


class StreamAssembly:
    """Hold what a stream has brought so far."""

    def __init__(self) -> None:
        self.content: list[str] = []
        self.reasoning: list[str] = []
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.usage: Usage | None = None
        self._tools: dict[int, ToolDelta] = {}
        self._slots: dict[int, int] = {}
        self.response_id: str | None = None
        self.cost: float | None = None
        self.service_tier: str | None = None
        self.notes: dict[str, object] = {}
        self._counted_last = False
        self._choice: int | None = None
        self._others = False
        self._refusal: list[str] = []
        self._filter = think_tags.ThinkFilter()

    def add(self, chunk: Chunk) -> Chunk | None:
        """Keep what a chunk brings; return what the caller sees of it at once, if anything."""
        self._count(chunk)
        if self._is_of_another(chunk):
            return None
        self.finish_reason = chunk.finish_reason or self.finish_reason
        if chunk.whole is not None:
            chunk = self._completed(chunk, chunk.whole)
        if chunk.content or chunk.tool_deltas:
            self._counted_last = False
        elif chunk.usage is not None:
            self._counted_last = True
        for piece in chunk.tool_deltas:
            self._add_tool_delta(piece)
        if chunk.refusal:
            self._refusal.append(chunk.refusal)
        text, thought = self._filter.feed(chunk.content) if chunk.content else ("", "")
        return self._keep(text, chunk.reasoning + thought)

    def _completed(self, chunk: Chunk, whole: Completion) -> Chunk:
        """Take from a whole reply that ends a stream what did not come before; its calls are complete in any case."""
        if len(whole.tool_calls) >= max(len(self._tools), 1):
            told = enumerate(whole.tool_calls)
            self._tools = {at: ToolDelta(at, call.id, call.name, call.arguments, call.replay) for at, call in told}
        thought = "" if self.reasoning else whole.reasoning or ""
        if self.content or not whole.content:
            return replace(chunk, reasoning=thought)
        return replace(chunk, content=whole.content, reasoning=thought)

    def _is_of_another(self, chunk: Chunk) -> bool:
        """Tell whether a chunk is a piece of another reply than the first, where several come at once."""
        if chunk.choice is None or chunk.choice == self._choice:
            return False
        if self._choice is None:
            self._choice = chunk.choice
            return False
        self._others = True
        return True

    def _count(self, chunk: Chunk) -> None:
        """Keep what a chunk tells of the whole reply: which model gave it, and what it took."""
        self.model = chunk.model or self.model
        if chunk.usage is not None and (self.usage is None or chunk.usage.total_tokens != 0):
            self.usage = chunk.usage if self.usage is None else self.usage.updated(chunk.usage)
        self.response_id = chunk.response_id or self.response_id
        self.cost = chunk.reported_cost_usd if chunk.reported_cost_usd is not None else self.cost
        self.service_tier = chunk.service_tier or self.service_tier
        self.notes.update(chunk.notes)

    def _add_tool_delta(self, piece: ToolDelta) -> None:
        """Put a piece of a tool call to its call."""
        at = self._place(piece)
        known = self._tools.get(at, ToolDelta(at))
        if piece.arguments and (piece.id, piece.name, piece.arguments) == (known.id, known.name, known.arguments):
            return  # the whole call once more
        self._tools[at] = ToolDelta(
            at,
            piece.id or known.id,
            piece.name or known.name,
            known.arguments + piece.arguments,
            piece.replay or known.replay,
        )

    def _place(self, piece: ToolDelta) -> int:
        """Return which call a piece belongs to. Some servers number no call, and some number all of them 0."""
        if piece.index == -1:
            return len(self._tools)
        last = len(self._tools) - 1
        at = self._slots.get(piece.index, len(self._tools)) if piece.index >= 0 else max(last, 0)
        known = self._tools.get(at)
        if known is not None and _begins_another(known, piece):
            at = len(self._tools)
        if piece.index >= 0:
            self._slots[piece.index] = at
        return at

    def flush(self) -> Chunk | None:
        """Return what was held back to the end, if anything."""
        return self._keep(*self._filter.finish())

    def _keep(self, text: str, thought: str) -> Chunk | None:
        if text:
            self.content.append(text)
        if thought:
            self.reasoning.append(thought)
        return Chunk(content=text, reasoning=thought) if text or thought else None

    def check_end(self) -> None:
        """Raise where the stream stopped without an end: half a reply is no reply.

        The end is a finish reason, or, from servers that tell none, usage after the last of the text or tool calls.
        """
        if (self.content or self._tools) and self.finish_reason is None and (self._others or not self._counted_last):
            raise ConnectionFailed("the stream broke off before its end")

    def completion(self) -> Completion:
        """Return the whole reply."""
        if self._refusal:
            self.notes["refusal"] = "".join(self._refusal)
        return Completion(
            content="".join(self.content),
            model=self.model,
            finish_reason=self._finish(),
            reasoning="".join(self.reasoning) or None,
            usage=self.usage,
            tool_calls=tuple(
                ToolCall(tool.id or f"call_{at}_{tool.name}", tool.name, tool.arguments or "{}", tool.replay)
                for at, tool in self._tools.items()
                if tool.name
            ),
            response_id=self.response_id,
            reported_cost_usd=self.cost,
            service_tier=self.service_tier,
            notes=self.notes,
        )

    def _finish(self) -> str | None:
        if any(tool.name for tool in self._tools.values()):
            return "tool_calls" if self.finish_reason in (None, "stop") else self.finish_reason
        return "content_filter" if self._refusal and not self.content else self.finish_reason


def _begins_another(known: ToolDelta, piece: ToolDelta) -> bool:
    """Tell whether a piece that goes by the number of a known call is another's first."""
    if piece.id and known.id:
        return piece.id != known.id and bool(piece.name)
    return bool(piece.name and known.name and known.arguments) and piece.index < 0
