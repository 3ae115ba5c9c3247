"""Check the rules in a process that does something else, on one daemon thread that never takes much of it."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final

from src.observability.alerts.followed_file import FollowedFile
from src.observability.alerts.location import VARIABLE, alerts_path
from src.observability.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger("moondev.alerts")
_LARGEST_SHARE: Final = 0.05  # of the time that checking may take
_SHORTEST_WAIT_S: Final = 1.0


class Background:
    """The thread that checks the rules of an alerts file on a store. It ends with the process.

    A forked child has no such thread; `wake`, which is called for each stored row, starts one there.

    Args:
        store: The trace store's file.
        path: The alerts file.
        is_named: Whether the user has named it.
        offline: Whether nothing may leave this machine.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        store: Path,
        path: Path,
        *,
        is_named: bool = True,
        offline: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._path = path
        self._is_named = is_named
        self._offline = offline
        self._clock = clock
        self._problem = ""
        self._reset()
        if hasattr(os, "register_at_fork"):
            reset = weakref.WeakMethod(self._reset)
            os.register_at_fork(after_in_child=lambda: (method := reset()) and method())

    def _reset(self) -> None:
        """Make what belongs to one process."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._followed = FollowedFile(
            self._store, self._path, is_named=self._is_named, offline=self._offline, clock=self._clock
        )
        self.thread: threading.Thread | None = None
        self._is_ended = False

    def wake(self) -> None:
        """Start the thread where there is none, as in a forked child. Never raises."""
        if self.thread is None:
            self.start()

    def start(self) -> None:
        """Start the thread, once."""
        with self._lock:
            if self.thread is None and not self._is_ended:
                thread = threading.Thread(target=self._run, name="moondev-alerts", daemon=True)
                self.thread = thread
                try:
                    thread.start()
                except RuntimeError as error:  # too many threads: calls are recorded all the same
                    _log.warning("Alerts are not checked by this process: %s.", error)

    def stop(self) -> None:
        """End the thread after the pass that is under way, and let another process check."""
        self._is_ended = True
        self._stop.set()

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stop.wait(wait_s):
            wait_s = self.run_once()
        try:
            self._followed.leave()
        except Exception as error:  # noqa: BLE001 - the lease ends by itself
            _log.debug("The lease on alerts was not given back: %s", redact_text(str(error)))

    def run_once(self) -> float:
        """Check all rules; return after how many seconds to do so again. Never raises."""
        began = time.thread_time()
        every_s = 30.0
        try:
            watcher = self._followed.watcher()
            every_s = watcher.rules.every_s
            result = watcher.run_once()
            self._problem = ""
            due = min((item.next_at for item in result.waiting), default=None)
            if due is not None:
                every_s = min(every_s, max(due - self._clock(), _SHORTEST_WAIT_S))
        except Exception as error:  # noqa: BLE001 - alerts never end a program; the next pass tries again
            self._say_once(redact_text(str(error)))
        return max(every_s, (time.thread_time() - began) / _LARGEST_SHARE)

    def _say_once(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            _log.error("Alerts: %s", problem)


def start_background(store: Path, *, offline: bool) -> Background | None:
    """Start to check the rules, where there is an alerts file.

    Raises:
        AlertsError: MOONDEV_ALERTS names a file that is not there.
    """
    path = alerts_path()
    if path is None:
        return None
    background = Background(store, path, is_named=bool(os.environ.get(VARIABLE, "").strip()), offline=offline)
    background.start()
    return background
