"""Open connections to the store's file for a short time."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Final

from src.observability.store import forks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUSY_S: Final = 15.0  # how long a connection waits for a lock of another one


@contextlib.contextmanager
def connect(path: Path, patience_s: float = BUSY_S) -> Iterator[sqlite3.Connection]:
    """Open a connection for the block. A file that does not exist is not created."""
    with forks.short_connection():
        connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=patience_s, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            yield connection
        finally:
            connection.close()


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the block in one write transaction: commit at its end, roll back where it raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def roll_back(connection: sqlite3.Connection) -> None:
    """Roll back a transaction, if there is one; never raises, so that the error that caused it is the one raised."""
    with contextlib.suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Return the number that a PRAGMA holds."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def bytes_used(connection: sqlite3.Connection) -> int:
    """Return how many bytes of the file are in use: free pages do not count."""
    pages = pragma(connection, "page_count") - pragma(connection, "freelist_count")
    return pages * pragma(connection, "page_size")
