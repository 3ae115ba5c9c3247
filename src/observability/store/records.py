"""Hold what goes into the store and what comes out of it, as frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class Accepts(IntEnum):
    """What a destination takes; the number stands in the column `scores` of the table `configured`."""

    OBSERVATIONS = 0
    BOTH = 1
    SCORES = 2


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """Hold one finished observation, redacted and encoded; the fields before `envelope` are for queries."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    type: str
    start_ns: int
    end_ns: int
    level: str
    status_message: str | None
    provider: str | None
    model: str | None
    agent: str | None
    session_id: str | None
    error_category: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    envelope: bytes
    span: bytes


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """Hold one score on a trace, an observation or a session; `metadata` is JSON."""

    id: str
    trace_id: str | None
    observation_id: str | None
    session_id: str | None
    name: str
    value: float | str
    data_type: Literal["NUMERIC", "CATEGORICAL", "BOOLEAN"]
    comment: str | None
    timestamp_ns: int
    environment: str
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class TraceRow:
    """Hold one stored observation as readers see it."""

    seq: int
    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    type: str
    start_ns: int
    end_ns: int
    level: str
    status_message: str | None
    provider: str | None
    model: str | None
    agent: str | None
    session_id: str | None
    error_category: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    span: bytes


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """Hold one trace in a line; `cost_usd` is None where no observation of it has a known cost."""

    trace_id: str
    name: str
    session_id: str | None
    start_ns: int
    end_ns: int
    observations: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Hold what is to be delivered next: (seq, envelope, span) in order, and whether there is more."""

    rows: tuple[tuple[int, bytes, bytes], ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Stats:
    """Hold the state of the store.

    `undelivered` counts observations and scores by destination; `refusal` is what a server last said to what it refused
    for good.
    """

    observations: int
    scores: int
    bytes: int
    oldest_ns: int | None
    undelivered: dict[str, int]
    set_aside: int
    refusal: str | None
    losses: int


# What rows are queried by.
COLUMNS = tuple(name for name in SpanRecord.__slots__ if name not in ("envelope", "span"))
