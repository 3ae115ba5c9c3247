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
    from collections.abc import Iterator, Mapping, Sequence

    from src.observability.search.conditions import ScoreCondition, TraceFilter
    from src.observability.search.text_index import Numbers

# Up to so many traces are judged one by one; beyond that the whole table is summed up at once.
_CHUNK: Final = 400
_MOST_CHUNKS: Final = 5
_FEW: Final = 3_000  # observations whose texts are read rather than looked up
_TOTALS: Final = "SELECT trace_id FROM observations {where} GROUP BY trace_id HAVING {condition}"
_SPAN: Final = "(SELECT span FROM payloads p WHERE p.seq = o.seq)"
# Fields of the filter by their columns: of every row, and of those that the present program writes.
_COLUMNS: Final = {
    "agent": "agent", "provider": "provider", "category": "error_category", "session_id": "session_id",
}  # fmt: skip
_FACTS: Final = {
    "symbol": "symbol", "user_id": "user_id", "environment": "environment", "prompt": "prompt_name", "tag": "tags",
}  # fmt: skip
# Of scores with the same id and name the last one counts: it has replaced the others.
_HAS_SCORE: Final = (
    "EXISTS (SELECT 1 FROM scores s WHERE s.trace_id = o.trace_id "
    "AND coalesce(s.observation_id, o.span_id) = o.span_id AND s.name = :score COLLATE NOCASE "
    "AND score_holds(s.value) AND NOT EXISTS (SELECT 1 FROM scores later WHERE later.trace_id = s.trace_id "
    "AND later.id = s.id AND later.name = s.name AND later.seq > s.seq))"
)
_EXACT: Final = frozenset({"session_id", "user_id"})


def matching(
    connection: sqlite3.Connection,
    wanted: TraceFilter,
    limit: int | None = None,
    *,
    numbers: Numbers | None = None,
    also: Sequence[str] = (),
) -> list[str]:
    """Return the ids of the traces that fulfil a filter, by their newest observation that does, newest first.

    Args:
        connection: A connection to the store.
        wanted: The filter.
        limit: The most ids to return; all where not given.
        numbers: Yields the numbers of all observations that can have the filter's text, the newest first, where an
            index knows them; else all texts are read.
        also: Further conditions on an observation `o`, in SQL of our own.
    """
    traces = _distinct(_observed(connection, wanted, numbers, also))
    if wanted.score is not None:
        traces = _among(traces, _scored(connection, wanted.score))
    if wanted.of_whole_traces:
        traces = _whole(connection, wanted, traces)
    return list(islice(traces, limit))


def single_conditions(connection: sqlite3.Connection, wanted: TraceFilter) -> tuple[list[str], dict[str, object]]:
    """Return SQL for a filter on one observation `o` by itself, and its parameters; its functions are defined.

    What a filter says of a whole trace (times, cost, latency, status) is then of the observation; a score, which may
    come later, is of the observation or of its trace.
    """
    conditions, values = _conditions(connection, wanted)
    bounds: dict[str, tuple[str, object]] = {
        "until": ("o.start_ns < :until", wanted.until_ns),
        "cost": ("coalesce(o.cost_usd, 0) >= :cost", wanted.min_cost_usd),
        "latency": ("(o.end_ns - o.start_ns) / 1e6 >= :latency", wanted.min_latency_ms),
        "failed": ("(o.level = 'ERROR') = :failed", None if wanted.status is None else wanted.status == "error"),
    }
    used = {name: (sql, value) for name, (sql, value) in bounds.items() if value is not None}
    conditions += [sql for sql, _ in used.values()]
    if wanted.text is not None:
        conditions.append(_has_text(connection, wanted.text))
    if wanted.score is not None:
        connection.create_function("score_holds", 1, wanted.score.holds, deterministic=True)
        conditions.append(_HAS_SCORE)
        values["score"] = wanted.score.name
    return conditions, values | {name: value for name, (_, value) in used.items()}


def _distinct(rows: Iterator[tuple[str]]) -> Iterator[str]:
    seen: set[str] = set()
    for (trace_id,) in rows:
        if trace_id not in seen:
            seen.add(trace_id)
            yield trace_id


def _among(traces: Iterator[str], chosen: set[str]) -> Iterator[str]:
    """Yield the chosen traces among these; stop once each of them has come."""
    while chosen:
        trace = next(traces, None)
        if trace is None:
            return
        if trace in chosen:
            chosen.discard(trace)
            yield trace


def _observed(
    connection: sqlite3.Connection, wanted: TraceFilter, numbers: Numbers | None, also: Sequence[str]
) -> Iterator[tuple[str]]:
    """Yield the trace of each observation that fulfils the conditions on observations, newest first."""
    conditions, values = _conditions(connection, wanted._replace(text=None))
    conditions += also
    if numbers is not None and _are_many(connection, conditions, values):
        conditions.append(_has_text(connection, wanted.text or ""))
        newest = numbers()
        while batch := list(islice(newest, _CHUNK)):
            among = f"o.seq IN ({', '.join(map(str, batch))})"
            yield from connection.execute(_select([among, *conditions]), values)
        return
    if wanted.text is not None:
        conditions.append(_has_text(connection, wanted.text))
    yield from connection.execute(_select(conditions), values)


def _select(conditions: Sequence[str]) -> str:
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT o.trace_id FROM observations o {where} ORDER BY o.seq DESC"  # noqa: S608 - our own names


def _are_many(connection: sqlite3.Connection, conditions: Sequence[str], values: Mapping[str, object]) -> bool:
    """Tell whether too many observations fulfil the other conditions for their texts to be read one by one."""
    if not conditions:
        return True
    statement = f"SELECT count(*) FROM (SELECT 1 FROM observations o WHERE {' AND '.join(conditions)} LIMIT {_FEW})"  # noqa: S608 - our own names
    return int(connection.execute(statement, values).fetchone()[0]) == _FEW


def _conditions(connection: sqlite3.Connection, wanted: TraceFilter) -> tuple[list[str], dict[str, object]]:
    """Return SQL for the conditions on an observation `o` but its text, and parameters; its functions are defined."""
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
    return conditions, values


def _has_text(connection: sqlite3.Connection, text: str) -> str:
    from src.observability.search.phrases import holds_text

    connection.create_function("holds_text", 2, holds_text(text), deterministic=True)
    return f"holds_text({_SPAN}, o.status_message)"


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
    """Return the traces with a matching score, on themselves or on one of their observations.

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
    """Yield the traces that fulfil the conditions on whole traces."""
    condition, values = _condition_on_totals(wanted)
    for _ in range(_MOST_CHUNKS):
        chunk = list(islice(traces, _CHUNK))
        if not chunk:
            return
        marks = ", ".join(f":id{index}" for index in range(len(chunk)))
        ids = {f"id{index}": trace for index, trace in enumerate(chunk)}
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
