"""Wake the main thread where a signal that Python is to handle came just before a blocking call.

Python notes a signal when it comes and runs its handler between two steps of the main thread. A blocking call that the
signal interrupts returns to those steps; a call that begins in the microseconds after the note sleeps on, for ever if
need be, and the handler with it. Without a handler the signal would have killed at once. So a thread is told of each
signal by the file that `signal.set_wakeup_fd` names, and interrupts the main thread by another signal, whose handler
does nothing, until the first one's handler has begun.

Nothing is taken from a program: whoever uses the wakeup file, as event loops with handlers of their own do, is woken by
it anyway; trio, which warns where one is set, is left alone; forked children have neither file nor handlers of ours.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_PAUSES_S: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_CHUNK: Final = 4_096


@dataclass(frozen=True, slots=True)
class _Watch:
    """The two ends of the wakeup file, and the signal that interrupts the main thread."""

    read_end: int
    write_end: int
    nudge: int


_watch: _Watch | None = None


def watch(number: int, is_waiting: Callable[[], bool]) -> None:
    """Interrupt the main thread when this signal has come, as long as `is_waiting` says that its handler has not begun.

    Does nothing where other code uses the wakeup file. Call it in the main thread.

    Raises:
        ValueError: this is not the main thread of the main interpreter.
    """
    global _watch  # noqa: PLW0603 - a process has one wakeup file
    nudge = _free_signal()
    if _watch is not None or nudge is None or "trio" in sys.modules:
        return
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    previous = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    if previous != -1:
        signal.set_wakeup_fd(previous)
        os.close(read_end)
        os.close(write_end)
        return
    signal.signal(nudge, _do_nothing)
    _watch = _Watch(read_end, write_end, nudge)
    main = threading.main_thread().ident
    if main is not None:
        _thread.start_new_thread(_read_signals, (_watch, main, number, is_waiting))


def forget_in_child() -> None:
    """Undo everything in a forked child: its signals must not reach its parent's thread."""
    global _watch
    watched, _watch = _watch, None
    if watched is None:
        return
    with contextlib.suppress(ValueError, OSError):
        current = signal.set_wakeup_fd(-1)
        if current not in {-1, watched.write_end}:
            signal.set_wakeup_fd(current)
        if signal.getsignal(watched.nudge) is _do_nothing:
            signal.signal(watched.nudge, signal.SIG_DFL)
    for end in (watched.read_end, watched.write_end):
        with contextlib.suppress(OSError):
            os.close(end)


def _free_signal() -> int | None:
    """Return a signal that nothing uses: one of the last real-time signals; where there are none, SIGURG."""
    last = getattr(signal, "SIGRTMAX", None)
    candidates = range(int(last) - 1, int(last) - 9, -1) if last is not None else (int(signal.SIGURG),)
    return next((number for number in candidates if signal.getsignal(number) is signal.SIG_DFL), None)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Let the system call that the main thread waits in return to Python."""


def _read_signals(watched: _Watch, main: int, number: int, is_waiting: Callable[[], bool]) -> None:
    """Read the numbers of the signals that come, for as long as the process lives."""
    with contextlib.suppress(OSError):
        while numbers := os.read(watched.read_end, _CHUNK):
            if number in numbers:
                _nudge(watched, main, is_waiting)


def _nudge(watched: _Watch, main: int, is_waiting: Callable[[], bool]) -> None:
    """Interrupt the main thread until the handler has begun; a few times, since a nudge may come too early as well."""
    for pause in _PAUSES_S:
        time.sleep(pause)
        if not is_waiting() or signal.getsignal(watched.nudge) is not _do_nothing:
            return
        signal.pthread_kill(main, watched.nudge)
