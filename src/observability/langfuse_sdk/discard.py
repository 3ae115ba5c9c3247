"""Replace the exporter of our Langfuse client: our own exporter delivers its spans from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan


class DiscardingExporter(SpanExporter):
    """An exporter that sends nothing, so that no span leaves the process twice or unredacted."""

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Report success: the spans are already stored."""
        return SpanExportResult.SUCCESS
