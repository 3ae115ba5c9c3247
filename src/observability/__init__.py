"""Trace every model call durably: sessions, agents, generations, scores, delivery to Langfuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src.observability.ledger.results import outcome
    from src.observability.ledger.writing import decision
    from src.observability.tracing.agent_runs import observe_agent
    from src.observability.tracing.carry import carry
    from src.observability.tracing.propagation import child_environment, continue_trace, inject
    from src.observability.tracing.scores import score
    from src.observability.tracker import LangFuseTracker, flush, get_tracker, shutdown

__all__ = [
    "LangFuseTracker",
    "carry",
    "child_environment",
    "continue_trace",
    "decision",
    "flush",
    "get_tracker",
    "inject",
    "observe_agent",
    "outcome",
    "score",
    "shutdown",
]

_MODULES = {
    "LangFuseTracker": "tracker",
    "carry": "tracing.carry",
    "child_environment": "tracing.propagation",
    "continue_trace": "tracing.propagation",
    "decision": "ledger.writing",
    "flush": "tracker",
    "get_tracker": "tracker",
    "inject": "tracing.propagation",
    "observe_agent": "tracing.agent_runs",
    "outcome": "ledger.results",
    "score": "tracing.scores",
    "shutdown": "tracker",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing this package loads nothing else."""
    if name in _MODULES:
        import importlib

        return getattr(importlib.import_module(f"src.observability.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
