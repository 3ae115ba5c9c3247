"""Run one generator of steps synchronously or in asyncio, so that sync and async code share its decisions.

The steps are a generator that yields what each operation returned: its result in plain code, an awaitable in asyncio.
Either way the generator goes on with the result, or with the exception, raised at the operation's `yield`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    Steps = Generator[Any, Any, Any]


def run(steps: Steps) -> Any:
    """Return what the steps return; each operation has run, or has raised, when it is yielded."""
    result: Any = None
    try:
        while True:
            result = steps.send(result)
    except StopIteration as end:
        return end.value


async def arun(steps: Steps) -> Any:
    """Return what the steps return, after awaiting each operation that they yield."""
    try:
        operation = steps.send(None)
        while True:
            try:
                result = await operation
            except BaseException as error:  # noqa: BLE001 - for the steps to handle, a cancellation too
                operation = steps.throw(error)
            else:
                operation = steps.send(result)
    except StopIteration as end:
        return end.value
