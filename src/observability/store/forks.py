"""Let no SQLite connection cross a fork.

SQLite keeps what it knows of a file's locks and log once for a process. A forked child inherits that knowledge, but not
the locks: it would take the file for locked by itself and, once the parent closes it, write into a log that is deleted,
without an error. So every connection is closed before a fork and opened again after it, by the code that needs one.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class ConnectionOwner(Protocol):
    """An object that keeps a connection open, and closes it for the time of a fork."""

    def before_fork(self) -> None:
        """Close the connection, and open none until after the fork."""

    def after_fork(self, *, in_child: bool) -> None:
        """Allow connections again."""


# How long a fork waits for connections that are in use. One that stays in use for longer crosses the fork.
_PATIENCE_S: Final = 5.0


class _Gate:
    """Count the short-lived connections that are open, and let a fork wait until they are closed."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.open = 0
        self.closed = False

    def enter(self) -> None:
        with self.changed:
            self.changed.wait_for(lambda: not self.closed, _PATIENCE_S)
            self.open += 1

    def leave(self) -> None:
        with self.changed:
            self.open -= 1
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.wait_for(lambda: self.open == 0, _PATIENCE_S)

    def reopen(self) -> None:
        with self.changed:
            self.closed = False
            self.changed.notify_all()


_gate = _Gate()
_owners: weakref.WeakSet[ConnectionOwner] = weakref.WeakSet()
_in_fork: list[ConnectionOwner] = []  # strong references, so that an owner that was closed is the one reopened
_registered = False


@contextlib.contextmanager
def short_connection() -> Iterator[None]:
    """Allow a connection inside the block: a fork waits for the block's end, and no block begins during a fork."""
    gate = _gate
    gate.enter()
    try:
        yield
    finally:
        gate.leave()


def watch(owner: ConnectionOwner) -> None:
    """Call the owner of a connection before and after every fork."""
    global _registered  # noqa: PLW0603 - once for a process
    _owners.add(owner)
    if not _registered and hasattr(os, "register_at_fork"):
        _registered = True
        os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)


def acquire(lock: threading.Lock) -> bool:
    """Acquire a lock that a thread may hold forever; tell whether that succeeded in time."""
    return lock.acquire(timeout=_PATIENCE_S)


def _before() -> None:
    _gate.close()
    _in_fork[:] = list(_owners)
    for owner in _in_fork:
        owner.before_fork()


def _after_in_parent() -> None:
    for owner in _in_fork:
        owner.after_fork(in_child=False)
    _in_fork.clear()
    _gate.reopen()


def _after_in_child() -> None:
    global _gate  # noqa: PLW0603 - the threads that were waiting at the old one do not exist here
    _gate = _Gate()
    for owner in _in_fork:
        owner.after_fork(in_child=True)
    _in_fork.clear()
