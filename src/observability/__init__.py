"""Trace every model call durably: sessions, agents, generations, scores, delivery to Langfuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src.observability.tracing.agent_runs import observe_agent
    from src.observability.tracing.carry import carry
    from src.observability.tracing.propagation import child_environment, continue_trace, inject
    from src.observability.tracing.scores import score
    from src.observability.tracker import LangFuseTracker, get_tracker

__all__ = [
    "LangFuseTracker",
    "carry",
    "child_environment",
    "continue_trace",
    "flush",
    "get_tracker",
    "inject",
    "observe_agent",
    "score",
    "shutdown",
]

_MODULES = {
    "LangFuseTracker": "tracker",
    "carry": "tracing.carry",
    "child_environment": "tracing.propagation",
    "continue_trace": "tracing.propagation",
    "get_tracker": "tracker",
    "inject": "tracing.propagation",
    "observe_agent": "tracing.agent_runs",
    "score": "tracing.scores",
}


def flush(timeout_s: float = 10.0) -> int:
    """Deliver everything in the store now, rows of other and of dead processes too.

    Returns how many observations and scores are still undelivered after at most `timeout_s` seconds: 0 where no
    destination is configured, since then nothing waits for delivery; at least 1 where the store cannot be read.
    """
    from src.observability.tracker import get_tracker

    return get_tracker().flush(timeout_s)


def shutdown(timeout_s: float = 5.0) -> None:
    """Deliver what is possible within `timeout_s` seconds, then stop. The rest stays in the store."""
    from src.observability.tracker import get_tracker

    get_tracker().shutdown(timeout_s)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing this package loads nothing else."""
    if name in _MODULES:
        import importlib

        return getattr(importlib.import_module(f"src.observability.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
