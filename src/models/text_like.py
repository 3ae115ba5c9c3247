"""Let a record be used like its text, for code that had a string before."""

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

_METHODS = frozenset(name for name in dir(str) if not name.startswith("_"))


class TextLike:
    """A record that behaves like the string in its `content`."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def content(self) -> str:
            """Return the text."""

    else:

        def __getattr__(self, name):
            """Return a method of the text, such as `strip` and `upper`."""
            if name in _METHODS:
                return getattr(self.content, name)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __str__(self) -> str:
        """Return the text."""
        return self.content

    def __len__(self) -> int:
        """Return the length of the text."""
        return len(self.content)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the text's characters."""
        return iter(self.content)

    def __contains__(self, part: object) -> bool:
        """Tell whether the text contains `part`."""
        return isinstance(part, str) and part in self.content

    def __getitem__(self, index: SupportsIndex | slice) -> str:
        """Return a character or a slice of the text."""
        return self.content[index]

    def __add__(self, text: str) -> str:
        """Return the text followed by another."""
        return self.content + text

    def __radd__(self, text: str) -> str:
        """Return the text preceded by another."""
        return text + self.content
