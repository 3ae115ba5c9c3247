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
_new: Final = tuple.__new__


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
    (
        seq, trace_id, span_id, parent, name, type_, start_ns, end_ns, level, provider, model, agent, session, category,
        tokens_in, tokens_out, cost_usd, cost_unknown,
    ) = row  # fmt: skip
    passed_us = (end_ns - start_ns) // 1_000
    duration_us = 0 if passed_us < 0 else min(passed_us, _MOST_US)
    cost_nano = None if cost_usd is None else nano(cost_usd)
    is_billed = type_ in BILLED_TYPES
    unpriced = cost_nano is None and is_billed if cost_unknown is None else bool(cost_unknown)
    tokens_in, tokens_out = _tokens(tokens_in), _tokens(tokens_out)
    cached, written, reasoning = facts.cached_tokens, facts.written_tokens, facts.reasoning_tokens
    # By position, and past the class: this runs for each of millions of rows. The order is that of the fields.
    return _new(
        FactRow,
        (
            key_of(trace_id, span_id, start_ns), seq, binary_id(trace_id) or b"", binary_id(span_id) or b"",
            None if parent is None else binary_id(parent), start_ns, duration_us, bucket_of(duration_us),
            int(level == "ERROR"), names[name], names[type_], names[category], names[agent], names[model],
            names[facts.requested_model], names[provider], names[facts.symbol], names[session], names[facts.user_id],
            names[facts.environment], names[facts.prompt_name], names[facts.prompt_version],
            names[facts.finish_reason], names[facts.retried], names[facts.member], names[facts.vote],
            names[facts.tags], tokens_in, tokens_out, None if cached is None else _tokens(cached),
            None if written is None else _tokens(written), None if reasoning is None else _tokens(reasoning),
            cost_nano, int(unpriced or (cost_nano is None and cost_usd is not None)),
            _microseconds(facts.first_token_ms), None if facts.attempts is None else _tokens(facts.attempts),
            facts.headroom, facts.confidence, 1 if facts.repaired else 0,
            is_billed and tokens_in is None and tokens_out is None, facts.finish_reason in CUT,
        ),
    )  # fmt: skip


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
