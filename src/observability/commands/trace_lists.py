"""List traces, and print observations as they end."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from src.observability.commands.console import duration, escape, money, out, print_json
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from src.observability.search.conditions import TraceFilter
    from src.observability.search.summaries import TraceListing
    from src.observability.store.reader import StoreReader

_SHORT_ID: Final = 12  # digits of a trace's id where the terminal is narrow, or more where that many tell none apart
_WIDE_ENOUGH_FOR_IDS: Final = 120
_PAGE: Final = 2_000  # observations that `tail` prints at once
_LOOKED_AT: Final = 20_000  # numbers of observations of which it chooses them, in one short transaction
_COLUMNS: Final = (
    Column("trace"),
    Column("started"),
    Column("name", least=12, comfortable=20),
    Column("symbol", rank=5),
    Column("took", rank=2, right=True),
    Column("calls", rank=4, right=True),
    Column("errors", rank=1, right=True),
    Column("tokens", rank=3, right=True),
    Column("cost", right=True),
)
_TAIL_COLUMNS: Final = (
    "seq", "trace_id", "span_id", "name", "type", "start_ns", "end_ns", "level", "status_message", "provider", "model",
    "agent", "symbol", "session_id", "error_category", "input_tokens", "output_tokens", "cost_usd", "cost_unknown",
)  # fmt: skip


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
        f"{_moment(trace.start_ns):%Y-%m-%d %H:%M:%S}",
        escape(trace.name),
        escape(trace.symbol or "-"),
        duration((trace.end_ns - trace.start_ns) / 1e6),
        str(trace.calls),
        f"[red]{trace.errors}[/]" if trace.errors else "0",
        f"{(trace.input_tokens or 0) + (trace.output_tokens or 0):,}",
        money(trace.cost_usd, at_least=trace.cost_unknown),
    )


def _moment(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, UTC)


def follow(
    reader: StoreReader,
    *,
    wanted: TraceFilter,
    interval_s: float,
    count: int | None,
    from_start: bool,
    as_json: bool = False,
) -> None:
    """Print observations of every process as they end, until the user stops it or so many are printed.

    Args:
        reader: The store.
        wanted: What an observation must fulfil by itself; its score is not asked for.
        interval_s: How long to wait where nothing new is there.
        count: How many to print at most.
        from_start: Whether to begin with the oldest.
        as_json: Whether each is printed as a JSON document.
    """
    seq = 0 if from_start else reader.last_seq()
    left = count
    while left is None or left > 0:
        limit = _PAGE if left is None else min(_PAGE, left)
        rows, upto, newest = reader.ask(partial(_rows_after, seq=seq, limit=limit, wanted=wanted), _no_page(seq))
        seq = upto
        if rows:
            left = None if left is None else left - len(rows)
            _print_rows(rows, as_json=as_json)
        if upto >= newest and (left is None or left > 0):
            time.sleep(interval_s)


_Page = tuple[list[dict[str, Any]], int, int]


def _no_page(seq: int) -> _Page:
    return [], seq, seq


def _rows_after(connection: sqlite3.Connection, seq: int, limit: int, wanted: TraceFilter) -> _Page:
    """Return what fits of the next observations, up to which number they were looked at, and the newest number."""
    from src.observability.search.matching import single_conditions
    from src.observability.store.records import by_column
    from src.observability.store.schema import readable

    first, newest = connection.execute("SELECT min(seq), max(seq) FROM observations").fetchone()
    if newest is None or newest <= seq:
        return _no_page(seq)
    after = max(seq, first - 1)
    upto = min(after + _LOOKED_AT, newest)
    conditions, values = single_conditions(connection, wanted)
    cursor = connection.execute(
        f"SELECT {readable(connection, _TAIL_COLUMNS, 'o.')} FROM observations o "  # noqa: S608 - our own names
        f"WHERE {' AND '.join(['o.seq > :after', 'o.seq <= :upto', *conditions])} ORDER BY o.seq LIMIT :limit",
        values | {"after": after, "upto": upto, "limit": limit},
    )
    rows = [by_column(_TAIL_COLUMNS, row) for row in cursor]
    return rows, rows[-1]["seq"] if len(rows) == limit else upto, newest


def _print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write("".join(f"{json.dumps(_line_data(row))}\n".replace("\x7f", "\\u007f") for row in rows))
        sys.stdout.flush()
    else:
        out().print("\n".join(map(_line, rows)))


def _line_data(row: Mapping[str, Any]) -> dict[str, Any]:
    from src.observability.search.records import moment

    data = {name: row[name] for name in _TAIL_COLUMNS if name not in ("seq", "span_id", "cost_unknown")}
    return {
        "trace_id": row["trace_id"],
        "observation_id": row["span_id"],
        **data,
        "cost_unknown": is_unpriced(row),
        "start": moment(row["start_ns"]),
        "end": moment(row["end_ns"]),
        "latency_ms": (row["end_ns"] - row["start_ns"]) / 1e6,
    }


def is_unpriced(row: Mapping[str, Any]) -> bool:
    """Tell whether some part of an observation's cost is not known."""
    if row["cost_unknown"] is None:
        return row["cost_usd"] is None and row["type"] in ("generation", "embedding")
    return bool(row["cost_unknown"])


def _line(row: Mapping[str, Any]) -> str:
    parts: list[str] = [f"{_moment(row['end_ns']):%H:%M:%S}", row["trace_id"][:12], f"[bold]{escape(row['name'])}[/]"]
    if row["model"]:
        parts.append(escape(row["model"]))
    parts.append(duration((row["end_ns"] - row["start_ns"]) / 1e6))
    if row["type"] == "generation":
        parts.append(money(row["cost_usd"], at_least=is_unpriced(row)))
    if row["level"] == "ERROR":
        parts.append(f"[red]{escape(row['error_category'] or '')} {escape((row['status_message'] or '')[:120])}[/]")
    return "  ".join(parts)
