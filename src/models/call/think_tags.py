"""Take leading <think> blocks out of a reply, whole or streamed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"


def split(content: str) -> tuple[str, str | None]:
    """Return (text, reasoning) of a reply that may begin with <think> blocks; an unclosed block is all reasoning."""
    if _OPEN not in content[:64]:
        return content, None
    taken = ThinkFilter()
    (text, thought), (last, unclosed) = taken.feed(content), taken.finish()
    return text + last, (thought + unclosed).strip() or None


@dataclass(slots=True)
class ThinkFilter:
    """Do the same for a stream: each piece goes in, its (text, reasoning) comes out.

    Only so much is held back as may still turn out to be a tag. Where a block names the tag inside, what follows its
    first end is held back too: another end makes that reasoning as well, the end of the reply makes it text.
    """

    _state: str = "before"
    _held: str = ""
    _opened: int = 0

    def feed(self, piece: str) -> tuple[str, str]:
        """Take the next piece of content."""
        if self._state == "after":
            return piece, ""
        self._held += piece
        thoughts = ""
        while True:
            if self._state == "before":
                if not self._enter():
                    return self._text(), thoughts
                if self._state == "before":
                    return "", thoughts
            thoughts += self._inside()
            if self._state == "inside":
                return "", thoughts

    def finish(self) -> tuple[str, str]:
        """Return what was held back when the stream ended."""
        held, self._held = self._held, ""
        if self._state != "inside":
            return held, ""
        thought, closed, text = held.partition(_CLOSE)
        return (text.lstrip(), thought) if closed else ("", held)

    def _enter(self) -> bool:
        """Decide whether what is held begins a block; False: it is plain text."""
        start = self._held.lstrip()
        if start.startswith(_OPEN):
            self._state, self._held, self._opened = "inside", start[len(_OPEN) :], 1
            return True
        if self._opened:  # the blanks after a block are nobody's
            self._held = start
        return _OPEN.startswith(start)

    def _text(self) -> str:
        self._state = "after"
        held, self._held = self._held, ""
        return held

    def _inside(self) -> str:
        """Return the thoughts that are certain; after the block's end, go on as before it."""
        end = _last_end(self._held)
        if end is not None:
            thought, self._held, self._state = self._held[: end - len(_CLOSE)], self._held[end:], "before"
            return thought
        if _CLOSE in self._held:  # the end of a block that was opened inside
            return ""
        inner = self._held.find(_OPEN)
        sure = inner if inner >= 0 else len(self._held) - _begun_tag(self._held)
        out, self._held = self._held[:sure], self._held[sure:]
        return out


def _begun_tag(held: str) -> int:
    """Return how many of the last characters may be the beginning of a tag."""
    at = held.rfind("<", -len(_CLOSE) + 1)
    return len(held) - at if at >= 0 and (_CLOSE.startswith(held[at:]) or _OPEN.startswith(held[at:])) else 0


def _last_end(held: str) -> int | None:
    """Return where the open block ends, with as many ends as beginnings; None where that has not come."""
    depth, at = 1, 0
    while depth:
        close = held.find(_CLOSE, at)
        if close < 0:
            return None
        depth += held.count(_OPEN, at, close) - 1
        at = close + len(_CLOSE)
    return at
