"""Store rows on other threads, for callers that must not block: event loops, and decisions with a deadline.

A row is normally committed on the thread that brings it, before it goes on. Inside `collecting()` the work is handed to
daemon threads instead: redaction, encoding, the commit. The block's `Rows` then tell when all of it is stored, so that
an awaited call can return after its commit while other tasks of its loop go on. What waits here is never dropped while
the process lives: a store that another process has locked is tried again until it is free.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    Work = Callable[[], object]

_log = logging.getLogger("moondev.spool")
_MOST_THREADS: Final = 4
_IDLE_S: Final = 10.0  # after which an idle thread ends
# How long `beside` waits: the shorter time where the deadline has come.
_SHORTEST_PATIENCE_S: Final = 0.25
_LONGEST_PATIENCE_S: Final = 0.9
_STUCK_S: Final = 0.5  # without a stored row, after which callers stop waiting
# How long the end of a process waits for rows: as long as a plain call would have waited for a locked store.
EXIT_PATIENCE_S: Final = 15.0
# The most bytes of texts that may wait here. Beyond it, whoever brings more stores it himself, and so waits.
MOST_WAITING_BYTES: Final = 256 * 1024 * 1024


class Rows:
    """The rows of one call or decision that other threads are storing."""

    __slots__ = ("_callbacks", "_condition", "_waiting")

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting = 0
        self._callbacks: list[Work] = []

    def add(self) -> None:
        """Count one more row to store."""
        with self._condition:
            self._waiting += 1

    def stored(self) -> None:
        """Count a row as stored, or as lost."""
        with self._condition:
            self._waiting -= 1
            if self._waiting:
                return
            callbacks, self._callbacks = self._callbacks, []
            self._condition.notify_all()
        for callback in callbacks:
            callback()

    def wait(self, timeout_s: float) -> bool:
        """Wait at most `seconds` until all rows are stored; tell whether they are."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._waiting, max(timeout_s, 0.0))

    async def astored(self, timeout_s: float) -> bool:
        """Do what `wait` does, in asyncio."""
        import asyncio

        loop = asyncio.get_running_loop()
        ready: asyncio.Future[bool] = loop.create_future()

        def resolve(is_stored: bool) -> None:
            if not ready.done():
                ready.set_result(is_stored)

        def notify() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has closed, and with it the waiting task
                loop.call_soon_threadsafe(resolve, True)

        with self._condition:
            if not self._waiting or timeout_s <= 0:
                return not self._waiting
            self._callbacks.append(notify)
        timer = loop.call_later(timeout_s, resolve, False)
        try:
            return await ready
        finally:
            timer.cancel()


_rows: ContextVar[Rows | None] = ContextVar("moondev_rows", default=None)


class collecting:  # noqa: N801 - used like a function; as a generator it would take three times as long
    """Store the rows of the block on other threads; the block's value are the `Rows`.

    Args:
        rows: Where to count them; a new object where not given. None stores each row at once, on its own thread.
    """

    __slots__ = ("_rows", "_token")

    def __init__(self, rows: Rows | None) -> None:
        self._rows = rows
        self._token: Token[Rows | None]

    def __enter__(self) -> Rows | None:
        """Begin to collect in this thread or task."""
        self._token = _rows.set(self._rows)
        return self._rows

    def __exit__(self, *_: object) -> None:
        """Collect as before the block."""
        _rows.reset(self._token)


class beside:  # noqa: N801 - used like a function
    """Store the rows of the block on other threads, and wait a little for them at its end: less than a second.

    It waits a quarter of a second where the deadline has come, and not at all where nothing gets stored. For `with`,
    and for `async with` in asyncio.

    Args:
        deadline: By when the block's result is due, on the monotonic clock.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._rows = Rows()
        self._collecting = collecting(self._rows)

    def __enter__(self) -> Rows:
        """Begin to collect."""
        self._collecting.__enter__()
        return self._rows

    def __exit__(self, *_: object) -> None:
        """Wait."""
        self._collecting.__exit__()
        self._rows.wait(self._patience_s())

    async def __aenter__(self) -> Rows:
        """Begin to collect."""
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait, while other tasks go on."""
        self._collecting.__exit__()
        if kind is not GeneratorExit:  # after which nothing can be awaited: the loop has gone
            await self._rows.astored(self._patience_s())

    def _patience_s(self) -> float:
        left_s = self._deadline - time.monotonic()
        return 0.0 if is_stuck() else min(max(left_s, _SHORTEST_PATIENCE_S), _LONGEST_PATIENCE_S)


def collected() -> Rows | None:
    """Return where the rows of this thread or task are counted; None where each is stored at once."""
    return _rows.get()


