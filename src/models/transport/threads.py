"""Run blocking work beside asyncio in a daemon thread of its own.

asyncio's default pool is joined when the loop closes and when the interpreter exits, so one hung request would block
both. These threads are abandoned instead: nothing waits for an answer that comes too late.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

_END: Final = object()


async def in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what `work` returns; a cancelled caller does not wait for it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def deliver(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        result: Any = None
        failure: BaseException | None = None
        try:
            result = context.run(work, *arguments)
        except (StopIteration, GeneratorExit) as error:  # which would end the caller's own generators
            failure = RuntimeError(f"the work raised {type(error).__name__}: {error}")
        except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
            failure = error
        try:
            loop.call_soon_threadsafe(deliver, result, failure)
        except RuntimeError:  # the loop has closed, and with it the caller has gone
            return

    threading.Thread(target=run, name="moondev-call", daemon=True).start()
    return await future


def within(seconds: float, work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what blocking work returns, for plain callers of an SDK that takes no deadline for a whole reply.

    Raises:
        TimeoutError: it took longer; its thread is left behind.
    """
    done: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            done.put((context.run(work, *arguments, **options), None))
        except BaseException as error:  # noqa: BLE001 - raised in the calling thread
            done.put((None, error))

    threading.Thread(target=run, name="moondev-call", daemon=True).start()
    try:
        result, failure = done.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError("the reply was not complete within the time allowed for the whole call") from None
    if failure is not None:
        raise failure
    return result


async def iterate_in_thread(open_stream: Callable[..., Iterator[Any]], *arguments: Any) -> AsyncIterator[Any]:
    """Yield what a blocking iterator yields, each step in a thread."""
    events = await in_thread(open_stream, *arguments)
    try:
        while True:
            event = await in_thread(next, events, _END)
            if event is _END:
                return
            yield event
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
