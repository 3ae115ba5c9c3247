"""Prepare the fast engine beside the first calls, across forks too.

A fork while the engine is prepared would leave a child in which nothing prepares it: its thread is not there, and the
locks of its imports stay locked. So a fork waits for the end of the preparation, some tenths of a second once in a
process's life and more on a busy machine; where it would wait in vain, since the thread that forks is amid an import
that the preparation waits for, or where the preparation has only been asked for, the child prepares anew.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from src.observability.redaction.engine import engines
from src.observability.redaction.judging import checks

if TYPE_CHECKING:
    from src.observability.redaction.engine.engines import Engine

_LOOK_EACH_S: Final = 2.0  # while a fork waits: whether it waits in vain
_LONGEST_WAIT_S: Final = 60.0  # on a machine with twenty times as much work as processors it has been several seconds
_IMPORTS: Final = "<frozen importlib._bootstrap>"
_LOCKS: Final = frozenset({"acquire", "_get_module_lock", "__enter__"})  # functions there that wait for a lock


class _Preparation:
    """The engine once it is there, and what makes sure that one thread prepares it."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.is_done = False
        self.start = threading.Lock()  # taken once, by the call that starts the thread
        self.work = threading.Lock()  # held while the engine is prepared, and during a fork
        self.forking = threading.local()
        self.watches_forks = False
        self.worker: threading.Thread | None = None

    def watch_forks(self) -> None:
        if not self.watches_forks and hasattr(os, "register_at_fork"):
            self.watches_forks = True
            os.register_at_fork(
                before=self._before_fork, after_in_parent=self._after_in_parent, after_in_child=self._after_in_child
            )

    def _before_fork(self) -> None:
        end = time.monotonic() + _LONGEST_WAIT_S
        looks_in_vain = 0
        while not (holds_work := self.work.acquire(timeout=_LOOK_EACH_S)) and time.monotonic() < end:
            looks_in_vain = looks_in_vain + 1 if self._waits_for_import() else 0
            if looks_in_vain == 2:
                break
        self.forking.holds_work = holds_work

    def _waits_for_import(self) -> bool:
        """Tell whether the preparation waits for another thread's import, perhaps that of the thread that forks."""
        worker = self.worker
        frame = None if worker is None else sys._current_frames().get(worker.ident or 0)
        return frame is not None and frame.f_code.co_filename == _IMPORTS and frame.f_code.co_name in _LOCKS

    def _after_in_parent(self) -> None:
        if self.forking.holds_work:
            self.work.release()

    def _after_in_child(self) -> None:
        self.work = threading.Lock()
        if not self.is_done:
            self.start = threading.Lock()

    def run(self) -> None:
        with self.work:
            checks.bip39_bytes()  # loaded here, or the first text that may hold a phrase would wait for it
            self.engine = engines.fast_engine()
            self.is_done = True


_preparation: Final = _Preparation()


def prepared_engine() -> Engine | None:
    """Return the fast engine, or None until it is ready: the first call starts a thread that prepares it."""
    if _preparation.is_done:
        return _preparation.engine
    if _preparation.start.acquire(blocking=False):  # once: never released
        _preparation.watch_forks()
        worker = threading.Thread(target=_preparation.run, name="redaction-engine", daemon=True)
        _preparation.worker = worker
        with contextlib.suppress(RuntimeError):  # the interpreter is shutting down: the plain engine works
            worker.start()
    return None
