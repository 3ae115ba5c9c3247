from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace as otel_trace

from src.observability import attributes, child_environment, continue_trace, inject, observe_agent
from src.observability.spans.scope import Scope
from src.observability.tracing import baggage, propagation
from src.observability.tracing.observation import observe
from tests import warm
from tests.long import rounds
from tests.unit.observability.stored import attributes_of

if TYPE_CHECKING:
    from pathlib import Path

    from src.observability.store.spool import Spool

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
KEY = "sk-ant-api03-" + "a1B" * 20


@pytest.fixture(autouse=True)
def nothing_logged() -> None:
    propagation._logged.clear()


def test_headers_name_the_current_observation_and_leave_others_alone() -> None:
    with observe_agent("risk") as run:
        headers = inject({"accept": "*/*"})
    version, trace, span, flags = headers["traceparent"].split("-")
    assert (version, trace, span, int(flags, 16) & 1) == ("00", run.trace_id, run.id, 1)
    assert set(headers) == {"accept", "traceparent"}


def test_outside_any_observation_nothing_is_written() -> None:
    assert inject() == {}


@pytest.mark.parametrize(
    "carrier",
    [
        {"traceparent": PARENT},
        {"Traceparent": PARENT, "Accept": "*/*"},
        {"HTTP_TRACEPARENT": PARENT, "REQUEST_METHOD": "POST"},
        {b"traceparent": PARENT.encode()},
        {"traceparent": [PARENT]},
        [(b"host", b"x"), (b"traceparent", PARENT.encode())],
        (("traceparent", PARENT), ("traceparent", PARENT)),
    ],
)
def test_a_trace_is_continued_from_any_kind_of_headers(carrier: Any, spool: Spool) -> None:
    with continue_trace(carrier), observe_agent("risk"):
        pass
    (row,) = spool.rows_after(0)
    assert (row.trace_id, row.parent_span_id) == (TRACE, SPAN)
    assert attributes_of(row)[attributes.IS_APP_ROOT] is True  # its parent belongs to another application


def test_the_trace_state_of_other_vendors_is_passed_on() -> None:
    with continue_trace({"traceparent": PARENT, "tracestate": "congo=t61rcWkgMzE,rojo=00f067"}), observe_agent("a"):
        assert inject()["tracestate"] == "congo=t61rcWkgMzE,rojo=00f067"


def test_spans_under_an_unsampled_parent_are_stored_all_the_same(spool: Spool) -> None:
    with continue_trace({"traceparent": PARENT[:-2] + "00"}), observe_agent("a"):
        pass
    assert spool.rows_after(0)[0].trace_id == TRACE


MALFORMED = [
    "", "x", PARENT.upper(), f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE}-{SPAN}", f"{PARENT}-more", "00-" + "a" * 100_000, f"{PARENT},{PARENT}", "\x00\n", "٣" * 55,
]  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_parent_starts_a_new_trace(text: str, spool: Spool) -> None:
    with observe_agent("outer") as outer, continue_trace({"traceparent": text}), observe_agent("inner"):
        pass
    inner = spool.rows_after(0)[0]
    assert inner.parent_span_id is None
    assert inner.trace_id not in (TRACE, outer.trace_id)


@pytest.mark.parametrize("carrier", [None, 7, "traceparent", [1, 2], {"traceparent": None}, [("a",)], object()])
def test_no_carrier_of_any_type_raises(carrier: Any, spool: Spool) -> None:
    with continue_trace(carrier), observe_agent("a"):
        pass
    assert spool.rows_after(0)[0].parent_span_id is None


def test_two_parents_that_differ_are_both_ignored(spool: Spool) -> None:
    with continue_trace([("traceparent", PARENT), ("traceparent", PARENT.replace("b7", "b8"))]), observe_agent("a"):
        pass
    assert spool.rows_after(0)[0].trace_id != TRACE


def test_malformed_headers_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "moondev.observability"):
        for _ in range(3):
            with continue_trace({"traceparent": "00-secret-that-came-in"}):
                pass
        with continue_trace({}):
            pass
    assert [record.getMessage() for record in caplog.records] == [
        "A malformed traceparent was received; a new trace begins. Logged once."
    ]


@settings(
    max_examples=rounds(30, 2000),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.dictionaries(st.sampled_from(["traceparent", "tracestate", "baggage"]), st.text(max_size=300)))
def test_no_text_in_any_header_raises(headers: dict[str, str]) -> None:
    with continue_trace(headers, scope=True):
        inject(scope=True)


def test_the_context_is_as_before_after_the_block_and_after_an_error() -> None:
    with observe_agent("outer") as outer:
        with pytest.raises(KeyError), continue_trace({"traceparent": PARENT}):
            raise KeyError("x")
        ids = otel_trace.get_current_span().get_span_context()
        assert f"{ids.span_id:016x}" == outer.id


# Session, user and tags.


def test_the_scope_is_written_into_headers_only_on_request() -> None:
    with observe_agent("risk", session_id="loop-7", user_id="me"):
        assert "baggage" not in inject()
        headers = inject({"baggage": "theirs=1"}, scope=True)
    assert headers["baggage"].startswith("theirs=1,")
    assert "langfuse_session_id=loop-7" in headers["baggage"]
    assert "langfuse_user_id=me" in headers["baggage"]


