"""Read what can still be read of a damaged store, so that what no destination has yet is not lost with it."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Final

from src.observability.store.connections import connect
from src.observability.store.records import OBSERVATION_COLUMNS, SCORE_COLUMNS, ScoreRecord, SpanRecord, by_column
from src.observability.store.row_kinds import KINDS, SCORE, RowKind
from src.observability.store.schema import readable
from src.observability.store.watermarks import delivered_upto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STEP: Final = 256
_SPAN_COLUMNS: Final = (*OBSERVATION_COLUMNS, "envelope", "span")
_SPANS: Final = (
    "SELECT {columns}, e.body, p.span FROM observations o "
    "JOIN payloads p USING (seq) JOIN envelopes e ON e.id = o.envelope WHERE o.seq BETWEEN ? AND ? ORDER BY o.seq"
)
_SCORES: Final = f"SELECT {', '.join(SCORE_COLUMNS)} FROM scores WHERE seq BETWEEN ? AND ? ORDER BY seq"  # noqa: S608 - our own names


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

    def parts(self) -> Iterator[list[SpanRecord | ScoreRecord]]:
        """Yield the rows that some destination lacks, in parts, oldest first; all rows if no destination is known."""
        with contextlib.suppress(sqlite3.Error), connect(self._damaged) as connection:
            for kind in KINDS:
                yield from self._parts(connection, kind)
            return
        self.complete = False

    def _parts(self, connection: sqlite3.Connection, kind: RowKind) -> Iterator[list[SpanRecord | ScoreRecord]]:
        try:
            upto = delivered_upto(connection, kind) or 0
        except sqlite3.DatabaseError:
            upto = 0  # all rows: destinations are asked what of them has arrived
        try:
            low, high = connection.execute(f"SELECT min(seq), max(seq) FROM {kind.table}").fetchone()  # noqa: S608 - our own names
        except sqlite3.DatabaseError:
            self.complete = False
            return
        for first in range(max(low or 0, upto + 1), (high or 0) + 1, _STEP):
            records = self._read(connection, kind, first, min(first + _STEP - 1, high))
            if records:
                yield records

    def _read(
        self, connection: sqlite3.Connection, kind: RowKind, first: int, last: int
    ) -> list[SpanRecord | ScoreRecord]:
        """Return the rows of a range; a range with unreadable pages is halved until each of them stands alone."""
        try:
            if kind is SCORE:
                rows = connection.execute(_SCORES, (first, last))
                return [ScoreRecord(**by_column(SCORE_COLUMNS, row)) for row in rows]
            columns = readable(connection, OBSERVATION_COLUMNS, prefix="o.")
            rows = connection.execute(_SPANS.format(columns=columns), (first, last))
            return [SpanRecord(**by_column(_SPAN_COLUMNS, row)) for row in rows]
        except sqlite3.DatabaseError:
            if first == last:
                self.unreadable += 1
                return []
        middle = (first + last) // 2
        return self._read(connection, kind, first, middle) + self._read(connection, kind, middle + 1, last)
