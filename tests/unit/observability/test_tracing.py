from __future__ import annotations

import asyncio
import gzip
import inspect
import itertools
import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace as otel_trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from src.observability import (
    LangFuseTracker,
    attributes,
    carry,
    continue_trace,
    flush,
    get_tracker,
    inject,
    observe_agent,
    otlp,
    score,
)
from src.observability.settings import Settings, SettingsError
from src.observability.tracing import observe, start
from tests.faults import SEAMS, Faults
from tests.servers import Langfuse, Reply, Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from src.observability.spool import Spool, TraceRow


ROOT = Path(__file__).parents[3]


def told(row: TraceRow) -> dict[str, Any]:
    return dict(otlp.decode_span(row.span).attributes)


def only(spool: Spool) -> TraceRow:
    rows = spool.rows_after(0)
    assert len(rows) == 1
    return rows[0]


def test_a_run_is_an_agent_root_whose_session_and_tags_stand_on_every_observation(spool: Spool) -> None:
    with observe_agent(
        "risk", trading_pair="BTC-USD", session_id="loop-7", user_id="me", tags=["x"], metadata={"pnl": 1.5}
    ) as run:
        with observe("look", "tool", input={"a": 1}) as tool:
            pass
        run.update(output="ok", metadata={"decision": "HOLD"})
    inner, root = spool.rows_after(0)
    assert (root.name, root.type, root.parent_span_id, root.session_id) == ("risk.run", "agent", None, "loop-7")
    assert (inner.name, inner.parent_span_id, inner.span_id) == ("look", root.span_id, tool.id)
    for row in (inner, root):
        found = told(row)
        assert found[attributes.SESSION_ID] == "loop-7"
        assert found[attributes.USER_ID] == "me"
        assert found[attributes.TRACE_TAGS] == ("risk", "BTC-USD", "x")
        assert found[attributes.TRACE_METADATA + "trading_pair"] == '"BTC-USD"'
        assert found[attributes.ENVIRONMENT] == "default"
    assert told(root)[attributes.METADATA + "pnl"] == "1.5"
    assert told(root)[attributes.METADATA + "decision"] == '"HOLD"'
    assert told(root)[attributes.IS_APP_ROOT] is True
    assert attributes.IS_APP_ROOT not in told(inner)


def test_sessions_and_users_that_langfuse_would_not_take_stay_apart(spool: Spool) -> None:
    given = ["東京", "大阪", "x" * 199 + "ab", "x" * 199 + "ac", "März", "plain", 7]
    for session in given:
        with observe_agent("a", session_id=session, user_id=session):  # type: ignore[arg-type] # a number is taken too
            pass
    rows = spool.rows_after(0)
    sessions = [row.session_id or "" for row in rows]
    assert len(set(sessions)) == len(given)
    assert all(session.isascii() and len(session) <= 200 for session in sessions)
    assert sessions == [told(row)[attributes.USER_ID] for row in rows]
    assert sessions[5:] == ["plain", "7"]
    assert sessions[4].startswith("M?rz-")


def test_arguments_in_another_form_break_nothing(spool: Spool) -> None:
    with observe_agent("a", tags="x", metadata="long") as run:  # type: ignore[arg-type] # what a program may give
        run.update(metadata=["short"])  # type: ignore[arg-type] # as above
    with observe_agent("b", tags=None, metadata=None):  # type: ignore[arg-type] # as above
        pass
    first, second = (told(row) for row in spool.rows_after(0))
    assert (first[attributes.TRACE_TAGS], second[attributes.TRACE_TAGS]) == (("a", "x"), ("b",))
    assert first[attributes.METADATA + "value"] == '["short"]'


def test_a_score_of_a_session_finds_the_session(spool: Spool) -> None:
    given = ["東京", "x" * 300, "plain"]
    for session in given:
        with observe_agent("a", session_id=session):
            pass
        score("day", 1, session_id=session)
    scored = [found.session_id for _, found in spool.read_scores("nobody")]
    assert scored == [row.session_id for row in spool.rows_after(0)]