def test_the_scope_is_taken_from_headers_only_on_request(spool: Spool) -> None:
    with observe_agent("risk", session_id="loop 7, éa", user_id="u=1;2", tags=["a,b", "ü"]):
        headers = inject(scope=True)
    for trusted in (False, True):
        with continue_trace(headers, scope=trusted), observe("x", "span"):
            pass
    risk, without_scope, with_scope = (attributes_of(row) for row in spool.rows_after(0))
    assert attributes.USER_ID not in without_scope
    assert without_scope[attributes.SESSION_ID] != risk[attributes.SESSION_ID]
    for name in (attributes.SESSION_ID, attributes.USER_ID):
        assert with_scope[name] == risk[name]
    tags = risk[attributes.TRACE_TAGS]
    assert with_scope[attributes.TRACE_TAGS][: len(tags)] == tags  # the program that continues adds its own name


def test_an_observation_that_continues_our_own_trace_is_no_application_root(spool: Spool) -> None:
    with observe_agent("risk"):
        headers = inject(scope=True)
    with continue_trace(headers, scope=True), observe("x", "span"):
        pass
    assert attributes.IS_APP_ROOT not in attributes_of(spool.rows_after(0)[1])


def test_a_secret_is_never_written_into_headers(caplog: pytest.LogCaptureFixture) -> None:
    scope = Scope().narrowed(session_id="s", user_id=KEY, tags=("fine", f"token {KEY}", "x" * 300))
    header = baggage.encode(scope)
    assert "a1Ba1B" not in header
    assert "langfuse_user_id" not in header
    assert baggage.decode(header).scope == Scope(session_id="s", tags=("fine",))
    assert "a1Ba1B" not in caplog.text


def test_headers_stay_short() -> None:
    scope = Scope().narrowed(session_id="é" * 500, user_id="é" * 500, tags=tuple(f"{n}" + "ü" * 190 for n in range(90)))
    assert 0 < len(baggage.encode(scope)) < 4200
    many = baggage.decode(baggage.encode(Scope().narrowed(tags=tuple("abcdefghijklmnopqrstuvwxyz")))).scope
    assert many is not None
    assert len(many.tags) == 20


@pytest.mark.parametrize(
    "header",
    ["langfuse_session_id=" + "x" * 201, "langfuse_session_id=%0a%00", "langfuse_user_id=%C3%A9", "langfuse_tags=[1",
     "langfuse_tags={}", "langfuse_tags=[[]]", "other=1", "=,;", "langfuse_session_id=" + "x" * 9000],
)  # fmt: skip
def test_baggage_that_cannot_be_a_session_or_user_is_left_out(header: str) -> None:
    scope = baggage.decode(header).scope
    assert scope is None or scope == Scope(tags=scope.tags)


def test_langfuses_own_sdk_reads_our_baggage_and_we_read_its_baggage() -> None:
    from langfuse._client.propagation import _get_propagated_attributes_from_context
    from opentelemetry.baggage.propagation import W3CBaggagePropagator
    from opentelemetry.context import Context

    header = baggage.encode(Scope().narrowed(session_id="loop 7", user_id="me", tags=("a", "b")))
    context = W3CBaggagePropagator().extract({"baggage": header}, Context())
    read = _get_propagated_attributes_from_context(context)
    assert (read["session.id"], read["user.id"], read["langfuse.trace.tags"]) == ("loop 7", "me", '["a","b"]')
    written: dict[str, str] = {}
    W3CBaggagePropagator().inject(written, context)
    assert baggage.decode(written["baggage"]).scope == Scope(session_id="loop 7", user_id="me", tags=("a", "b"))


# Real processes.

CHILD = """
from src.observability import continue_trace, observe_agent
with continue_trace(), observe_agent("child"):
    pass
"""


def run_child(environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", CHILD]
    done = warm.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_child_process_joins_the_trace_with_its_session(spool: Spool, tmp_path: Path) -> None:
    with observe_agent("parent", session_id="loop-7", user_id="me", tags=["x"]) as run:
        run_child(child_environment())
    child, parent = spool.rows_after(0)
    assert (child.name, child.trace_id, child.parent_span_id) == ("child.run", run.trace_id, run.id)
    assert (child.session_id, attributes_of(child)[attributes.USER_ID]) == ("loop-7", "me")
    assert set(attributes_of(child)[attributes.TRACE_TAGS]) == {"parent", "x", "child"}
    assert attributes.IS_APP_ROOT not in attributes_of(child)
    assert attributes.IS_APP_ROOT in attributes_of(parent)


def test_a_parent_in_the_environment_may_come_from_any_software(spool: Spool) -> None:
    run_child({**child_environment(), "TRACEPARENT": PARENT})
    (row,) = spool.rows_after(0)
    assert (row.trace_id, row.parent_span_id) == (TRACE, SPAN)


def test_a_stale_parent_of_this_process_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", PARENT)
    assert "TRACEPARENT" not in child_environment()


def test_a_process_without_tracing_passes_the_trace_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_TRACING", "off")
    with continue_trace({"traceparent": PARENT}), observe_agent("a"):
        assert inject()["traceparent"] == PARENT
