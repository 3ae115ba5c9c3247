"""Provide one client for each process, made anew where it was closed, and keep few of them open.

A forked child that used its parent's connections would get its replies. A program that makes a model for each of
hundreds of keys would keep as many clients and connections: beyond `MOST_OPEN` the one that has been idle for longest
is closed, and made again when its model is next called. One that is in use, or that the program itself holds, stays.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Client = TypeVar("Client")

MOST_OPEN = 64

# A child never closes the clients of its parent: that would end, or use, connections that the parent still uses.
_inherited: Final[list[object]] = []
_turns: Final = itertools.count()
_open: Final[weakref.WeakSet[PerProcess[Any]]] = weakref.WeakSet()
_open_lock = threading.Lock()


class PerProcess(Generic[Client]):
    """The client of this process; `with` it as long as the client is used.

    Args:
        make: Makes a client; called at once, again in a forked child, and where it was closed.
        close: Closes a client.
        is_lazy: Make it when it is first used instead; where that fails, the next use tries again.
    """

    def __init__(self, make: Callable[[], Client], close: Callable[[Client], object], *, is_lazy: bool = False) -> None:
        self._make, self._close = make, close
        self._lock = threading.RLock()
        self._users = 0
        self._is_shown = False
        self._used_at = next(_turns)
        self._client: Client | None = None if is_lazy else make()
        self._process = os.getpid()
        if not is_lazy:
            _count_open(self)

    def get(self) -> Client:
        """Return the client to the program, which may keep it: it is not closed any more."""
        with self as client:
            self._is_shown = True
            return client

    def peek(self) -> Client | None:
        """Return the client where it is open."""
        return self._client if self._process == os.getpid() else None

    def __enter__(self) -> Client:
        """Return the client, which stays open until the end of the block."""
        if self._process != os.getpid():
            self._forked()
        with self._lock:
            self._users += 1
            self._used_at = next(_turns)
            client = self._client
            if client is None:
                try:
                    client = self._client = self._make()
                except BaseException:
                    self._users -= 1
                    raise
                is_new = True
            else:
                is_new = False
        if is_new:
            _count_open(self)
        return client

    def __exit__(self, *_: object) -> None:
        """End the use of the client."""
        with self._lock:
            self._users -= 1

    def hold(self, stream: Any) -> Any:
        """Return a stream that was opened with the client, which stays open as long as the stream is there."""
        with self._lock:
            self._users += 1
        weakref.finalize(stream, self.__exit__).atexit = False
        return stream

    def _forked(self) -> None:
        """Leave the client to the parent."""
        _inherited.append(self._client)
        self._lock = threading.RLock()
        self._client, self._users, self._process = None, 0, os.getpid()

    def _close_if_idle(self) -> bool:
        """Close the client unless it is used; tell whether it is closed now."""
        with self._lock:
            if self._users or self._is_shown or self._client is None or self._process != os.getpid():
                return False
            client, self._client = self._client, None
        with contextlib.suppress(Exception):
            self._close(client)
        return True


def _count_open(newest: PerProcess[Any]) -> None:
    """Count a client that was opened, and close the oldest idle ones of those that are too many."""
    with _open_lock:
        _open.add(newest)
        others = sorted((item for item in _open if item is not newest), key=lambda item: item._used_at)
    surplus = len(others) + 1 - MOST_OPEN
    for item in others:
        if surplus <= 0:
            return
        if item._close_if_idle():
            surplus -= 1
            with _open_lock:
                _open.discard(item)


def _begin_anew() -> None:
    """Forget, in a forked child, what its parent has open; the lock may have been taken by a thread of the parent."""
    global _open_lock  # noqa: PLW0603 - one for each process
    _open_lock = threading.Lock()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
