"""Ask a store for traces by their filters, and for what is in one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.insight.facts.expiry import OBSERVATIONS, extent
from src.insight.sessions.sums import UNMEASURED, sums_of, unpriced_sql
from src.observability.store.compression import DamagedSpan, decompress
from src.observability.store.records import BILLED_TYPES, OBSERVATION_COLUMNS, TraceRow, by_column
from src.observability.store.schema import readable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from src.dashboard.data.conditions import Conditions
    from src.insight.sessions.sums import SessionSums

_BILLED: Final = ", ".join(f"'{name}'" for name in BILLED_TYPES)
PAGE: Final = 50
_CHUNK: Final = 400
_LOOKED_AT: Final = 5_000  # observations that suggestions are taken from
_OFFERED: Final = 100


@dataclass(frozen=True, slots=True)
class TraceTotals:
    """What the observations that the filters leave come to."""

    traces: int = 0
    observations: int = 0
    calls: int = 0
    errors: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    unpriced: int = 0
    unmeasured: int = 0


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One trace in the list."""

    trace_id: str
    name: str
    agent: str | None
    session_id: str | None
    start_ns: int
    took_ms: float
    observations: int
    calls: int
    errors: int
    tokens: int | None
    cost_usd: float | None
    unpriced: int
    unmeasured: int


@dataclass(frozen=True, slots=True)
class TracePage:
    """Some traces, newest first; `before` is where the next page begins, None where there is none."""

    lines: tuple[TraceLine, ...] = ()
    before: int | None = None


def totals(connection: sqlite3.Connection, chosen: Conditions) -> TraceTotals:
    """Return the totals of some observations."""
    chosen.define(connection)
    row = connection.execute(
        f"SELECT count(DISTINCT trace_id), count(*), sum(type IN ({_BILLED})), sum(level = 'ERROR'), "  # noqa: S608 - our own names
        f"sum(input_tokens), sum(output_tokens), sum(cost_usd), sum({unpriced_sql(connection)}), "
        f"sum({UNMEASURED}) FROM observations {'WHERE ' + chosen.where if chosen.where else ''}",
        chosen.values,
    ).fetchone()
    return TraceTotals(
        traces=row[0],
        observations=row[1],
        calls=row[2] or 0,
        errors=row[3] or 0,
        input_tokens=row[4],
        output_tokens=row[5],
        cost_usd=row[6],
        unpriced=row[7] or 0,
        unmeasured=row[8] or 0,
    )


def all_totals(by_session: Sequence[SessionSums], traces_n: int) -> TraceTotals:
    """Return the totals of all observations, from the sums of sessions and the number of traces."""

    def total(name: str) -> Any:
        known = [value for item in by_session if (value := getattr(item, name)) is not None]
        return sum(known) if known else None

    return TraceTotals(
        traces=traces_n,
        observations=total("n") or 0,
        calls=total("calls") or 0,
        errors=total("errors") or 0,
        input_tokens=total("input_tokens"),
        output_tokens=total("output_tokens"),
        cost_usd=total("cost_usd"),
        unpriced=total("unpriced") or 0,
        unmeasured=total("unmeasured") or 0,
    )


def newest(connection: sqlite3.Connection, chosen: Conditions, before: int | None) -> TracePage:
    """Return the newest traces that have an observation which the filters leave; each trace is listed whole.

    Args:
        connection: To the store.
        chosen: What the filters leave.
        before: Where to continue: a row's number; traces with a newer row that the filters leave come before it.
    """
    chosen.define(connection)
    where, values = chosen.where, chosen.values
    terms = [term for term in (where, "seq < ?" if before is not None else "") if term]
    cursor = connection.execute(
        f"SELECT seq, trace_id FROM observations {'WHERE ' + ' AND '.join(terms) if terms else ''} ORDER BY seq DESC",  # noqa: S608 - our own names
        [*values, before] if before is not None else values,
    )
    places: dict[str, int] = {}
    last = before
    for seq, trace_id in cursor:
        if trace_id not in places and len(places) == PAGE:
            break
        places.setdefault(trace_id, seq)
        last = seq
    else:
        last = None
    ids = _not_listed_before(connection, where, values, places, before)
    return TracePage(lines=tuple(lines(connection, ids)), before=last)


def _not_listed_before(
    connection: sqlite3.Connection, where: str, values: Sequence[Any], places: dict[str, int], before: int | None
) -> list[str]:
    """Return the ids of traces that no earlier page has listed: rows of one trace may stand on both sides of a page."""
    if before is None or not places:
        return list(places)
    term = f" AND {where}" if where else ""
    return [
        trace_id
        for trace_id in places
        if connection.execute(
            f"SELECT 1 FROM observations WHERE trace_id = ? AND seq >= ?{term} LIMIT 1",  # noqa: S608 - our own names
            [trace_id, before, *values],
        ).fetchone()
        is None
    ]


def lines(connection: sqlite3.Connection, ids: list[str]) -> list[TraceLine]:
    """Return traces as lines, in the order of their ids."""
    unpriced = unpriced_sql(connection)
    columns = (
        f"trace_id, min(start_ns), max(end_ns), count(*), sum(type IN ({_BILLED})), sum(level = 'ERROR'), "
        f"sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)), sum(cost_usd), sum({unpriced}), "
        f"sum({UNMEASURED}), max(agent), max(session_id)"
    )
    result: dict[str, TraceLine] = {}
    for start in range(0, len(ids), _CHUNK):
        part = ids[start : start + _CHUNK]
        marks = ", ".join("?" * len(part))
        roots = dict(
            connection.execute(
                f"SELECT trace_id, name FROM observations WHERE trace_id IN ({marks}) "  # noqa: S608 - our own names
                "ORDER BY parent_span_id IS NULL, start_ns DESC",
                part,
            )
        )
        cursor = connection.execute(
            f"SELECT {columns} FROM observations WHERE trace_id IN ({marks}) GROUP BY trace_id",  # noqa: S608 - our own names
            part,
        )
        for row in cursor:
            result[row[0]] = _line(row, roots[row[0]])
    return [result[trace_id] for trace_id in ids if trace_id in result]


