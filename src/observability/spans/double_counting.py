"""Notice a second instrumentation of a call that we trace, and keep it from being counted twice.

The OpenAI wrapper of Langfuse's SDK, OpenInference and OpenTelemetry's instrumentations open a generation of their
own inside ours; a callback of LangChain's, or a function under `@observe(as_type="generation")`, opens one around ours.
It stays in the trace, as a plain span without model, tokens and cost, and its source is named once.
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
_MOST: Final = 10_000

# Which open generation of ours a span is inside of, by span id; a generation of ours is inside itself.
_inside: dict[int, int] = {}
# The parent of each span that is open, and for those around a generation of ours, that one.
_parents: dict[int, int | None] = {}
_around: dict[int, int] = {}
_lock = threading.Lock()
_warned: dict[str, str] = {}

# What says that a span is a model call: Langfuse's names, OpenTelemetry's, OpenInference's, Traceloop's.
_KINDS: Final = {
    names.TYPE: {"generation", "embedding"},
    names.OPERATION: {"chat", "text_completion", "generate_content", "embeddings"},
    "openinference.span.kind": {"llm", "embedding"},
    "llm.request.type": {"chat", "completion", "embedding", "rerank"},
}
_COUNTED: Final = (
    "gen_ai.usage.", "llm.usage.", "llm.token_count.", "llm.cost.", names.USAGE_DETAILS, names.COST_DETAILS,
)  # fmt: skip
# Langfuse counts and prices an observation that names a model by itself.
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
    """Note that a generation of ours is open, and what it is inside of."""
    _bound()
    _inside[span_id] = span_id
    above = parent_id
    while above is not None and above in _parents:
        _around[above] = span_id
        above = _parents[above]
    _parents[span_id] = parent_id


def generation_ended(span_id: int) -> None:
    """Note that a generation of ours has ended."""
    _inside.pop(span_id, None)
    _parents.pop(span_id, None)
    _around.pop(span_id, None)


def encloses_generation(span_id: int) -> bool:
    """Tell whether a generation of ours was opened inside an open span."""
    return span_id in _around


def span_started(span: Span | ReadableSpan) -> None:
    """Note which span opens inside which."""
    parent = span.parent
    _bound()
    _parents[span.context.span_id] = None if parent is None else parent.span_id
    if parent is not None and _inside:
        owner = _inside.get(parent.span_id)
        if owner is not None:
            _inside[span.context.span_id] = owner


def span_ended(span: ReadableSpan, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a span that ended is stored with: without what would be counted twice."""
    counted_in = _counted_in(span)
    if counted_in is None or not _is_call(attributes):
        return attributes
    source = _source(span)
    _warn(source)
    return _uncounted(attributes, source, counted_in)


def span_ended_elsewhere(span: ReadableSpan) -> None:
    """Say so where a span that another exporter delivers counts a call that we count."""
    if _counted_in(span) is not None and _is_call(span.attributes or {}):
        _warn(_source(span), elsewhere=True)


def _counted_in(span: ReadableSpan) -> int | None:
    """Forget a span that ended; return the generation of ours that it is inside of or around, if there is one."""
    if span.context is None:
        return None
    own = span.context.span_id
    _parents.pop(own, None)
    inner, owner = _around.pop(own, None), _inside.pop(own, None)
    if owner == own:  # it is one of ours
        return None
    return owner if owner is not None else inner


def _bound() -> None:
    """Begin anew where spans that never ended have piled up."""
    for noted in (_inside, _parents, _around):
        if len(noted) >= _MOST:
            noted.clear()


def is_in_generation(span_id: int) -> bool:
    """Tell whether a span is an open generation of ours, or inside one."""
    return span_id in _inside


def warned() -> dict[str, str]:
    """Return the instrumentations that were found to measure our calls a second time, and what to do about each."""
    return dict(_warned)


def _source(span: ReadableSpan) -> str:
    scope = span.instrumentation_scope
    return scope.name if scope is not None and scope.name else "unknown"


def _is_call(attributes: Any) -> bool:
    return any(str(attributes.get(name, "")).lower() in words for name, words in _KINDS.items())


def _uncounted(attributes: Mapping[str, Any], source: str, owner: int) -> dict[str, Any]:
    left_out = {
        name: value
        for name, value in attributes.items()
        if name.startswith(_COUNTED) or name in _KINDS.keys() - {names.TYPE} or name in _MODELS
    }
    kept = {name: value for name, value in attributes.items() if name not in left_out}
    why = {
        "why": "this call is measured by another observation of this trace; it is not counted twice",
        "source": source,
        "counted_in": f"{owner:016x}",
        "left_out": left_out,
    }
    return kept | {names.TYPE: "span", names.METADATA + "second_instrumentation": json_text(why)}


def remedy(source: str) -> str:
    """Return what to do about an instrumentation, by the name of its scope or module."""
    fits = (text for name, text in _REMEDIES if source.startswith(name))
    return next(fits, "switch it off for calls that go through ModelFactory")


def _warn(source: str, *, elsewhere: bool = False) -> None:
    with _lock:
        if source in _warned:
            return
        _warned[source] = advice = remedy(source)
    effect = (
        "Its observations are delivered past the local store, so this call is counted twice there"
        if elsewhere
        else "Its observations are kept as plain spans without model, tokens and cost"
    )
    _log.warning("A second instrumentation (%s) measures calls that are traced here. %s; %s.", source, effect, advice)
