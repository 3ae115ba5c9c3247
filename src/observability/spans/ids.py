"""Generate trace and span ids from the operating system's randomness.

OpenTelemetry's own generator uses Python's `random`, which a back-test may seed: the same ids would be generated again,
and Langfuse would take new observations for old ones.
"""

from __future__ import annotations

import os

from opentelemetry.sdk.trace.id_generator import IdGenerator
from typing_extensions import override


class RandomIds(IdGenerator):
    """Generate ids that repeat neither after `random.seed` nor in forked processes."""

    @override
    def generate_span_id(self) -> int:
        """Return 64 random bits, never all zero."""
        return int.from_bytes(os.urandom(8)) or 1

    @override
    def generate_trace_id(self) -> int:
        """Return 128 random bits, never all zero."""
        return int.from_bytes(os.urandom(16)) or 1

    def is_trace_id_random(self) -> bool:
        """Tell that all bits are random, as the W3C random-trace-id flag asks."""
        return True
