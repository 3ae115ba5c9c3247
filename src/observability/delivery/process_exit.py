"""Give delivery a moment when the process ends: at its own end, and where SIGTERM would kill it at once.

Nothing is lost without it: what was not delivered stays in the store for the next process. SIGTERM is only looked after
where nobody else does, and still kills: the exit status says so.
"""

from __future__ import annotations

import _thread
import atexit
import logging
import os
import signal
import weakref
from typing import TYPE_CHECKING, Final

from src.observability.redaction import redact_text

if TYPE_CHECKING:
    from types import FrameType

    from src.observability.delivery.exporter import Exporter
    from src.observability.store.spool import Spool

_PATIENCE_S: Final = 2.0
_log = logging.getLogger("moondev.observability")
_exporter: weakref.ref[Exporter] | None = None
_spool: weakref.ref[Spool] | None = None
_forks_watched = False


def flush_at_exit(exporter: Exporter, *, signals: bool) -> None:
    """Deliver for up to 2 seconds when the process ends; on SIGTERM too, where its action is the default.

    A handler that the program has set, or sets later, stays and runs in place of ours. In a thread that is not the
    main one no handler can be set. SIGINT is left alone: Python's own KeyboardInterrupt ends the process properly.
    """
    global _exporter  # noqa: PLW0603 - one exporter is current in a process
    _exporter = weakref.ref(exporter)
    atexit.register(_last_flush, _exporter)
    if not signals or os.name == "nt":
        return
    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _on_sigterm)
            _watch_forks()
    except ValueError:  # not the main thread, or not the main interpreter
        _log.debug("SIGTERM is left as it is: tracing began outside the main thread.")


def report_losses_at_exit(spool: Spool) -> None:
    """Say, when the process ends, how many losses the store could not even note, such as on a disk that stayed full."""
    global _spool  # noqa: PLW0603 - one store is current in a process
    if _spool is None:
        atexit.register(_report_losses)
    _spool = weakref.ref(spool)


def _report_losses() -> None:
    spool = _spool() if _spool is not None else None
    if spool is not None and spool.losses:
        _log.error("%d observations and scores could not be stored in %s and are lost.", spool.losses, spool.path)


def _last_flush(reference: weakref.ref[Exporter]) -> None:
    """Deliver what can be delivered soon; a server that does not answer is not waited for."""
    exporter = reference()
    if exporter is None or exporter.failing:
        return
    try:
        exporter.flush(_PATIENCE_S)
    except Exception as error:  # noqa: BLE001 - the store may be gone; an exit must stay quiet
        _log.debug("The last delivery failed: %s", redact_text(str(error)))


def _on_sigterm(number: int, _: FrameType | None) -> None:
    """Deliver within the bound, then die of the signal as if nobody had caught it."""
    signal.signal(number, signal.SIG_DFL)  # first of all: a second one kills at once
    try:
        # In a bare thread: the main one may have been stopped anywhere, with any lock in its hands, so it only waits,
        # and not even for threading's own.
        done = _thread.allocate_lock()
        done.acquire()
        _thread.start_new_thread(_flush_and_tell, (done,))
        done.acquire(timeout=_PATIENCE_S)
    finally:
        os.kill(os.getpid(), number)


def _flush_and_tell(done: _thread.LockType) -> None:
    try:
        if _exporter is not None:
            _last_flush(_exporter)
    finally:
        done.release()


def _watch_forks() -> None:
    """Give a forked child the default action back: who started it delivers, and expects it to go at once."""
    global _forks_watched  # noqa: PLW0603 - once for a process
    if not _forks_watched and hasattr(os, "register_at_fork"):
        _forks_watched = True
        os.register_at_fork(after_in_child=_undo_in_child)


def _undo_in_child() -> None:
    if signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
