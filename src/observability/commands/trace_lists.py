"""List traces, newest first, as a table or as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from src.observability.commands.console import duration, escape, money, out, print_json
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

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


class Newest(NamedTuple):
    """The newest traces that fulfil a filter, newest first.

    Attributes:
        traces: The traces.
        remark: How far texts were searched, in words, where the time was over before the oldest; else None.
    """

    traces: list[TraceListing]
    remark: str | None


def newest_traces(reader: StoreReader, wanted: TraceFilter, limit: int, *, search_s: float) -> Newest:
    """Return the newest traces that fulfil a filter.

    Args:
        reader: The store.
        wanted: The filter.
        limit: The most traces.
        search_s: How long texts are searched, in seconds.
    """
    from src.observability.search.summaries import listings

    if wanted.text is None or search_s == float("inf"):
        ids, remark = trace_ids(reader, wanted, limit), None
    else:
        ids, remark = _searched(reader, wanted, limit, search_s)
    nothing: list[TraceListing] = []
    return Newest(reader.ask(lambda db: list(listings(db, ids)), nothing), remark)


def _searched(reader: StoreReader, wanted: TraceFilter, limit: int, search_s: float) -> tuple[list[str], str | None]:
    """Return the newest traces with a text, as far as they are found in the time, and what to say of the rest."""
    from src.observability.search import text_index
    from src.observability.search.matching import matching

    nothing: list[str] = []
    with text_index.numbers_with(reader.path, wanted.text) as numbers:
        every = partial(_every_number, reader)
        bounded = text_index.Bounded(numbers or every, search_s)
        ids = reader.ask(lambda db: matching(db, wanted, limit, numbers=bounded), nothing)
        if bounded.upto is None or len(ids) == limit:
            return ids, None
        return ids, _how_far(reader, bounded.upto, search_s, has_index=numbers is not None)


def _every_number(reader: StoreReader) -> Iterator[int]:
    first, last = reader.ask(lambda db: db.execute("SELECT min(seq), max(seq) FROM observations").fetchone(), (0, 0))
    yield from range(last or 0, (first or 1) - 1, -1)


def _how_far(reader: StoreReader, upto: int, search_s: float, *, has_index: bool) -> str | None:
    """Return how far texts were searched; None where no older observation is left."""
    from src.observability.search.records import moment

    def left(connection: sqlite3.Connection) -> tuple[int, int]:
        return (
            connection.execute("SELECT count(*) FROM observations WHERE seq <= ?", (upto,)).fetchone()[0],
            connection.execute(
                "SELECT start_ns FROM observations WHERE seq > ? ORDER BY seq LIMIT 1", (upto,)
            ).fetchone()[0],
        )

    count, start_ns = reader.ask(left, (0, 0))
    if not count:
        return None
    advice = "" if has_index else " `moondev insight refresh` builds the index that makes searches fast."
    return (
        f"Searched for {search_s:g} s, back to {moment(start_ns)[:19].replace('T', ' ')} UTC: {count:,} older "
        f"observations may have the text too. --search-s 600 looks further.{advice}"
    )


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
