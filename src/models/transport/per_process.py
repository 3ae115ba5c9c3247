"""Keep one client for each process: a forked child that spoke on its parent's connections would get its replies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Client = TypeVar("Client")

# What a child has from its parent is never closed there: that would end, or use, what the parent goes on with.
_inherited: Final[list[object]] = []


class PerProcess(Generic[Client]):
    """Hold the client of this process.

    Args:
        make: Makes a client; it is asked at once, and again in a child.
    """

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._made, self._process = make(), os.getpid()

    def get(self) -> Client:
        """Return the client."""
        if self._process != os.getpid():
            _inherited.append(self._made)
            self._made, self._process = self._make(), os.getpid()
        return self._made