def test_short_metadata_stands_on_every_observation_and_what_a_run_says_later_wins(spool: Spool) -> None:
    known = {"position": "long 1 BTC", "prices": ["1.0"] * 100, "decision": "pending", "nothing": None}
    with observe_agent("a", metadata=known) as run:
        start("inner", "generation").update(metadata={"decision": "its own"}).end()
        start("other", "generation").end()
        run.update(metadata={"decision": "BUY"})
    inner, other, root = (told(row) for row in spool.rows_after(0))
    of_trace, own = attributes.TRACE_METADATA, attributes.METADATA
    assert other[of_trace + "position"] == root[of_trace + "position"] == '"long 1 BTC"'
    assert of_trace + "prices" not in other
    assert own + "prices" in root
    assert not [name for name in root if name.endswith("nothing")]
    # Langfuse's server lets a trace's metadata win over an observation's own where the keys are the same.
    assert (inner[of_trace + "decision"], inner[own + "decision"]) == ('"its own"', '"its own"')
    assert (root[of_trace + "decision"], root[own + "decision"]) == ('"BUY"', '"BUY"')
    assert other[of_trace + "decision"] == '"pending"'


def test_a_trace_has_its_roots_name_before_its_root_has_come(spool: Spool) -> None:
    with observe_agent("outer"):
        start("early", "generation").end()
        with observe_agent("inner"):
            start("deep", "generation").end()
    with observe("mine", "span"), observe_agent("inside"):
        pass
    with continue_trace({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}), observe_agent("far"):
        pass
    named = {row.name: told(row).get(attributes.TRACE_NAME) for row in spool.rows_after(0)}
    assert named == dict.fromkeys(["early", "deep", "inner.run", "outer.run"], "outer.run") | {
        "inside.run": None, "mine": None, "far.run": None,
    }  # fmt: skip


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
    roots = {row.span_id: told(row)[attributes.OUTPUT] for row in rows if row.type == "agent"}
    assert sorted(roots.values()) == ["0", "1", "2", "3"]
    assert {row.name: roots[row.parent_span_id or ""] for row in rows if row.type == "tool"} == {
        f"tool {number}": str(number) for number in range(4)
    }


def test_a_run_can_be_an_asynchronous_block(spool: Spool) -> None:
    async def work(number: int) -> None:
        async with observe_agent(f"a{number}") as run:
            await asyncio.sleep(0)
            start(f"in {number}", "tool").end()
            run.update(output=number)
            if number:
                raise ValueError("no")

    async def both() -> list[object]:
        return list(await asyncio.gather(work(0), work(1), return_exceptions=True))

    assert [type(result) for result in asyncio.run(both())] == [type(None), ValueError]
    rows = {row.name: row for row in spool.rows_after(0)}
    for number in range(2):
        assert rows[f"in {number}"].parent_span_id == rows[f"a{number}.run"].span_id
    assert (rows["a0.run"].level, rows["a1.run"].level) == ("DEFAULT", "ERROR")


