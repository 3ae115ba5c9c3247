"""Take a leading <think> block out of a reply, whole or streamed."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPEN, _CLOSE = "<think>", "</think>"
_LEADING = re.compile(r"\A\s*<think>(.*?)(?:</think>\s*|\Z)", re.DOTALL)


def split(content: str) -> tuple[str, str | None]:
    """Return (text, reasoning) of a reply that may begin with a <think> block; an unclosed block is all reasoning."""
    if _OPEN not in content[:64]:
        return content, None
    found = _LEADING.match(content)
    if not found:
        return content, None
    return content[found.end() :], found.group(1).strip() or None


@dataclass(slots=True)
class ThinkFilter:
    """Do the same for a stream: each piece goes in, its (text, reasoning) comes out.

    Only so much is held back as may still turn out to be a tag.
    """

    _state: str = "before"
    _held: str = ""

    def feed(self, piece: str) -> tuple[str, str]:
        """Take the next piece of content."""
        if self._state == "after":
            return piece, ""
        self._held += piece
        if self._state == "before" and not self._enter():
            return self._text()
        if self._state == "inside":
            return self._inside()
        return self._closing() if self._state == "closing" else ("", "")

    def finish(self) -> tuple[str, str]:
        """Return what was held back when the stream ended."""
        held, self._held = self._held, ""
        return ("", held) if self._state == "inside" else (held, "")

    def _enter(self) -> bool:
        """Decide what the stream begins with; False: it is plain text."""
        start = self._held.lstrip()
        if start.startswith(_OPEN):
            self._held = start[len(_OPEN) :]
            self._state = "inside"
            return True
        return _OPEN.startswith(start)

    def _text(self) -> tuple[str, str]:
        self._state = "after"
        held, self._held = self._held, ""
        return held, ""

    def _inside(self) -> tuple[str, str]:
        reasoning, closed, rest = self._held.partition(_CLOSE)
        if closed:
            self._state = "closing"
            self._held = rest
            return self._closing()[0], reasoning
        keep = next((size for size in range(len(_CLOSE) - 1, 0, -1) if self._held.endswith(_CLOSE[:size])), 0)
        out = self._held[: len(self._held) - keep]
        self._held = self._held[len(self._held) - keep :]
        return "", out

    def _closing(self) -> tuple[str, str]:
        rest = self._held.lstrip()
        if rest:
            self._state, self._held = "after", ""
        return rest, ""
