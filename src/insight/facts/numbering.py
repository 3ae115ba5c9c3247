"""Give each text that repeats a number, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

_MOST_CACHED: Final = 200_000


class Names(dict[str | None, int]):
    """The numbers of texts in a facts file that is written, by subscription: a new text gets a new number; 0 is none.

    A dict, since each observation has some twenty texts, nearly all of them known.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection
        self.forget()

    def __missing__(self, text: str | None) -> int:
        """Look a text up in the file, and add it there where it is new."""
        whole = str(text)
        if len(self) > _MOST_CACHED:
            self.forget()
        row = self._connection.execute("SELECT id FROM names WHERE text = ?", (whole,)).fetchone()
        if row is None:
            cursor = self._connection.execute("INSERT INTO names (text) VALUES (?)", (whole,))
            number = int(cursor.lastrowid or 0)
        else:
            number = int(row[0])
        self[text] = number
        return number

    def forget(self) -> None:
        """Read numbers anew from the file: a transaction was rolled back, or another process has begun it anew."""
        self.clear()
        self[None] = self[""] = 0
