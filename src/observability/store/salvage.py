"""Read what can still be read of a damaged store, so that what nobody has yet is not lost with it."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Final

from src.observability.store.queries import connected
from src.observability.store.records import COLUMNS, ScoreRecord, SpanRecord
from src.observability.store.size_limit import delivered_upto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STEP: Final = 256
_SPANS: Final = (
    f"SELECT {', '.join(f'o.{name}' for name in COLUMNS)}, e.body, p.span FROM observations o "  # noqa: S608 - our own names
    "JOIN payloads p USING (seq) JOIN envelopes e ON e.id = o.envelope WHERE o.seq BETWEEN ? AND ? ORDER BY o.seq"
)
_SCORES: Final = f"SELECT {', '.join(ScoreRecord.__slots__)} FROM scores WHERE seq BETWEEN ? AND ? ORDER BY seq"  # noqa: S608 - our own names


class Salvage:
    """Go through a damaged file once; `unreadable` then says how many rows are lost.

    `complete` is False where not even their number could be read.
    """

    def __init__(self, kept: Path) -> None:
        self._kept = kept
        self.unreadable = 0
        self.complete = True

    def parts(self) -> Iterator[list[SpanRecord | ScoreRecord]]:
        """Yield what some destination lacks, oldest first, in parts; all rows where there is no destination."""
        with contextlib.suppress(sqlite3.Error), connected(self._kept) as connection:
            for kind, table in (("observation", "observations"), ("score", "scores")):
                yield from self._parts(connection, kind, table)
            return
        self.complete = False

    def _parts(self, connection: sqlite3.Connection, kind: str, table: str) -> Iterator[list[SpanRecord | ScoreRecord]]:
        try:
            upto = delivered_upto(connection, kind) or 0
        except sqlite3.DatabaseError:
            upto = 0  # all of it: what comes again has the same id
        try:
            low, high = connection.execute(f"SELECT min(seq), max(seq) FROM {table}").fetchone()  # noqa: S608 - our own names
        except sqlite3.DatabaseError:
            self.complete = False
            return
        for first in range(max(low or 0, upto + 1), (high or 0) + 1, _STEP):
            found = self._read(connection, kind, first, min(first + _STEP - 1, high))
            if found:
                yield found

    def _read(self, connection: sqlite3.Connection, kind: str, first: int, last: int) -> list[SpanRecord | ScoreRecord]:
        """Return the rows of a range; one with unreadable pages is halved until those stand alone."""
        try:
            if kind == "score":
                return [ScoreRecord(*row) for row in connection.execute(_SCORES, (first, last))]
            return [SpanRecord(*row) for row in connection.execute(_SPANS, (first, last))]
        except sqlite3.DatabaseError:
            if first == last:
                self.unreadable += 1
                return []
        middle = (first + last) // 2
        return self._read(connection, kind, first, middle) + self._read(connection, kind, middle + 1, last)
