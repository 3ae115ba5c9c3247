"""Deliver what is pending when the process ends, whether it exits by itself or SIGTERM would kill it at once.

Nothing is lost without this: what was not delivered stays in the store for the next process. SIGTERM is handled only
where the program does not handle it, and still kills, as the exit status shows.
"""

from __future__ import annotations

import _thread
import atexit
import logging
import os
import signal
import weakref
from typing import TYPE_CHECKING, Final

from src.observability.delivery import pending_signals
from src.observability.redaction import redact_text
from src.observability.store import background

if TYPE_CHECKING:
    from types import FrameType

    from src.observability.delivery.exporter import Exporter
    from src.observability.store.spool import Spool

_PATIENCE_S: Final = 2.0
_log = logging.getLogger("moondev.observability")
_exporter: weakref.ref[Exporter] | None = None
_spool: weakref.ref[Spool] | None = None
_forks_registered = False


def flush_at_exit(exporter: Exporter, *, signals: bool) -> None:
    """Deliver for up to 2 seconds at exit; with `signals` set, on SIGTERM too where its action is the default.

    A handler that the program has set, or sets later, stays and runs in place of ours. Outside the main thread no
    handler can be set. SIGINT is left alone: Python's own KeyboardInterrupt ends the process properly.
    """
    global _exporter  # noqa: PLW0603 - one exporter is current in a process
    _exporter = weakref.ref(exporter)
    atexit.register(_last_flush, _exporter)
    if signals:
        handle_sigterm()


def handle_sigterm() -> None:
    """Deliver on SIGTERM, where its action is the default; does nothing outside the main thread."""
    if os.name == "nt":
        return
    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _on_sigterm)
            _restore_in_forks()
            pending_signals.watch(signal.SIGTERM, _is_handled_by_us)
    except ValueError:  # not the main thread, or not the main interpreter
        _log.debug("SIGTERM is left as it is: tracing began outside the main thread.")


def report_losses_at_exit(spool: Spool) -> None:
    """Log at exit how many losses the store could not record, such as on a disk that stayed full."""
    global _spool  # noqa: PLW0603 - one store is current in a process
    if _spool is None:
        atexit.register(_report_losses)
    _spool = weakref.ref(spool)


def _report_losses() -> None:
    spool = _spool() if _spool is not None else None
    if spool is not None and spool.losses:
        _log.error("%d observations and scores could not be stored in %s and are lost.", spool.losses, spool.path)


def _last_flush(reference: weakref.ref[Exporter]) -> None:
    """Deliver what can be delivered soon; do not wait for a server that is failing."""
    exporter = reference()
    if exporter is None or exporter.failing:
        return
    try:
        exporter.flush(_PATIENCE_S)
    except Exception as error:  # noqa: BLE001 - the store may be gone; an exit must stay quiet
        _log.debug("The last delivery failed: %s", redact_text(str(error)))


def _on_sigterm(number: int, _: FrameType | None) -> None:
    """Deliver for up to 2 seconds, then die of the signal as if no handler had caught it."""
    signal.signal(number, signal.SIG_DFL)  # first of all: a second one kills at once
    try:
        # The handler may interrupt the main thread while it holds any lock, one of `threading` included. So a thread
        # of the lowest level delivers, and the main thread only waits for a lock that nothing else uses.
        done = _thread.allocate_lock()
        done.acquire()
        _thread.start_new_thread(_flush_and_release, (done,))
        done.acquire(timeout=_PATIENCE_S)
    finally:
        os.kill(os.getpid(), number)


def _flush_and_release(done: _thread.LockType) -> None:
    try:
        background.drain(_PATIENCE_S)
        if _exporter is not None:
            _last_flush(_exporter)
    finally:
        done.release()


def _restore_in_forks() -> None:
    """Restore the default action in forked children: the parent delivers, and expects them to end at once."""
    global _forks_registered  # noqa: PLW0603 - once for a process
    if not _forks_registered and hasattr(os, "register_at_fork"):
        _forks_registered = True
        os.register_at_fork(after_in_child=_restore_default)


def _is_handled_by_us() -> bool:
    """Return whether the handler of SIGTERM is ours and has not begun: it restores the default first of all."""
    return signal.getsignal(signal.SIGTERM) is _on_sigterm


def _restore_default() -> None:
    pending_signals.forget_in_child()
    if signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
