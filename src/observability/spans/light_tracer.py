"""Open spans that only our own code ends, without the SDK's locks, limits and copies.

A generation is current only while its provider is asked, so no user's code ever writes to its span. To everyone else
it looks like any other parent: what opens under it joins its trace.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from opentelemetry import trace as otel_trace
from opentelemetry.trace import SpanContext, TraceFlags

from src.observability.spans import scope as scopes
from src.observability.spans.light_span import LightSpan

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from src.observability.spans.processor import SpoolProcessor
    from src.observability.spans.scope import Scope

_FLAGS = TraceFlags(TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID)


class LightTracer:
    """Open light spans as a tracer of one provider would."""

    def __init__(
        self,
        provider: TracerProvider,
        processor: SpoolProcessor,
        instrumentation: InstrumentationScope,
        default_scope: Callable[[], Scope],
    ) -> None:
        self._store = processor.end
        self._resource = provider.resource
        self._instrumentation = instrumentation
        self._processors: Any = provider._active_span_processor
        self._default_scope = default_scope

    @property
    def has_single_processor(self) -> bool:
        """Tell whether nobody but our own processor listens to the provider; others are to see spans of the SDK."""
        return len(self._processors._span_processors) == 1

    def start(self, name: str, context: Context) -> LightSpan:
        """Open a span under the current one of a context."""
        parent = otel_trace.get_current_span(context)
        above: SpanContext | None = parent.get_span_context()
        if above is not None and above.is_valid:
            trace_id, state = above.trace_id, above.trace_state
        else:
            trace_id, state, above = int.from_bytes(os.urandom(16)) or 1, None, None
        own = SpanContext(trace_id, int.from_bytes(os.urandom(8)) or 1, False, _FLAGS, state)
        span = LightSpan(
            name,
            own,
            above,
            scopes.from_context(context, self._default_scope),
            resource=self._resource,
            instrumentation=self._instrumentation,
            store=self._store,
        )
        span.is_app_root = not scopes.is_own_span(parent)
        return span
