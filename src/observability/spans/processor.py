"""Write each finished span to the spool on the thread that ended it, redacted and encoded once."""

from __future__ import annotations

import logging
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from typing_extensions import override

from src.observability import attributes as names
from src.observability.redaction import redact_text
from src.observability.spans import double_counting, encoding, otlp
from src.observability.spans import scope as scopes
from src.observability.spans.capture import CapturePolicy
from src.observability.spans.clean_attributes import Fields, plainly_safe, redacted
from src.observability.spans.rows import row
from src.observability.store.spool import SpoolError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from opentelemetry.context import Context

    from src.observability.spans.light_span import LightSpan
    from src.observability.spans.scope import Scope
    from src.observability.store.spool import SpanRecord, Spool

_log = logging.getLogger("moondev.observability")
_STATUS = {"UNSET": 0, "OK": 1, "ERROR": 2}
_INTERNAL, _CLIENT = 1, 3


class SpoolProcessor(SpanProcessor):
    """Stamp each span with its scope when it starts; redact, encode and store it when it ends.

    Nothing here raises into the traced code: what cannot be stored is counted in `losses` and logged once.
    """

    def __init__(
        self,
        spool: Spool,
        default_scope: Callable[[], Scope],
        wake: Callable[[], None],
        capture: CapturePolicy | None = None,
    ) -> None:
        self._spool = spool
        self.capture = capture or CapturePolicy()
        self._fields = Fields()
        self._default_scope = default_scope
        self._wake = wake
        self._envelopes: dict[tuple[int, int], tuple[object, bytes]] = {}
        self._lock = threading.Lock()
        self.losses = 0

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Put the run's session, user, tags and metadata on the span, and mark the first one of a trace."""
        try:
            context = parent_context if parent_context is not None else otel_context.get_current()
            encoding.set_attributes(span, scopes.from_context(context, self._default_scope).attributes)
            double_counting.span_started(span)
            if not scopes.is_own_span(otel_trace.get_current_span(context)):
                encoding.set_attributes(span, {names.IS_APP_ROOT: True})
        except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
            self._lose("start", error)

    @override
    def on_end(self, span: ReadableSpan) -> None:
        """Store a span of the SDK. Returns when it is durable."""
        try:
            self._spool.append(self._record(span))
        except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
            self._lose("store", error)
            return
        self._wake()

    def end(self, span: LightSpan, attributes: Mapping[str, object], failure: str | None) -> None:
        """Store a light span with what is known of it; `failure` says why it failed. Returns when it is durable."""
        try:
            self._spool.append(self._light_record(span, attributes, failure))
        except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
            self._lose("store", error)
            return
        self._wake()

    @override
    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return at once: nothing is held back here."""
        return True

    def _lose(self, step: str, error: Exception) -> None:
        if not isinstance(error, SpoolError):  # which the store has counted itself
            self._spool.count_loss()
        with self._lock:
            self.losses += 1
            first = self.losses == 1
        if first:
            why = redact_text(str(error)).rstrip(".")
            _log.error("An observation was lost (%s): %s. Further losses are counted.", step, why)

    def _light_record(self, span: LightSpan, given: Mapping[str, object], failure: str | None) -> SpanRecord:
        context, parent = span.get_span_context(), span.parent
        double_counting.generation_ended(context.span_id)
        mark = {names.IS_APP_ROOT: True} if span.is_app_root else {}
        attributes, fields = self._captured({**span.scope.attributes, **given, **mark})
        status, description = (0, "") if failure is None else (2, self.capture.text(failure))
        name, end_ns, parent_id = _clean(span.name), span.end_ns(), parent.span_id if parent else None
        kind = _CLIENT if given.get(names.TYPE) == "generation" else _INTERNAL
        encoded = otlp.encode_span(
            trace_id=context.trace_id, span_id=context.span_id, parent_span_id=parent_id, name=name, kind=kind,
            start_ns=span.start_ns, end_ns=end_ns, attributes=fields, status_code=status, status_message=description,
        )  # fmt: skip
        envelope = self._envelope(span.resource, span.instrumentation)
        ids = (context.trace_id, context.span_id, parent_id)
        return row(ids, name, (span.start_ns, end_ns), (status, description), attributes, (envelope, encoded))

    def _record(self, span: ReadableSpan) -> SpanRecord:
        context, parent = span.context, span.parent
        if context is None or span.start_time is None or span.end_time is None:
            raise ValueError("the span has no context or did not end")
        given = double_counting.span_ended(span, span.attributes or {})
        attributes, fields = self._captured(given, plainly_safe(given))
        description = self.capture.text(span.status.description) if span.status.description else ""
        name, status = _clean(span.name), _STATUS.get(span.status.status_code.name, 0)
        end_ns = max(span.end_time, span.start_time)  # the clock may have been set back
        parent_id = parent.span_id if parent else None
        encoded = otlp.encode_span(
            trace_id=context.trace_id,
            span_id=context.span_id,
            parent_span_id=parent_id,
            name=name,
            kind=span.kind.value + 1,
            start_ns=span.start_time,
            end_ns=end_ns,
            attributes=fields,
            events=tuple(
                otlp.SpanEvent(
                    self.capture.text(event.name), event.timestamp, self.capture.values(event.attributes or {})
                )
                for event in span.events
            ),
            links=tuple(
                otlp.SpanLink(link.context.trace_id, link.context.span_id, self.capture.values(link.attributes or {}))
                for link in span.links
            ),
            status_code=status,
            status_message=description,
        )
        envelope = self._envelope(span.resource, span.instrumentation_scope)
        ids, times = (context.trace_id, context.span_id, parent_id), (span.start_time, end_ns)
        return row(ids, name, times, (status, description), attributes, (envelope, encoded))

    def _captured(
        self, attributes: Mapping[str, object], safe: Collection[str] = names.SAFE
    ) -> tuple[Mapping[str, object], bytes]:
        """Return the attributes that are stored, without secrets, and their encoded fields."""
        attributes = self.capture.reduced(attributes)
        if not self.capture.full:
            return self._fields.encode(attributes, safe)
        attributes = self.capture.values(attributes)
        return attributes, otlp.encode_attributes(attributes)

    def _envelope(self, resource: object, scope: object) -> bytes:
        key = (id(resource), id(scope))
        known = self._envelopes.get(key)
        if known is None:
            # The objects are kept with the bytes, so that their ids cannot come to mean others.
            known = self._envelopes[key] = ((resource, scope), _encoded_envelope(resource, scope))
        return known[1]


def _encoded_envelope(resource: Any, scope: Any) -> bytes:
    return otlp.encode_envelope(
        redacted(resource.attributes),  # type: ignore[arg-type] # the SDK has checked the values' types
        scope.name if scope else "",
        (scope.version or "") if scope else "",
        (scope.attributes or {}) if scope else {},
    )


@lru_cache(maxsize=1024)
def _clean(name: str) -> str:
    """Return a span's name without secrets; the same few recur."""
    return redact_text(name)
