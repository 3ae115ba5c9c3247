"""Move SQLite's log into the store's file."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Final

from src.observability.store.connections import connect

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

_LONG_LOG_BYTES: Final = 32_000_000
_log = logging.getLogger("moondev.spool")


def move_log(path: Path, lock: AbstractContextManager[object], longest: int) -> None:
    """Move the log into the file, on a connection of its own, while writers go on.

    SQLite writes the log from its beginning again once all of it was moved, which busy writers prevent. When the log is
    long, they therefore wait while the little is moved that was added in between.

    Args:
        path: The store's file.
        lock: Held by whoever writes.
        longest: How many bytes the log may have before writers wait, if that is less than usual.
    """
    log = path.with_name(path.name + "-wal")
    try:
        with connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            if log.stat().st_size > min(_LONG_LOG_BYTES, longest):
                with lock:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    except (sqlite3.Error, OSError) as error:
        _log.debug("The trace store's log was not moved: %s", error)  # a later commit does it
