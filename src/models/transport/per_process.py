"""Provide one client for each process: a forked child that used its parent's connections would get its replies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Client = TypeVar("Client")

# A child never closes the clients of its parent: that would end, or use, connections that the parent still uses.
_inherited: Final[list[object]] = []


class PerProcess(Generic[Client]):
    """The client of this process.

    Args:
        make: Makes a client; called at once, and again in a forked child.
    """

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._client, self._process = make(), os.getpid()

    def get(self) -> Client:
        """Return the client."""
        if self._process != os.getpid():
            _inherited.append(self._client)
            self._client, self._process = self._make(), os.getpid()
        return self._client
