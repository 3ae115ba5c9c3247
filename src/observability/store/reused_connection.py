"""Keep one connection open for reads that come again and again: SQLite reads the whole schema for each new one."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, Final

from src.observability.store import forks
from src.observability.store.connections import BUSY_S, connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CACHE_KB: Final = 512  # of the file's pages, which stay in memory as long as the connection is open


class ReusedConnection:
    """A connection for reads that stays open between them, as long as the same file is at its path.

    A thread that finds it in use opens one for a short time instead. It is closed for a fork.

    Args:
        path: The SQLite file, absolute.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._busy_s = BUSY_S
        self._locked_for_fork = False
        self._abandoned: list[sqlite3.Connection] = []
        forks.watch(self)

    @contextlib.contextmanager
    def use(self, path: Path, patience_s: float = BUSY_S) -> Iterator[sqlite3.Connection]:
        """Lend the connection for the block, in which no statement may stay half read.

        Args:
            path: The file; of another one a connection is opened for the block.
            patience_s: How long it waits for a lock of another one.
        """
        if path != self._path or not self._lock.acquire(blocking=False):
            with connect(path, patience_s) as connection:
                yield connection
            return
        try:
            try:
                yield self._open(patience_s)
            except BaseException:  # it may have a statement that is half read, or be of a damaged file
                self._close()
                raise
        finally:
            self._lock.release()

    def _open(self, patience_s: float) -> sqlite3.Connection:
        identity = _identity(self._path)
        if self._connection is not None and (identity is None or identity != self._identity):
            self._close()
        if self._connection is None:
            self._connection = sqlite3.connect(
                f"{self._path.as_uri()}?mode=rw", uri=True, timeout=patience_s, isolation_level=None,
                check_same_thread=False,
            )  # fmt: skip
            self._busy_s = patience_s
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(f"PRAGMA cache_size = {-_CACHE_KB}")
            self._identity = identity if identity == _identity(self._path) else None
        if patience_s != self._busy_s:
            self._connection.execute(f"PRAGMA busy_timeout = {int(patience_s * 1000)}")
            self._busy_s = patience_s
        return self._connection

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def before_fork(self) -> None:
        """Close the connection for the time of a fork: an SQLite connection must not cross it."""
        self._locked_for_fork = forks.acquire(self._lock)
        if self._locked_for_fork:
            self._close()

    def after_fork(self, *, in_child: bool) -> None:
        """Allow the connection again."""
        if not in_child:
            if self._locked_for_fork:
                self._lock.release()
            return
        if self._connection is not None:  # a thread of the parent used it for too long: drop it without closing it
            self._abandoned.append(self._connection)
            self._connection = None
        self._lock = threading.Lock()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file at a path from others; None where there is none, or an empty one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_size else None
