"""Give each text that repeats a number, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

_MOST_CACHED: Final = 200_000


class Names:
    """The numbers of texts in a facts file that is written; 0 is none."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[str | None, int] = {None: 0, "": 0}

    def number(self, text: str | None) -> int:
        """Return the number of a text, a new one for a new text."""
        number = self._numbers.get(text)
        return self._look_up(text) if number is None else number

    def _look_up(self, text: str | None) -> int:
        whole = str(text)
        if len(self._numbers) > _MOST_CACHED:
            self.forget()
        row = self._connection.execute("SELECT id FROM names WHERE text = ?", (whole,)).fetchone()
        if row is None:
            cursor = self._connection.execute("INSERT INTO names (text) VALUES (?)", (whole,))
            number = int(cursor.lastrowid or 0)
        else:
            number = int(row[0])
        self._numbers[text] = number
        return number

    def forget(self) -> None:
        """Read numbers anew from the file: a transaction was rolled back, or another process has begun it anew."""
        self._numbers = {None: 0, "": 0}
