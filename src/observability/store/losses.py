"""Count in the file what was lost on its way there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


def record_losses(connection: sqlite3.Connection, losses: int) -> int:
    """Add losses to those that the file counts, inside a transaction; return how many."""
    if losses:
        connection.execute(
            "INSERT INTO counters VALUES ('losses', ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            (losses,),
        )
    return losses
