"""Keep the texts that repeat once, under numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


class NamesById:
    """The texts of a facts file, as far as they were asked for; 0 is none."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._texts: dict[int, str | None] = {0: None}

    def text(self, number: int) -> str | None:
        """Return the text of a number; None for 0, and for one that is gone."""
        if number not in self._texts:
            row = self._connection.execute("SELECT text FROM names WHERE id = ?", (number,)).fetchone()
            self._texts[number] = row[0] if row else None
        return self._texts[number]
