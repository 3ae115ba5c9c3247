"""Read a store that this process does not write: nothing is written, created or renamed.

It works where the file, or its folder, is read-only.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Final, TypeVar

from src.observability.store.connections import BUSY_S, INDEX, LOG, has_locks, read_only
from src.observability.store.file import is_busy, is_corrupt
from src.observability.store.queries import Queries
from src.observability.store.schema import SMALLEST_FILE, SpoolError, examine, not_a_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from src.observability.store.records import TraceRow, TraceSummary

_T = TypeVar("_T")
_TRIES: Final = 5
_SILENT_S: Final = 1.0  # for which a lock of another process is waited for without a word
_log = logging.getLogger("moondev.spool")


class StoreReader:
    """The questions that commands ask a store. A file that is missing or empty holds no traces.

    Each raises SpoolError where the file is no store, or cannot be read; the message says why.

    Args:
        path: The store's file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def is_locked(self, patience_s: float) -> bool:
        """Tell whether another process locks the store, and for longer than so many seconds."""
        try:
            self._examined(patience_s)
        except (sqlite3.Error, OSError, SpoolError) as error:  # other errors are those of the questions that follow
            return is_busy(error)
        return False

    @property
    def exists(self) -> bool:
        """Tell whether there is a file."""
        return self.path.exists()

    def trace(self, trace_id: str) -> list[TraceRow]:
        """Return the observations of the trace whose id begins with `trace_id`, in the order they ended.

        Raises:
            ValueError: several traces begin so.
        """
        return self._ask(lambda queries: queries.trace(trace_id), [])

    def traces(self, limit: int = 20) -> list[TraceSummary]:
        """Return the newest traces, newest first (looks at the last 50,000 observations)."""
        return self._ask(lambda queries: queries.traces(limit), [])

    def rows_after(self, seq: int, limit: int = 500) -> list[TraceRow]:
        """Return the observations stored after a number, oldest first."""
        return self._ask(lambda queries: queries.rows_after(seq, limit), [])

    def last_seq(self) -> int:
        """Return the number of the newest observation, 0 where there is none."""
        return self._ask(lambda queries: queries.last_seq(), 0)

    def ask(self, question: Callable[[sqlite3.Connection], _T], nothing: _T) -> _T:
        """Return the answer to a question that is put to a connection; `nothing` where there are no tables."""

        def put() -> _T:
            with read_only(self.path) as connection:
                return question(connection)

        return self._repeated(put, nothing)

    def _ask(self, question: Callable[[Queries], _T], nothing: _T) -> _T:
        return self._repeated(lambda: question(Queries(self.path, read_only)), nothing)

    def _repeated(self, question: Callable[[], _T], nothing: _T) -> _T:
        """Return the answer; without locks, ask again where the store was written to meanwhile."""
        for last_try in (*[False] * (_TRIES - 1), True):
            has_own_view, before = has_locks(self.path), self._state()
            try:
                answer = question() if self._has_tables() else nothing
            except (sqlite3.Error, OSError) as error:
                if last_try or self._state() == before:
                    raise self._refusal(error) from error
                continue
            if has_own_view or self._state() == before:
                return answer
        raise SpoolError(f"the trace store {self.path} changes while it is read: try again.")

    def _has_tables(self) -> bool:
        """Tell whether there is a store in the file.

        Raises:
            SpoolError: another program, or a newer version of this one, wrote the file.
        """
        try:
            if self.path.is_dir():
                raise IsADirectoryError("it is a folder")
            size = self.path.stat().st_size
        except FileNotFoundError:
            return False
        if 0 < size < SMALLEST_FILE:
            raise not_a_store(self.path, "file is not a database")
        try:
            return self._examined(_SILENT_S)
        except sqlite3.Error as error:
            if not is_busy(error):
                raise
        _log.warning(
            "The trace store %s is locked by another process: waiting for it, up to %.0f s.", self.path, BUSY_S
        )
        return self._examined(BUSY_S - _SILENT_S)

    def _examined(self, patience_s: float) -> bool:
        """Tell whether the file has a store's tables; wait so long for a lock of another process."""
        with read_only(self.path, patience_s) as connection:
            return examine(connection, self.path) > 0

    def _state(self) -> tuple[tuple[int, ...], ...]:
        """Return a value that changes with each write to the store."""
        return tuple(_stamp(self.path.with_name(self.path.name + suffix)) for suffix in ("", LOG, INDEX))

    def _refusal(self, error: Exception) -> SpoolError:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            return not_a_store(self.path, str(error))
        reason = getattr(error, "strerror", None) or str(error)
        return SpoolError(f"the trace store {self.path} cannot be read ({reason}): {_remedy(error)}.")


def _remedy(error: Exception) -> str:
    """Return what helps where a store cannot be read."""
    if is_corrupt(error):
        return "what can be read of it is moved to a new one at the next traced call"
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_ROLLBACK:
        return "a process was killed while it changed it; the next traced call undoes that change"
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another process has locked it; end that one, or try again"
    return "check the path, which MOONDEV_TRACE_DB names, and whether this user may read it"


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
