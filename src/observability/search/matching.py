"""Find the traces that fulfil a filter, newest first, in the store alone.

Conditions on narrow columns are answered by reading the table from its end, so that what is recent comes at once.
Rows of older programs lack some columns: what they would hold is then read out of their spans, which takes longer and
gives the same answer.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from src.observability.store.schema import readable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator

    from src.observability.search.conditions import ScoreCondition, TraceFilter

# So many traces are judged by a look at each, before all of the table is summed up at once.
_CHUNK: Final = 400
_MOST_CHUNKS: Final = 5
_TOTALS: Final = "SELECT trace_id FROM observations {where} GROUP BY trace_id HAVING {condition}"
_SPAN: Final = "(SELECT span FROM payloads p WHERE p.seq = o.seq)"
# Fields of the filter by their columns: of every row, and of those that the present program writes.
_COLUMNS: Final = {
    "agent": "agent", "provider": "provider", "category": "error_category", "session_id": "session_id",
}  # fmt: skip
_FACTS: Final = {"symbol": "symbol", "user_id": "user_id", "environment": "environment", "tag": "tags"}
_EXACT: Final = frozenset({"session_id", "user_id"})


def matching(
    connection: sqlite3.Connection,
    wanted: TraceFilter,
    limit: int | None = None,
    *,
    candidates: Collection[str] | None = None,
) -> list[str]:
    """Return the ids of the traces that fulfil a filter, by their newest observation that does, newest first.

    Args:
        connection: A connection to the store.
        wanted: The filter.
        limit: The most ids to return; all where not given.
        candidates: Where it is known that no other traces fulfil the filter: these.
    """
    traces = _distinct(_observed(connection, wanted))
    if candidates is not None:
        traces = _among(traces, set(candidates))
    if wanted.score is not None:
        traces = _among(traces, _scored(connection, wanted.score))
    if wanted.of_whole_traces:
        traces = _whole(connection, wanted, traces)
    return list(islice(traces, limit))


def _distinct(rows: Iterator[tuple[str]]) -> Iterator[str]:
    seen: set[str] = set()
    for (trace_id,) in rows:
        if trace_id not in seen:
            seen.add(trace_id)
            yield trace_id


def _among(traces: Iterator[str], chosen: set[str]) -> Iterator[str]:
    """Yield those of the traces that are chosen; no more are looked at once each has come."""
    while chosen:
        trace = next(traces, None)
        if trace is None:
            return
        if trace in chosen:
            chosen.discard(trace)
            yield trace


def _observed(connection: sqlite3.Connection, wanted: TraceFilter) -> Iterator[tuple[str]]:
    """Yield the trace of each observation that fulfils the conditions on observations, newest first."""
    conditions, values = conditions_on_observations(connection, wanted)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    yield from connection.execute(f"SELECT o.trace_id FROM observations o {where} ORDER BY o.seq DESC", values)  # noqa: S608 - our own names


def conditions_on_observations(
    connection: sqlite3.Connection, wanted: TraceFilter
) -> tuple[list[str], dict[str, object]]:
    """Return SQL for the conditions on an observation `o`, and its parameters; functions that it needs are defined."""
    conditions: list[str] = []
    values: dict[str, object] = {}
    if wanted.since_ns is not None:  # of a trace that began then, no observation began before
        conditions.append("o.start_ns >= :since")
        values["since"] = wanted.since_ns
    for field, column in _COLUMNS.items():
        if (value := getattr(wanted, field)) is not None:
            conditions.append(f"o.{column} = :{field}{_case(field)}")
            values[field] = value
    for field, column in _FACTS.items():
        if (value := getattr(wanted, field)) is not None:
            conditions.append(_states(connection, column, field, value))
            values[field] = value
    if wanted.model is not None:
        conditions.append(_model(connection, wanted.model, values))
    if wanted.text is not None:
        from src.observability.search.words import holds_phrase, phrase_of

        connection.create_function("holds_phrase", 1, holds_phrase(phrase_of(wanted.text)), deterministic=True)
        conditions.append(f"holds_phrase({_SPAN})")
    return conditions, values


def _case(field: str) -> str:
    return "" if field in _EXACT else " COLLATE NOCASE"


def _states(connection: sqlite3.Connection, column: str, field: str, value: str) -> str:
    """Return SQL for a fact that has a value, the parameter of a field; of rows without the column, by their spans."""
    from src.observability.search.old_rows import define_comparison

    function = f"old_{field}_is"
    define_comparison(connection, function, column, value, exact=field in _EXACT)
    old = f"{function}({_SPAN}, o.name, o.type, o.provider, o.start_ns)"
    stored = readable(connection, (column,), "o.")
    if stored == "NULL":
        return old
    new = f"{stored} = :{field}{_case(field)}"
    if column == "tags":
        new = f"EXISTS (SELECT 1 FROM json_each({stored}) WHERE value = :{field} COLLATE NOCASE)"  # noqa: S608 - our own names
    return f"CASE WHEN o.repaired IS NULL THEN {old} ELSE {new} END"


def _model(connection: sqlite3.Connection, model: str, values: dict[str, object]) -> str:
    """Return SQL for an observation whose model has a name, which may begin with its provider; add its parameters."""
    values["model"] = model
    condition = _is_model(connection, "model", model)
    owner, colon, bare = model.partition(":")
    if not (colon and owner and bare):
        return condition
    # A colon may also be part of the name itself, as in llama3.2:3b.
    values |= {"owner": owner, "bare_model": bare}
    return f"({condition} OR (o.provider = :owner COLLATE NOCASE AND {_is_model(connection, 'bare_model', bare)}))"


def _is_model(connection: sqlite3.Connection, field: str, name: str) -> str:
    requested = _states(connection, "requested_model", field, name)
    return f"(o.model IS NOT NULL AND (o.model = :{field} COLLATE NOCASE OR {requested}))"


def _scored(connection: sqlite3.Connection, wanted: ScoreCondition) -> set[str]:
    """Return the traces that have a score as wanted, on themselves or on one of their observations.

    Of scores with the same id and name the last one counts: it has replaced the others.
    """
    latest: dict[str, tuple[str, float | str]] = {}
    for score_id, trace_id, value in connection.execute(
        "SELECT id, trace_id, value FROM scores WHERE name = ? COLLATE NOCASE AND trace_id IS NOT NULL ORDER BY seq",
        (wanted.name,),
    ):
        latest[score_id] = (trace_id, value)
    return {trace_id for trace_id, value in latest.values() if wanted.holds(value)}


def _whole(connection: sqlite3.Connection, wanted: TraceFilter, traces: Iterator[str]) -> Iterator[str]:
    """Yield the traces of which the conditions on whole traces hold."""
    condition, values = _condition_on_totals(wanted)
    for _ in range(_MOST_CHUNKS):
        chunk = list(islice(traces, _CHUNK))
        if not chunk:
            return
        marks = ", ".join(f":id{place}" for place in range(len(chunk)))
        ids = {f"id{place}": trace for place, trace in enumerate(chunk)}
        rows = connection.execute(
            _TOTALS.format(where=f"WHERE trace_id IN ({marks})", condition=condition), values | ids
        )
        passing = {row[0] for row in rows}
        yield from (trace for trace in chunk if trace in passing)
    every = connection.execute(_TOTALS.format(where="", condition=condition), values)
    yield from _among(traces, {row[0] for row in every})


def _condition_on_totals(wanted: TraceFilter) -> tuple[str, dict[str, object]]:
    """Return SQL for the conditions on a whole trace, and its parameters; a cost that is not known is at least 0."""
    bounds: dict[str, tuple[str, object]] = {
        "since": ("min(start_ns) >= :since", wanted.since_ns),
        "until": ("min(start_ns) < :until", wanted.until_ns),
        "cost": ("coalesce(sum(cost_usd), 0) >= :cost", wanted.min_cost_usd),
        "latency": ("(max(end_ns) - min(start_ns)) / 1e6 >= :latency", wanted.min_latency_ms),
        "failed": ("max(level = 'ERROR') = :failed", None if wanted.status is None else wanted.status == "error"),
    }
    used = {name: (sql, value) for name, (sql, value) in bounds.items() if value is not None}
    return " AND ".join(sql for sql, _ in used.values()), {name: value for name, (_, value) in used.items()}
