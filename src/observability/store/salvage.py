"""Read what can still be read of a damaged store: the ledger, and what no destination has yet."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.observability.store.book_records import BOOK_TABLES
from src.observability.store.connections import connect
from src.observability.store.ledger_records import (
    DECISION_COLUMNS,
    OUTCOME_COLUMNS,
    REPLY_COLUMNS,
    RESULT_COLUMNS,
    DecisionRecord,
    OutcomeRecord,
    ReplyRecord,
    ResultRecord,
)
from src.observability.store.records import (
    FACT_COLUMNS,
    OBSERVATION_COLUMNS,
    SCORE_COLUMNS,
    ScoreRecord,
    SpanFacts,
    SpanRecord,
    by_column,
)
from src.observability.store.row_kinds import KINDS, SCORE, RowKind
from src.observability.store.schema import BOOKS_SINCE, FACTS_SINCE, LEDGER_SINCE, readable
from src.observability.store.watermarks import delivered_upto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from src.observability.store.tickets import StoredRecord

_STEP: Final = 256
_SPAN_COLUMNS: Final = (*OBSERVATION_COLUMNS, *FACT_COLUMNS, "envelope", "span")
_SPANS: Final = (
    "SELECT {columns}, e.body, p.span FROM observations o "
    "JOIN payloads p USING (seq) JOIN envelopes e ON e.id = o.envelope WHERE seq BETWEEN ? AND ?"
)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table whose rows are read by ranges of their numbers, and become records of one type."""

    name: str
    columns: tuple[str, ...]
    record: Callable[..., StoredRecord]
    select: str = ""

    def rows(self, connection: sqlite3.Connection, first: int, last: int) -> list[StoredRecord]:
        """Return the records of a range."""
        select = self.select or f"SELECT {', '.join(self.columns)} FROM {self.name} WHERE seq BETWEEN ? AND ?"  # noqa: S608 - our own names
        cursor = connection.execute(f"{select} ORDER BY seq", (first, last))
        return [self.record(**by_column(self.columns, row)) for row in cursor]


_SCORE_TABLE: Final = _Table(name="scores", columns=SCORE_COLUMNS, record=ScoreRecord)
_LEDGER: Final = (
    _Table(name="decisions", columns=DECISION_COLUMNS, record=DecisionRecord),
    _Table(name="outcomes", columns=OUTCOME_COLUMNS, record=OutcomeRecord),
    _Table(name="results", columns=RESULT_COLUMNS, record=ResultRecord),
    _Table(name="replies", columns=REPLY_COLUMNS, record=ReplyRecord),
)
_BOOKS: Final = tuple(
    _Table(name=name, columns=columns, record=record) for record, (name, columns) in BOOK_TABLES.items()
)


class Salvage:
    """One pass through a damaged file.

    Attributes:
        unreadable: How many rows could not be read, once `parts` has ended.
        complete: False where it is unknown how many rows there were.
    """

    def __init__(self, damaged: Path) -> None:
        self._damaged = damaged
        self.unreadable = 0
        self.complete = True

    def parts(self) -> Iterator[list[StoredRecord]]:
        """Yield the whole ledger and all books, then the rows that some destination lacks, in parts, oldest first.

        All rows, where no destination is known.
        """
        with contextlib.suppress(sqlite3.Error), connect(self._damaged) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            for since, tables in ((LEDGER_SINCE, _LEDGER), (BOOKS_SINCE, _BOOKS)):
                for table in tables if version >= since else ():
                    yield from self._parts(connection, table, 0)
            for kind in KINDS:
                yield from self._parts(connection, _table(connection, kind), _delivered(connection, kind))
            return
        self.complete = False

    def _parts(self, connection: sqlite3.Connection, table: _Table, upto: int) -> Iterator[list[StoredRecord]]:
        try:
            low, high = connection.execute(f"SELECT min(seq), max(seq) FROM {table.name}").fetchone()  # noqa: S608 - our own names
        except sqlite3.DatabaseError:
            self.complete = False
            return
        for first in range(max(low or 0, upto + 1), (high or 0) + 1, _STEP):
            records = self._read(connection, table, first, min(first + _STEP - 1, high))
            if records:
                yield records

    def _read(self, connection: sqlite3.Connection, table: _Table, first: int, last: int) -> list[StoredRecord]:
        """Return the rows of a range; a range with unreadable pages is halved until each of them is alone."""
        try:
            return table.rows(connection, first, last)
        except sqlite3.DatabaseError:
            if first == last:
                self.unreadable += 1
                return []
        middle = (first + last) // 2
        return self._read(connection, table, first, middle) + self._read(connection, table, middle + 1, last)


def trail_of(damaged: Path) -> str | None:
    """Return the identity of the trail of calls that a damaged file held, as far as it can be read."""
    with contextlib.suppress(sqlite3.Error, OSError), connect(damaged) as connection:
        if connection.execute("PRAGMA user_version").fetchone()[0] >= FACTS_SINCE:
            row = connection.execute("SELECT store FROM identity").fetchone()
            return None if row is None else str(row[0])
    return None


def continue_trail(connection: sqlite3.Connection, trail: str) -> None:
    """Have a new file go on with the trail of a damaged one, so that what was computed from it still counts."""
    connection.execute("UPDATE identity SET store = ?", (trail,))


def _table(connection: sqlite3.Connection, kind: RowKind) -> _Table:
    if kind is SCORE:
        return _SCORE_TABLE
    columns = readable(connection, (*OBSERVATION_COLUMNS, *FACT_COLUMNS), prefix="o.")
    return _Table(name=kind.table, columns=_SPAN_COLUMNS, record=_span_record, select=_SPANS.format(columns=columns))


def _span_record(**values: Any) -> SpanRecord:
    facts = SpanFacts(*(values.pop(name) for name in FACT_COLUMNS))
    return SpanRecord(**values, facts=facts)


def _delivered(connection: sqlite3.Connection, kind: RowKind) -> int:
    try:
        return delivered_upto(connection, kind) or 0
    except sqlite3.DatabaseError:
        return 0  # all rows: destinations are asked what of them has arrived
