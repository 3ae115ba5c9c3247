"""Define the records that go into the store and come out of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Literal, NamedTuple

# The types of observations that a provider bills.
BILLED_TYPES: Final = ("generation", "embedding")


class Accepts(IntEnum):
    """What a destination accepts; the column `scores` of the table `configured` holds the number."""

    OBSERVATIONS = 0
    BOTH = 1
    SCORES = 2


class SpanFacts(NamedTuple):
    """What reports group and filter by, read out of a span when it is stored; None for what it does not say.

    Attributes:
        requested_model: The model that was asked for; `model` is the one that answered.
        symbol: The market's symbol.
        user_id: The user.
        environment: Where the call took place, such as `production`.
        prompt_name: The name of its prompt.
        prompt_version: The version of its prompt.
        cached_tokens: The input tokens that were read from a provider's cache.
        written_tokens: The input tokens that were written to a provider's cache.
        reasoning_tokens: The output tokens that were reasoning.
        first_token_ms: The milliseconds until the first chunk of a streamed reply.
        finish_reason: Why the reply ended, such as `stop` or `length`.
        attempts: How many requests were sent.
        retried: The categories of the attempts that failed and were tried again, in their order: `timeout,rate_limit`.
        headroom: The least fraction of a rate limit that was left, 0 to 1.
        member: The label of the swarm's member.
        vote: The member's vote: BUY, SELL, NOTHING or ABSTAIN.
        confidence: The member's confidence, 0 to 100.
        tags: The trace's tags as a JSON list.
        repaired: Whether a reply that did not fit was shown to the model again. None alone in rows of older programs,
            of which the span knows all this and the columns nothing.
    """

    requested_model: str | None = None
    symbol: str | None = None
    user_id: str | None = None
    environment: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    cached_tokens: int | None = None
    written_tokens: int | None = None
    reasoning_tokens: int | None = None
    first_token_ms: float | None = None
    finish_reason: str | None = None
    attempts: int | None = None
    retried: str | None = None
    headroom: float | None = None
    member: str | None = None
    vote: str | None = None
    confidence: float | None = None
    tags: str | None = None
    repaired: bool | None = None


class RecurringFacts(SpanFacts):
    """Facts that many observations share as one object, so that how they are inserted is worked out once.

    Attributes:
        insertion: What `observation_inserts` has worked out; None before.
    """

    insertion: Any = None


NO_FACTS: Final = SpanFacts()


@dataclass(frozen=True, slots=True)
class ObservationColumns:
    """The columns of an observation that queries use; times are nanoseconds since 1970.

    `cost_usd` is the known part of its cost, None where no part of it is known. `cost_unknown` tells whether another
    part is unknown; None in rows of older programs.
    """

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
    cost_unknown: bool | None

    @property
    def is_unpriced(self) -> bool:
        """Tell whether some part of its cost is not known."""
        if self.cost_unknown is None:
            return self.cost_usd is None and self.type in BILLED_TYPES
        return bool(self.cost_unknown)


@dataclass(frozen=True, slots=True)
class SpanRecord(ObservationColumns):
    """One finished observation to store, redacted and encoded.

    `span` is the encoded OTLP span, `envelope` its encoded resource and instrumentation scope, `facts` what reports
    need of it.
    """

    envelope: bytes
    span: bytes
    facts: SpanFacts = NO_FACTS


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """One score of a trace, an observation or a session; `metadata` is JSON."""

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
class TraceRow(ObservationColumns):
    """One stored observation as readers see it: with its number and its encoded OTLP span."""

    seq: int
    span: bytes
    facts: SpanFacts = NO_FACTS


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """The totals of one trace.

    `cost_usd` is the sum of the known costs; it is 0 where nothing was billed, and None where no cost is known. With
    `cost_unknown` it is the least that the trace can have cost.
    """

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
    cost_unknown: bool


class BatchRow(NamedTuple):
    """One observation to deliver; `span` is the encoded OTLP span, decompressed."""

    seq: int
    envelope: bytes
    span: bytes


class SpanIdentity(NamedTuple):
    """By what a server knows one observation; the start is in nanoseconds since 1970."""

    seq: int
    trace_id: str
    span_id: str
    start_ns: int


@dataclass(frozen=True, slots=True)
class Batch:
    """The observations to deliver next, in order; `more` tells whether there may be others after them."""

    rows: tuple[BatchRow, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Stats:
    """The state of a store.

    `undelivered` counts observations and scores by destination; `set_aside` counts what destinations refused for good,
    and `refusal` is the reason of the newest of those refusals.
    """

    observations: int
    scores: int
    bytes: int
    oldest_ns: int | None
    undelivered: dict[str, int]
    set_aside: int
    refusal: str | None
    losses: int


# The columns of the table `observations` that a record fills; its envelope and span are in tables of their own.
OBSERVATION_COLUMNS: Final = tuple(ObservationColumns.__slots__)
FACT_COLUMNS: Final = SpanFacts._fields
SCORE_COLUMNS: Final = tuple(ScoreRecord.__slots__)


def by_column(columns: tuple[str, ...], values: tuple[Any, ...]) -> dict[str, Any]:
    """Return the values of a row by the names of the columns that were selected."""
    return dict(zip(columns, values, strict=True))
