"""Hold a reply's JSON, and make the SDK's own object of it for whoever asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class LazyReply(dict[str, Any]):
    """Hold a reply's JSON; `typed` makes the SDK's own object of it, when somebody first asks."""

    __slots__ = ("_made", "_make")

    def __init__(self, told: dict[str, Any], make: Callable[[], Any]) -> None:
        super().__init__(told)
        self._make: Callable[[], Any] | None = make
        self._made: Any = None

    def typed(self) -> Any:
        """Return the SDK's object."""
        make, self._make = self._make, None
        if make is not None:
            self._made = make()
        return self._made
