"""Move SQLite's log into the store's file, on a connection of its own, while writers go on."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Final

from src.observability.store.connections import connect

if TYPE_CHECKING:
    import threading
    from pathlib import Path

_log = logging.getLogger("moondev.spool")
_LONG_LOG_BYTES: Final = 32_000_000


def move_log(path: Path, max_bytes: int, writing: threading.Lock) -> None:
    """Move the log of a store.

    SQLite writes the log from its beginning again once all of it was moved, which busy writers prevent. When the log is
    long, they therefore wait while the little is moved that was added in between.

    Args:
        path: The store's file.
        max_bytes: The most that its rows may take.
        writing: Held by the thread that writes to the store.
    """
    log = path.with_name(path.name + "-wal")
    try:
        with connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            if log.stat().st_size > min(_LONG_LOG_BYTES, max_bytes // 2):
                with writing:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    except (sqlite3.Error, OSError) as error:
        _log.debug("The trace store's log was not moved: %s", error)  # a later commit does it
