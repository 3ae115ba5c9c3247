"""Keep a model call that a second instrumentation measures from being counted twice.

Other instrumentations open a generation of their own for a call that we trace: inside ours, as the OpenAI wrapper of
Langfuse's SDK, OpenInference and OpenTelemetry's instrumentations do, or around ours, as a LangChain callback or a
function under `@observe(as_type="generation")` does. Such a span stays in the trace, but as a plain span without model,
tokens and cost. Its instrumentation is named in the log once.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from src.observability import attributes as names
from src.observability.spans.encoding import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan, Span

_log = logging.getLogger("moondev.observability")
_MOST_OPEN: Final = 10_000

# Each maps the id of an open span.
_parents: dict[int, int | None] = {}  # to its parent's id
_enclosing: dict[int, int] = {}  # to the open generation of ours that it is inside; such a generation maps to itself
_enclosed: dict[int, int] = {}  # to the newest generation of ours that was opened inside it
_warned: set[str] = set()  # instrumentations that the log has named
_lock = threading.Lock()

# Attributes whose values mark a span as a model call: Langfuse's, OpenTelemetry's, OpenInference's, Traceloop's.
_CALL_MARKS: Final = {
    names.TYPE: {"generation", "embedding"},
    names.OPERATION: {"chat", "text_completion", "generate_content", "embeddings"},
    "openinference.span.kind": {"llm", "embedding"},
    "llm.request.type": {"chat", "completion", "embedding", "rerank"},
}
_COUNTS: Final = (
    "gen_ai.usage.", "llm.usage.", "llm.token_count.", "llm.cost.", names.USAGE_DETAILS, names.COST_DETAILS,
)  # fmt: skip
# Langfuse's server counts tokens and cost of any observation that names a model.
_MODELS: Final = frozenset(
    {
        names.MODEL,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
        "llm.model_name",
        "llm.response.model",
        "model",
        "ai.model.id",
    }
)
_REMEDIES: Final = (
    ("openinference.instrumentation", "remove its Instrumentor().instrument(...)"),
    ("opentelemetry.instrumentation", "remove its Instrumentor().instrument(...)"),
    (
        names.SCOPE_NAME,
        "import the provider's SDK itself, not langfuse.openai, and no generation of Langfuse's around it",
    ),
)


def generation_started(span_id: int, parent_id: int | None = None) -> None:
    """Record that a generation of ours was opened under a parent."""
    _bound()
    _enclosing[span_id] = span_id
    ancestor = parent_id
    while ancestor is not None and ancestor in _parents:
        _enclosed[ancestor] = span_id
        ancestor = _parents[ancestor]
    _parents[span_id] = parent_id


def generation_ended(span_id: int) -> None:
    """Forget a generation of ours that ended."""
    _enclosing.pop(span_id, None)
    _parents.pop(span_id, None)
    _enclosed.pop(span_id, None)


def encloses_generation(span_id: int) -> bool:
    """Tell whether a generation of ours was opened inside an open span."""
    return span_id in _enclosed


def is_in_generation(span_id: int) -> bool:
    """Tell whether an open span is a generation of ours, or inside one."""
    return span_id in _enclosing


def span_started(span: Span | ReadableSpan) -> None:
    """Record that a span was opened, and whether a generation of ours encloses it."""
    parent = span.parent
    _bound()
    _parents[span.context.span_id] = None if parent is None else parent.span_id
    if parent is not None and _enclosing:
        generation = _enclosing.get(parent.span_id)
        if generation is not None:
            _enclosing[span.context.span_id] = generation


def span_ended(span: ReadableSpan, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the attributes to store a span with: without tokens, cost and model where another span counts the call."""
    generation = _counting_generation(span)
    if generation is None or not _is_call(attributes):
        return attributes
    source = _source(span)
    _warn(source)
    return _uncounted(attributes, source, generation)


def span_ended_elsewhere(span: ReadableSpan) -> None:
    """Warn where a span that is delivered by another exporter, not by ours, counts a call that we count."""
    if _counting_generation(span) is not None and _is_call(span.attributes or {}):
        _warn(_source(span), elsewhere=True)


def remedy(source: str) -> str:
    """Return what to do about an instrumentation, by the name of its scope or module."""
    advice = (text for prefix, text in _REMEDIES if source.startswith(prefix))
    return next(advice, "switch it off for calls that go through ModelFactory")


def _counting_generation(span: ReadableSpan) -> int | None:
    """Forget a span that ended; return the generation of ours that encloses it or that it encloses, if there is one."""
    if span.context is None:
        return None
    span_id = span.context.span_id
    _parents.pop(span_id, None)
    enclosed, enclosing = _enclosed.pop(span_id, None), _enclosing.pop(span_id, None)
    if enclosing == span_id:  # the span is a generation of ours
        return None
    return enclosing if enclosing is not None else enclosed


def _bound() -> None:
    """Start over where spans that never ended have piled up."""
    for spans in (_enclosing, _parents, _enclosed):
        if len(spans) >= _MOST_OPEN:
            spans.clear()


def _source(span: ReadableSpan) -> str:
    scope = span.instrumentation_scope
    return scope.name if scope is not None and scope.name else "unknown"


def _is_call(attributes: Mapping[str, Any]) -> bool:
    return any(str(attributes.get(name, "")).lower() in values for name, values in _CALL_MARKS.items())


def _uncounted(attributes: Mapping[str, Any], source: str, generation: int) -> dict[str, Any]:
    """Return the attributes of a plain span, with what is left out of them, and why, in its metadata."""
    left_out = {
        name: value
        for name, value in attributes.items()
        if name.startswith(_COUNTS) or name in _CALL_MARKS.keys() - {names.TYPE} or name in _MODELS
    }
    remaining = {name: value for name, value in attributes.items() if name not in left_out}
    reason = {
        "why": "this call is measured by another observation of this trace; it is not counted twice",
        "source": source,
        "counted_in": f"{generation:016x}",
        "left_out": left_out,
    }
    return remaining | {names.TYPE: "span", names.METADATA + "second_instrumentation": json_text(reason)}


def _warn(source: str, *, elsewhere: bool = False) -> None:
    """Name an instrumentation in the log, once."""
    with _lock:
        if source in _warned:
            return
        _warned.add(source)
    effect = (
        "Its observations are delivered past the local store, so this call is counted twice there"
        if elsewhere
        else "Its observations are kept as plain spans without model, tokens and cost"
    )
    _log.warning(
        "A second instrumentation (%s) measures calls that are traced here. %s; %s.", source, effect, remedy(source)
    )