def run(rows: Rows, work: Work, size: int) -> bool:
    """Run work that stores a row on another thread; False where too much waits already, and the row is lost.

    Args:
        rows: Where the row is counted.
        work: Stores the row; does not raise.
        size: About how many bytes wait with it.
    """
    return _threads.take(_Entry(work=work, rows=rows, size=size))


def drain(timeout_s: float) -> int:
    """Wait until all rows that were handed over are stored; return how many are not, once the time is over."""
    return _threads.drain(timeout_s)


def is_stuck() -> bool:
    """Tell whether rows wait and none has been stored for a while, as in a store that another process has locked."""
    return _threads.is_stuck()


def is_ending() -> bool:
    """Tell whether the process ends and has waited as long as it may, so that nothing is tried again."""
    return _threads.ending


class _Entry:
    """Work that waits for a thread."""

    __slots__ = ("rows", "size", "work")

    def __init__(self, *, work: Work, rows: Rows, size: int) -> None:
        self.work = work
        self.rows = rows
        self.size = size


class _Threads:
    """Daemon threads that perform work; they start when there is some, and end when there has been none for a while."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        self._done = threading.Condition(lock)
        self._queue: deque[_Entry] = deque()
        self._bytes = 0
        self._count = 0
        self._idle = 0
        self._moved_at = 0.0  # when work was last finished, or began to wait
        self.waiting = 0
        self.ending = False

    def take(self, entry: _Entry) -> bool:
        """Take work, and count its row; False where too much waits."""
        with self._work:
            if self._queue and self._bytes + entry.size > MOST_WAITING_BYTES:
                return False
            entry.rows.add()
            needs_thread = self._idle <= len(self._queue) and self._count < _MOST_THREADS
            self._count += needs_thread
            if not needs_thread:
                self._append(entry)
                return True
        # A thread of gevent's runs at once, and takes the lock, which may be the interpreter's own.
        is_started = self._start()
        with self._work:
            self._count -= not is_started
            if self._count:
                self._append(entry)
                return True
        _perform(entry)  # no thread can start: the interpreter is shutting down, or there are too many
        return True

    def _append(self, entry: _Entry) -> None:
        self._queue.append(entry)
        if not self.waiting:
            self._moved_at = time.monotonic()
        self._bytes += entry.size
        self.waiting += 1
        self._work.notify()

    def _start(self) -> bool:
        """Start a thread; tell whether one can start."""
        _watch_forks()
        try:
            threading.Thread(target=self._run, name="moondev-store", daemon=True).start()
        except RuntimeError:
            return False
        return True

    def _run(self) -> None:
        while (entry := self._next()) is not None:
            _perform(entry)
            with self._work:
                self._bytes -= entry.size
                self.waiting -= 1
                self._moved_at = time.monotonic()
                if not self.waiting:
                    self._done.notify_all()

    def _next(self) -> _Entry | None:
        with self._work:
            self._idle += 1
            self._work.wait_for(lambda: self._queue, _IDLE_S)
            self._idle -= 1
            if self._queue:
                return self._queue.popleft()
            self._count -= 1
            return None

    def is_stuck(self) -> bool:
        """Tell whether work waits and none has been finished for a while."""
        return self.waiting > 0 and time.monotonic() - self._moved_at > _STUCK_S

    def drain(self, timeout_s: float) -> int:
        """Wait until no work waits or is performed; return how much is left when the time is over."""
        with self._work:
            self._done.wait_for(lambda: not self.waiting, max(timeout_s, 0.0))
            return self.waiting


def _perform(entry: _Entry) -> None:
    try:
        with collecting(None):
            entry.work()
    except Exception:  # noqa: BLE001 - the work itself reports what it could not store
        _log.exception("A row could not be stored.")
    finally:
        entry.rows.stored()


_threads = _Threads()
_watches_forks = False


def _watch_forks() -> None:
    """Begin anew in forked children: the parent stores what waited there."""
    global _watches_forks  # noqa: PLW0603 - once for a process
    if not _watches_forks and hasattr(os, "register_at_fork"):
        _watches_forks = True
        os.register_at_fork(after_in_child=_reset_in_child)


def _reset_in_child() -> None:
    global _threads  # noqa: PLW0603 - one group of threads for a process
    _threads = _Threads()


def drain_at_exit() -> None:
    """Wait at exit for what is still to be stored, before the handlers that were registered until now."""
    atexit.unregister(_drain_at_exit)
    atexit.register(_drain_at_exit)


def _drain_at_exit() -> None:
    left = _threads.drain(EXIT_PATIENCE_S)
    _threads.ending = True
    if left:
        _log.error("%d observations and scores are lost: the trace store did not take them before the end.", left)
