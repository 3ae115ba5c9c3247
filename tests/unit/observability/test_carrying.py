from __future__ import annotations

import asyncio
import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace as otel_trace

from src.observability import attributes, carry, get_tracker, observe_agent
from src.observability.tracing.observation import observe
from tests.unit.observability.stored import attributes_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from src.observability.store.spool import Spool


def work(name: str = "work", fail: bool = False) -> str:
    with observe(name, "tool"):
        if fail:
            raise LookupError(name)
        return name


async def work_later(name: str) -> str:
    await asyncio.sleep(0)
    return work(name)


def current() -> str:
    return f"{otel_trace.get_current_span().get_span_context().span_id:016x}"


class Unpicklable:
    def __reduce__(self) -> Any:
        raise TypeError("no")

    def __str__(self) -> str:
        return "candles"


def children(spool: Spool, parent: str | None) -> list[str]:
    return [row.name for row in spool.rows_after(0) if row.parent_span_id == parent]


def test_without_carry_a_thread_starts_a_trace_of_its_own(spool: Spool) -> None:
    with observe_agent("a") as run:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert children(spool, run.id) == []


def test_work_in_threads_stays_under_its_parent(spool: Spool) -> None:
    with observe_agent("a", session_id="s7") as run:
        thread = threading.Thread(target=carry(work), args=("thread",))
        thread.start()
        with ThreadPoolExecutor(4) as pool:
            same = carry(work)  # one carried function may run many times at once
            assert list(pool.map(same, [f"n{n}" for n in range(20)])) == [f"n{n}" for n in range(20)]
        thread.join()
    assert sorted(children(spool, run.id)) == sorted(["thread", *(f"n{n}" for n in range(20))])
    assert {row.session_id for row in spool.rows_after(0)} == {"s7"}


def test_a_pools_thread_forgets_the_parent_afterwards() -> None:
    with ThreadPoolExecutor(1) as pool:
        with observe_agent("a") as run:
            assert pool.submit(carry(current)).result() == run.id
        assert pool.submit(current).result() == "0" * 16


def test_an_error_propagates_and_the_function_keeps_its_name() -> None:
    carried = carry(work)
    assert carried.__name__ == "work"
    with pytest.raises(LookupError):
        carried("x", fail=True)


