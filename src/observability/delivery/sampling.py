"""Decide which traces go to Langfuse where LANGFUSE_SAMPLE_RATE asks for a part of them; the store has them all."""

from __future__ import annotations

from typing import Final

_SPACE: Final = 1 << 64


class Sample:
    """The traces that a rate selects, the same as OpenTelemetry's TraceIdRatioBased sampler and so Langfuse's SDK.

    Args:
        rate: From 0 to 1.
    """

    def __init__(self, rate: float) -> None:
        self._bound = _SPACE if rate >= 1 else round(rate * _SPACE)

    @property
    def has_all(self) -> bool:
        """Tell whether every trace is selected."""
        return self._bound >= _SPACE

    def has(self, trace_id: str) -> bool:
        """Tell whether a trace is selected, by its id in hex."""
        try:
            return int(trace_id[-16:], 16) < self._bound
        except ValueError:  # not an id of OpenTelemetry's, so not a trace that was sampled
            return True
