"""Open observations: agent runs, generations, traced functions."""

from src.observability.tracing.observation import Observation, observe, start

__all__ = ["Observation", "observe", "start"]
