"""Assemble a whole reply from the chunks of a stream."""

from __future__ import annotations

import re
from dataclasses import replace

from src.models.call import think_tags
from src.models.errors import ConnectionFailed
from src.models.limits import reply_size
from src.models.request import tool_ids
from src.models.types import Chunk, Completion, Cost, ModelResponse, ToolCall, ToolDelta, Usage, unread_choices

_PAIR = re.compile("[\\ud800-\\udbff][\\udc00-\\udfff]")


class StreamAssembly:
    """What a stream has brought so far.

    Args:
        most: The most characters that text, reasoning and arguments of tools may have together; None for any number.
        splits_thoughts: Whether <think> blocks are taken out of the text.
    """

    def __init__(self, most: int | None = None, *, splits_thoughts: bool = True) -> None:
        self._most = most
        self._splits_thoughts = splits_thoughts
        self.reset()

    def reset(self) -> None:
        """Begin anew, for another stream."""
        self._size = 0
        self.content: list[str] = []
        self.reasoning: list[str] = []
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.usage: Usage | None = None
        self.response_id: str | None = None
        self.cost: Cost | None = None
        self.service_tier: str | None = None
        self.notes: dict[str, object] = {}
        self._tool_calls: dict[int, ToolDelta] = {}
        self._slots: dict[int, int] = {}  # maps the provider's index of a tool call to our position of it
        self._ends_with_usage = False
        self._choice: int | None = None
        self._other_choices: set[int] = set()
        self._refusal: list[str] = []
        self._filter = think_tags.ThinkFilter()

    def add(self, chunk: Chunk) -> Chunk | None:
        """Add a chunk; return what the caller is to see of it at once, None for nothing.

        Raises:
            MalformedResponse: the reply is too long.
        """
        self._add_metadata(chunk)
        self._size += len(chunk.content) + len(chunk.reasoning) + len(chunk.refusal)
        self._size += sum(len(delta.arguments) for delta in chunk.tool_deltas)
        if self._most is not None and self._size > self._most:
            raise reply_size.too_long(self._most)
        if self._is_of_other_choice(chunk):
            return None
        self.finish_reason = chunk.finish_reason or self.finish_reason
        if chunk.whole is not None:
            chunk = self._complete(chunk, chunk.whole)
        if chunk.content or chunk.tool_deltas:
            self._ends_with_usage = False
        elif chunk.usage is not None and chunk.usage.details():
            self._ends_with_usage = True
        for delta in chunk.tool_deltas:
            self._add_tool_delta(delta)
        if chunk.refusal:
            self._refusal.append(chunk.refusal)
        text, thought = chunk.content, ""
        if chunk.content and self._splits_thoughts:
            text, thought = self._filter.feed(chunk.content)
        return self._add_text(text, chunk.reasoning + thought)

    def _complete(self, chunk: Chunk, whole: Completion) -> Chunk:
        """Return a chunk with what the whole reply that ends a stream has beyond the chunks before it.

        Its tool calls replace those that were streamed, as they are complete in any case.
        """
        if len(whole.tool_calls) >= max(len(self._tool_calls), 1):
            self._tool_calls = {
                position: ToolDelta(
                    index=position, id=call.id, name=call.name, arguments=call.arguments, replay=call.replay
                )
                for position, call in enumerate(whole.tool_calls)
            }
        thought = "" if self.reasoning else whole.reasoning or ""
        if self.content or not whole.content:
            return replace(chunk, reasoning=thought)
        return replace(chunk, content=whole.content, reasoning=thought)

    def _is_of_other_choice(self, chunk: Chunk) -> bool:
        """Tell whether a chunk belongs to another choice than the first, where a stream has several."""
        if chunk.choice is None or chunk.choice == self._choice:
            return False
        if self._choice is None:
            self._choice = chunk.choice
            return False
        self._other_choices.add(chunk.choice)
        return True

    def _add_metadata(self, chunk: Chunk) -> None:
        """Add what a chunk reports of the whole reply: its model, its tokens, its cost."""
        self.model = chunk.model or self.model
        if chunk.usage is not None and (self.usage is None or chunk.usage.total_tokens != 0):
            self.usage = chunk.usage if self.usage is None else self.usage.updated(chunk.usage)
        self.response_id = chunk.response_id or self.response_id
        self.cost = chunk.reported_cost if chunk.reported_cost is not None else self.cost
        self.service_tier = chunk.service_tier or self.service_tier
        self.notes.update(chunk.notes)

    def _add_tool_delta(self, delta: ToolDelta) -> None:
        position = self._position(delta)
        call = self._tool_calls.get(position, ToolDelta(index=position))
        if delta.arguments and (delta.id, delta.name, delta.arguments) == (call.id, call.name, call.arguments):
            return  # the whole call once more
        self._tool_calls[position] = ToolDelta(
            index=position,
            id=delta.id or call.id,
            name=_whole_name(call.name, delta.name),
            arguments=call.arguments + delta.arguments,
            replay=delta.replay or call.replay,
        )

    def _position(self, delta: ToolDelta) -> int:
        """Return which tool call a delta belongs to. Some servers number no call, and some number all of them 0."""
        if delta.index == -1:
            return len(self._tool_calls)
        last = len(self._tool_calls) - 1
        position = self._slots.get(delta.index, len(self._tool_calls)) if delta.index >= 0 else max(last, 0)
        call = self._tool_calls.get(position)
        if call is not None and _begins_another(call, delta):
            position = len(self._tool_calls)
        if delta.index >= 0:
            self._slots[delta.index] = position
        return position

    def _calls_in_order(self) -> list[ToolDelta]:
        """Return the tool calls in the provider's order, which need not be that in which they began."""
        numbers = {position: number for number, position in self._slots.items()}
        if len(self._slots) < len(self._tool_calls):  # some have no number of their own
            return list(self._tool_calls.values())
        return [call for _, call in sorted(self._tool_calls.items(), key=lambda item: numbers.get(item[0], item[0]))]

    def text(self) -> str:
        """Return the text so far."""
        return _joined(self.content)

    def flush(self) -> Chunk | None:
        """Return what the reasoning filter held back until the stream's end, None for nothing."""
        return self._add_text(*self._filter.finish())

    def _add_text(self, text: str, thought: str) -> Chunk | None:
        if text:
            self.content.append(text)
        if thought:
            self.reasoning.append(thought)
        return Chunk(content=text, reasoning=thought) if text or thought else None

    def check_end(self) -> None:
        """Raise ConnectionFailed where the stream stopped before its end: half a reply is no reply.

        The end is a finish reason or, from servers that send none, usage after the last of the text or tool calls.
        """
        has_reply = bool(self.content or self._tool_calls)
        if has_reply and self.finish_reason is None and (self._other_choices or not self._ends_with_usage):
            raise ConnectionFailed("the stream broke off before its end")

    def completion(self) -> Completion:
        """Return the whole reply."""
        if self._refusal:
            self.notes["refusal"] = "".join(self._refusal)
        self.notes.update(unread_choices(len(self._other_choices)))
        return Completion(
            content=self.text(),
            model=self.model,
            finish_reason=self._reply_finish_reason(),
            reasoning=_joined(self.reasoning) or None,
            usage=self.usage,
            tool_calls=tuple(
                ToolCall(
                    id=call.id or tool_ids.new(),
                    name=call.name,
                    arguments=_joined([call.arguments]) or "{}",
                    replay=call.replay,
                )
                for call in self._calls_in_order()
                if call.name
            ),
            response_id=self.response_id,
            reported_cost=self.cost,
            service_tier=self.service_tier,
            notes=self.notes,
        )

    def _reply_finish_reason(self) -> str | None:
        if any(call.name for call in self._tool_calls.values()):
            return "tool_calls" if self.finish_reason in (None, "stop") else self.finish_reason
        return "content_filter" if self._refusal and not self.content else self.finish_reason


def _begins_another(call: ToolDelta, delta: ToolDelta) -> bool:
    """Tell whether a delta with the index of a known call is the first of another one."""
    if delta.id and call.id:
        return delta.id != call.id and bool(delta.name)
    if not (delta.name and call.name and call.arguments):
        return False
    return delta.index < 0 or delta.name != call.name


def _whole_name(before: str, name: str) -> str:
    """Return a tool's name so far: some servers send it in pieces, some once more with each piece of the arguments."""
    return name or before if not before or not name or name.startswith(before) else before + name


def _joined(parts: list[str]) -> str:
    """Return pieces of text as one; a character whose two halves (surrogates) came in two pieces is whole again."""
    text = "".join(parts)
    if text.isascii() or not _PAIR.search(text):
        return text
    return _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)


def last_chunk(reply: ModelResponse) -> Chunk:
    """Return the chunk that ends a stream and carries its whole reply."""
    return Chunk(
        finish_reason=reply.finish_reason,
        model=reply.model_name,
        usage=reply.usage,
        tool_calls=reply.tool_calls,
        response_id=reply.response_id,
        cost_usd=reply.cost_usd,
        reply=reply,
    )
