"""Turn the filters of an address into conditions on the store's observations.

What is asked of whole traces is looked for from the newest observation on, for so long: of ten million observations
that would take half a minute.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.view.filters import ANY_CATEGORY
from src.observability.search.conditions import TraceFilter
from src.observability.search.matching import matching
from src.observability.search.text_index import Bounded, numbers_with

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from src.dashboard.view.filters import Filters
    from src.observability.search.text_index import Numbers

_WINDOW: Final = 4_000  # observations whose texts are read between two looks at the clock
_ROWS: Final = 50_000  # observations of which columns are read between two of them
_CHUNK: Final = 400  # traces that are looked up at once
_FEW: Final = 400  # traces that the index of their ids finds sooner than all observations are gone through
_EQUAL: Final = {
    "agent": "agent", "model": "model", "provider": "provider", "session": "session_id", "category": "error_category",
    "name": "name",
}  # fmt: skip
_SEARCHED: Final = ("symbol", "user", "environment", "prompt", "text")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What observations must be for some filters.

    Attributes:
        where: It as SQL; empty where all are meant. It may call the function that `define` makes.
        values: The values in that.
        traces: The traces that may be meant; None where all may, or `where` names them.
        searched_n: How many observations were looked at before the time was over, the newest; None where all were.
        all_n: How many there are.
    """

    where: str = ""
    values: Sequence[Any] = field(default_factory=tuple)
    traces: frozenset[str] | None = field(default=None, repr=False)
    searched_n: int | None = None
    all_n: int = 0

    def define(self, connection: sqlite3.Connection) -> None:
        """Define what the conditions call: whether a trace may be meant. Ids in SQL would be read at each question."""
        if self.traces is not None:
            connection.create_function("may_be_meant", 1, self.traces.__contains__, deterministic=True)


def conditions(
    connection: sqlite3.Connection, filters: Filters, now_ns: int, seconds: float | None = None
) -> Conditions:
    """Return what observations must be for the filters.

    Those of a whole trace (its symbol, user, environment and texts, how long it took, what it cost, whether anything in
    it failed) ask for its id: rows of older programs have some of that in their spans alone, which the search reads.

    Args:
        connection: To the store.
        filters: The filters.
        now_ns: The time.
        seconds: How long traces are looked for; the newest observations come first. To the end where not set.
    """
    terms, values = _terms(filters, now_ns)
    traces, reach = _traces(connection, filters, (" AND ".join(terms), values), seconds)
    searched_n, all_n = None, 0
    if reach is not None:
        terms.append("seq > ?")
        values.append(reach)
        counts = "SELECT (SELECT count(*) FROM observations), (SELECT count(*) FROM observations WHERE seq > ?)"
        all_n, searched_n = connection.execute(counts, (reach,)).fetchone()
    if traces is not None and len(traces) <= _FEW:
        terms.append(f"trace_id IN ({', '.join('?' * len(traces))})")
        values.extend(traces)
        traces = None
    elif traces is not None:
        terms.append("may_be_meant(trace_id)")
    return Conditions(" AND ".join(terms), values, traces, searched_n, all_n)


def _traces(
    connection: sqlite3.Connection, filters: Filters, where: tuple[str, Sequence[Any]], seconds: float | None
) -> tuple[frozenset[str] | None, int | None]:
    """Return the traces that may be meant, None where all may; and the number up to which none was looked at.

    Args:
        connection: To the store.
        filters: The filters.
        where: What the table itself says of observations, as SQL, and the values in that.
        seconds: How long traces are looked for.
    """
    having = _having(filters)
    is_searched = any(getattr(filters, name) is not None for name in _SEARCHED)
    if not having and not is_searched:
        return None, None
    deadline = float("inf") if seconds is None else time.monotonic() + seconds
    wanted = _wanted(filters)
    if filters.text is not None:
        ids, reach = _with_text(connection, wanted, where, deadline)
        return frozenset(_whole_among(connection, list(ids), having)), reach

    def meant(after: int, upto: int) -> Iterable[str]:
        window = f"o.seq > {after} AND o.seq <= {upto}"
        ids = matching(connection, wanted, also=[window]) if is_searched else None
        if not having:
            return ids or ()
        whole = _whole(connection, having, where, window)
        return whole if ids is None else whole.intersection(ids)

    ids, reach = _by_windows(connection, meant, _ROWS, deadline)
    return frozenset(ids), reach


def _having(filters: Filters) -> list[tuple[str, float]]:
    """Return what a whole trace must be: how long it took, what it cost, whether anything in it failed.

    As SQL of groups, each with its value.
    """
    least_ms, least_usd = filters.number("min_ms"), filters.number("min_usd")
    bounds: dict[str, float | None] = {
        "max(end_ns) - min(start_ns) >= ?": None if least_ms is None else least_ms * 1_000_000,
        "coalesce(sum(cost_usd), 0) >= ?": least_usd,  # what is not known counts as at least 0
        "max(level = 'ERROR') = ?": None if filters.status is None else float(filters.status == "error"),
    }
    return [(term, value) for term, value in bounds.items() if value is not None]


