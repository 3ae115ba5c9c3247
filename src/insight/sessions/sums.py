"""Keep the sums of each session in the facts file, by blocks of the store's numbers: lists then need not read all rows.

A block is summed up again where retention has deleted rows in it; sums are of the rows that the store has. How many
traces there are is kept beside them.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from src.insight.facts.expiry import OBSERVATIONS, extent
from src.insight.facts.opening import open_facts, store_identity
from src.insight.facts.writing import FactsError, meta, open_for_writing, set_meta
from src.observability.store.connections import transaction
from src.observability.store.records import BILLED_TYPES
from src.observability.store.schema import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from src.insight.facts.expiry import Extent
    from src.insight.facts.opening import Identity

    Ask = Callable[[Callable[[sqlite3.Connection], Any], Any], Any]

_T = TypeVar("_T")
_LAST: Final = 2**62  # above the number of any row
# Of the tables and of what they mean: those of another number are made anew.
FORMAT: Final = 2
_BLOCK: Final = 50_000  # numbers of rows
_BLOCKS_AT_ONCE: Final = 4
_MOST_REST: Final = 200_000  # rows beyond the sums, up to which they are summed up for one question
_BILLED: Final = ", ".join(f"'{name}'" for name in BILLED_TYPES)
_MEASURES: Final = (
    "n", "first_ns", "last_ns", "runs", "calls", "errors", "input_tokens", "output_tokens", "cost_usd", "unpriced",
    "unmeasured",
)  # fmt: skip
_CREATE: Final = (
    "CREATE TABLE IF NOT EXISTS session_sums (block INTEGER NOT NULL, has_session INTEGER NOT NULL, "
    f"session TEXT NOT NULL, {', '.join(_MEASURES)}, PRIMARY KEY (block, has_session, session)) WITHOUT ROWID"
)


@dataclass(frozen=True, slots=True)
class SessionSums:
    """The sums over the observations of one session, or over those of none.

    Attributes:
        session: Its id; None for observations without one.
        n: How many observations there are.
        first_ns: The first start, in nanoseconds since 1970.
        last_ns: The last end.
        runs: How many of them have no parent.
        calls: How many are billed.
        errors: How many ended in an error.
        input_tokens: Tokens in; None where none is known.
        output_tokens: Tokens out; None where none is known.
        cost_usd: The known costs; None where none is known.
        unpriced: How many have a cost that is not known in whole.
        unmeasured: How many are billed and have no known tokens.
    """

    session: str | None
    n: int
    first_ns: int
    last_ns: int
    runs: int
    calls: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    unpriced: int
    unmeasured: int


UNMEASURED: Final = f"(type IN ({_BILLED}) AND input_tokens IS NULL AND output_tokens IS NULL)"


def unpriced_sql(connection: sqlite3.Connection) -> str:
    """Return an expression that is 1 where a part of an observation's cost is unknown."""
    guess = f"(cost_usd IS NULL AND type IN ({_BILLED}))"
    if readable(connection, ("cost_unknown",)) == "NULL":
        return guess
    return f"(CASE WHEN cost_unknown IS NULL THEN {guess} ELSE cost_unknown END)"


def sums_of(connection: sqlite3.Connection, where: str = "1", values: Sequence[Any] = ()) -> list[SessionSums]:
    """Return the sums of each session over the store's observations of which a condition holds."""
    rows = connection.execute(
        "SELECT session_id, count(*), min(start_ns), max(end_ns), sum(parent_span_id IS NULL), "
        f"sum(type IN ({_BILLED})), sum(level = 'ERROR'), sum(input_tokens), sum(output_tokens), sum(cost_usd), "
        f"sum({unpriced_sql(connection)}), sum({UNMEASURED}) FROM observations WHERE {where} GROUP BY session_id",
        values,
    )
    return [SessionSums(*row) for row in rows]


def sums(store: Path, ask: Ask) -> list[SessionSums]:
    """Return the sums of each session over all observations of a store: those that are kept, and of the rest.

    Args:
        store: The store's file.
        ask: Puts a question to a connection to it; its second argument is the answer where there are no tables.
    """
    persisted, upto = _persisted(store, ask)
    rest = ask(partial(sums_of, where="seq > ?", values=(upto,)), [])
    return _added([*persisted, *rest])


def traces_n(store: Path, ask: Ask) -> int:
    """Return how many traces the store has observations of.

    Args:
        store: The store's file.
        ask: As of `sums`.
    """
    stored = _from_file(store, ask, lambda facts: meta(facts).get("traces_n", 0))
    if stored is None:
        return int(ask(partial(_all_traces, upto=_LAST), 0))
    number, upto = stored
    return int(number + ask(partial(_new_traces, after=upto, upto=_LAST), 0))


def _all_traces(connection: sqlite3.Connection, upto: int) -> int:
    statement = "SELECT count(DISTINCT trace_id) FROM observations WHERE +seq <= ?"  # + has it read the index alone
    return int(connection.execute(statement, (upto,)).fetchone()[0])


def _new_traces(connection: sqlite3.Connection, after: int, upto: int) -> int:
    """Return how many traces have their first observation in a range of numbers."""
    row = connection.execute(
        "SELECT count(*) FROM (SELECT DISTINCT trace_id FROM observations WHERE seq > ? AND seq <= ?) new "
        "WHERE NOT EXISTS (SELECT 1 FROM observations old WHERE old.trace_id = new.trace_id AND old.seq <= ?)",
        (after, upto, after),
    ).fetchone()
    return int(row[0])


