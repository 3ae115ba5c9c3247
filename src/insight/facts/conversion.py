"""Make a fact of a row of the store's observations."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Final, NamedTuple

from src.insight.facts.rows import binary_id
from src.insight.facts.schema import CUT, NANO, bucket_of, first_key
from src.observability.store.records import BILLED_TYPES, SpanFacts

if TYPE_CHECKING:
    from src.insight.facts.numbering import Names

# What is read of each observation, before its facts.
COLUMNS: Final = (
    "seq", "trace_id", "span_id", "parent_span_id", "name", "type", "start_ns", "end_ns", "level", "provider", "model",
    "agent", "session_id", "error_category", "input_tokens", "output_tokens", "cost_usd", "cost_unknown",
)  # fmt: skip
_MOST_TOKENS: Final = 2**40  # in one call; a larger number is a mistake, and sums of it would not fit
_MOST_USD: Final = 1_000_000.0
_MOST_US: Final = 2**45  # about a year


class StoreRow(NamedTuple):
    """One observation as it is read from the store."""

    seq: int
    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    type: str
    start_ns: int
    end_ns: int
    level: str
    provider: str | None
    model: str | None
    agent: str | None
    session_id: str | None
    error_category: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    cost_unknown: int | None


class FactRow(NamedTuple):
    """One row of the table `facts`, in the order of its columns, and two judgements that only sums need."""

    key: int
    seq: int
    trace: bytes | str
    span: bytes | str
    parent: bytes | str | None
    start_ns: int
    duration_us: int
    bucket: int
    error: int
    name: int
    type: int
    category: int
    agent: int
    model: int
    requested_model: int
    provider: int
    symbol: int
    session: int
    user: int
    environment: int
    prompt_name: int
    prompt_version: int
    finish_reason: int
    retried: int
    member: int
    vote: int
    tags: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    written_tokens: int | None
    reasoning_tokens: int | None
    cost_nano: int | None
    unpriced: int
    first_token_us: int | None
    attempts: int | None
    headroom: float | None
    confidence: float | None
    repaired: int
    is_unmeasured: bool
    is_cut: bool


INSERT: Final = f"INSERT INTO facts VALUES ({', '.join('?' * (len(FactRow._fields) - 2))})"


def fact_row(row: StoreRow, facts: SpanFacts, names: Names) -> FactRow:
    """Return the fact of an observation.

    Args:
        row: The observation.
        facts: What its span says.
        names: Numbers texts.
    """
    number = names.number
    duration_us = min(max(row.end_ns - row.start_ns, 0) // 1_000, _MOST_US)
    cost_nano = nano(row.cost_usd)
    is_billed = row.type in BILLED_TYPES
    unpriced = cost_nano is None and is_billed if row.cost_unknown is None else bool(row.cost_unknown)
    tokens_in, tokens_out = _tokens(row.input_tokens), _tokens(row.output_tokens)
    return FactRow(
        key=key_of(row.trace_id, row.span_id, row.start_ns),
        seq=row.seq,
        trace=binary_id(row.trace_id) or b"",
        span=binary_id(row.span_id) or b"",
        parent=binary_id(row.parent_span_id),
        start_ns=row.start_ns,
        duration_us=duration_us,
        bucket=bucket_of(duration_us),
        error=int(row.level == "ERROR"),
        name=number(row.name),
        type=number(row.type),
        category=number(row.error_category),
        agent=number(row.agent),
        model=number(row.model),
        requested_model=number(facts.requested_model),
        provider=number(row.provider),
        symbol=number(facts.symbol),
        session=number(row.session_id),
        user=number(facts.user_id),
        environment=number(facts.environment),
        prompt_name=number(facts.prompt_name),
        prompt_version=number(facts.prompt_version),
        finish_reason=number(facts.finish_reason),
        retried=number(facts.retried),
        member=number(facts.member),
        vote=number(facts.vote),
        tags=number(facts.tags),
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cached_tokens=_tokens(facts.cached_tokens),
        written_tokens=_tokens(facts.written_tokens),
        reasoning_tokens=_tokens(facts.reasoning_tokens),
        cost_nano=cost_nano,
        unpriced=int(unpriced or (cost_nano is None and row.cost_usd is not None)),
        first_token_us=_microseconds(facts.first_token_ms),
        attempts=_tokens(facts.attempts),
        headroom=facts.headroom,
        confidence=facts.confidence,
        repaired=int(bool(facts.repaired)),
        is_unmeasured=is_billed and tokens_in is None and tokens_out is None,
        is_cut=facts.finish_reason in CUT,
    )


def key_of(trace_id: str, span_id: str, start_ns: int) -> int:
    """Return the key of an observation: the second of its start, then 32 bits of its ids."""
    digest = hashlib.blake2b(f"{trace_id}/{span_id}".encode(errors="surrogatepass"), digest_size=4).digest()
    return first_key(start_ns) | int.from_bytes(digest, "big")


def nano(usd: object) -> int | None:
    """Return a cost in billionths of a dollar; None where it is not known, or no cost that a call can have."""
    if not isinstance(usd, (int, float)) or not math.isfinite(usd) or abs(usd) > _MOST_USD:
        return None
    return round(usd * NANO)


def _tokens(count: object) -> int | None:
    return count if isinstance(count, int) and 0 <= count < _MOST_TOKENS else None


def _microseconds(milliseconds: float | None) -> int | None:
    if milliseconds is None or not 0 <= milliseconds * 1_000 < _MOST_US:
        return None
    return round(milliseconds * 1_000)
