"""Answer questions in threads beside the event loop: bounded in time, and ended when the browser leaves."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

from src.dashboard.data.limits import Limits, NobodyWaits

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

_T = TypeVar("_T")
_THREADS: Final = 4


class Answers:
    """The threads that answer.

    Args:
        seconds: How long one question may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.stopping = threading.Event()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="moondev-dashboard")

    async def to(self, request: Request, question: Callable[[Limits], _T]) -> _T:
        """Return the answer.

        Raises:
            NobodyWaits: the browser has left.
            TookTooLong: the question took too long.
        """
        limits = Limits(self.seconds, self.stopping)
        work = asyncio.get_running_loop().run_in_executor(self._pool, question, limits)
        leaving = asyncio.ensure_future(_left(request))
        waited_for: set[asyncio.Future[Any]] = {work, leaving}
        try:
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise NobodyWaits
            return work.result()
        finally:
            limits.cancel()
            leaving.cancel()
            if not work.done():
                work.add_done_callback(_forget)

    def stop(self) -> None:
        """End all questions."""
        self.stopping.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _forget(work: asyncio.Future[Any]) -> None:
    """Take the error of a question that nobody waits for, so that asyncio does not report it."""
    if not work.cancelled():
        work.exception()


async def _left(request: Request) -> None:
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return
