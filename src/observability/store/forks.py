"""Let no SQLite connection cross a fork.

SQLite keeps what it knows of a file's locks and log once for a process. A forked child inherits that knowledge, but not
the locks: it would take the file for locked by itself, and when the parent closes it, write into a log that is
deleted, without an error. So every connection is closed before a fork and opened again after it, by whoever needs one.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Holder(Protocol):
    """Keep a connection open, and close it for the time of a fork."""

    def before_fork(self) -> None:
        """Close the connection, and open none until after the fork."""

    def after_fork(self, *, in_child: bool) -> None:
        """Allow connections again."""


# How long a fork waits for connections that are in use. What takes longer crosses it, as everything did without this.
_PATIENCE_S: Final = 5.0


class _Gate:
    """Count the connections that are open for a short time, and let a fork wait for their end."""

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
_holders: weakref.WeakSet[Holder] = weakref.WeakSet()
_held: list[Holder] = []
_watched = False


@contextlib.contextmanager
def brief() -> Iterator[None]:
    """Use a connection inside the block: a fork waits for its end, and none begins during a fork."""
    gate = _gate
    gate.enter()
    try:
        yield
    finally:
        gate.leave()


def watch(holder: Holder) -> None:
    """Tell a holder of a connection of every fork."""
    global _watched  # noqa: PLW0603 - once for a process
    _holders.add(holder)
    if not _watched and hasattr(os, "register_at_fork"):
        _watched = True
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def taken(lock: threading.Lock) -> bool:
    """Take a lock that some thread may keep for good; tell whether it was to be had."""
    return lock.acquire(timeout=_PATIENCE_S)


def _before() -> None:
    _gate.close()
    _held[:] = list(_holders)
    for holder in _held:
        holder.before_fork()


def _in_parent() -> None:
    for holder in _held:
        holder.after_fork(in_child=False)
    _held.clear()
    _gate.reopen()


def _in_child() -> None:
    global _gate  # noqa: PLW0603 - the threads that were waiting at the old one do not exist here
    _gate = _Gate()
    for holder in _held:
        holder.after_fork(in_child=True)
    _held.clear()
