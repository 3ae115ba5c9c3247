"""Report what still waits for delivery when a command ends."""

from __future__ import annotations

from src.observability.commands.console import note

_FLUSH_S = 2.0


def finish() -> None:
    """Give delivery a moment, then print how much waits in the spool; do not wait for a server that fails."""
    from src.observability import get_tracker

    tracker = get_tracker()
    if tracker.exporter is None or (tracker.spool is not None and tracker.spool.problem is not None):
        return  # nothing waits, or the log has said that nothing could be stored
    waiting = tracker.flush(0.0 if tracker.exporter.failing else _FLUSH_S)
    if waiting:
        note(
            f"{waiting} observations and scores wait for Langfuse in {tracker.settings.trace_db}; "
            "the next command, or `moondev traces export`, delivers them."
        )
