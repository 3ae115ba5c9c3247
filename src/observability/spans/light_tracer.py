"""Open light spans, as a tracer opens spans.

A generation is the current span only while its provider is called, so no user code ever writes to its span. To all
other code it is a parent like any other: spans that are opened under it join its trace.
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
    """The tracer of light spans for one tracer provider.

    Args:
        provider: Whose resource the spans have.
        processor: Stores the spans when they end.
        instrumentation: The spans' instrumentation scope.
        caller_scope: Returns the scope of what runs outside any agent's run, given the one that was received there.
    """

    def __init__(
        self,
        provider: TracerProvider,
        processor: SpoolProcessor,
        instrumentation: InstrumentationScope,
        caller_scope: Callable[[Scope | None], Scope],
    ) -> None:
        self._store = processor.end
        self._resource = provider.resource
        self._instrumentation = instrumentation
        self._processors: Any = provider._active_span_processor
        self._caller_scope = caller_scope

    @property
    def has_single_processor(self) -> bool:
        """Tell whether our processor is the provider's only one; another would see no light span."""
        return len(self._processors._span_processors) == 1

    def start(self, name: str, context: Context) -> LightSpan:
        """Open a span under the current one of a context."""
        current = otel_trace.get_current_span(context)
        parent: SpanContext | None = current.get_span_context()
        if parent is not None and parent.is_valid:
            trace_id, state = parent.trace_id, parent.trace_state
        else:
            trace_id, state, parent = int.from_bytes(os.urandom(16)) or 1, None, None
        return LightSpan(
            name,
            context=SpanContext(
                trace_id=trace_id,
                span_id=int.from_bytes(os.urandom(8)) or 1,
                is_remote=False,
                trace_flags=_FLAGS,
                trace_state=state,
            ),
            parent=parent,
            scope=scopes.from_context(context, self._caller_scope),
            is_app_root=not scopes.is_own_span(current),
            resource=self._resource,
            instrumentation=self._instrumentation,
            store=self._store,
        )
