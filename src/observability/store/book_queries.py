"""Read paper books, and append to them unless another process has done so meanwhile."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Final

from src.observability.store.book_records import (
    BOOK_COLUMNS,
    BOOK_EVENT_COLUMNS,
    BOOK_MARK_COLUMNS,
    BOOK_TABLES,
    BookEventRecord,
    BookMarkRecord,
    BookRecord,
)
from src.observability.store.connections import insert
from src.observability.store.ledger_queries import decision_of
from src.observability.store.ledger_records import DECISION_COLUMNS, DecisionRecord
from src.observability.store.records import by_column
from src.observability.store.schema import BOOKS_SINCE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from src.observability.store.book_records import BookRow

_DECISION: Final = ", ".join(f"d.{name}" for name in DECISION_COLUMNS)


class BookChangedError(Exception):
    """Another process has written to the book meanwhile: read it again."""


def has_books(connection: sqlite3.Connection) -> bool:
    """Tell whether a file is new enough to have books."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0]) >= BOOKS_SINCE


def books(connection: sqlite3.Connection, *, name: str | None = None, run_id: str | None = None) -> list[BookRecord]:
    """Return the present terms of all books, of one, or of those of a back-test, in the order they were made."""
    if not has_books(connection):
        return []
    cursor = connection.execute(
        f"SELECT {', '.join(BOOK_COLUMNS)} FROM books WHERE (:name IS NULL OR name = :name) "  # noqa: S608 - our own names
        "AND (:run_id IS NULL OR run_id = :run_id) ORDER BY seq",
        {"name": name, "run_id": run_id},
    )
    terms: dict[str, BookRecord] = {}
    for row in cursor:
        record = BookRecord(**by_column(BOOK_COLUMNS, row))
        terms[record.name] = record
    return list(terms.values())


def events(connection: sqlite3.Connection, book: str) -> list[BookEventRecord]:
    """Return a book's journal."""
    if not has_books(connection):
        return []
    cursor = connection.execute(
        f"SELECT {', '.join(BOOK_EVENT_COLUMNS)} FROM book_events WHERE book = ? ORDER BY number",  # noqa: S608 - our own names
        (book,),
    )
    return [BookEventRecord(**by_column(BOOK_EVENT_COLUMNS, row)) for row in cursor]


def marks(connection: sqlite3.Connection, book: str) -> list[BookMarkRecord]:
    """Return a book's value over time."""
    if not has_books(connection):
        return []
    cursor = connection.execute(
        f"SELECT {', '.join(BOOK_MARK_COLUMNS)} FROM book_marks WHERE book = ? ORDER BY time_ns",  # noqa: S608 - our own names
        (book,),
    )
    return [BookMarkRecord(**by_column(BOOK_MARK_COLUMNS, row)) for row in cursor]


def decisions_of(connection: sqlite3.Connection, book: BookRecord) -> list[DecisionRecord]:
    """Return the decisions that a book follows, in the order in which they were written."""
    if not has_books(connection):
        return []
    if book.run_id is None:
        cursor = connection.execute(
            f"SELECT {_DECISION} FROM book_orders o JOIN decisions d ON d.id = o.decision_id WHERE o.book = ? "  # noqa: S608 - our own names
            "ORDER BY d.seq",
            (book.name,),
        )
    else:
        cursor = connection.execute(
            f"SELECT {_DECISION} FROM decisions d WHERE d.run_id = ? AND d.agent = ? ORDER BY d.seq",  # noqa: S608 - our own names
            (book.run_id, book.agent),
        )
    return [decision_of(row) for row in cursor]


def append(connection: sqlite3.Connection, rows: Iterable[BookRow], *, after: dict[str, int]) -> None:
    """Insert rows inside the connection's transaction.

    Args:
        connection: The connection.
        rows: The rows.
        after: The number of each book's last event, as the rows were made from it.

    Raises:
        BookChangedError: the number is another one by now.
    """
    for book, number in after.items():
        last = connection.execute("SELECT coalesce(max(number), 0) FROM book_events WHERE book = ?", (book,))
        if last.fetchone()[0] != number:
            raise BookChangedError(book)
    for row in rows:
        table, columns = BOOK_TABLES[type(row)]
        # The journal's lines are strict; terms and marks that another process wrote first stand as they are.
        verb = "INSERT" if isinstance(row, BookEventRecord) else "INSERT OR IGNORE"
        statement = f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        insert(connection, statement, astuple(row))
