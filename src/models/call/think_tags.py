"""Move leading <think> blocks of a reply, whole or streamed, into its reasoning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"
_MOST_BLOCKS: Final = 100  # what follows so many blocks is text, whatever it looks like


def split(content: str) -> tuple[str, str | None]:
    """Return (text, reasoning) of a reply that may begin with <think> blocks; an unclosed block is all reasoning."""
    if _OPEN not in content[:64]:
        return content, None
    think_filter = ThinkFilter()
    (text, thought), (last, unclosed) = think_filter.feed(content), think_filter.finish()
    return text + last, (thought + unclosed).strip() or None


@dataclass(slots=True)
class ThinkFilter:
    """Split the content of a stream into text and reasoning, piece by piece.

    Only what may still turn out to be a tag is buffered. Where a block mentions the tag inside itself, what follows
    its first closing tag is buffered too: another closing tag makes that reasoning as well, the end of the reply makes
    it text.
    """

    _state: Literal["before", "inside", "after"] = "before"
    _buffer: str = ""
    _blocks: int = 0

    def feed(self, piece: str) -> tuple[str, str]:
        """Add the next piece of content; return the (text, reasoning) that is certain by now."""
        if self._state == "after":
            return piece, ""
        self._buffer += piece
        thoughts = ""
        while True:
            if self._state == "before":
                if not self._enter_block():
                    return self._leave(), thoughts
                if self._state == "before":
                    return "", thoughts
            thoughts += self._take_thoughts()
            if self._state == "inside":
                return "", thoughts

    def finish(self) -> tuple[str, str]:
        """Return the (text, reasoning) that was buffered when the stream ended."""
        buffered, self._buffer = self._buffer, ""
        if self._state != "inside":
            return buffered, ""
        thought, closed, text = buffered.partition(_CLOSE)
        return (text.lstrip(), thought) if closed else ("", buffered)

    def _enter_block(self) -> bool:
        """Enter a block if the buffer begins with one; return False where the buffer is plain text."""
        start = self._buffer.lstrip()
        if start.startswith(_OPEN) and self._blocks < _MOST_BLOCKS:
            self._state, self._buffer, self._blocks = "inside", start[len(_OPEN) :], self._blocks + 1
            return True
        if self._blocks:  # whitespace after a block belongs to neither side
            self._buffer = start
        return self._blocks < _MOST_BLOCKS and _OPEN.startswith(start)

    def _leave(self) -> str:
        """Take all that follows for text; return what was buffered of it."""
        self._state = "after"
        buffered, self._buffer = self._buffer, ""
        return buffered

    def _take_thoughts(self) -> str:
        """Return the reasoning that is certain; leave the block where its end is buffered."""
        end = _end_of_block(self._buffer)
        if end is not None:
            thought, self._buffer, self._state = self._buffer[: end - len(_CLOSE)], self._buffer[end:], "before"
            return thought
        if _CLOSE in self._buffer:  # the end of a block that was opened inside
            return ""
        inner = self._buffer.find(_OPEN)
        certain = inner if inner >= 0 else len(self._buffer) - _partial_tag_length(self._buffer)
        thought, self._buffer = self._buffer[:certain], self._buffer[certain:]
        return thought


def _partial_tag_length(text: str) -> int:
    """Return how many of the last characters may be the beginning of a tag."""
    start = text.rfind("<", -len(_CLOSE) + 1)
    return (
        len(text) - start if start >= 0 and (_CLOSE.startswith(text[start:]) or _OPEN.startswith(text[start:])) else 0
    )


def _end_of_block(text: str) -> int | None:
    """Return where the open block ends, past as many closing tags as opening ones; None where it does not yet."""
    depth, position = 1, 0
    while depth:
        close = text.find(_CLOSE, position)
        if close < 0:
            return None
        depth += text.count(_OPEN, position, close) - 1
        position = close + len(_CLOSE)
    return position
