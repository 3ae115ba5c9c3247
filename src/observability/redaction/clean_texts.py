"""A memory of long texts without secrets, so that a prompt sent to many models is scanned once."""

from __future__ import annotations

from typing import Final

SHORTEST: Final = 4_096
_MOST_CHARACTERS = 4_000_000
_EDGE, _SAMPLES = 64, 64


class CleanTexts:
    """A set of whole texts; a text is clean only if it equals one of them.

    The key is a sample of a text's characters, since Python's hash of a new string reads all of it.
    """

    __slots__ = ("_size", "_texts")

    def __init__(self) -> None:
        self._texts: dict[tuple[int, str, str], str] = {}
        self._size = 0

    def __contains__(self, text: str) -> bool:
        """Return whether a text is known to be clean."""
        return self._texts.get(_key(text)) == text

    def add(self, text: str) -> None:
        """Remember a clean text; forget all others first when they take too much memory."""
        if len(text) > _MOST_CHARACTERS // 4:
            return
        if self._size + len(text) > _MOST_CHARACTERS:
            self._texts, self._size = {}, 0
        key = _key(text)
        self._size += len(text) - len(self._texts.get(key, ""))
        self._texts[key] = text


def _key(text: str) -> tuple[int, str, str]:
    return len(text), text[-_EDGE:], text[:: len(text) // _SAMPLES + 1]
