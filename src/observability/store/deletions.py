"""Record up to which number rows were deleted, and how many, for readers that read the store row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from src.observability.store.row_kinds import RowKind


def deleted_counter(kind: RowKind) -> str:
    """Return the counter of the highest number that was deleted of a kind of rows."""
    return f"{kind.table}_deleted_upto"


def count_counter(kind: RowKind) -> str:
    """Return the counter of how many rows of a kind were deleted, since programs count them."""
    return f"{kind.table}_deleted"


def note_deleted(connection: sqlite3.Connection, kind: RowKind, numbers: Sequence[int]) -> None:
    """Note the numbers of rows that are deleted, inside the transaction that deletes them."""
    if numbers:
        connection.execute(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
            (deleted_counter(kind), max(numbers)),
        )
        connection.execute(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            (count_counter(kind), len(numbers)),
        )
