"""Take over a Langfuse client that the program made itself."""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from typing_extensions import override

from src.observability.attributes import SCOPE_NAME
from src.observability.langfuse_sdk import other_projects as guarding
from src.observability.langfuse_sdk.notices import _REMEDY, _log, _past, _say
from src.observability.langfuse_sdk.register import _current
from src.observability.redaction import redact
from src.observability.spans import double_counting
from src.observability.spans import scope as scopes

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from src.observability.tracker import LangFuseTracker


def take_score(send: Callable[..., None], body: dict[str, Any], *, force_sample: bool = False) -> None:
    """Store a score that was given to Langfuse's SDK; one that only it can express is sent by it, redacted."""
    from src.observability.tracing.scores import take

    if not take(body):
        send(redact(body), force_sample=force_sample)


def deliver_on_flush(manager: Any, tracker: LangFuseTracker) -> None:
    """Have `flush()` of a client of Langfuse's SDK deliver what is in our store, as the program means it."""
    manager.flush = functools.partial(_flush, manager.flush, manager, weakref.ref(tracker))


def _flush(theirs: Callable[[], None], manager: Any, reference: weakref.ref[LangFuseTracker]) -> None:
    tracker = reference()
    # Not while the SDK shuts down: at exit we deliver ourselves. Nor where a server fails: it is waited for elsewhere.
    if tracker is not None and tracker.exporter is not None and not manager._shutdown and not tracker.exporter.failing:
        try:
            tracker.flush()
        except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
            _log.warning("What is stored could not be delivered now: %s", type(error).__name__)
    theirs()


def _take_over(manager: Any, tracker: LangFuseTracker) -> None:
    """Have the spans of a client that was made before us come to our store, in place of its own delivery."""
    provider = manager.tracer_provider
    if provider is None or tracker.processor is None:
        return
    key = tracker.public_key
    senders = guarding.senders(manager, key)
    if (
        manager.mask_otel_spans is not None
        or not senders
        or not all(hasattr(s, "_should_export_span") for s in senders)
    ):
        _say("take_over", "A Langfuse client was made before tracing began and could not be joined: what is observed "
             "with it is delivered by itself, past %s. %s", _past(manager, key), _REMEDY)  # fmt: skip
        return
    joined = _Joined(tracker, key)
    for sender in senders:
        sender._should_export_span = joined.unless_ours(sender._should_export_span)
    provider.add_span_processor(joined)
    scopes.also_ours.add(provider._active_span_processor)
    manager.add_score_task = functools.partial(take_score, manager.add_score_task)
    deliver_on_flush(manager, tracker)


class _Joined(SpanProcessor):
    """Stand in another tracer provider and hand on what Langfuse's SDK observes there with our keys."""

    def __init__(self, tracker: LangFuseTracker, public_key: str) -> None:
        self._tracker = weakref.ref(tracker)
        self._public_key = public_key

    def takes(self, span: ReadableSpan | Span) -> bool:
        """Tell whether a span is ours to store."""
        scope, tracker = span.instrumentation_scope, self._tracker()
        if scope is None or scope.name != SCOPE_NAME or tracker is None or not _current(tracker):
            return False
        return (scope.attributes or {}).get("public_key") == self._public_key

    def unless_ours(self, rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
        """Return the sender's rule of what it sends, without what is stored here."""
        return lambda span: not self.takes(span) and rule(span)

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Put the run's session, user and tags on the span, where the program did not say others."""
        tracker = self._tracker()
        if tracker is None or tracker.processor is None:
            return
        if not self.takes(span):
            double_counting.started(span)
            return
        # What that SDK propagates is on the span already; the processor weighs it against what the run says.
        weighed = scopes.propagated(parent_context if parent_context is not None else otel_context.get_current())
        said = {name: value for name, value in (span.attributes or {}).items() if name not in weighed}
        tracker.processor.on_start(span, parent_context)
        span.set_attributes(said)

    @override
    def on_end(self, span: ReadableSpan) -> None:
        """Store the span; one of another instrumentation is only looked at, for a call that is counted twice."""
        tracker = self._tracker()
        if tracker is None or tracker.processor is None:
            return
        if self.takes(span):
            tracker.processor.on_end(span)
        else:
            double_counting.ended_elsewhere(span)
