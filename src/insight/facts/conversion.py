"""Make facts of rows of the store's observations."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from src.insight.facts.rows import binary_id
from src.insight.facts.schema import CUT, NAMED, NANO, bucket_of, first_key
from src.observability.store.records import BILLED_TYPES, FACT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from src.insight.facts.numbering import Names

# What is read of each observation, before its facts.
COLUMNS: Final = (
    "seq", "trace_id", "span_id", "parent_span_id", "name", "type", "start_ns", "end_ns", "level", "provider", "model",
    "agent", "session_id", "error_category", "input_tokens", "output_tokens", "cost_usd", "cost_unknown",
)  # fmt: skip
_MOST_TOKENS: Final = 2**40  # in one call; a larger number is a mistake, and sums of it would not fit
_MOST_USD: Final = 1_000_000.0
_MOST_US: Final = 2**45  # about a year
# Columns that hold numbers of names, and of counts of tokens, by what they are called in the store where that differs.
_SOURCES: Final = {"category": "error_category", "session": "session_id", "user": "user_id"}
_TOKENS: Final = (
    "input_tokens", "output_tokens", "cached_tokens", "written_tokens", "reasoning_tokens", "attempts",
)  # fmt: skip


class FactRow(NamedTuple):
    """One row of the table `facts`, in the order of its columns."""

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


INSERT: Final = f"INSERT INTO facts VALUES ({', '.join('?' * len(FactRow._fields))})"

# One observation as it is read from the store: what `COLUMNS` names, its facts, and its payload where those lack.
StoreRow: TypeAlias = tuple[Any, ...]
NAMES: Final = (*COLUMNS, *FACT_COLUMNS, "payload")
PLACES: Final = {name: place for place, name in enumerate(NAMES)}


class Batch(NamedTuple):
    """Facts of some observations, and what only sums need of each.

    Attributes:
        rows: The facts.
        unmeasured: Whether a provider bills it, and no tokens are known.
        cut: Whether its reply was cut at the limit of tokens.
        retried: The categories of its attempts that were tried again, with commas between them; None for none.
    """

    rows: list[FactRow]
    unmeasured: Sequence[bool]
    cut: Sequence[bool]
    retried: Sequence[str | None]


def fact_rows(rows: Sequence[StoreRow], names: Names) -> Batch:
    """Return the facts of observations.

    Column by column, since a loop over rows of forty values would take most of the time that millions of them take.

    Args:
        rows: The observations, at least one.
        names: Numbers texts.
    """
    column = dict(zip(NAMES, zip(*rows, strict=True), strict=True))
    starts, types = column["start_ns"], column["type"]
    durations = [
        min(max((end - start) // 1_000, 0), _MOST_US) for start, end in zip(starts, column["end_ns"], strict=True)
    ]
    billed = [type_ in BILLED_TYPES for type_ in types]
    costs = [None if usd is None else nano(usd) for usd in column["cost_usd"]]
    numbered = {name: map(names.__getitem__, column[_SOURCES.get(name, name)]) for name in NAMED}
    tokens = {name: _tokens(column[name]) for name in _TOKENS}
    traces = {text: binary_id(text) or b"" for text in set(column["trace_id"])}
    columns: dict[str, Iterable[Any]] = {
        "key": map(key_of, column["trace_id"], column["span_id"], starts),
        "seq": column["seq"],
        "trace": map(traces.__getitem__, column["trace_id"]),
        "span": [binary_id(text) or b"" for text in column["span_id"]],
        "parent": [None if text is None else binary_id(text) for text in column["parent_span_id"]],
        "start_ns": starts,
        "duration_us": durations,
        "bucket": map(bucket_of, durations),
        "error": [int(level == "ERROR") for level in column["level"]],
        **numbered,
        **tokens,
        "cost_nano": costs,
        "unpriced": map(_is_unpriced, costs, column["cost_usd"], column["cost_unknown"], billed),
        "first_token_us": map(_microseconds, column["first_token_ms"]),
        "headroom": column["headroom"],
        "confidence": column["confidence"],
        "repaired": [1 if repaired else 0 for repaired in column["repaired"]],
    }
    ordered = zip(*(columns[name] for name in FactRow._fields), strict=True)
    known = zip(billed, tokens["input_tokens"], tokens["output_tokens"], strict=True)
    return Batch(
        rows=list(map(FactRow._make, ordered)),
        unmeasured=[is_billed and sent is None and answered is None for is_billed, sent, answered in known],
        cut=[reason in CUT for reason in column["finish_reason"]],
        retried=column["retried"],
    )


def _is_unpriced(cost_nano: int | None, cost_usd: object, cost_unknown: int | None, is_billed: bool) -> int:
    """Return 1 where a cost is not known, or not in whole, else 0."""
    unpriced = cost_nano is None and is_billed if cost_unknown is None else bool(cost_unknown)
    return int(unpriced or (cost_nano is None and cost_usd is not None))


def key_of(trace_id: str, span_id: str, start_ns: int) -> int:
    """Return the key of an observation: the second of its start, then 32 bits of its ids."""
    digest = hashlib.blake2b(f"{trace_id}/{span_id}".encode(errors="surrogatepass"), digest_size=4).digest()
    return first_key(start_ns) | int.from_bytes(digest, "big")


def nano(usd: object) -> int | None:
    """Return a cost in billionths of a dollar; None where it is not known, or no cost that a call can have."""
    if not isinstance(usd, (int, float)) or not math.isfinite(usd) or abs(usd) > _MOST_USD:
        return None
    return round(usd * NANO)


def _tokens(counts: Sequence[object]) -> list[int | None]:
    return [count if isinstance(count, int) and 0 <= count < _MOST_TOKENS else None for count in counts]


def _microseconds(milliseconds: float | None) -> int | None:
    if milliseconds is None or not 0 <= milliseconds * 1_000 < _MOST_US:
        return None
    return round(milliseconds * 1_000)
