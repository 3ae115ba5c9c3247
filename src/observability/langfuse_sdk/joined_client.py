"""Join a Langfuse client that the program made itself."""

from __future__ import annotations

import functools
import logging
import weakref
from datetime import datetime
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from typing_extensions import override

from src.observability.attributes import SCOPE_NAME
from src.observability.langfuse_sdk import other_projects
from src.observability.langfuse_sdk.notices import guard_and_warn
from src.observability.redaction import redact
from src.observability.spans import double_counting
from src.observability.spans import scope as scopes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context

    from src.observability.langfuse_sdk.host import Host

_log = logging.getLogger("moondev.observability")


def take_score(host: Host, send: Callable[..., None], body: dict[str, Any], *, force_sample: bool = False) -> None:
    """Store a score of Langfuse's SDK; one of a kind that the store does not have is sent by the SDK, redacted."""
    fields = score_fields(body)
    if fields is None:
        send(redact(body), force_sample=force_sample)
    else:
        host.store_score(**fields)


def score_fields(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a score's fields as `Pipeline.store_score` takes them; None where it has more than the store can hold."""
    kind, value = body.get("dataType"), body.get("value")
    plain = kind in (None, "NUMERIC", "BOOLEAN", "CATEGORICAL") and isinstance(value, str | int | float)
    has_target = body.get("traceId") or body.get("sessionId")
    if not plain or not has_target or body.get("datasetRunId") or body.get("configId"):
        return None
    timestamp = body.get("timestamp")
    return {
        "name": str(body.get("name", "")),
        "value": bool(value) if kind == "BOOLEAN" else value,
        "trace_id": body.get("traceId"),
        "observation_id": body.get("observationId"),
        "session_id": body.get("sessionId"),
        "comment": body.get("comment"),
        "score_id": body.get("id"),
        "timestamp_ns": int(timestamp.timestamp() * 1e9) if isinstance(timestamp, datetime) else None,
        "metadata": body.get("metadata"),
        "environment": body.get("environment"),
    }


def deliver_on_flush(manager: Any, host: Host) -> None:
    """Have `flush()` of a client of Langfuse's SDK deliver our store too, as the program expects."""
    manager.flush = functools.partial(_flush, manager.flush, manager, weakref.ref(host))


def _flush(flush_client: Callable[[], None], manager: Any, reference: weakref.ref[Host]) -> None:
    host = reference()
    # Not while the SDK shuts down: at exit we deliver ourselves. Nor while a server fails: the exporter retries.
    if host is not None and host.exporter is not None and not manager._shutdown and not host.exporter.failing:
        try:
            host.flush()
        except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
            _log.warning("What is stored could not be delivered now: %s", type(error).__name__)
    flush_client()


def take_over(manager: Any, host: Host) -> None:
    """Store the spans of a client that was made before us, in place of its own delivery."""
    provider = manager.tracer_provider
    if provider is None or host.processor is None:
        return
    key = host.public_key
    senders = other_projects.senders(manager, key)
    if (
        manager.mask_otel_spans is not None
        or not senders
        or not all(hasattr(sender, "_should_export_span") for sender in senders)
    ):
        guard_and_warn(
            "take_over",
            "A Langfuse client was made before tracing began and could not be joined: what is observed with it is "
            "delivered by itself",
            manager=manager,
            key=key,
        )
        return
    joined = _Joined(host, key)
    for sender in senders:
        sender._should_export_span = joined.unless_stored_here(sender._should_export_span)
    provider.add_span_processor(joined)
    scopes.joined_processors.add(provider._active_span_processor)
    manager.add_score_task = functools.partial(take_score, host, manager.add_score_task)
    deliver_on_flush(manager, host)


class _Joined(SpanProcessor):
    """A processor in another tracer provider that stores what Langfuse's SDK observes there with our keys."""

    def __init__(self, host: Host, public_key: str) -> None:
        self._host = weakref.ref(host)
        self._public_key = public_key

    def takes(self, span: ReadableSpan | Span) -> bool:
        """Tell whether a span is for our store."""
        scope, host = span.instrumentation_scope, self._host()
        if scope is None or scope.name != SCOPE_NAME or host is None or not host.is_current():
            return False
        return (scope.attributes or {}).get("public_key") == self._public_key

    def unless_stored_here(self, rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
        """Return the sender's export rule, without the spans that are stored here."""
        return lambda span: not self.takes(span) and rule(span)

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Set the run's session, user and tags on the span, unless the program set others."""
        host = self._host()
        if host is None or host.processor is None:
            return
        if not self.takes(span):
            double_counting.span_started(span)
            return
        # The attributes that the SDK propagates are on the span already; for these the processor decides between the
        # SDK's value and the run's. Those that the program set on the span itself stay.
        propagated = scopes.langfuse_propagated(
            parent_context if parent_context is not None else otel_context.get_current()
        )
        own = {name: value for name, value in (span.attributes or {}).items() if name not in propagated}
        host.processor.on_start(span, parent_context)
        span.set_attributes(own)

    @override
    def on_end(self, span: ReadableSpan) -> None:
        """Store the span; of another instrumentation's span, only note a call that would be counted twice."""
        host = self._host()
        if host is None or host.processor is None:
            return
        if self.takes(span):
            host.processor.on_end(span)
        else:
            double_counting.span_ended_elsewhere(span)
