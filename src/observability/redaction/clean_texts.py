"""Remember long texts that were found clean, so that a prompt which goes to many models is read once."""

from __future__ import annotations

from typing import Final

SHORTEST: Final = 4_096
_MOST_CHARACTERS = 4_000_000
_EDGE, _SAMPLES = 64, 64


class KnownClean:
    """Hold whole texts: a text is clean only if it is equal to one that was.

    They are found by some of their characters, for Python's hash of a new text reads all of it.
    """

    __slots__ = ("_size", "_texts")

    def __init__(self) -> None:
        self._texts: dict[tuple[int, str, str], str] = {}
        self._size = 0

    def __contains__(self, text: str) -> bool:
        """Tell whether a text is known to be clean."""
        return self._texts.get(_key(text)) == text

    def add(self, text: str) -> None:
        """Remember a clean text; when there are too many, all are forgotten."""
        if len(text) > _MOST_CHARACTERS // 4:
            return
        if self._size + len(text) > _MOST_CHARACTERS:
            self._texts, self._size = {}, 0
        key = _key(text)
        self._size += len(text) - len(self._texts.get(key, ""))
        self._texts[key] = text


def _key(text: str) -> tuple[int, str, str]:
    return len(text), text[-_EDGE:], text[:: len(text) // _SAMPLES + 1]
