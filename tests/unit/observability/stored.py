"""Read the spans that a test stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.observability.spans import otlp

if TYPE_CHECKING:
    from src.observability.store.spool import Spool, TraceRow


def attributes_of(row: TraceRow) -> dict[str, Any]:
    return dict(otlp.decode_span(row.span).attributes)


def only(spool: Spool) -> TraceRow:
    rows = spool.rows_after(0)
    assert len(rows) == 1
    return rows[0]
