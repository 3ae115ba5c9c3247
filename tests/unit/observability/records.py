"""Make records for the store, as tests of it need them."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from src.observability.spans import otlp
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


ENVELOPE = otlp.encode_envelope({"service.name": "t"}, "langfuse-sdk", "5", {})
BEGAN_NS = 1_764_000_000_000_000_000


def sendable_record(number: int, *, spans_a_trace: int = 1, size: int = 10, start_ns: int | None = None) -> SpanRecord:
    """Return an observation that a server can decode, named by its number; several may share a trace."""
    trace_id, span_id = number // spans_a_trace + 1, number + 1
    start_ns = BEGAN_NS + number * 1_000_000 if start_ns is None else start_ns
    span = otlp.encode_span(
        trace_id=trace_id, span_id=span_id, parent_span_id=None, name=f"n{number}", kind=1, start_ns=start_ns,
        end_ns=start_ns + 1, attributes={"text": _filler(number, size)},
    )  # fmt: skip
    return span_record(
        number, trace_id=f"{trace_id:032x}", span_id=f"{span_id:016x}", start_ns=start_ns, end_ns=start_ns + 1,
        envelope=ENVELOPE, span=span,
    )  # fmt: skip


def _filler(number: int, size: int) -> str:
    """Return a text of a size that does not pack well, so that long records fill pages of the file."""
    return "x" * size if size < 1_000 else random.Random(number).randbytes(size // 2 + 1).hex()[:size]


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
