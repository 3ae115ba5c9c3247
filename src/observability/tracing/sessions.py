"""Give all runs of a piece of work one session, in whatever thread or process they open."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import context as otel_context

from src.observability.current import get_pipeline
from src.observability.spans.scope import CONTEXT_KEY, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def session(session_id: str) -> Iterator[None]:
    """Put what opens inside the block into a session; `carry` takes it to other threads and processes."""
    scope = otel_context.get_value(CONTEXT_KEY)
    base = scope if isinstance(scope, Scope) else get_pipeline().default_scope()
    token = otel_context.attach(otel_context.set_value(CONTEXT_KEY, base.narrowed(session_id=session_id)))
    try:
        yield
    finally:
        otel_context.detach(token)