def _line(row: tuple[Any, ...], name: str) -> TraceLine:
    trace_id, start_ns, end_ns, observations, calls, errors, tokens, cost, unpriced, unmeasured, agent, session_id = row
    return TraceLine(
        trace_id=trace_id,
        name=name,
        agent=agent,
        session_id=session_id,
        start_ns=start_ns,
        took_ms=(end_ns - start_ns) / 1e6,
        observations=observations,
        calls=calls or 0,
        errors=errors or 0,
        tokens=tokens,
        cost_usd=cost if cost is not None or unpriced else 0.0,
        unpriced=unpriced or 0,
        unmeasured=unmeasured or 0,
    )


def trace_ids(connection: sqlite3.Connection, beginning: str) -> list[str]:
    """Return the ids of traces that begin so; at most three."""
    if len(beginning) < 4:
        return []
    return [
        row[0]
        for row in connection.execute(
            "SELECT DISTINCT trace_id FROM observations WHERE trace_id >= ? AND trace_id < ? LIMIT 3",
            (beginning, beginning + "g"),
        )
    ]


def rows(connection: sqlite3.Connection, trace_id: str) -> list[dict[str, Any]]:
    """Return the observations of a trace by the names of their columns, without their texts."""
    names = ("seq", *OBSERVATION_COLUMNS)
    cursor = connection.execute(
        f"SELECT {readable(connection, names)} FROM observations WHERE trace_id = ? ORDER BY start_ns, seq",  # noqa: S608 - our own names
        (trace_id,),
    )
    return [by_column(names, row) for row in cursor]


def span(connection: sqlite3.Connection, trace_id: str, span_id: str) -> tuple[TraceRow, str | None] | None:
    """Return one observation with its text, and why that cannot be read; None where there is no such observation."""
    names = ("seq", *OBSERVATION_COLUMNS, "span")
    row = connection.execute(
        f"SELECT {readable(connection, names)} FROM observations JOIN payloads USING (seq) "  # noqa: S608 - our own names
        "WHERE trace_id = ? AND span_id = ?",
        (trace_id, span_id),
    ).fetchone()
    if row is None:
        return None
    *columns, payload = row
    try:
        text, trouble = decompress(payload), None
    except (DamagedSpan, RuntimeError) as error:
        text, trouble = b"", str(error)
    return TraceRow(**by_column(names, (*columns, text))), trouble


def scores(connection: sqlite3.Connection, trace_id: str) -> list[tuple[Any, ...]]:
    """Return the scores of a trace: name, value, observation, time, comment; newest first."""
    return connection.execute(
        "SELECT name, value, observation_id, timestamp_ns, comment FROM scores WHERE trace_id = ? "
        "ORDER BY timestamp_ns DESC, seq DESC",
        (trace_id,),
    ).fetchall()


def sessions(connection: sqlite3.Connection, chosen: Conditions) -> list[SessionSums]:
    """Return the sums of each session over some observations."""
    chosen.define(connection)
    return sums_of(connection, f"session_id IS NOT NULL {'AND ' + chosen.where if chosen.where else ''}", chosen.values)


def after(connection: sqlite3.Connection, seq: int, limit: int) -> tuple[list[dict[str, Any]], int, int]:
    """Return the newest rows after a number, oldest first; how many were left out; and the newest number."""
    names = ("seq", *OBSERVATION_COLUMNS)
    newest_seq = connection.execute("SELECT coalesce(max(seq), 0) FROM observations").fetchone()[0]
    fresh = connection.execute("SELECT count(*) FROM observations WHERE seq > ?", (seq,)).fetchone()[0]
    cursor = connection.execute(
        f"SELECT {readable(connection, names)} FROM observations WHERE seq > ? ORDER BY seq DESC LIMIT ?",  # noqa: S608 - our own names
        (seq, limit),
    )
    items = [by_column(names, row) for row in cursor][::-1]
    return items, max(fresh - len(items), 0), newest_seq


def marks(connection: sqlite3.Connection) -> tuple[int, ...]:
    """Return what changes whenever observations come or go: counting them would take a second of ten million."""
    return tuple(extent(connection, OBSERVATIONS))


def last_seq(connection: sqlite3.Connection) -> int:
    """Return the number of the newest observation."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM observations").fetchone()[0])


def names(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the values that filters are offered, from the newest observations."""
    columns = ("agent", "model", "provider", "symbol", "session_id", "user_id", "environment", "error_category", "name")
    values: dict[str, dict[str, None]] = {column: {} for column in columns}
    cursor = connection.execute(
        f"SELECT {readable(connection, columns)} FROM observations ORDER BY seq DESC LIMIT {_LOOKED_AT}"  # noqa: S608 - our own names
    )
    for row in cursor:
        for column, value in zip(columns, row, strict=True):
            if value is not None:
                values[column][value] = None
    labels = {"session_id": "session", "user_id": "user", "error_category": "category"}
    return {labels.get(name, name): sorted(list(items)[:_OFFERED]) for name, items in values.items()}
