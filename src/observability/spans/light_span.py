"""Define a span that only our own code ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from src.observability.spans import scope as scopes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext

    from src.observability.spans.scope import Scope

    Store = Callable[["LightSpan", Mapping[str, object], str | None], None]


class LightSpan(scopes.OwnSpan):
    """Hold the beginning of a span until it ends.

    Its duration is measured on the monotonic clock, so that a clock set back cannot make it negative.

    Args:
        name: The span's name.
        context: Its own ids.
        parent: Its parent's ids; None for the first span of a trace.
        scope: What stands on every span of its run.
        resource: What produced it.
        instrumentation: The instrumentation scope.
        store: Stores it, with its attributes and why it failed, when it ends.
    """

    def __init__(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        scope: Scope,
        *,
        resource: Resource,
        instrumentation: InstrumentationScope,
        store: Store,
    ) -> None:
        super().__init__(context)
        self.name = name
        self.parent = parent
        self.scope = scope
        self.resource = resource
        self.instrumentation = instrumentation
        self.store = store
        self.is_app_root = False
        self.start_ns = time.time_ns()
        self._began = time.perf_counter_ns()

    def end_ns(self) -> int:
        """Return the present moment, on the clock that the span began with."""
        return self.start_ns + time.perf_counter_ns() - self._began