def _persisted(store: Path, ask: Ask) -> tuple[list[SessionSums], int]:
    """Return the sums that are kept and that hold, and the number up to which they reach."""

    def read(facts: sqlite3.Connection) -> list[SessionSums]:
        columns = "CASE has_session WHEN 1 THEN session END, " + ", ".join(_MEASURES)
        return [SessionSums(*row) for row in facts.execute(f"SELECT {columns} FROM session_sums")]

    return _from_file(store, ask, read) or ([], 0)


def _from_file(store: Path, ask: Ask, read: Callable[[sqlite3.Connection], _T]) -> tuple[_T, int] | None:
    """Return what is read of the facts file, and the number up to which it reaches; None where it does not hold."""
    identity, reach = store_identity(store), ask(_reach, None)
    if identity is None or reach is None:
        return None
    facts = open_facts(store)
    try:
        with contextlib.suppress(sqlite3.Error):
            facts.execute("BEGIN")
            values = meta(facts)
            upto = values.get("sessions_upto", 0)
            if values.get("sessions_state") == _state(identity, reach) and reach.last - upto <= _MOST_REST:
                return read(facts), upto
    finally:
        facts.close()
    return None


def _reach(connection: sqlite3.Connection) -> Extent:
    return extent(connection, OBSERVATIONS)


def _state(identity: Identity, reach: Extent) -> str:
    """Return what sums depend on besides the number up to which they reach."""
    return f"{identity.file}/{FORMAT}/{reach.deletions}"


def _added(parts: Sequence[SessionSums]) -> list[SessionSums]:
    """Return parts of sessions, each session whole."""
    groups: dict[str | None, list[SessionSums]] = {}
    for part in parts:
        groups.setdefault(part.session, []).append(part)
    return [items[0] if len(items) == 1 else _sum(session, items) for session, items in groups.items()]


def _sum(session: str | None, parts: Sequence[SessionSums]) -> SessionSums:
    def total(name: str) -> Any:
        known = [getattr(part, name) for part in parts if getattr(part, name) is not None]
        return sum(known) if known else None

    whole = {name: total(name) for name in _MEASURES}
    whole["first_ns"], whole["last_ns"] = min(part.first_ns for part in parts), max(part.last_ns for part in parts)
    return SessionSums(session=session, **whole)


def bring_up(store: Path, ask: Ask) -> bool:
    """Sum up the next blocks of a store; tell whether nothing is left. What cannot be written is left as it is."""
    identity, reach = store_identity(store), ask(_reach, None)
    if identity is None or reach is None:
        return True
    try:
        connection = open_for_writing(store, identity)
        try:
            return _bring_up(connection, ask, reach, _state(identity, reach))
        finally:
            connection.close()
    except (FactsError, sqlite3.Error):
        return True


def _bring_up(connection: sqlite3.Connection, ask: Ask, reach: Extent, state: str) -> bool:
    with transaction(connection):
        values = meta(connection)
        before, upto = str(values.get("sessions_state", "")), values.get("sessions_upto", 0)
        if before.split("/")[:2] != state.split("/")[:2] or upto > reach.last:
            connection.execute("DROP TABLE IF EXISTS session_sums")
            connection.execute(_CREATE)
            upto = 0
            set_meta(connection, traces_n=0)
        elif before != state:
            upto = _without_deleted(connection, ask, reach, upto)
            set_meta(connection, traces_n=ask(partial(_all_traces, upto=upto), 0))
        set_meta(connection, sessions_state=state, sessions_upto=upto)
    for _ in range(_BLOCKS_AT_ONCE):
        if upto >= reach.last:
            return True
        block = max(upto + 1, reach.first) // _BLOCK
        end = min((block + 1) * _BLOCK - 1, reach.last)
        rows = ask(partial(sums_of, where="seq > ? AND seq <= ?", values=(upto, end)), [])
        traces = ask(partial(_new_traces, after=upto, upto=end), 0)
        with transaction(connection):
            values = meta(connection)
            if values.get("sessions_upto") != upto:
                return False  # another process has summed them up meanwhile
            _add(connection, block, rows)
            set_meta(connection, sessions_upto=end, traces_n=values.get("traces_n", 0) + traces)
        upto = end
    return bool(upto >= reach.last)


def _without_deleted(connection: sqlite3.Connection, ask: Ask, reach: Extent, upto: int) -> int:
    """Sum up again the blocks in which retention has deleted rows; return the number up to which all are summed up."""
    last = min(max(reach.deleted_upto, reach.first), upto) // _BLOCK
    connection.execute("DELETE FROM session_sums WHERE block <= ?", (last,))
    for block in range(reach.first // _BLOCK, last + 1):
        bounds = (block * _BLOCK, min((block + 1) * _BLOCK - 1, upto))
        _add(connection, block, ask(partial(sums_of, where="seq BETWEEN ? AND ?", values=bounds), []))
    return upto


def _add(connection: sqlite3.Connection, block: int, rows: Sequence[SessionSums]) -> None:
    """Add sums to those of a block."""
    adding = ", ".join(
        f"{name} = {'min' if name == 'first_ns' else 'max'}({name}, excluded.{name})"
        if name in ("first_ns", "last_ns")
        else f"{name} = coalesce({name} + excluded.{name}, {name}, excluded.{name})"
        for name in _MEASURES
    )
    marks = ", ".join("?" * (3 + len(_MEASURES)))
    connection.executemany(
        f"INSERT INTO session_sums VALUES ({marks}) ON CONFLICT (block, has_session, session) DO UPDATE SET {adding}",
        [
            (block, row.session is not None, row.session or "", *(getattr(row, name) for name in _MEASURES))
            for row in rows
        ],
    )
