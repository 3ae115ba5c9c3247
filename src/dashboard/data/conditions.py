"""Turn the filters of an address into conditions on the store's observations; texts are searched for so long."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from src.observability.search.conditions import TraceFilter
from src.observability.search.matching import matching
from src.observability.search.text_index import numbers_with

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from src.dashboard.view.filters import Filters
    from src.observability.search.text_index import Numbers

_WINDOW: Final = 4_000  # observations whose texts are read between two looks at the clock
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
        traces: The traces that may be meant; None where all may.
        searched_n: How many observations' texts were searched before the time was over; None where all were.
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
    connection: sqlite3.Connection, filters: Filters, now_ns: int, text_s: float | None = None
) -> Conditions:
    """Return what observations must be for the filters.

    Those of a whole trace (its symbol, user, environment and texts, how long it took, what it cost, whether anything in
    it failed) ask for its id: rows of older programs have some of that in their spans alone, which the search reads.

    Args:
        connection: To the store.
        filters: The filters.
        now_ns: The time.
        text_s: How many seconds texts are searched; the newest observations come first. To the end where not set.
    """
    terms, values = _terms(filters, now_ns)
    traces = _whole_traces(connection, filters)
    searched_n, all_n = None, 0
    if any(getattr(filters, name) is not None for name in _SEARCHED):
        ids, reach = _searched(connection, filters, " AND ".join(terms), values, text_s)
        traces = frozenset(ids) if traces is None else traces.intersection(ids)
        if reach is not None:
            terms.append("seq > ?")
            values.append(reach)
            counts = "SELECT count(*), coalesce(sum(seq > ?), 0) FROM observations"
            all_n, searched_n = connection.execute(counts, (reach,)).fetchone()
    if traces is not None:
        terms.append("may_be_meant(trace_id)")
    return Conditions(" AND ".join(terms), values, traces, searched_n, all_n)


def _whole_traces(connection: sqlite3.Connection, filters: Filters) -> frozenset[str] | None:
    """Return the traces that took as long, and cost as much, as the filters ask for; None where they do not ask."""
    having, values = [], []
    if (least_ms := filters.number("min_ms")) is not None:
        having.append("max(end_ns) - min(start_ns) >= ?")
        values.append(least_ms * 1_000_000)
    if (least_usd := filters.number("min_usd")) is not None:
        having.append("coalesce(sum(cost_usd), 0) >= ?")  # what is not known counts as at least 0
        values.append(least_usd)
    if not having:
        return None
    statement = f"SELECT trace_id FROM observations GROUP BY trace_id HAVING {' AND '.join(having)}"  # noqa: S608 - our own
    return frozenset(row[0] for row in connection.execute(statement, values))


def _terms(filters: Filters, now_ns: int) -> tuple[list[str], list[Any]]:
    """Return the conditions that the table itself answers, as SQL, and their values."""
    terms: list[str] = []
    values: list[Any] = []
    since, until = filters.times(now_ns)
    for bound, term in ((since, "start_ns >= ?"), (until, "start_ns < ?")):
        if bound is not None:
            terms.append(term)
            values.append(bound)
    for name, column in _EQUAL.items():
        value = getattr(filters, name)
        if value is not None:
            terms.append(f"{column} = ?")
            values.append(value)
    if filters.status is not None:
        verb = "IN" if filters.status == "error" else "NOT IN"
        terms.append(f"trace_id {verb} (SELECT trace_id FROM observations WHERE level = 'ERROR')")  # noqa: S608 - our own
    return terms, values


def _searched(
    connection: sqlite3.Connection, filters: Filters, where: str, values: Sequence[Any], text_s: float | None
) -> tuple[list[str], int | None]:
    """Return the ids of the traces that have an observation of this agent, model, symbol, user and text together.

    And the number up to which texts were not searched, None where all were. Only traces are searched that have an
    observation of which the condition holds.
    """
    wanted = TraceFilter(
        agent=filters.agent,
        model=filters.model,
        provider=filters.provider,
        symbol=filters.symbol,
        session_id=filters.session,
        user_id=filters.user,
        environment=filters.environment,
        category=filters.category,
        prompt=filters.prompt,
        text=filters.text,
    )
    if filters.text is None:
        return matching(connection, wanted), None
    also = []
    if where:
        rows = connection.execute(f"SELECT DISTINCT trace_id FROM observations WHERE {where}", values)  # noqa: S608 - our own names
        candidates = {row[0] for row in rows}
        connection.create_function("is_candidate", 1, candidates.__contains__, deterministic=True)
        also.append("is_candidate(o.trace_id)")
    deadline = float("inf") if text_s is None else time.monotonic() + text_s
    path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    with numbers_with(path, filters.text) as numbers:
        if numbers is not None:
            return _by_index(connection, wanted, numbers, also, deadline)
    return _by_windows(connection, wanted, also, deadline)


def _by_index(
    connection: sqlite3.Connection, wanted: TraceFilter, numbers: Numbers, also: Sequence[str], deadline: float
) -> tuple[list[str], int | None]:
    reached: list[int] = []

    def until_over() -> Iterator[int]:
        for number in numbers():
            yield number
            if time.monotonic() > deadline:
                reached.append(number - 1)
                return

    ids = matching(connection, wanted, numbers=until_over, also=also)
    return ids, reached[0] if reached else None


def _by_windows(
    connection: sqlite3.Connection, wanted: TraceFilter, also: Sequence[str], deadline: float
) -> tuple[list[str], int | None]:
    first, last = connection.execute("SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) FROM observations").fetchone()
    ids: dict[str, None] = {}
    while last >= first:
        window = f"o.seq > {last - _WINDOW} AND o.seq <= {last}"
        ids.update(dict.fromkeys(matching(connection, wanted, also=[*also, window])))
        last -= _WINDOW
        if last >= first and time.monotonic() > deadline:
            return list(ids), last
    return list(ids), None
