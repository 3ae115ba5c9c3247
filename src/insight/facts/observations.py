"""Read observations of the store, in the order of their numbers, and add their facts to the facts file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from src.insight.facts import conversion
from src.insight.facts.conversion import COLUMNS, FactRow, StoreRow, fact_row
from src.insight.facts.decoding import ChildEvents, EventRow, child_events, decoded_facts
from src.insight.facts.schema import day_of
from src.insight.facts.tally import Tally
from src.observability.store.records import BILLED_TYPES, FACT_COLUMNS, SpanFacts

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from src.insight.facts.numbering import Names

_SELECT: Final = (
    f"SELECT {', '.join((*COLUMNS, *FACT_COLUMNS))}, "
    "CASE WHEN repaired IS NULL THEN (SELECT span FROM payloads p WHERE p.seq = o.seq) END "
    "FROM observations o WHERE seq > ? ORDER BY seq LIMIT ?"
)
_FIRST_FACT: Final = len(COLUMNS)


class Observation(NamedTuple):
    """One observation of the store with its facts."""

    row: StoreRow
    facts: SpanFacts


class Raw(NamedTuple):
    """Rows of the store as they were read, and the events beside those of older programs."""

    rows: list[tuple[StoreRow, SpanFacts, bytes | None]]
    events: list[EventRow]


def read(store: sqlite3.Connection, after: int, limit: int) -> Raw:
    """Return the observations after a number; nothing is decoded yet, so that the store is soon left alone."""
    store.execute("BEGIN")
    try:
        rows = [
            (StoreRow._make(row[:_FIRST_FACT]), SpanFacts._make(row[_FIRST_FACT:-1]), row[-1])
            for row in store.execute(_SELECT, (after, limit))
        ]
        traces = {row.trace_id for row, facts, _ in rows if facts.repaired is None and row.type in BILLED_TYPES}
        return Raw(rows=rows, events=child_events(store, traces))
    finally:
        store.execute("COMMIT")


def decoded(raw: Raw) -> list[Observation]:
    """Return observations with their facts: those of older programs with what their spans and events say."""
    events = ChildEvents(raw.events)
    observations = []
    for row, stored, payload in raw.rows:
        facts = stored
        if facts.repaired is None:
            facts = decoded_facts(payload, name=row.name, type_=row.type, provider=row.provider, start_ns=row.start_ns)
            if row.type in BILLED_TYPES:
                facts = events.completed(facts, row.trace_id, row.span_id)
        observations.append(Observation(row, facts))
    return observations


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
    facts_file: sqlite3.Connection, observations: Sequence[Observation], names: Names, *, after: int, is_rescan: bool
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
    rows = [fact_row(item.row, item.facts, names) for item in observations]
    taken = _taken(facts_file, rows)
    expired = {row[0] for row in facts_file.execute("SELECT day FROM expired")} if is_rescan else set()
    tally, new, renumbered, doubtful = Tally(), [], [], 0
    for row, item in zip(rows, observations, strict=True):
        place = _place(facts_file, taken, row)
        if place is None:  # it has a fact already
            renumbered.append((row.seq, _key_of_same(taken, row)))
        elif is_rescan and day_of(row.start_ns) in expired:
            doubtful += 1
        else:
            whole = row if place == row.key else row._replace(key=place)
            taken[place] = (row.trace, row.span)
            new.append(whole[:-2])
            retried = item.facts.retried
            tally.add(whole, [names[text] for text in retried.split(",") if text] if retried else ())
    facts_file.executemany(conversion.INSERT, new)
    facts_file.executemany("UPDATE facts SET seq = ? WHERE key = ?", renumbered)
    tally.write(facts_file)
    numbers = rows[-1].seq - after if rows else 0
    return Added(new=len(new), missing=numbers - len(rows), doubtful=doubtful)


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
