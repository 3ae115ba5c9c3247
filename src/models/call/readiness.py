"""Prepare tracing beside a running event loop."""

from __future__ import annotations

from src.models.transport.threads import in_thread
from src.observability.current import existing_pipeline, get_pipeline


async def make_ready() -> None:
    """Make this process's pipeline where there is none yet: that opens the trace store, reads files, starts threads."""
    if existing_pipeline() is None:
        pipeline = await in_thread(get_pipeline)
        pipeline.handle_signals()  # which only the main thread can