def test_a_run_can_have_an_environment_of_its_own(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    with observe_agent("a", environment="Live") as run:
        run.score("s", 1)
    with observe_agent("b", environment="not one!"):
        pass
    first, second = spool.rows_after(0)
    assert (told(first)[attributes.ENVIRONMENT], told(second)[attributes.ENVIRONMENT]) == ("live", "default")
    assert [score.environment for _, score in spool.read_scores("nobody")] == ["live"]
    assert "lower case letters" in caplog.text


def test_what_other_backends_go_by_is_there(spool: Spool) -> None:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    with observe_agent("a"):
        start("g", "generation").fail("no", "rate_limit").end()
    generation, agent = (Span.FromString(row.span) for row in spool.rows_after(0))
    assert (generation.kind, agent.kind) == (Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_INTERNAL)
    assert (generation.status.code, generation.status.message) == (2, "no")
    told_of_agent = {item.key: item.value.string_value for item in agent.attributes}
    assert told_of_agent["gen_ai.operation.name"] == "invoke_agent"
    assert told_of_agent["gen_ai.agent.name"] == "a"


def test_an_exception_marks_the_run_and_goes_on(spool: Spool) -> None:
    with pytest.raises(ValueError, match="bad price"), observe_agent("risk"):
        raise ValueError("bad price, key sk-ant-api03-" + "a1B" * 20)
    row = only(spool)
    assert (row.level, row.error_category) == ("ERROR", "ValueError")
    assert "bad price" in (row.status_message or "")
    assert "a1Ba1B" not in str(row)


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


def test_of_a_decorated_function_arguments_and_result_are_recorded(spool: Spool) -> None:
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

        @observe_agent("given", input="as given")
        def given(self, pair: str) -> None:
            return None

    agent = Agent()
    assert agent.look("BTC-USD", bars=3) == {"BTC-USD": 3}
    assert asyncio.run(agent.later("BTC-USD")) == "btc-usd"
    assert inspect.isgeneratorfunction(agent.steps)
    assert list(agent.steps("BTC-USD")) == ["BTC-USD"]
    agent.given("BTC-USD")
    found = {row.name: told(row) for row in spool.rows_after(0)}
    asked = {name: json.loads(of[attributes.INPUT]) for name, of in found.items() if name != "given.run"}
    assert asked == {
        "method.run": {"args": ["BTC-USD"], "kwargs": {"bars": 3}},
        "later.run": {"args": ["BTC-USD"], "kwargs": {}},
        "steps.run": {"args": ["BTC-USD"], "kwargs": {}},
    }
    assert found["given.run"][attributes.INPUT] == "as given"
    assert [of.get(attributes.OUTPUT) for of in found.values()] == ['{"BTC-USD":3}', "btc-usd", None, None]


@pytest.mark.parametrize("seam", SEAMS)
def test_no_traced_function_fails_because_tracing_does(seam: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = get_tracker()
    client = tracker.client
    Faults().strike(seam, monkeypatch)

    @observe_agent("a", session_id="東京", metadata={"k": [1]}, tags=["t"])
    def run(given: str) -> str:
        with client.start_as_current_observation(name="theirs", input=given) as theirs:
            theirs.score_trace(name="s", value=1)
            return call(given)

    @tracker.trace_llm_call
    def call(given: str) -> str:
        return given.upper()

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


def test_values_that_cannot_be_looked_at_break_no_function(spool: Spool) -> None:
    class Hostile:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("not to be looked at")

        def __str__(self) -> str:
            raise RuntimeError("nor to be printed")

    value = Hostile()

    @observe_agent("a")
    def run(given: Hostile) -> Hostile:
        return given

    @get_tracker().trace_llm_call
    def call(given: Hostile) -> Hostile:
        return given

    assert run(value) is value
    assert call(value) is value
    assert [row.level for row in spool.rows_after(0)] == ["DEFAULT", "DEFAULT"]


def test_of_long_arguments_only_what_they_are_is_recorded(spool: Spool) -> None:
    @observe_agent("a")
    def decide(candles: list[float], *, note: str) -> list[float]:
        return candles

    decide([1.5] * 50_000, note="n" * 90_000)
    found = told(only(spool))
    long = {"type": "list", "characters": 200_001}
    assert json.loads(found[attributes.INPUT]) == {"args": [long], "kwargs": {"note": "n" * 90_000}}
    assert json.loads(found[attributes.OUTPUT]) == long


def test_an_agent_inside_an_agent_is_its_child_and_keeps_the_session(spool: Spool) -> None:
    with observe_agent("outer", session_id="s1"), observe_agent("inner"):
        pass
    inner, outer = spool.rows_after(0)
    assert (inner.parent_span_id, inner.session_id) == (outer.span_id, "s1")
    assert set(told(inner)[attributes.TRACE_TAGS]) == {"outer", "inner"}


def test_a_seeded_random_does_not_repeat_ids(spool: Spool) -> None:
    ids = []
    for _ in range(2):
        random.seed(42)
        with observe_agent("a") as run:
            ids.append(run.trace_id)
    assert len(set(ids)) == 2


def test_the_global_tracer_provider_is_left_alone(spool: Spool) -> None:
    with observe_agent("a"):
        pass
    assert otel_trace.get_tracer_provider() is not get_tracker().provider
    assert type(otel_trace.get_tracer_provider()).__name__ == "ProxyTracerProvider"


def test_variables_meant_for_other_software_thin_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "OTEL_SDK_DISABLED": "true", "OTEL_TRACES_SAMPLER": "always_off", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "2",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "3",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with observe_agent("a", metadata={f"k{n}": "long enough" for n in range(20)}):
        pass
    spool = get_tracker().spool
    assert spool is not None
    found = told(only(spool))
    assert found[attributes.METADATA + "k19"] == '"long enough"'


def test_any_value_can_be_an_input(spool: Spool) -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no")

    cycle: list[Any] = []
    cycle.append(cycle)
    for value in (Hostile(), cycle, 2**80, {1: {2, 3}}, b"\x00\xff", "\ud800", float("nan"), object):
        start("x", "span").update(input=value, output=value, metadata={"v": value}).end()
    assert len(spool.rows_after(0)) == 8


def test_numbers_of_numpy_are_numbers(spool: Spool) -> None:
    import numpy as np

    prices = np.array([[1.5, 2.5], [3.5, 4.5]])
    found = {
        "whole": np.int64(5), "part": np.float32(0.5), "double": np.float64(-1.25), "truth": np.bool_(True),
        "array": prices, "column": prices[:, 0], "none": np.float64("nan"), "many": np.arange(5_000),
    }  # fmt: skip
    start("x", "span").update(output=found, metadata=found).end()
    row = told(only(spool))
    told_of = {"whole": 5, "part": 0.5, "double": -1.25, "truth": True, "array": [[1.5, 2.5], [3.5, 4.5]],
               "column": [1.5, 3.5], "none": None, "many": str(np.arange(5_000))}  # fmt: skip
    assert json.loads(row[attributes.OUTPUT]) == told_of
    assert {name: json.loads(row[attributes.METADATA + name]) for name in told_of} == told_of


def test_a_clock_that_is_set_back_makes_no_duration_negative(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = get_tracker().provider
    assert provider is not None
    back = itertools.count(2_000_000_000_000_000_000, -(10**9))
    monkeypatch.setattr("opentelemetry.sdk.trace.time_ns", lambda: next(back))
    with observe_agent("ours"), provider.get_tracer("theirs").start_as_current_span("theirs"):
        pass
    for row in spool.rows_after(0):
        assert 0 <= row.end_ns - row.start_ns < 60 * 10**9, row.name


def test_secrets_do_not_reach_the_file(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = "my-own-broker-password-77"
    monkeypatch.setenv("BROKER_PASSWORD", own)
    key = "sk-ant-api03-" + "a1B" * 20
    with observe_agent(
        "a",
        metadata={"api_key": "plainword", "note": f"use {key}"},
        input={"deep": [{"private_key": "0x" + "ab" * 32}]},
    ) as run:
        run.update(output=f"the pass is {own}", status_message=key)
        run.score("s", 1.0, comment=f"with {key}")
    spool.close()
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for secret in (key, own, "plainword", "ab" * 32):
        assert secret.encode() not in stored
    assert b"[REDACTED" in stored


def test_a_redactor_that_fails_withholds_the_texts(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> str:
        raise RuntimeError("broken")

    monkeypatch.setattr("src.observability.redaction.current", broken)
    with observe_agent("a", input="the secret words"):
        pass
    assert all(b"secret words" not in row.span for row in spool.rows_after(0))


def test_scores_are_stored_with_their_type(spool: Spool) -> None:
    with observe_agent("a") as run:
        run.score("decision", "BUY", comment="c")
        run.score("right", True)
    score("pnl", 1.5, trace_id=run.trace_id, score_id="fixed", timestamp_ns=5)
    found = {item.name: item for _, item in spool.read_scores("d")}
    assert (found["decision"].value, found["decision"].data_type) == ("BUY", "CATEGORICAL")
    assert (found["right"].value, found["right"].data_type) == (1.0, "BOOLEAN")
    assert (found["pnl"].data_type, found["pnl"].id, found["pnl"].timestamp_ns) == ("NUMERIC", "fixed", 5)
    with pytest.raises(ValueError, match="needs a trace_id"):
        score("x", 1)


def test_threads_keep_their_own_parents(spool: Spool) -> None:
    def work(name: str) -> None:
        with observe_agent(name), observe("inner", "span"):
            pass

    threads = [threading.Thread(target=work, args=(f"a{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = spool.rows_after(0)
    roots = {row.span_id: row for row in rows if row.parent_span_id is None}
    assert len(roots) == 8
    for row in rows:
        if row.parent_span_id is not None:
            assert roots[row.parent_span_id].trace_id == row.trace_id


@pytest.fixture
def langfuse(monkeypatch: pytest.MonkeyPatch) -> Any:
    with Langfuse() as server:
        monkeypatch.setenv("LANGFUSE_HOST", server.url)
        monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-tracing")
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-tracing-secret")
        yield server


def test_a_users_own_langfuse_observations_join_the_trace_redacted_and_once(langfuse: Langfuse) -> None:
    from langfuse import observe as langfuse_observe
    from langfuse import propagate_attributes

    client = get_tracker().client
    key = "sk-ant-api03-" + "a1B" * 20

    @langfuse_observe(name="users_own")
    def users_own(text: str) -> str:
        return text.upper()

    with propagate_attributes(user_id="u1"), observe_agent("mine") as run:
        users_own(f"my key is {key}")
    client.flush()
    assert flush(20) == 0
    spans = {span.name: span for span in langfuse.spans}
    assert sorted(span.name for span in langfuse.spans) == ["mine.run", "users_own"]
    assert spans["users_own"].parent == run.id
    assert spans["users_own"].attributes[attributes.SESSION_ID].startswith("run-")
    assert spans["users_own"].attributes[attributes.USER_ID] == "u1"
    assert key not in str(spans)
    assert client.get_current_trace_id() is None


def test_what_langfuses_sdk_says_of_a_run_of_ours_later_wins(spool: Spool) -> None:
    client = get_tracker().client

    @observe_agent("own")
    def decide(pair: str) -> str:
        client.update_current_span(output="said through the SDK", metadata={"k": 2})
        return "returned"

    decide("BTC-USD")
    with observe_agent("a", input="ours", metadata={"k": 1}) as run:
        client.update_current_span(input="theirs", output="theirs")
        run.update(output="ours again")
    own, other = (told(row) for row in spool.rows_after(0))
    assert own[attributes.OUTPUT] == "said through the SDK"
    assert own[attributes.METADATA + "k"] == "2"
    assert (other[attributes.INPUT], other[attributes.OUTPUT]) == ("theirs", "ours again")


def test_trace_llm_call_records_a_call_that_goes_round_the_factory(spool: Spool) -> None:
    class Counts:
        prompt_tokens, completion_tokens = 5, 3

    class Reply:
        model, usage = "gpt-4o", Counts()

        def __str__(self) -> str:
            return "the reply"

    tracker = get_tracker()

    @tracker.trace_llm_call
    def ask(prompt: str) -> Reply:
        return Reply()

    @tracker.trace_llm_call
    async def fail(prompt: str) -> None:
        raise TimeoutError("slow")

    assert isinstance(ask("buy?"), Reply)
    with pytest.raises(TimeoutError):
        asyncio.run(fail("x"))
    good, bad = spool.rows_after(0)
    assert (good.type, good.model, good.input_tokens, good.output_tokens) == ("generation", "gpt-4o", 5, 3)
    assert "buy?" in told(good)[attributes.INPUT]
    assert (bad.level, bad.error_category) == ("ERROR", "timeout")


@pytest.mark.parametrize(
    ("usage", "buckets"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 40},
          "completion_tokens_details": {"reasoning_tokens": 5}},
         {"input": 60, "input_cached_tokens": 40, "output": 15, "output_reasoning_tokens": 5}),
        ({"input_tokens": 100, "output_tokens": 20, "input_tokens_details": {"cached_tokens": 40},
          "output_tokens_details": {"reasoning_tokens": 0}},
         {"input": 60, "input_cached_tokens": 40, "output": 20}),
        ({"input_tokens": 50, "output_tokens": 20, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 10},
         {"input": 50, "input_cached_tokens": 40, "input_cache_creation": 10, "output": 20}),
    ],
)  # fmt: skip
def test_trace_llm_call_sorts_tokens_into_buckets_that_do_not_overlap(
    usage: dict[str, Any], buckets: dict[str, int], spool: Spool
) -> None:
    @get_tracker().trace_llm_call
    def ask(*, model: str) -> dict[str, Any]:
        return {"model": f"{model}-2026", "usage": usage}

    ask(model="m")
    found = told(only(spool))
    assert json.loads(found[attributes.USAGE_DETAILS]) == buckets
    assert (found[attributes.INPUT_TOKENS], found[attributes.OUTPUT_TOKENS]) == (100, 20)
    assert (found[attributes.REQUEST_MODEL], found[attributes.RESPONSE_MODEL]) == ("m", "m-2026")
    assert found[attributes.OPERATION] == "chat"


def test_trace_llm_call_records_methods_and_what_generators_yield(spool: Spool) -> None:
    track = get_tracker().trace_llm_call

    class Client:
        @track
        def whole(self, prompt: str, model: str = "") -> str:
            raise ConnectionError("gone")

        @track
        def stream(self, prompt: str) -> Iterator[str]:
            yield "he"
            yield "llo"

        @track
        async def later(self, prompt: str) -> AsyncIterator[dict[str, int]]:
            yield {"piece": 1}
            yield {"piece": 2}

    async def first() -> None:
        async for _ in (pieces := Client().later("d")):
            break
        await pieces.aclose()  # type: ignore[attr-defined] # an async generator

    with pytest.raises(ConnectionError):
        Client().whole("a", model="m")
    assert inspect.isgeneratorfunction(Client().stream)
    assert "".join(Client().stream("b")) == "hello"
    asyncio.run(first())
    failed, streamed, left = (told(row) for row in spool.rows_after(0))
    assert json.loads(failed[attributes.INPUT]) == {"args": ["a"], "kwargs": {"model": "m"}}
    assert (failed[attributes.MODEL], failed[attributes.LEVEL]) == ("m", "ERROR")
    assert streamed[attributes.OUTPUT] == "hello"
    assert json.loads(left[attributes.OUTPUT]) == [{"piece": 1}]


def test_trace_llm_call_around_the_factory_counts_nothing_twice(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.models import ModelFactory, ModelResponse

    with Server(lambda _: chat_reply("hold")) as provider:
        monkeypatch.setenv("OPENAI_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")

        @get_tracker().trace_llm_call
        def ask() -> ModelResponse:
            return ModelFactory.get_model("openai").generate_response(None, "x")

        assert ask().content == "hold"
    inner, outer = spool.rows_after(0)
    assert (inner.type, inner.input_tokens, inner.parent_span_id) == ("generation", 10, outer.span_id)
    assert (outer.type, outer.input_tokens, outer.model) == ("span", None, None)
    assert told(outer)[attributes.OUTPUT] == "hold"


def test_switches_stop_delivery_not_the_store(langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.observability.langfuse_client import set_tracker

    for name, value in (("ENABLE_LANGFUSE", "false"), ("MOONDEV_OFFLINE", "1")):
        with monkeypatch.context() as scoped:
            scoped.setenv(name, value)
            set_tracker(None)
            with observe_agent("quiet"):
                pass
            assert flush(1) == 0
    assert langfuse.requests == []
    set_tracker(None)
    with observe_agent("loud"):
        pass
    assert flush(20) == 0  # what was stored while delivery was off goes too
    assert sorted(span.name for span in langfuse.spans) == ["loud.run", "quiet.run", "quiet.run"]


@pytest.mark.parametrize(
    ("said", "delivers"),
    [(True, True), (False, False), ("false", False), ("on", True), (0, False), ("scores", True)],
)
def test_the_users_config_file_switches_langfuse(said: object, delivers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from src import config

    keys = {"LANGFUSE_PUBLIC_KEY": "pk-lf-a", "LANGFUSE_SECRET_KEY": "sk-lf-a"}
    monkeypatch.setattr(config, "ENABLE_LANGFUSE", said)
    assert Settings.read(keys).langfuse_delivers is delivers
    assert Settings.read({**keys, "ENABLE_LANGFUSE": "true"}).langfuse_delivers
    assert not Settings.read({**keys, "ENABLE_LANGFUSE": "off"}).langfuse_delivers
    monkeypatch.setattr(config, "ENABLE_LANGFUSE", "perhaps")
    assert not Settings.read_or_default(keys).langfuse_delivers


def test_with_tracing_off_what_programs_do_with_ids_still_works(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MOONDEV_TRACING", "off")
    with observe_agent("a", metadata={"k": 1}) as run:
        run.update(output=1, metadata={"decision": "BUY"})
        run.event("note")
        run.score("s", 1)
        with observe("t", "tool") as tool:
            pass
    assert (run.trace_id, run.id, tool.id) == (None, None, None)
    assert score("pnl", 12.5, trace_id=run.trace_id) is None
    assert flush(1) == 0
    assert caplog.text.count("MOONDEV_TRACING is off") == 1


def test_other_otlp_backends_get_the_same_spans_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from src.observability.langfuse_client import set_tracker

    with Langfuse() as collector:
        collector_url = f"{collector.url}/api/public/otel/v1/traces"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector_url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=desk%201")
        with observe_agent("quiet"):
            pass
        assert flush(1) == 0
        assert collector.requests == []
        monkeypatch.setenv("MOONDEV_OTLP", "on")
        set_tracker(None)
        with observe_agent("told") as run:
            run.score("s", 1)
        assert flush(20) == 0
        assert [span.name for span in collector.spans] == ["quiet.run", "told.run"]
        assert collector.scores == []
        assert collector.requests[0].headers["x-team"] == "desk 1"


def test_the_release_stands_on_what_is_delivered(langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGFUSE_RELEASE", "v1.2.3")
    with observe_agent("a"):
        start("g", "generation").end()
    assert flush(20) == 0
    assert {span.attributes["langfuse.release"] for span in langfuse.spans} == {"v1.2.3"}
    request = next(found for found in langfuse.requests if "traces" in found.path)
    (resource,) = ExportTraceServiceRequest.FromString(gzip.decompress(request.body)).resource_spans
    told = {item.key: item.value.string_value for item in resource.resource.attributes}
    assert told["langfuse.release"] == told["service.version"] == "v1.2.3"


def test_after_shutdown_nobody_is_waited_for(langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch) -> None:
    langfuse.answer = lambda _: Reply(503)
    tracker = get_tracker()
    with observe_agent("a"):
        pass
    tracker.shutdown(0.0)
    assert tracker.exporter is not None

    def wait(*_: object) -> None:
        raise AssertionError("waited")

    for drain in tracker.exporter._drains:
        monkeypatch.setattr(drain._passed, "wait_for", wait)
    assert tracker.exporter.flush(60.0) == 1


def test_capture_metadata_stores_no_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_CAPTURE", "metadata")
    with observe_agent("a", input="the words asked") as run:
        run.update(output="the words said", metadata={"decision": "BUY"})
    spool = get_tracker().spool
    assert spool is not None
    found = told(only(spool))
    assert "the words" not in str(found)
    assert found[attributes.METADATA + "decision"] == '"BUY"'


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MOONDEV_TRACING", "maybe"), ("MOONDEV_TRACE_SYNC", "always"), ("MOONDEV_CAPTURE", "all"),
        ("MOONDEV_IMAGES", "small"),
        ("MOONDEV_TRACE_MAX_MB", "-3"),
        ("LANGFUSE_TRACING_ENVIRONMENT", "Prod!"),
    ],
)  # fmt: skip
def test_a_setting_that_means_nothing_is_named_and_its_default_taken(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.read({name: value})
    assert Settings.read_or_default({name: value}) == Settings.read({})
    assert name in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("LANGFUSE_HOST", "langfuse.internal:3000"), ("LANGFUSE_BASE_URL", "langfuse.internal"),
     ("ENABLE_LANGFUSE", "nope"), ("MOONDEV_OFFLINE", "please")],
)  # fmt: skip
def test_what_was_meant_for_ones_own_server_never_goes_to_the_default(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    keys = {"LANGFUSE_PUBLIC_KEY": "pk-lf-own", "LANGFUSE_SECRET_KEY": "sk-lf-own"}
    with pytest.raises(SettingsError, match=name):
        Settings.read({**keys, name: value})
    assert not Settings.read_or_default({**keys, name: value}).langfuse_delivers
    assert name in caplog.text
    assert "holds: everything is stored" in caplog.text


def test_an_environment_in_capitals_is_what_langfuses_server_makes_of_it() -> None:
    assert Settings.read({"LANGFUSE_TRACING_ENVIRONMENT": "Production"}).environment == "production"


def test_keys_in_the_projects_env_file_are_found_before_any_model_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "LANGFUSE_PUBLIC_KEY=pk-lf-file\nLANGFUSE_SECRET_KEY=sk-lf-file\nOPENAI_KEY=sk-file-0123\n"
    )
    code = (
        "from src.observability.settings import Settings; from src.models import ModelFactory; "
        "print(Settings.read_or_default().langfuse_public_key, ModelFactory.is_model_available('openai'))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "MOONDEV_DOTENV"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
        env={**environment, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.split() == ["pk-lf-file", "True"]


def test_the_base_url_wins_over_the_host() -> None:
    both = {"LANGFUSE_BASE_URL": "http://a:1/", "LANGFUSE_HOST": "http://b:2"}
    assert Settings.read(both).langfuse_host == "http://a:1"
    assert Settings.read({**both, "LANGFUSE_BASE_URL": " "}).langfuse_host == "http://b:2"


def test_a_short_program_delivers_before_it_ends(langfuse: Langfuse) -> None:
    code = "from src.observability import observe_agent\nwith observe_agent('brief'): pass"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert [span.name for span in langfuse.spans] == ["brief.run"]


def test_the_first_tracker_that_a_program_makes_is_the_processs() -> None:
    mine = LangFuseTracker()
    assert get_tracker() is mine
    later = LangFuseTracker()
    assert get_tracker() is mine
    later.shutdown(0.0)


def test_one_key_without_the_other_is_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-a")
    get_tracker()
    assert "LANGFUSE_SECRET_KEY is not set, the other key is" in caplog.text
    assert "Set LANGFUSE_SECRET_KEY to see them" in caplog.text


@pytest.mark.parametrize(
    ("said", "service", "environment"),
    [
        ({}, "moondev", "paper"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=desk%201,host.name=h"}, "desk 1", "paper"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=desk", "OTEL_SERVICE_NAME": "mine"}, "mine", "paper"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=eu-1"}, "moondev", "eu-1"),
    ],
)
def test_the_resource_says_which_program_and_environment(
    said: dict[str, str], service: str, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**said, "LANGFUSE_TRACING_ENVIRONMENT": "paper"}.items():
        monkeypatch.setenv(name, value)
    provider = get_tracker().provider
    assert provider is not None
    found = provider.resource.attributes
    assert (found["service.name"], found["deployment.environment.name"]) == (service, environment)


def test_a_tracker_of_its_own_can_be_made(tmp_path: Path) -> None:
    tracker = LangFuseTracker(Settings.read({"MOONDEV_TRACE_DB": str(tmp_path / "own.db")}))
    assert tracker.tracer is not None
    assert tracker.flush() == 0
    tracker.shutdown()


def test_metadata_is_json_as_langfuses_sdk_writes_it(spool: Spool) -> None:
    start("x", "span").update(metadata={"a": "text", "b": 1, "c": {"d": [1]}, "n": None}).end()
    found = told(only(spool))
    decoded = {
        k.removeprefix(attributes.METADATA): json.loads(v)
        for k, v in found.items()
        if k.startswith(attributes.METADATA)
    }
    assert decoded == {"a": "text", "b": 1, "c": {"d": [1]}}
