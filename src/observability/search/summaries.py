"""Sum up traces: what each cost, how it went, and its scores."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from src.observability.store.compression import DamagedSpan, decompress
from src.observability.store.records import BILLED_TYPES, by_column
from src.observability.store.schema import readable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from src.observability.search.conditions import Status

_CHUNK: Final = 500  # ids in one statement
_COLUMNS: Final = (
    "trace_id", "name", "agent", "symbol", "session_id", "user_id", "environment", "start_ns", "end_ns", "level",
    "input_tokens", "output_tokens", "cost_usd", "cost_unknown", "parent_span_id", "type", "repaired", "provider",
    "seq",
)  # fmt: skip


class TraceListing(NamedTuple):
    """The totals of one trace.

    Attributes:
        trace_id: Its id.
        name: The name of its root.
        agent: The agent of its root, or the first that an observation names.
        symbol: The market, likewise.
        session_id: The session, likewise.
        user_id: The user, likewise.
        environment: The environment, likewise.
        start_ns: When its first observation began, in nanoseconds since 1970.
        end_ns: When its last one ended.
        status: `error` where any observation failed, else `ok`.
        observations: How many there are.
        calls: How many of them are calls of a model.
        errors: How many failed.
        input_tokens: The known input tokens; None where none are known.
        output_tokens: The known output tokens.
        cost_usd: The known part of its cost: 0 where nothing was billed, None where no cost is known.
        cost_unknown: Whether another part of its cost is unknown.
        scores: The values of its scores by their names; a list where there are several of a name.
    """

    trace_id: str
    name: str
    agent: str | None
    symbol: str | None
    session_id: str | None
    user_id: str | None
    environment: str | None
    start_ns: int
    end_ns: int
    status: Status
    observations: int
    calls: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    cost_unknown: bool
    scores: Mapping[str, Any]


def listings(connection: sqlite3.Connection, trace_ids: Sequence[str]) -> Iterator[TraceListing]:
    """Yield the totals of traces, in the order of their ids here; one that is gone meanwhile is left out."""
    columns = readable(connection, _COLUMNS)
    for start in range(0, len(trace_ids), _CHUNK):
        part = trace_ids[start : start + _CHUNK]
        marks = ", ".join("?" * len(part))
        rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for values in connection.execute(f"SELECT {columns} FROM observations WHERE trace_id IN ({marks})", part):  # noqa: S608 - our own names
            rows[values[0]].append(by_column(_COLUMNS, values))
        scores = _scores(connection, part)
        yield from (_listing(connection, rows[key], scores.get(key, {})) for key in part if key in rows)


def _listing(connection: sqlite3.Connection, rows: list[dict[str, Any]], scores: Mapping[str, Any]) -> TraceListing:
    rows.sort(key=lambda row: (row["start_ns"], row["seq"]))
    root = next((row for row in rows if row["parent_span_id"] is None), rows[0])
    if root["repaired"] is None:
        root |= _old_facts(connection, root)
    ordered = [root, *rows]
    costs = [Decimal(str(row["cost_usd"])) for row in rows if row["cost_usd"] is not None]
    unknown = any(_is_unpriced(row) for row in rows)
    errors = sum(row["level"] == "ERROR" for row in rows)
    return TraceListing(
        trace_id=root["trace_id"],
        name=root["name"],
        **{field: _first(ordered, field) for field in ("agent", "symbol", "session_id", "user_id", "environment")},
        start_ns=rows[0]["start_ns"],
        end_ns=max(row["end_ns"] for row in rows),
        status="error" if errors else "ok",
        observations=len(rows),
        calls=sum(row["type"] in BILLED_TYPES for row in rows),
        errors=errors,
        input_tokens=_known_sum(row["input_tokens"] for row in rows),
        output_tokens=_known_sum(row["output_tokens"] for row in rows),
        cost_usd=float(sum(costs)) if costs else None if unknown else 0.0,
        cost_unknown=unknown,
        scores=scores,
    )


def _first(rows: Sequence[Mapping[str, Any]], field: str) -> Any:
    return next((row[field] for row in rows if row[field] is not None), None)


def _old_facts(connection: sqlite3.Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the span of a row of an older program says of symbol, user and environment."""
    from src.observability.search.old_rows import facts_of

    payload = connection.execute("SELECT span FROM payloads WHERE seq = ?", (row["seq"],)).fetchone()
    if payload is None:
        return {}
    try:
        facts = facts_of(
            decompress(payload[0]),
            name=row["name"],
            type_=row["type"],
            provider=row["provider"],
            start_ns=row["start_ns"],
        )
    except DamagedSpan:
        return {}
    return {"symbol": facts.symbol, "user_id": facts.user_id, "environment": facts.environment}


def _is_unpriced(row: Mapping[str, Any]) -> bool:
    """Tell whether some part of an observation's cost is not known."""
    if row["cost_unknown"] is None:
        return row["cost_usd"] is None and row["type"] in BILLED_TYPES
    return bool(row["cost_unknown"])


def _known_sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _scores(connection: sqlite3.Connection, trace_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the values of traces' scores by trace and name; of those with the same id and name the last one counts."""
    marks = ", ".join("?" * len(trace_ids))
    latest: dict[tuple[str, str, str], Any] = {}
    cursor = connection.execute(
        f"SELECT trace_id, id, name, value, data_type FROM scores WHERE trace_id IN ({marks}) ORDER BY seq",  # noqa: S608 - our own names
        trace_ids,
    )
    for trace_id, score_id, name, value, data_type in cursor:
        latest[trace_id, score_id, name] = bool(value) if data_type == "BOOLEAN" else value
    grouped: defaultdict[str, defaultdict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for (trace_id, _, name), value in latest.items():
        grouped[trace_id][name].append(value)
    return {
        trace_id: {name: values[0] if len(values) == 1 else values for name, values in names.items()}
        for trace_id, names in grouped.items()
    }
