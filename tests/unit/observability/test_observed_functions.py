"""Functions as runs and observations: their arguments, results and errors."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import TYPE_CHECKING

import pytest

from src.observability import (
    attributes,
    carry,
    continue_trace,
    get_tracker,
    inject,
    observe_agent,
)
from src.observability.tracing.observation import observe
from tests.faults import SEAMS, Faults
from tests.unit.observability.stored import attributes_of, only

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.observability.store.spool import Spool


def test_one_decorator_or_manager_serves_many_tasks_at_once(spool: Spool) -> None:
    shared = observe_agent("a")

    async def work(number: int) -> None:
        with shared as run:
            for _ in range(number + 1):  # the first to begin is the first to end
                await asyncio.sleep(0)
            with observe(f"tool {number}", "tool"):
                pass
            run.update(output=number)

    async def all_of_them() -> None:
        await asyncio.gather(*(work(number) for number in range(4)))

    asyncio.run(all_of_them())
    rows = spool.rows_after(0)
    roots = {row.span_id: attributes_of(row)[attributes.OUTPUT] for row in rows if row.type == "agent"}
    assert sorted(roots.values()) == ["0", "1", "2", "3"]
    assert {row.name: roots[row.parent_span_id or ""] for row in rows if row.type == "tool"} == {
        f"tool {number}": str(number) for number in range(4)
    }


def test_a_function_plain_or_async_can_be_a_run(spool: Spool) -> None:
    @observe_agent("plain")
    def plain(x: int) -> int:
        return x + 1

    @observe_agent("async")
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    async def both() -> list[int]:
        return list(await asyncio.gather(later(1), later(2)))

    assert plain(1) == 2
    assert asyncio.run(both()) == [2, 3]
    rows = spool.rows_after(0)
    assert sorted(row.name for row in rows) == ["async.run", "async.run", "plain.run"]
    assert len({row.trace_id for row in rows}) == 3


def test_arguments_and_result_of_a_decorated_function_are_recorded(spool: Spool) -> None:
    class Agent:
        @observe_agent("method")
        def look(self, pair: str, *, bars: int) -> dict[str, int]:
            return {pair: bars}

        @observe_agent("later")
        async def later(self, pair: str) -> str:
            return pair.lower()

        @observe_agent("steps")
        def steps(self, pair: str) -> Iterator[str]:
            yield pair

        @observe_agent("fixed", input="the run's own")
        def fixed(self, pair: str) -> None:
            return None

    agent = Agent()
    assert agent.look("BTC-USD", bars=3) == {"BTC-USD": 3}
    assert asyncio.run(agent.later("BTC-USD")) == "btc-usd"
    assert inspect.isgeneratorfunction(agent.steps)
    assert list(agent.steps("BTC-USD")) == ["BTC-USD"]
    agent.fixed("BTC-USD")
    runs = {row.name: attributes_of(row) for row in spool.rows_after(0)}
    inputs = {name: json.loads(run[attributes.INPUT]) for name, run in runs.items() if name != "fixed.run"}
    assert inputs == {
        "method.run": {"args": ["BTC-USD"], "kwargs": {"bars": 3}},
        "later.run": {"args": ["BTC-USD"], "kwargs": {}},
        "steps.run": {"args": ["BTC-USD"], "kwargs": {}},
    }
    assert runs["fixed.run"][attributes.INPUT] == "the run's own"
    assert [run.get(attributes.OUTPUT) for run in runs.values()] == ['{"BTC-USD":3}', "btc-usd", None, None]


@pytest.mark.parametrize("seam", SEAMS)
def test_no_traced_function_fails_because_tracing_fails(seam: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = get_tracker()
    client = tracker.client
    Faults().strike(seam, monkeypatch)

    @observe_agent("a", session_id="東京", metadata={"k": [1]}, tags=["t"])
    def run(text: str) -> str:
        with client.start_as_current_observation(name="langfuse", input=text) as observation:
            observation.score_trace(name="s", value=1)
            return call(text)

    @tracker.trace_llm_call
    def call(text: str) -> str:
        return text.upper()

    @observe_agent("steps")
    def steps() -> Iterator[int]:
        with observe_agent("b", environment="live") as inner:
            inner.update(output=1, metadata={"k": 2})
            inner.score("s", 1)
            inner.event("e")
            yield 1

    async def later() -> str:
        return await observe_agent("c")(asyncio.to_thread)(carry(run), "hold")

    assert run("hold") == "HOLD"
    assert asyncio.run(later()) == "HOLD"
    assert list(steps()) == [1]
    with continue_trace(inject(scope=True), scope=True), observe("t", "tool"):
        pass
    with pytest.raises(ZeroDivisionError), observe_agent("d"):
        raise ZeroDivisionError


def test_values_that_raise_when_inspected_break_no_function(spool: Spool) -> None:
    class Hostile:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("not to be looked at")

        def __str__(self) -> str:
            raise RuntimeError("nor to be printed")

    value = Hostile()

    @observe_agent("a")
    def run(argument: Hostile) -> Hostile:
        return argument

    @get_tracker().trace_llm_call
    def call(argument: Hostile) -> Hostile:
        return argument

    assert run(value) is value
    assert call(value) is value
    assert [row.level for row in spool.rows_after(0)] == ["DEFAULT", "DEFAULT"]


def test_only_type_and_length_of_long_arguments_are_recorded(spool: Spool) -> None:
    @observe_agent("a")
    def decide(candles: list[float], *, note: str) -> list[float]:
        return candles

    decide([1.5] * 50_000, note="n" * 90_000)
    stored = attributes_of(only(spool))
    long = {"type": "list", "characters": 200_001}
    assert json.loads(stored[attributes.INPUT]) == {"args": [long], "kwargs": {"note": "n" * 90_000}}
    assert json.loads(stored[attributes.OUTPUT]) == long
