"""Remember long texts that were found clean, so that a prompt which goes to many models is read once."""

from __future__ import annotations

from typing import Final

SHORTEST: Final = 4_096
_MOST_CHARACTERS = 4_000_000


class KnownClean:
    """Hold whole texts, never their hashes alone: a text is clean only if it is equal to one that was."""

    __slots__ = ("_size", "_texts")

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}
        self._size = 0

    def __contains__(self, text: str) -> bool:
        """Tell whether a text is known to be clean."""
        return text in self._texts

    def add(self, text: str) -> None:
        """Remember a clean text; when there are too many, all are forgotten."""
        if len(text) > _MOST_CHARACTERS // 4:
            return
        if self._size + len(text) > _MOST_CHARACTERS:
            self._texts, self._size = {}, 0
        self._texts[text] = None
        self._size += len(text)
