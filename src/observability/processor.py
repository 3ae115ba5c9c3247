"""Write each finished span to the spool on the thread that ended it, redacted and encoded once."""

from __future__ import annotations

import logging
import threading
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson
from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from typing_extensions import override

from src.observability import attributes as names
from src.observability import encoding, otlp
from src.observability.redaction import redact, redact_text
from src.observability.scope import CONTEXT_KEY, Scope
from src.observability.spool import SpanRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context

    from src.observability.spool import Spool

_log = logging.getLogger("moondev.observability")
_NUMBERS = frozenset({bool, int, float})
_SEPARATOR = "\n\x1e\n"
_WITHHELD = "[REDACTED:redaction_failed]"


class SpoolProcessor(SpanProcessor):
    """Stamp each span with its scope when it starts; redact, encode and store it when it ends.

    Nothing here raises into the traced code: what cannot be stored is counted in `losses` and logged once.
    """

    def __init__(
        self, spool: Spool, default_scope: Callable[[], Scope], wake: Callable[[], None], *, texts: bool = True
    ) -> None:
        self._spool = spool
        self._texts = texts
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
            scope = context.get(CONTEXT_KEY)
            if not isinstance(scope, Scope):
                scope = self._default_scope()
            encoding.set_attributes(span, scope.attributes)
            parent = otel_trace.get_current_span(context)
            if getattr(parent, "resource", None) is not span.resource:
                encoding.set_attributes(span, {names.IS_APP_ROOT: True})
        except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
            self._lose("start", error)

    @override
    def on_end(self, span: ReadableSpan) -> None:
        """Store the span. Returns when it is durable."""
        try:
            self._spool.append(self._record(span))
        except Exception as error:  # noqa: BLE001 - tracing never breaks the traced code
            self._lose("store", error)
            return
        self._wake()

    @override
    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return at once: nothing is held back here."""
        return True

    def _lose(self, step: str, error: Exception) -> None:
        with self._lock:
            self.losses += 1
            first = self.losses == 1
        if first:
            _log.error("An observation was lost (%s): %s. Further losses are counted.", step, redact_text(str(error)))

    def _record(self, span: ReadableSpan) -> SpanRecord:
        context, parent = span.context, span.parent
        if context is None or span.start_time is None or span.end_time is None:
            raise ValueError("the span has no context or did not end")
        attributes = _redacted(span.attributes or {})
        if not self._texts:
            for name in names.TEXTS & attributes.keys():
                del attributes[name]
        description = redact_text(span.status.description) if span.status.description else ""
        encoded = otlp.encode_span(
            trace_id=context.trace_id,
            span_id=context.span_id,
            parent_span_id=parent.span_id if parent else None,
            name=_clean(span.name),
            kind=span.kind.value + 1,
            start_ns=span.start_time,
            end_ns=span.end_time,
            attributes=attributes,  # type: ignore[arg-type] # the SDK has checked the values' types
            events=tuple(
                otlp.SpanEvent(event.name, event.timestamp, _redacted(event.attributes or {}))  # type: ignore[arg-type] # as above
                for event in span.events
            ),
            links=tuple(
                otlp.SpanLink(link.context.trace_id, link.context.span_id, _redacted(link.attributes or {}))  # type: ignore[arg-type] # as above
                for link in span.links
            ),
            status_code=_STATUS.get(span.status.status_code.name, 0),
            status_message=description,
        )
        return _row(span, attributes, self._envelope(span), encoded, description)

    def _envelope(self, span: ReadableSpan) -> bytes:
        scope = span.instrumentation_scope
        key = (id(span.resource), id(scope))
        known = self._envelopes.get(key)
        if known is None:
            envelope = otlp.encode_envelope(
                _redacted(span.resource.attributes),  # type: ignore[arg-type] # the SDK has checked the values' types
                scope.name if scope else "",
                (scope.version or "") if scope else "",
                (scope.attributes or {}) if scope else {},  # type: ignore[arg-type] # as above
            )
            # The objects are kept with the bytes, so that their ids cannot come to mean others.
            known = self._envelopes[key] = ((span.resource, scope), envelope)
        return known[1]


_STATUS = {"UNSET": 0, "OK": 1, "ERROR": 2}


@lru_cache(maxsize=1024)
def _clean(name: str) -> str:
    """Return a span's name without secrets; the same few recur."""
    return redact_text(name)


_last_words: dict[str, str] = {}


def _last_word(name: str) -> str:
    """Return the end of an attribute's name, which is the key that a user gave; our own recur, so they are kept."""
    word = _last_words.get(name)
    if word is None:
        word = name.rpartition(".")[2]
        if len(_last_words) < 1024:
            _last_words[name] = word
    return word


def _redacted(attributes: Mapping[str, object]) -> dict[str, object]:
    """Return attributes without secrets. One scan clears all texts together; only a hit looks at each."""
    values = dict(attributes)
    texts = {name: value for name, value in values.items() if type(value) not in _NUMBERS and name not in names.SAFE}
    try:
        parts = [
            f"{_last_word(name)}: {value if type(value) is str else orjson.dumps(value).decode()}"
            for name, value in texts.items()
        ]
        joined = _SEPARATOR.join(parts)
        if redact_text(joined) == joined:
            return values
        for name, value in texts.items():
            key = _last_word(name)
            values[name] = redact({key: value})[key]
    except Exception:  # noqa: BLE001 - fail closed: the span stays, its texts do not
        return values | dict.fromkeys(texts, _WITHHELD)
    return values


def _row(
    span: ReadableSpan, attributes: dict[str, object], envelope: bytes, encoded: bytes, description: str
) -> SpanRecord:
    context = span.context
    return SpanRecord(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_span_id=f"{span.parent.span_id:016x}" if span.parent else None,
        name=_clean(span.name),
        type=_text(attributes.get(names.TYPE)) or "span",
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        level=_text(attributes.get(names.LEVEL)) or ("ERROR" if span.status.status_code.name == "ERROR" else "DEFAULT"),
        status_message=_text(attributes.get(names.STATUS_MESSAGE)) or description or None,
        provider=_text(attributes.get(names.PROVIDER)),
        model=_text(attributes.get(names.RESPONSE_MODEL)) or _text(attributes.get(names.MODEL)),
        agent=_text(attributes.get(names.AGENT_NAME)),
        session_id=_text(attributes.get(names.SESSION_ID)),
        error_category=_text(attributes.get(names.ERROR_TYPE)),
        input_tokens=_number(attributes.get(names.INPUT_TOKENS)),
        output_tokens=_number(attributes.get(names.OUTPUT_TOKENS)),
        cost_usd=_total_cost(attributes.get(names.COST_DETAILS)),
        envelope=envelope,
        span=encoded,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _total_cost(details: object) -> float | None:
    if not isinstance(details, str):
        return None
    costs = orjson.loads(details)
    if not isinstance(costs, dict) or not costs:
        return None
    total = costs.get("total")
    return float(total) if total is not None else float(sum(costs.values()))
