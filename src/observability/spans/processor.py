"""Write each finished span to the spool on the thread that ended it, redacted and encoded once."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from typing_extensions import override

from src.observability import attributes as names
from src.observability.redaction import redact_text
from src.observability.spans import double_counting, encoding, otlp, rows
from src.observability.spans import scope as scopes
from src.observability.spans.capture import CapturePolicy, without_files_in, without_texts
from src.observability.spans.clean_attributes import AttributeEncoder, redacted, safe_by_shape
from src.observability.store import background
from src.observability.store.compression import compress
from src.observability.store.records import BILLED_TYPES
from src.observability.store.schema import SpoolError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from opentelemetry.context import Context

    from src.observability.spans.light_span import LightSpan
    from src.observability.spans.scope import Scope
    from src.observability.store.background import Rows
    from src.observability.store.records import SpanRecord
    from src.observability.store.spool import Spool

_log = logging.getLogger("moondev.observability")
_STATUS_CODES: Final = {"UNSET": 0, "OK": 1, "ERROR": 2}
_INTERNAL, _CLIENT = 1, 3  # OTLP's span kinds


class SpoolProcessor(SpanProcessor):
    """Stamp each span with its scope when it starts; redact, encode and store it when it ends.

    Nothing here raises into the traced code: a span that cannot be stored is counted in `losses`, and logged once.

    Args:
        spool: The store.
        caller_scope: Returns the scope of what runs outside any agent's run, given the one that was received there.
        wake: Called after each span that was stored.
        capture: What is stored of a span's texts and files; redacted texts without files where not set.
    """

    def __init__(
        self,
        spool: Spool,
        caller_scope: Callable[[Scope | None], Scope],
        wake: Callable[[], None],
        capture: CapturePolicy | None = None,
    ) -> None:
        self._spool = spool
        self.capture = capture or CapturePolicy()
        self._encoder = AttributeEncoder()
        self._caller_scope = caller_scope
        self._wake = wake
        self._envelopes: dict[tuple[int, int], tuple[object, bytes]] = {}
        self._lock = threading.Lock()
        self.losses = 0

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Put the run's session, user, tags and metadata on the span, and mark the first one of a trace."""
        try:
            context = parent_context if parent_context is not None else otel_context.get_current()
            encoding.set_attributes(span, scopes.from_context(context, self._caller_scope).attributes)
            double_counting.span_started(span)
            if not scopes.is_own_span(otel_trace.get_current_span(context)):
                encoding.set_attributes(span, {names.IS_APP_ROOT: True})
        except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
            self._count_loss("start", error)

    @override
    def on_end(self, span: ReadableSpan) -> None:
        """Store a span of the SDK. Returns when it is durable, or is being stored where rows are collected."""
        try:
            attributes = double_counting.span_ended(span, span.attributes or {})
        except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
            self._count_loss("store", error)
            return
        rows_of_block = background.collected()
        if rows_of_block is None:
            self._store(partial(self._sdk_record, span, attributes))
        else:
            self._store_beside(rows_of_block, attributes, partial(self._sdk_record, span, attributes))

    def end(self, span: LightSpan, attributes: Mapping[str, object], failure: str | None) -> None:
        """Store a light span with its attributes; `failure` says why it failed.

        Returns when it is durable, or is being stored where rows are collected.
        """
        end_ns = span.end_ns()
        double_counting.generation_ended(span.get_span_context().span_id)
        rows_of_block = background.collected()
        if rows_of_block is None:
            self._store(partial(self._light_record, span, attributes, failure, end_ns))
        else:
            make = partial(self._light_record, span, attributes, failure, end_ns)
            self._store_beside(rows_of_block, attributes, make)

    def _store(self, make: Callable[[], SpanRecord], *, is_patient: bool = False) -> None:
        try:
            self._spool.append(make(), is_patient=is_patient)
        except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
            self._count_loss("store", error)
            return
        self._wake()

    def _store_beside(
        self, rows_of_block: Rows, attributes: Mapping[str, object], make: Callable[[], SpanRecord]
    ) -> None:
        """Store a span on another thread, its redaction included; the caller goes on at once."""
        size = sum(len(value) for value in attributes.values() if isinstance(value, str))
        if not background.run(rows_of_block, partial(self._store, make, is_patient=True), size):
            self._count_loss("store", MemoryError("too many observations wait for the trace store"))

    @override
    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return at once: nothing is held back here."""
        return True

    def _count_loss(self, step: str, error: Exception) -> None:
        if not isinstance(error, SpoolError):  # which the store has counted itself
            self._spool.count_loss()
        with self._lock:
            self.losses += 1
            first = self.losses == 1
        if first:
            reason = redact_text(str(error)).rstrip(".")
            _log.error("An observation was lost (%s): %s. Further losses are counted.", step, reason)

    def _light_record(
        self, span: LightSpan, attributes: Mapping[str, object], failure: str | None, end_ns: int
    ) -> SpanRecord:
        context, parent = span.get_span_context(), span.parent
        app_root = {names.IS_APP_ROOT: True} if span.is_app_root else {}
        of_run = span.scope.attributes
        return self._record(
            trace_id=context.trace_id,
            span_id=context.span_id,
            parent_span_id=parent.span_id if parent else None,
            name=span.name,
            kind=_CLIENT if attributes.get(names.TYPE) in BILLED_TYPES else _INTERNAL,
            start_ns=span.start_ns,
            end_ns=end_ns,
            attributes={**of_run, **attributes, **app_root},
            safe=names.SAFE,
            of_run=of_run if of_run.keys().isdisjoint(attributes) else None,
            status_code=_STATUS_CODES["UNSET" if failure is None else "ERROR"],
            status_message="" if failure is None else self.capture.text(failure),
            envelope=self._envelope(span.resource, span.instrumentation),
        )

    def _sdk_record(self, span: ReadableSpan, attributes: Mapping[str, object]) -> SpanRecord:
        context, parent = span.context, span.parent
        if context is None or span.start_time is None or span.end_time is None:
            raise ValueError("the span has no context or did not end")
        events = tuple(
            otlp.SpanEvent(
                name=self.capture.text(event.name),
                time_ns=event.timestamp,
                attributes=self.capture.values(event.attributes or {}),
            )
            for event in span.events
        )
        links = tuple(
            otlp.SpanLink(
                trace_id=link.context.trace_id,
                span_id=link.context.span_id,
                attributes=self.capture.values(link.attributes or {}),
            )
            for link in span.links
        )
        return self._record(
            trace_id=context.trace_id,
            span_id=context.span_id,
            parent_span_id=parent.span_id if parent else None,
            name=span.name,
            kind=span.kind.value + 1,
            start_ns=span.start_time,
            end_ns=max(span.end_time, span.start_time),  # the clock may have been set back
            attributes=attributes,
            safe=safe_by_shape(attributes),
            events=events,
            links=links,
            status_code=_STATUS_CODES.get(span.status.status_code.name, 0),
            status_message=self.capture.text(span.status.description) if span.status.description else "",
            envelope=self._envelope(span.resource, span.instrumentation_scope),
        )

    def _record(
        self,
        *,
        trace_id: int,
        span_id: int,
        parent_span_id: int | None,
        name: str,
        kind: int,
        start_ns: int,
        end_ns: int,
        attributes: Mapping[str, object],
        safe: Collection[str],
        status_code: int,
        status_message: str,
        envelope: bytes,
        events: Sequence[otlp.SpanEvent] = (),
        links: Sequence[otlp.SpanLink] = (),
        of_run: Mapping[str, object] | None = None,
    ) -> SpanRecord:
        """Return the record of a span whose attributes and name are not redacted yet; all else is."""
        attributes, fields = self._captured(attributes, safe, of_run)
        name = self._encoder.name(name)
        span = otlp.encode_span(
            trace_id=trace_id, span_id=span_id, parent_span_id=parent_span_id, name=name, kind=kind, start_ns=start_ns,
            end_ns=end_ns, attributes=fields, events=events, links=links, status_code=status_code,
            status_message=status_message,
        )  # fmt: skip
        return rows.span_record(
            trace_id=trace_id, span_id=span_id, parent_span_id=parent_span_id, name=name, start_ns=start_ns,
            end_ns=end_ns, status_code=status_code, status_message=status_message, attributes=attributes,
            envelope=envelope, span=compress(span),  # here, as a frozen record is slow to copy
        )  # fmt: skip

    def _captured(
        self, attributes: Mapping[str, object], safe: Collection[str], of_run: Mapping[str, object] | None
    ) -> tuple[Mapping[str, object], bytes]:
        """Return the attributes that are stored, without secrets, and their encoded fields."""
        capture = self.capture
        if not capture.full:
            if not capture.texts:
                attributes, of_run = without_texts(attributes), None
            return self._encoder.encode(attributes, safe, None if capture.images else without_files_in, of_run)
        attributes = capture.values(attributes)
        return attributes, otlp.encode_attributes(attributes)

    def _envelope(self, resource: object, scope: object) -> bytes:
        """Return the encoded resource and instrumentation scope; a process has few different ones."""
        key = (id(resource), id(scope))
        entry = self._envelopes.get(key)
        if entry is None:
            # The objects are kept with the bytes, so that their ids cannot come to mean others.
            entry = self._envelopes[key] = ((resource, scope), _encode_envelope(resource, scope))
        return entry[1]


def _encode_envelope(resource: Any, scope: Any) -> bytes:
    return otlp.encode_envelope(
        redacted(resource.attributes),  # type: ignore[arg-type] # the SDK has checked the values' types
        scope.name if scope else "",
        (scope.version or "") if scope else "",
        (scope.attributes or {}) if scope else {},
    )
