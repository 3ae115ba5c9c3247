"""Run coroutines for synchronous callers on one event loop, in a daemon thread that lives as long as the process.

One loop keeps the providers' connections open from one decision to the next, works where the caller has a running loop
of its own (a notebook), and never joins a thread that hangs.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_pid = 0


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine, which runs in the caller's context and so under the caller's observation."""
    future = asyncio.run_coroutine_threadsafe(coroutine, _running_loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop, _pid
    with _lock:
        if _loop is None or _pid != os.getpid():  # a forked child has the loop object but not its thread
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="moondev-loop", daemon=True).start()
            _loop, _pid = loop, os.getpid()
        return _loop
