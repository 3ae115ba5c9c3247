"""State facts about running one sequence of steps plainly and in asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from src.models.transport import sync_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.transport.sync_async import Steps


def double(value: int) -> int:
    if value < 0:
        raise ValueError(value)
    return 2 * value


async def adouble(value: int) -> int:
    await asyncio.sleep(0)
    return double(value)


def _sum(operation: Callable[[int], Any], values: list[int], log: list[str]) -> Steps:
    total = 0
    for value in values:
        try:
            total += yield operation(value)
        except ValueError:
            log.append(f"failed at {value}")
            total += yield operation(100)
        except BaseException:
            log.append("interrupted")
            yield operation(0)
            raise
    return total


@pytest.mark.parametrize("values", [[], [1], [1, 2, 3], [1, -2, 3], [-1, -2]])
def test_both_ways_give_the_same_result_and_take_the_same_path(values: list[int]) -> None:
    plain_log: list[str] = []
    asyncio_log: list[str] = []
    plain = sync_async.run(_sum(double, values, plain_log))
    in_asyncio = asyncio.run(sync_async.arun(_sum(adouble, values, asyncio_log)))
    assert plain == in_asyncio == sum(200 if value < 0 else 2 * value for value in values)
    assert plain_log == asyncio_log == [f"failed at {value}" for value in values if value < 0]


def test_an_exception_that_the_steps_do_not_handle_is_raised() -> None:
    def failing(operation: Callable[[int], Any]) -> Steps:
        yield operation(-1)

    with pytest.raises(ValueError, match="-1"):
        sync_async.run(failing(double))
    with pytest.raises(ValueError, match="-1"):
        asyncio.run(sync_async.arun(failing(adouble)))


def test_a_cancelled_task_lets_the_steps_clean_up() -> None:
    log: list[str] = []

    async def wait(value: int) -> int:
        if value:
            await asyncio.Event().wait()
        log.append("cleaned up")
        return value

    async def cancelled() -> None:
        task = asyncio.create_task(sync_async.arun(_sum(wait, [1], log)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert log == ["interrupted", "cleaned up"]