def _whole(
    connection: sqlite3.Connection, having: Sequence[tuple[str, float]], where: tuple[str, Sequence[Any]], window: str
) -> set[str]:
    """Return the traces that are as a whole what is asked for, of those with an observation in a window."""
    condition, values = where
    inner = f"SELECT trace_id FROM observations o WHERE {window} {'AND ' + condition if condition else ''}"  # noqa: S608 - our own
    statement = (
        f"SELECT trace_id FROM observations WHERE trace_id IN ({inner}) "  # noqa: S608 - our own
        f"GROUP BY trace_id HAVING {' AND '.join(term for term, _ in having)}"
    )
    return {row[0] for row in connection.execute(statement, [*values, *(value for _, value in having)])}


def _whole_among(
    connection: sqlite3.Connection, ids: Sequence[str], having: Sequence[tuple[str, float]]
) -> Iterator[str]:
    """Yield those of some traces that are as a whole what is asked for."""
    if not having:
        yield from ids
        return
    condition = " AND ".join(term for term, _ in having)
    for start in range(0, len(ids), _CHUNK):
        part = ids[start : start + _CHUNK]
        statement = (
            f"SELECT trace_id FROM observations WHERE trace_id IN ({', '.join('?' * len(part))}) "  # noqa: S608 - our own
            f"GROUP BY trace_id HAVING {condition}"
        )
        for row in connection.execute(statement, [*part, *(value for _, value in having)]):
            yield row[0]


def _terms(filters: Filters, now_ns: int) -> tuple[list[str], list[Any]]:
    """Return the conditions that the table itself answers, as SQL, and their values."""
    terms: list[str] = []
    values: list[Any] = []
    since, until = filters.times(now_ns)
    for bound, term in ((since, "start_ns >= ?"), (until, "start_ns < ?")):
        if bound is not None:
            terms.append(term)
            values.append(bound)
    if filters.category == ANY_CATEGORY:
        terms.append("level = 'ERROR'")
    for name, column in _EQUAL.items():
        value = getattr(filters, name)
        if value is not None and not (name == "category" and value == ANY_CATEGORY):
            terms.append(f"{column} = ?")
            values.append(value)
    return terms, values


def _wanted(filters: Filters) -> TraceFilter:
    """Return the conditions on an observation whose trace is then meant: agent, model, symbol, user, text together."""
    return TraceFilter(
        agent=filters.agent,
        model=filters.model,
        provider=filters.provider,
        symbol=filters.symbol,
        session_id=filters.session,
        user_id=filters.user,
        environment=filters.environment,
        category=filters.category if filters.category != ANY_CATEGORY else None,
        prompt=filters.prompt,
        text=filters.text,
    )


def _with_text(
    connection: sqlite3.Connection, wanted: TraceFilter, where: tuple[str, Sequence[Any]], deadline: float
) -> tuple[Iterable[str], int | None]:
    """Return the ids of the traces that have an observation as wanted, and the number up to which none was read.

    Only traces are searched that have an observation of which the condition holds.
    """
    condition, values = where
    also = []
    if condition:
        rows = connection.execute(f"SELECT DISTINCT trace_id FROM observations WHERE {condition}", values)  # noqa: S608 - our own names
        candidates = {row[0] for row in rows}
        connection.create_function("is_candidate", 1, candidates.__contains__, deterministic=True)
        also.append("is_candidate(o.trace_id)")
    path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    with numbers_with(path, wanted.text or "") as numbers:
        if numbers is not None:
            return _by_index(connection, wanted, numbers, also, deadline)

    def meant(after: int, upto: int) -> Iterable[str]:
        return matching(connection, wanted, also=[*also, f"o.seq > {after} AND o.seq <= {upto}"])

    return _by_windows(connection, meant, _WINDOW, deadline)


def _by_index(
    connection: sqlite3.Connection, wanted: TraceFilter, numbers: Numbers, also: Sequence[str], deadline: float
) -> tuple[list[str], int | None]:
    bounded = Bounded(numbers, deadline - time.monotonic())
    ids = matching(connection, wanted, numbers=bounded, also=also)
    return ids, bounded.upto


def _by_windows(
    connection: sqlite3.Connection, meant: Callable[[int, int], Iterable[str]], size: int, deadline: float
) -> tuple[Iterable[str], int | None]:
    """Return the ids that are meant in windows of so many numbers, the newest first, and where the time was over."""
    first, last = connection.execute(
        "SELECT (SELECT coalesce(min(seq), 1) FROM observations), (SELECT coalesce(max(seq), 0) FROM observations)"
    ).fetchone()
    ids: dict[str, None] = {}
    while last >= first:
        ids.update(dict.fromkeys(meant(last - size, last)))
        last -= size
        if last >= first and time.monotonic() > deadline:
            return ids, last
    return ids, None
