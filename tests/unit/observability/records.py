"""Make records for the store, as tests of it need them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from src.observability.store.records import ScoreRecord, SpanRecord


def span_record(number: int = 0, **changes: Any) -> SpanRecord:
    """Return a generation whose ids and span name its number; `changes` replace fields."""
    record = SpanRecord(
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        parent_span_id=None,
        name=f"n{number}",
        type="generation",
        start_ns=1,
        end_ns=2,
        level="DEFAULT",
        status_message=None,
        provider="p",
        model="m",
        agent=None,
        session_id="s",
        error_category=None,
        input_tokens=3,
        output_tokens=4,
        cost_usd=0.5,
        cost_unknown=False,
        envelope=b"\x0a\x00\x0a\x00",
        span=b"span",
    )
    return replace(record, **changes)


def score_record(**changes: Any) -> ScoreRecord:
    """Return a numeric score of a trace; `changes` replace fields."""
    record = ScoreRecord(
        id="id",
        trace_id=f"{1:032x}",
        observation_id=None,
        session_id=None,
        name="pnl",
        value=1.0,
        data_type="NUMERIC",
        comment=None,
        timestamp_ns=10**18,
        environment="default",
    )
    return replace(record, **changes)
