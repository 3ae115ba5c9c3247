"""Define a span that only our own code ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opentelemetry.trace import SpanContext

from src.observability.spans import scope as scopes
from src.observability.spans.light_tracer import LightSpans

if TYPE_CHECKING:
    from src.observability.spans.scope import Scope


class LightSpan(scopes.OwnSpan):
    """Hold the beginning of a span: `parent` is its parent's context, `scope` what stands on every span of its run.

    Its duration is measured on the monotonic clock, so that a clock set back cannot make it negative.
    """

    def __init__(
        self, source: LightSpans, name: str, context: SpanContext, parent: SpanContext | None, scope: Scope
    ) -> None:
        super().__init__(context)
        self.source = source
        self.resource = source.resource
        self.name = name
        self.parent = parent
        self.scope = scope
        self.is_app_root = False
        self.start_ns = time.time_ns()
        self._began = time.perf_counter_ns()

    def end_ns(self) -> int:
        """Return the present moment, on the clock that the span began with."""
        return self.start_ns + time.perf_counter_ns() - self._began
