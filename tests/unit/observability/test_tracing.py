"""Runs, agents and observations: their attributes, and which is whose child."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace as otel_trace

from src.observability import (
    attributes,
    continue_trace,
    flush,
    get_tracker,
    observe_agent,
    score,
)
from src.observability.tracing.observation import observe, start
from tests.unit.observability.stored import attributes_of, only

if TYPE_CHECKING:
    from src.observability.store.spool import Spool
    from tests.servers import Langfuse

ROOT = Path(__file__).parents[3]


def test_a_run_is_an_agent_root_whose_session_and_tags_every_observation_has(spool: Spool) -> None:
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
        stored = attributes_of(row)
        assert stored[attributes.SESSION_ID] == "loop-7"
        assert stored[attributes.USER_ID] == "me"
        assert stored[attributes.TRACE_TAGS] == ("risk", "BTC-USD", "x")
        assert stored[attributes.TRACE_METADATA + "trading_pair"] == '"BTC-USD"'
        assert stored[attributes.ENVIRONMENT] == "default"
    assert attributes_of(root)[attributes.METADATA + "pnl"] == "1.5"
    assert attributes_of(root)[attributes.METADATA + "decision"] == '"HOLD"'
    assert attributes_of(root)[attributes.IS_APP_ROOT] is True
    assert attributes.IS_APP_ROOT not in attributes_of(inner)


def test_what_a_generation_says_itself_wins_over_its_run(spool: Spool) -> None:
    with observe_agent("risk", session_id="loop-7", user_id="me"):
        for user in (None, "me", "you", None):
            start("ask", "generation").set(USER_ID=user).end()
    *asked, _ = spool.rows_after(0)
    assert [attributes_of(row)[attributes.USER_ID] for row in asked] == ["me", "me", "you", "me"]
    assert [row.facts.user_id for row in asked] == ["me", "me", "you", "me"]


def test_sessions_and_users_that_langfuse_refuses_become_distinct_valid_ids(spool: Spool) -> None:
    ids = ["東京", "大阪", "x" * 199 + "ab", "x" * 199 + "ac", "März", "plain", 7]
    for session in ids:
        with observe_agent("a", session_id=session, user_id=session):  # type: ignore[arg-type] # a number is taken too
            pass
    rows = spool.rows_after(0)
    sessions = [row.session_id or "" for row in rows]
    assert len(set(sessions)) == len(ids)
    assert all(session.isascii() and len(session) <= 200 for session in sessions)
    assert sessions == [attributes_of(row)[attributes.USER_ID] for row in rows]
    assert sessions[5:] == ["plain", "7"]
    assert sessions[4].startswith("M?rz-")


def test_arguments_of_wrong_types_break_nothing(spool: Spool) -> None:
    with observe_agent("a", tags="x", metadata="long") as run:  # type: ignore[arg-type] # what a program may give
        run.update(metadata=["short"])  # type: ignore[arg-type] # as above
    with observe_agent("b", tags=None, metadata=None):  # type: ignore[arg-type] # as above
        pass
    first, second = (attributes_of(row) for row in spool.rows_after(0))
    assert (first[attributes.TRACE_TAGS], second[attributes.TRACE_TAGS]) == (("a", "x"), ("b",))
    assert first[attributes.METADATA + "value"] == '["short"]'


def test_a_score_of_a_session_has_the_sessions_stored_id(spool: Spool) -> None:
    sessions = ["東京", "x" * 300, "plain"]
    for session in sessions:
        with observe_agent("a", session_id=session):
            pass
        score("day", 1, session_id=session)
    scored = [record.session_id for _, record in spool.read_scores("nobody")]
    assert scored == [row.session_id for row in spool.rows_after(0)]


def test_every_observation_has_short_metadata_and_later_values_win(spool: Spool) -> None:
    known = {"position": "long 1 BTC", "prices": ["1.0"] * 100, "decision": "pending", "nothing": None}
    with observe_agent("a", metadata=known) as run:
        start("inner", "generation").update(metadata={"decision": "its own"}).end()
        start("other", "generation").end()
        run.update(metadata={"decision": "BUY"})
    inner, other, root = (attributes_of(row) for row in spool.rows_after(0))
    of_trace, own = attributes.TRACE_METADATA, attributes.METADATA
    assert other[of_trace + "position"] == root[of_trace + "position"] == '"long 1 BTC"'
    assert of_trace + "prices" not in other
    assert own + "prices" in root
    assert not [name for name in root if name.endswith("nothing")]
    # Langfuse's server lets a trace's metadata win over an observation's own where the keys are the same, and one that
    # keeps a table of traces takes them for the trace's.
    assert (inner.get(of_trace + "decision"), inner[own + "decision"]) == (None, '"its own"')
    assert (root[of_trace + "decision"], root[own + "decision"]) == ('"BUY"', '"BUY"')
    assert other[of_trace + "decision"] == '"pending"'


def test_the_metadata_of_a_run_inside_a_run_are_not_the_traces(spool: Spool) -> None:
    with observe_agent("desk", trading_pair="BTC-USD", metadata={"strategy": "a", "mode": "x"}) as desk:
        with observe_agent(
            "scout", trading_pair="ETH-USD", metadata={"strategy": "b", "mode": "x", "depth": 2}
        ) as scout:
            start("deep", "generation").end()
            with observe("step", "tool") as tool:
                tool.update(metadata={"mode": "its own"})
            scout.update(metadata={"strategy": "c"})
        start("later", "generation").end()
        desk.update(metadata={"mode": "y"})
    deep, step, inner, later, outer = (attributes_of(row) for row in spool.rows_after(0))
    run = ("agent_name", "trading_pair", "strategy", "mode", "depth")

    def values(of: dict[str, Any], prefix: str) -> dict[str, Any]:
        return {name: json.loads(of[prefix + name]) for name in run if prefix + name in of}

    of_trace, own = attributes.TRACE_METADATA, attributes.METADATA
    scouts = {"agent_name": "scout", "trading_pair": "ETH-USD", "strategy": "b", "depth": 2}
    assert (values(deep, of_trace), values(deep, own)) == ({"mode": "x"}, scouts)
    assert (values(step, of_trace), values(step, own)) == ({}, {**scouts, "mode": "its own"})
    assert (values(inner, of_trace), values(inner, own)) == ({"mode": "x"}, {**scouts, "strategy": "c", "mode": "x"})
    desks = {"agent_name": "desk", "trading_pair": "BTC-USD", "strategy": "a", "mode": "x"}
    assert (values(later, of_trace), values(later, own)) == (desks, {})
    assert values(outer, of_trace) == values(outer, own) == {**desks, "mode": "y"}


def test_a_trace_has_its_roots_name_before_its_root_ends(spool: Spool) -> None:
    with observe_agent("outer"):
        start("early", "generation").end()
        with observe_agent("inner"):
            start("deep", "generation").end()
    with observe("mine", "span"), observe_agent("inside"):
        pass
    with continue_trace({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}), observe_agent("far"):
        pass
    trace_names = {row.name: attributes_of(row).get(attributes.TRACE_NAME) for row in spool.rows_after(0)}
    assert trace_names == dict.fromkeys(["early", "deep", "inner.run", "outer.run"], "outer.run") | {
        "inside.run": None, "mine": None, "far.run": None,
    }  # fmt: skip


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
    assert (attributes_of(first)[attributes.ENVIRONMENT], attributes_of(second)[attributes.ENVIRONMENT]) == (
        "live",
        "default",
    )
    assert [score.environment for _, score in spool.read_scores("nobody")] == ["live"]
    assert "lower case letters" in caplog.text


def test_span_kind_status_and_genai_attributes_are_set_for_other_backends(spool: Spool) -> None:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    with observe_agent("a"):
        start("g", "generation").fail("no", "rate_limit").end()
    generation, agent = (Span.FromString(row.span) for row in spool.rows_after(0))
    assert (generation.kind, agent.kind) == (Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_INTERNAL)
    assert (generation.status.code, generation.status.message) == (2, "no")
    agent_attributes = {item.key: item.value.string_value for item in agent.attributes}
    assert agent_attributes["gen_ai.operation.name"] == "invoke_agent"
    assert agent_attributes["gen_ai.agent.name"] == "a"


def test_an_exception_fails_the_run_and_propagates(spool: Spool) -> None:
    with pytest.raises(ValueError, match="bad price"), observe_agent("risk"):
        raise ValueError("bad price, key sk-ant-api03-" + "a1B" * 20)
    row = only(spool)
    assert (row.level, row.error_category) == ("ERROR", "ValueError")
    assert "bad price" in (row.status_message or "")
    assert "a1Ba1B" not in str(row)


def test_an_agent_inside_an_agent_is_its_child_and_keeps_the_session(spool: Spool) -> None:
    with observe_agent("outer", session_id="s1"), observe_agent("inner"):
        pass
    inner, outer = spool.rows_after(0)
    assert (inner.parent_span_id, inner.session_id) == (outer.span_id, "s1")
    assert set(attributes_of(inner)[attributes.TRACE_TAGS]) == {"outer", "inner"}


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


def test_variables_for_other_opentelemetry_software_drop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "OTEL_SDK_DISABLED": "true", "OTEL_TRACES_SAMPLER": "always_off", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "2",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "3",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with observe_agent("a", metadata={f"k{n}": "long enough" for n in range(20)}):
        pass
    spool = get_tracker().spool
    assert spool is not None
    stored = attributes_of(only(spool))
    assert stored[attributes.METADATA + "k19"] == '"long enough"'


def test_a_clock_that_is_set_back_makes_no_duration_negative(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = get_tracker().provider
    assert provider is not None
    back = itertools.count(2_000_000_000_000_000_000, -(10**9))
    monkeypatch.setattr("opentelemetry.sdk.trace.time_ns", lambda: next(back))
    with observe_agent("ours"), provider.get_tracer("theirs").start_as_current_span("theirs"):
        pass
    for row in spool.rows_after(0):
        assert 0 <= row.end_ns - row.start_ns < 60 * 10**9, row.name


def test_scores_are_stored_with_their_type(spool: Spool) -> None:
    with observe_agent("a") as run:
        run.score("decision", "BUY", comment="c")
        run.score("right", True, of_trace=True)
    score("pnl", 1.5, trace_id=run.trace_id, score_id="fixed", timestamp_ns=5)
    scores = {record.name: record for _, record in spool.read_scores("d")}
    assert (scores["decision"].value, scores["decision"].data_type) == ("BUY", "CATEGORICAL")
    assert (scores["right"].value, scores["right"].data_type) == (1.0, "BOOLEAN")
    assert (scores["decision"].trace_id, scores["decision"].observation_id) == (run.trace_id, run.id)
    assert (scores["right"].trace_id, scores["right"].observation_id) == (run.trace_id, None)
    assert (scores["pnl"].data_type, scores["pnl"].id, scores["pnl"].timestamp_ns) == ("NUMERIC", "fixed", 5)
    with pytest.raises(ValueError, match="needs a trace_id"):
        score("x", 1)
    with pytest.raises(ValueError, match="Leave session_id out"):
        score("pnl", 1.0, trace_id="ab" * 16, session_id="s")


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
    assert flush(60) == 0
    spans = {span.name: span for span in langfuse.spans}
    assert sorted(span.name for span in langfuse.spans) == ["mine.run", "users_own"]
    assert spans["users_own"].parent == run.id
    assert spans["users_own"].attributes[attributes.SESSION_ID].startswith("run-")
    assert spans["users_own"].attributes[attributes.USER_ID] == "u1"
    assert key not in str(spans)
    assert client.get_current_trace_id() is None


def test_later_updates_through_langfuses_sdk_win_over_a_runs_own_values(spool: Spool) -> None:
    client = get_tracker().client

    @observe_agent("own")
    def decide(pair: str) -> str:
        client.update_current_span(output="said through the SDK", metadata={"k": 2})
        return "returned"

    decide("BTC-USD")
    with observe_agent("a", input="ours", metadata={"k": 1}) as run:
        client.update_current_span(input="theirs", output="theirs")
        run.update(output="ours again")
    own, other = (attributes_of(row) for row in spool.rows_after(0))
    assert own[attributes.OUTPUT] == "said through the SDK"
    assert own[attributes.METADATA + "k"] == "2"
    assert (other[attributes.INPUT], other[attributes.OUTPUT]) == ("theirs", "ours again")


def test_metadata_is_json_as_langfuses_sdk_writes_it(spool: Spool) -> None:
    start("x", "span").update(metadata={"a": "text", "b": 1, "c": {"d": [1]}, "n": None}).end()
    stored = attributes_of(only(spool))
    decoded = {
        k.removeprefix(attributes.METADATA): json.loads(v)
        for k, v in stored.items()
        if k.startswith(attributes.METADATA)
    }
    assert decoded == {"a": "text", "b": 1, "c": {"d": [1]}}