async def test_tasks_and_executors_stay_under_their_parent(spool: Spool) -> None:
    with observe_agent("a") as run:
        carried = carry(work_later)
        in_executor = carry(work)
    loop = asyncio.get_running_loop()
    await asyncio.gather(carried("task1"), carried("task2"), loop.run_in_executor(None, in_executor, "executor"))
    assert current() == "0" * 16
    assert sorted(children(spool, run.id)) == ["executor", "task1", "task2"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_work_in_other_processes_stays_under_its_parent(method: str, spool: Spool) -> None:
    context: Any = multiprocessing.get_context(method)
    with observe_agent("a", session_id="s7", tags=["t"], metadata={"m": 1}) as run:
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            assert list(pool.map(carry(work), ["p1", "p2"])) == ["p1", "p2"]
            assert pool.submit(work, "alone").result() == "alone"
        process = context.Process(target=carry(work), args=("p3",))
        process.start()
        process.join(200)
        assert process.exitcode == 0
    assert sorted(set(children(spool, run.id)) - {"alone"}) == ["p1", "p2", "p3"]
    for row in spool.rows_after(0):
        if row.name in {"p1", "p2", "p3"}:
            stored = attributes_of(row)
            assert (row.trace_id, row.session_id) == (run.trace_id, "s7")
            assert stored[attributes.TRACE_TAGS] == ("a", "t")
            assert stored[attributes.TRACE_METADATA + "agent_type"] == '"a"'
            assert attributes.IS_APP_ROOT not in stored


def test_metadata_that_cannot_be_pickled_is_carried_as_plain_json_data(spool: Spool) -> None:
    from opentelemetry import context as otel_context

    from src.observability.spans.scope import CONTEXT_KEY
    from src.observability.tracing.agent_runs import current_scope

    scope = current_scope().narrowed(metadata={"market": Unpicklable()})
    token = otel_context.attach(otel_context.set_value(CONTEXT_KEY, scope))
    try:
        with (
            observe_agent("a") as run,
            ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
        ):
            pool.submit(carry(work), "p").result()
    finally:
        otel_context.detach(token)
    assert children(spool, run.id) == ["p"]
    assert attributes_of(spool.rows_after(0)[0])[attributes.TRACE_METADATA + "market"] == '"candles"'


# Generators.


def stream(steps: int) -> Iterator[str]:
    with observe("stream", "chain"):
        for step in range(steps):
            with observe(f"step{step}", "tool"):
                yield current()


async def stream_later(steps: int) -> AsyncIterator[str]:
    with observe("stream", "chain"):
        for step in range(steps):
            with observe(f"step{step}", "tool"):
                await asyncio.sleep(0)
                yield current()


def tree(spool: Spool) -> dict[str, str | None]:
    names = {row.span_id: row.name for row in spool.rows_after(0)}
    return {row.name: names.get(row.parent_span_id or "") for row in spool.rows_after(0)}


TREE = {
    "stream": "a.run", "step0": "stream", "step1": "stream", "between": "b.run", "a.run": None, "b.run": None,
}  # fmt: skip


def test_a_generator_keeps_its_parents_and_leaves_its_callers_alone(spool: Spool) -> None:
    with observe_agent("a"):
        carried = carry(stream)
    with observe_agent("b") as caller:
        for inside in carried(2):
            assert inside != caller.id
            assert current() == caller.id
            with observe("between", "tool"):
                pass
    assert tree(spool) == TREE


async def test_an_async_generator_keeps_its_parents_and_leaves_its_callers_alone(spool: Spool) -> None:
    with observe_agent("a"):
        carried = carry(stream_later)
    with observe_agent("b") as caller:
        async for inside in carried(2):
            assert inside != caller.id
            assert current() == caller.id
            with observe("between", "tool"):
                pass
    assert tree(spool) == TREE


def test_a_generator_can_be_a_run_from_its_first_step_to_its_last(spool: Spool) -> None:
    with observe_agent("b") as caller:
        for _ in observe_agent("a")(stream)(2):
            assert current() == caller.id
            with observe("between", "tool"):
                pass
    assert tree(spool) == {**TREE, "a.run": "b.run"}


async def test_an_async_generator_can_be_a_run_from_its_first_step_to_its_last(spool: Spool) -> None:
    with observe_agent("b") as caller:
        async for _ in observe_agent("a")(stream_later)(2):
            assert current() == caller.id
            with observe("between", "tool"):
                pass
    assert tree(spool) == {**TREE, "a.run": "b.run"}


def test_a_generator_that_is_left_early_ends_its_observations(spool: Spool) -> None:
    with observe_agent("a"):
        carried = carry(stream)
    events = carried(5)
    next(events)
    events.close()  # type: ignore[attr-defined] # it is a generator
    assert {row.name for row in spool.rows_after(0)} == {"a.run", "step0", "stream"}
    assert current() == "0" * 16


def echo() -> Generator[Any, Any, str]:
    got = None
    while got != "end":
        try:
            got = yield got
        except ValueError as error:
            got = repr(error)
    return "returned"


async def echo_later() -> AsyncIterator[Any]:
    got = None
    while got != "end":
        try:
            got = yield got
        except ValueError as error:
            got = repr(error)


def test_what_is_sent_thrown_and_returned_passes_through() -> None:
    events: Any = carry(echo)()
    assert next(events) is None
    assert events.send(5) == 5
    assert events.throw(ValueError("x")) == "ValueError('x')"
    with pytest.raises(StopIteration) as stop:
        events.send("end")
    assert stop.value.value == "returned"
    again = carry(echo)()
    next(again)
    with pytest.raises(KeyError):
        again.throw(KeyError("k"))


async def test_what_is_sent_to_and_thrown_into_an_async_generator_passes_through() -> None:
    events: Any = carry(echo_later)()
    assert await anext(events) is None
    assert await events.asend(5) == 5
    assert await events.athrow(ValueError("x")) == "ValueError('x')"
    with pytest.raises(StopAsyncIteration):
        await events.asend("end")


async def test_a_generator_that_calls_a_model_is_one_generation(spool: Spool) -> None:
    traced = get_tracker().trace_llm_call
    with observe_agent("b") as caller:
        for _ in traced(stream)(1):
            assert current() == caller.id
        async for _ in traced(stream_later)(1):
            assert current() == caller.id
    names = {row.span_id: row.name for row in spool.rows_after(0)}
    rows = [(row.name, row.type, names.get(row.parent_span_id or "")) for row in spool.rows_after(0)]
    steps = [("step0", "tool", "stream"), ("stream", "chain", "stream"), ("stream", "generation", "b.run")]
    later = [("step0", "tool", "stream"), ("stream", "chain", "stream_later"), ("stream_later", "generation", "b.run")]
    assert rows == [*steps, *later, ("b.run", "agent", None)]
