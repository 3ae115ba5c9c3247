"""Keep a reply's JSON, from which the SDK's own object is made on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class LazyReply(dict[str, Any]):
    """A reply's JSON; `typed` makes the SDK's own object of it when it is first called."""

    __slots__ = ("_make", "_typed")

    def __init__(self, payload: dict[str, Any], make: Callable[[], Any]) -> None:
        super().__init__(payload)
        self._make: Callable[[], Any] | None = make
        self._typed: Any = None

    def typed(self) -> Any:
        """Return the SDK's object."""
        make, self._make = self._make, None
        if make is not None:
            self._typed = make()
        return self._typed
