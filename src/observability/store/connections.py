"""Open connections to the store's file for a short time."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Final

from src.observability.store import forks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LOG: Final = "-wal"  # suffixes of the files that SQLite keeps beside a database
INDEX: Final = "-shm"
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
def read_only(path: Path, patience_s: float = BUSY_S) -> Iterator[sqlite3.Connection]:
    """Open a connection that writes nothing but, where a process was killed, the index of the log that it left.

    A log with its index is read as SQLite does, by locks, and so is a file that another tool has turned to rollback
    journals: its writers change the file itself. A log without an index (the file is a copy, or the machine has
    stopped) is read without one: SQLite would have to write it. Without a log the file alone is read, as immutable: it
    is complete, and locks would have SQLite create a log. What is read without locks may change meanwhile: `has_locks`
    tells whether there are locks.

    Raises:
        sqlite3.OperationalError: of the code SQLITE_READONLY_ROLLBACK where a killed process left a rollback journal:
            only a connection that writes can undo a half-written change.
    """
    if has_locks(path):
        options = "mode=ro"
    elif _size(path, LOG):
        options = "mode=ro&vfs=unix-none" if os.name == "posix" else "mode=ro"
    else:
        options = "mode=ro&immutable=1"
    with forks.short_connection():
        connection = sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, timeout=patience_s, isolation_level=None)
        try:
            if "unix-none" in options:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # the index is then kept in memory
            connection.execute("PRAGMA query_only = ON")
            yield connection
        finally:
            connection.close()


def has_locks(path: Path) -> bool:
    """Tell whether reading takes locks: beside a log with its index, or where writers use rollback journals."""
    if path.with_name(path.name + LOG).exists():  # it is empty where a checkpoint has just moved all into the file
        return path.with_name(path.name + INDEX).exists()
    return _uses_rollback_journals(path)


def _uses_rollback_journals(path: Path) -> bool:
    """Tell whether a file is not in WAL mode, where bytes 18 and 19 of its header are 2: sqlite.org/fileformat2.html.

    Closing the file drops this process's locks on it (the rule of fcntl), as closing an immutable connection does. So
    it is opened where there is no log alone: a connection of ours has one beside its file as long as it is open.
    """
    try:
        with path.open("rb") as file:
            header = file.read(20)
    except OSError:
        return False
    return len(header) == 20 and header[18:20] != b"\x02\x02"


def _size(path: Path, suffix: str) -> int:
    try:
        return path.with_name(path.name + suffix).stat().st_size
    except OSError:
        return 0


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


def insert(connection: sqlite3.Connection, statement: str, values: Sequence[object]) -> sqlite3.Cursor:
    """Insert one row; lone surrogates in its texts, which UTF-8 and so SQLite lack, become question marks."""
    try:
        return connection.execute(statement, values)
    except UnicodeEncodeError:
        whole = [item.encode("utf-8", "replace").decode() if isinstance(item, str) else item for item in values]
        return connection.execute(statement, whole)


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
