"""Print a note where the trace store does not exist, or comes near the size limit at which rows are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.observability.commands.console import note

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from src.observability.settings import Settings
    from src.observability.store.fullness import Fullness
    from src.observability.store.reader import StoreReader


def print_size_note(reader: StoreReader) -> None:
    """Print one remark, beside the result, where there is no store.

    Print one too where the limit would soon take rows that are only here or not judged.
    """
    from src.observability.settings import Settings

    if not reader.exists:
        note(missing_store(reader.path))
        return
    state = size_state(reader, Settings.read(), nearly_full_alone=True)
    if state is not None and state.level is not None:
        note(f"The trace store: {state.sentence}")


def missing_store(path: Path) -> str:
    """Return what is said of a store that does not exist: lists and figures of it are empty, which is no error."""
    return f"There is no trace store at {path.absolute()} yet. MOONDEV_TRACE_DB names another."


def size_state(reader: StoreReader, settings: Settings, *, nearly_full_alone: bool = False) -> Fullness | None:
    """Return how full a store is; None where there is none, or it is of an older format.

    Args:
        reader: The store.
        settings: Its limit.
        nearly_full_alone: Whether None will do where the limit is far: rows need not be counted then.
    """
    from src.observability.store.connections import bytes_used
    from src.observability.store.fullness import GRACE_S, LEVELS, fullness
    from src.observability.store.schema import VERSION

    limit = settings.max_mb * 1024**2

    def question(connection: sqlite3.Connection) -> Fullness | None:
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            return None
        if nearly_full_alone and bytes_used(connection) < LEVELS[-1] * limit:
            return None
        return fullness(connection, limit, 0.0 if settings.max_mb_set else GRACE_S)

    return reader.ask(question, None)
