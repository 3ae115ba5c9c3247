"""Read observations of the store, in the order of their numbers, and add their facts to the facts file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from src.insight.facts.conversion import COLUMNS, INSERT, NAMES, PLACES, Batch, fact_rows
from src.insight.facts.day_columns import forget_days
from src.insight.facts.decoding import ChildEvents, EventRow, child_events, decoded_facts
from src.insight.facts.schema import day_of
from src.insight.facts.tally import add_sums
from src.observability.store.records import BILLED_TYPES, FACT_COLUMNS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from src.insight.facts.conversion import FactRow, StoreRow
    from src.insight.facts.numbering import Names

_SELECT: Final = (
    f"SELECT {', '.join((*COLUMNS, *FACT_COLUMNS))}, "
    "CASE WHEN repaired IS NULL THEN (SELECT span FROM payloads p WHERE p.seq = o.seq) END "
    "FROM observations o WHERE seq > ? ORDER BY seq LIMIT ?"
)
_FIRST_FACT: Final = len(COLUMNS)
_SEQ: Final = PLACES["seq"]
_TRACE: Final = PLACES["trace_id"]
_TYPE: Final = PLACES["type"]
_REPAIRED: Final = PLACES["repaired"]


class Raw(NamedTuple):
    """Rows of the store as they were read, and the events beside those of older programs."""

    rows: list[StoreRow]
    events: list[EventRow]


def read(store: sqlite3.Connection, after: int, limit: int) -> Raw:
    """Return the observations after a number; nothing is decoded yet, so that the store is soon left alone."""
    store.execute("BEGIN")
    try:
        rows = store.execute(_SELECT, (after, limit)).fetchall()
        traces = {row[_TRACE] for row in rows if row[_REPAIRED] is None and row[_TYPE] in BILLED_TYPES}
        return Raw(rows=rows, events=child_events(store, traces))
    finally:
        store.execute("COMMIT")


def decoded(raw: Raw) -> list[StoreRow]:
    """Return observations with their facts: those of older programs with what their spans and events say."""
    if not any(row[_REPAIRED] is None for row in raw.rows):
        return raw.rows
    events = ChildEvents(raw.events)
    return [row if row[_REPAIRED] is not None else _completed(row, events) for row in raw.rows]


def _completed(row: StoreRow, events: ChildEvents) -> StoreRow:
    column = dict(zip(NAMES, row, strict=True))
    type_ = column["type"]
    facts = decoded_facts(
        column["payload"], name=column["name"], type_=type_, provider=column["provider"], start_ns=column["start_ns"]
    )
    if type_ in BILLED_TYPES:
        facts = events.completed(facts, column["trace_id"], column["span_id"])
    return (*row[:_FIRST_FACT], *facts, None)


class Added(NamedTuple):
    """What became of some observations.

    Attributes:
        new: How many facts were added.
        missing: How many numbers between them are of rows that were deleted before they were read.
        doubtful: How many were left out, since nobody can tell whether they were counted before.
    """

    new: int
    missing: int
    doubtful: int


def add(
    facts_file: sqlite3.Connection, observations: Sequence[StoreRow], names: Names, *, after: int, is_rescan: bool
) -> Added:
    """Add observations to the facts file, inside a transaction.

    Args:
        facts_file: The connection to it.
        observations: What was read.
        names: Numbers texts.
        after: The number after which they were read.
        is_rescan: Whether rows may come that were read before under other numbers: their facts get the new ones. One
            that has no fact, of a day of which the store had deleted rows, may have been deleted and come back: it is
            not counted.
    """
    batch = fact_rows(observations, names)
    taken = _taken(facts_file, batch.rows)
    doubtful = 0
    if taken or is_rescan or len({row.key for row in batch.rows}) < len(batch.rows):
        batch, doubtful = _new_ones(facts_file, batch, taken, is_rescan=is_rescan)
    if batch.rows:
        facts_file.executemany(INSERT, batch.rows)
        forget_days(facts_file, {day_of(row.start_ns) for row in batch.rows})
        add_sums(facts_file, batch, names)
    numbers = observations[-1][_SEQ] - after
    return Added(new=len(batch.rows), missing=numbers - len(observations), doubtful=doubtful)


def _new_ones(facts_file: sqlite3.Connection, batch: Batch, taken: Taken, *, is_rescan: bool) -> tuple[Batch, int]:
    """Return what has no fact yet, at keys that are free, and how many are doubtful; the others get their numbers."""
    expired = {row[0] for row in facts_file.execute("SELECT day FROM expired")} if is_rescan else set()
    new, places, renumbered, doubtful = [], [], [], 0
    for number, row in enumerate(batch.rows):
        place = _place(facts_file, taken, row)
        if place is None:  # it has a fact already
            renumbered.append((row.seq, _key_of_same(taken, row)))
        elif is_rescan and day_of(row.start_ns) in expired:
            doubtful += 1
        else:
            taken[place] = (row.trace, row.span)
            new.append(row if place == row.key else row._replace(key=place))
            places.append(number)
    facts_file.executemany("UPDATE facts SET seq = ? WHERE key = ?", renumbered)
    chosen = Batch(
        rows=new,
        unmeasured=[batch.unmeasured[place] for place in places],
        cut=[batch.cut[place] for place in places],
        retried=[batch.retried[place] for place in places],
    )
    return chosen, doubtful


Taken = dict[int, tuple[object, object]]


def _taken(facts_file: sqlite3.Connection, rows: Sequence[FactRow]) -> Taken:
    """Return the ids of the facts that stand at the keys of some rows."""
    places = ", ".join(str(row.key) for row in rows)
    stored = facts_file.execute(f"SELECT key, trace, span FROM facts WHERE key IN ({places})")
    return {key: (trace, span) for key, trace, span in stored}


def _place(facts_file: sqlite3.Connection, taken: Taken, row: FactRow) -> int | None:
    """Return the key for a fact, the next free one where another observation has its own; None where it has one."""
    key, ids = row.key, (row.trace, row.span)
    while key in taken:
        if taken[key] == ids:
            return None
        key += 1
        if key not in taken:
            other = facts_file.execute("SELECT trace, span FROM facts WHERE key = ?", (key,)).fetchone()
            if other is not None:
                taken[key] = tuple(other)
    return key


def _key_of_same(taken: Taken, row: FactRow) -> int:
    key = row.key
    while taken[key] != (row.trace, row.span):
        key += 1
    return key
