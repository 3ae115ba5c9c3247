"""Define a light span: one that only our own code ends, so that it needs none of the SDK's locks, limits and copies."""

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
    """An open span without attributes: the code that ends it passes them to `store`.

    Its duration is measured on the monotonic clock, so that a clock that is set back cannot make it negative.

    Args:
        name: The span's name.
        context: Its own ids.
        parent: Its parent's ids; None for the root span of a trace.
        scope: The attributes that every span of its run has.
        is_app_root: Whether it is the first span of ours in its trace.
        resource: The process that produces it.
        instrumentation: The instrumentation scope.
        store: Stores it when it ends, with its attributes and, where it failed, the reason.
    """

    def __init__(
        self,
        name: str,
        *,
        context: SpanContext,
        parent: SpanContext | None,
        scope: Scope,
        is_app_root: bool,
        resource: Resource,
        instrumentation: InstrumentationScope,
        store: Store,
    ) -> None:
        super().__init__(context)
        self.name = name
        self.parent = parent
        self.scope = scope
        self.is_app_root = is_app_root
        self.resource = resource
        self.instrumentation = instrumentation
        self.store = store
        self.start_ns = time.time_ns()
        self._start_perf_ns = time.perf_counter_ns()

    def end_ns(self) -> int:
        """Return the present moment, in nanoseconds since 1970, on the clock that the span started with."""
        return self.start_ns + time.perf_counter_ns() - self._start_perf_ns
