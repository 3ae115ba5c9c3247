"""Run the members of swarms on event loops of their own, in daemon threads that live as long as the process.

Members of the same model share a loop, which keeps its connections open from one decision to the next. One whose code
blocks its loop holds up no other model, and no caller: callers wait on their own threads, or in their own loops.
Nothing here needs the pools of `concurrent.futures`, which take no work once the main thread has ended, while other
threads of the program go on (github.com/python/cpython/issues/99704).
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from src.models.transport.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("moondev.agents")
_MOST_LOOPS: Final = 64


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose blocking work, such as name look-ups, runs in daemon threads that nothing waits for.

    Attributes:
        is_abandoned: Whether it ends; it goes on where a member's own code stops it.
    """

    is_abandoned = False

    @override
    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override] # a task is a future of the same result
        """Run blocking work: in the executor, or in a thread of its own where none is named."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        return self.create_task(in_thread(func, *args))


_lock = threading.Lock()
_loops: dict[str, Loop] = {}
_pid = os.getpid()


def loop_for(model: str) -> Loop:
    """Return the running loop for a model, started when it is first asked for.

    Args:
        model: The model's name. Of many more models than usual, several share a loop.
    """
    global _loops, _lock, _pid
    if _pid != os.getpid():  # a forked child has the loops' objects, but not their threads
        _loops, _lock, _pid = {}, threading.Lock(), os.getpid()
    with _lock:
        loop = _loops.get(model)
        if loop is None and len(_loops) >= _MOST_LOOPS:
            loop = list(_loops.values())[hash(model) % len(_loops)]
        if loop is None:
            loop = _loops[model] = Loop()
            threading.Thread(target=_run, args=(loop,), name="moondev-loop", daemon=True).start()
        return loop


def abandon(model: str, loop: Loop) -> None:
    """Give up a loop that does not react: the model's next call gets a new one."""
    with _lock:
        if _loops.get(model) is loop:
            del _loops[model]
    loop.call_soon_threadsafe(_stop_when_idle, loop)


def _stop_when_idle(loop: Loop) -> None:
    """Stop a loop that was given up and does react again, once no call of another decision runs on it."""
    if asyncio.all_tasks(loop):
        loop.call_later(1.0, _stop_when_idle, loop)
    else:
        loop.is_abandoned = True
        loop.stop()


def _run(loop: Loop) -> None:
    while not loop.is_abandoned:
        try:
            loop.run_forever()
        except BaseException:  # noqa: BLE001 - SystemExit of a callback would leave a loop behind that answers nobody
            _log.exception("A callback on the event loop of a swarm's member failed; the loop goes on.")
    loop.run_until_complete(loop.shutdown_asyncgens())  # which closes the connections
    loop.close()
