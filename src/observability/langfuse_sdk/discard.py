"""Take the place of the Langfuse client's own exporter: the spool and our exporter have what it would send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan


class DiscardingExporter(SpanExporter):
    """Send nothing, so that no span leaves the process twice, or unredacted."""

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Report success: the spans are in the spool already."""
        return SpanExportResult.SUCCESS
