"""List traces, newest first, as a table or as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from src.observability.commands.console import duration, escape, money, out, print_json
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.observability.search.conditions import TraceFilter
    from src.observability.search.summaries import TraceListing
    from src.observability.store.reader import StoreReader

_SHORT_ID: Final = 12  # digits of a trace's id where the terminal is narrow, or more where that many tell none apart
_WIDE_ENOUGH_FOR_IDS: Final = 120
_COLUMNS: Final = (
    Column("trace"),
    Column("started (UTC)"),
    Column("name", least=12, comfortable=20),
    Column("symbol", rank=5),
    Column("took", rank=2, right=True),
    Column("calls", rank=4, right=True),
    Column("errors", rank=1, right=True),
    Column("tokens", rank=3, right=True),
    Column("cost", right=True),
)


def newest_traces(reader: StoreReader, wanted: TraceFilter, limit: int | None) -> list[TraceListing]:
    """Return the newest traces that fulfil a filter, newest first."""
    from src.observability.search.summaries import listings

    ids = trace_ids(reader, wanted, limit)
    nothing: list[TraceListing] = []
    return reader.ask(lambda db: list(listings(db, ids)), nothing)


def trace_ids(reader: StoreReader, wanted: TraceFilter, limit: int | None) -> list[str]:
    """Return the ids of the newest traces that fulfil a filter, newest first."""
    from src.observability.search import text_index
    from src.observability.search.matching import matching

    nothing: list[str] = []
    with text_index.numbers_with(reader.path, wanted.text) as numbers:
        return reader.ask(lambda db: matching(db, wanted, limit, numbers=numbers), nothing)


def listing_data(item: TraceListing) -> dict[str, Any]:
    """Return a trace's totals as plain data."""
    from src.observability.search.records import moment

    return item._asdict() | {"start": moment(item.start_ns), "latency_ms": (item.end_ns - item.start_ns) / 1e6}


def print_listing(newest: Sequence[TraceListing], *, as_json: bool) -> None:
    """Print traces, as a table or as JSON."""
    if as_json:
        print_json([listing_data(item) for item in newest])
    else:
        print_table(_COLUMNS, [_row(trace, digits) for trace, digits in _with_digits(newest)])


def _with_digits(newest: Sequence[TraceListing]) -> list[tuple[TraceListing, int]]:
    """Return the traces, each with how many digits of its id are shown."""
    ids = {trace.trace_id for trace in newest}
    if out().width >= _WIDE_ENOUGH_FOR_IDS:
        return [(trace, len(trace.trace_id)) for trace in newest]
    longest = max(map(len, ids))
    digits = next((n for n in range(_SHORT_ID, longest) if len({item[:n] for item in ids}) == len(ids)), longest)
    return [(trace, digits) for trace in newest]


def _row(trace: TraceListing, digits: int) -> tuple[str, ...]:
    return (
        escape(trace.trace_id[:digits]),
        f"{datetime.fromtimestamp(trace.start_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S}",
        escape(trace.name),
        escape(trace.symbol or "-"),
        duration((trace.end_ns - trace.start_ns) / 1e6),
        str(trace.calls),
        f"[red]{trace.errors}[/]" if trace.errors else "0",
        _tokens(trace.input_tokens, trace.output_tokens),
        money(trace.cost_usd, at_least=trace.cost_unknown),
    )


def _tokens(sent: int | None, answered: int | None) -> str:
    return "-" if sent is None and answered is None else f"{(sent or 0) + (answered or 0):,}"
