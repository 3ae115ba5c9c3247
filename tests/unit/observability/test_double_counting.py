from __future__ import annotations

import importlib
import json
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from src.observability import attributes, get_tracker
from src.observability.langfuse_sdk import patched_sdks
from src.observability.spans import double_counting
from src.observability.tracing.observation import observe, start
from tests.unit.observability.stored import attributes_of

if TYPE_CHECKING:
    from src.observability.store.spool import Spool

SCOPE = "openinference.instrumentation.openai"
# The attributes of a model call, as instrumentations write them.
CALLS: dict[str, dict[str, Any]] = {
    "langfuse": {attributes.TYPE: "generation", attributes.USAGE_DETAILS: '{"input":10}',
                 attributes.COST_DETAILS: '{"total":0.5}', attributes.MODEL: "gpt-4o"},
    "opentelemetry": {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10,
                      "gen_ai.usage.output_tokens": 5, "gen_ai.usage.cost": 0.5, "gen_ai.request.model": "gpt-4o"},
    "openinference": {"openinference.span.kind": "LLM", "llm.token_count.prompt": 10, "llm.model_name": "gpt-4o"},
    "traceloop": {"llm.request.type": "chat", "llm.usage.total_tokens": 15},
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_open_spans() -> None:
    for registry in (
        double_counting._enclosing,
        double_counting._parents,
        double_counting._enclosed,
        double_counting._warned,
    ):
        registry.clear()
    patched_sdks._warned.clear()


def foreign_span(name: str, values: dict[str, Any], scope: str = SCOPE) -> None:
    provider = get_tracker().provider
    assert provider is not None
    with provider.get_tracer(scope).start_as_current_span(name) as span:
        span.set_attributes(values)


@pytest.mark.parametrize("convention", CALLS)
def test_a_call_measured_again_inside_our_generation_is_stored_without_its_counts(
    convention: str, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "moondev.observability"):
        for _ in range(2):
            with observe("openai.generate", "generation") as ours:
                foreign_span("foreign", CALLS[convention])
    row = spool.rows_after(0)[0]
    assert (row.name, row.type, row.input_tokens, row.output_tokens, row.cost_usd) == (
        "foreign",
        "span",
        None,
        None,
        None,
    )
    remaining = attributes_of(row)
    reason = json.loads(remaining.pop(attributes.METADATA + "second_instrumentation"))
    assert (reason["source"], len(reason["counted_in"])) == (SCOPE, 16)
    assert reason["left_out"]
    assert not [name for name in remaining if "usage" in name or "cost" in name or "token" in name]
    assert not double_counting._is_call(remaining)
    warnings = [record.getMessage() for record in caplog.records if "second instrumentation" in record.getMessage()]
    assert len(warnings) == 1
    assert SCOPE in warnings[0]
    assert "remove" in warnings[0]
    assert double_counting._warned == {SCOPE}
    assert ours.id is not None


@pytest.mark.parametrize("convention", CALLS)
def test_the_same_call_outside_our_generation_counts(convention: str, spool: Spool) -> None:
    with observe("openai.generate", "generation"):
        pass
    with observe("risk.run", "agent"):
        foreign_span("foreign", CALLS[convention])
    row = spool.rows_after(0)[1]
    assert attributes.METADATA + "second_instrumentation" not in attributes_of(row)
    assert {**CALLS[convention]}.items() <= attributes_of(row).items()


def test_a_second_measurement_is_recognised_below_other_spans_and_on_other_threads(spool: Spool) -> None:
    from src.observability import carry

    with observe("openai.generate", "generation"), observe("their_wrapper", "span"):
        thread = threading.Thread(target=carry(foreign_span), args=("foreign", CALLS["traceloop"]))
        thread.start()
        thread.join()
    assert attributes.METADATA + "second_instrumentation" in attributes_of(spool.rows_after(0)[0])


def test_a_second_measurement_is_recognised_where_it_ends_after_ours(spool: Spool) -> None:
    provider = get_tracker().provider
    assert provider is not None
    with observe("openai.generate", "generation"):
        late = provider.get_tracer(SCOPE).start_span("late", attributes=CALLS["opentelemetry"])
    late.end()
    assert spool.rows_after(0)[1].input_tokens is None


def test_a_span_that_is_no_call_is_stored_unchanged(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    with observe("openai.generate", "generation"):
        foreign_span("POST", {"http.request.method": "POST", attributes.TYPE: "span"})
        foreign_span("tool", {"openinference.span.kind": "TOOL", "gen_ai.operation.name": "execute_tool"})
    assert not [
        row for row in spool.rows_after(0) if attributes.METADATA + "second_instrumentation" in attributes_of(row)
    ]
    assert "second instrumentation" not in caplog.text


def test_our_own_generations_inside_one_another_all_count(spool: Spool) -> None:
    with observe("outer", "generation"), observe("inner", "generation") as inner:
        inner.set(USAGE_DETAILS='{"input":1}', INPUT_TOKENS=1)
    assert spool.rows_after(0)[0].input_tokens == 1


def test_spans_that_ended_are_forgotten(spool: Spool) -> None:
    for _ in range(50):
        with observe("openai.generate", "generation"):
            foreign_span("foreign", CALLS["langfuse"])
            foreign_span("POST", {})
    assert (double_counting._enclosing, double_counting._parents, double_counting._enclosed) == ({}, {}, {})


@pytest.mark.parametrize("convention", CALLS)
def test_a_call_measured_again_around_our_generation_is_stored_without_its_counts(
    convention: str, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    """A LangChain callback does so, or a function under @observe(as_type="generation") that fills in tokens."""
    provider = get_tracker().provider
    assert provider is not None
    with observe("a.run", "agent"), provider.get_tracer(SCOPE).start_as_current_span("foreign") as around:
        with observe("a step", "span"):
            ours = start("openai.generate", "generation").set(MODEL="gpt-4o", INPUT_TOKENS=10)
            ours.end()
        around.set_attributes(CALLS[convention])
    rows = {row.name: row for row in spool.rows_after(0)}
    assert (rows["foreign"].type, rows["foreign"].model, rows["foreign"].input_tokens) == ("span", None, None)
    assert (rows["openai.generate"].model, rows["openai.generate"].input_tokens) == ("gpt-4o", 10)
    reason = json.loads(attributes_of(rows["foreign"])[attributes.METADATA + "second_instrumentation"])
    assert reason["counted_in"] == ours.id
    assert rows["a.run"].type == "agent"
    assert SCOPE in caplog.text


def test_trace_llm_call_around_the_factory_is_no_second_call_whatever_it_returns(spool: Spool) -> None:
    @get_tracker().trace_llm_call
    def ask(*, model: str) -> str:
        start("openai.generate", "generation").set(MODEL=model, INPUT_TOKENS=10).end()
        return "only the text"

    ask(model="gpt-4o")
    ours, outer = spool.rows_after(0)
    assert (ours.type, ours.model) == ("generation", "gpt-4o")
    assert (outer.type, outer.model) == ("span", None)


def test_spans_that_never_end_do_not_pile_up() -> None:
    double_counting._enclosing.update(dict.fromkeys(range(double_counting._MOST_OPEN), 1))
    start("x", "generation")
    assert len(double_counting._enclosing) == 1


def test_unpatched_sdks_are_recognised_as_such() -> None:
    for module, _, _ in patched_sdks._POINTS:
        importlib.import_module(module)
    for module, owner, method in patched_sdks._POINTS:
        assert callable(getattr(getattr(sys.modules[module], owner), method))
    assert [patch for patch in patched_sdks.patched() if not patch.by.startswith("langfuse")] == []


def test_a_patched_sdk_is_named_in_the_log_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import anthropic
    import wrapt

    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    monkeypatch.setattr(anthropic.Anthropic, "request", wrapt.FunctionWrapper(anthropic.Anthropic.request, wrapper))
    (patched,) = (patch for patch in patched_sdks.patched() if patch.sdk == "anthropic")
    assert patched.by == __name__
    patched_sdks.warn_of_patches()
    patched_sdks.warn_of_patches()
    assert caplog.text.count(f"The anthropic SDK is also instrumented by {__name__}") == 1
