"""Open the facts file for writing: a missing, foreign, outdated or damaged one is begun anew, never believed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from src.insight.facts.opening import Identity, is_of
from src.insight.facts.schema import APPLICATION_ID, FORMAT, FORWARD, SCRIPT, facts_path
from src.observability.store.connections import transaction
from src.observability.store.file import is_corrupt
from src.observability.store.schema import SpoolError

if TYPE_CHECKING:
    from pathlib import Path

_WAIT_S: Final = 5.0
_CACHE_KIB: Final = 131_072
_LOG_PAGES: Final = 4_000  # after which SQLite moves the log into the file


Meta: TypeAlias = dict[str, Any]


class FactsError(SpoolError):
    """The facts file cannot be written; the message names the file, the reason and the remedy."""


def open_for_writing(store: Path, identity: Identity) -> sqlite3.Connection:
    """Return a connection to the facts file of a store, in the present format.

    Raises:
        FactsError: it cannot be created or written.
    """
    path = facts_path(store)
    try:
        _create(path)
        try:
            return _connect(path, identity)
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            delete(path)
            _create(path)
            return _connect(path, identity)
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FactsError(
            f"the facts file {path} cannot be written ({reason}): {remedy_of(reason)}. Deleting the file costs a "
            "rebuild."
        ) from error


def remedy_of(reason: object) -> str:
    """Return what helps where a file beside the store cannot be written, by what SQLite or the system says."""
    text = str(reason).lower()
    if "i/o" in text:
        return "look whether its disk is full or damaged"  # SQLite says no more where a file cannot grow
    return "free some space on its disk" if "full" in text or "no space" in text else "make its folder writable"


def delete(path: Path) -> None:
    """Delete a facts file and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _create(path: Path) -> None:
    """Create the file, readable for its owner alone as the store is."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _connect(path: Path, identity: Identity) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, cached_statements=64)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA secure_delete = ON")  # what retention has deleted cannot be read here either
        with transaction(connection):
            for number, statement in FORWARD.items():
                if is_of(connection, identity, number):
                    connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {number + 1}")
            if not is_of(connection, identity):
                begin_anew(connection, identity)
    except BaseException:
        connection.close()
        raise
    return connection


def begin_anew(connection: sqlite3.Connection, identity: Identity) -> None:
    """Drop everything, and make empty tables for a store, inside a transaction."""
    rows = connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
    for kind in ("view", "trigger", "table"):
        for row_kind, name in rows:
            if row_kind == kind:
                quoted = name.replace('"', '""')
                connection.execute(f'DROP {kind} IF EXISTS "{quoted}"')
    for statement in SCRIPT.split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    first = {"store": identity.store, "file": identity.file, "build": new_build(), "upto": 0, "scores_upto": 0}
    connection.executemany("INSERT INTO meta VALUES (?, ?)", first.items())


def new_build() -> str:
    """Return what tells processes that the numbers of names which they remember may be wrong."""
    return os.urandom(8).hex()


def meta(connection: sqlite3.Connection) -> Meta:
    """Return what the file says of itself."""
    return dict(connection.execute("SELECT name, value FROM meta").fetchall())


def set_meta(connection: sqlite3.Connection, **values: object) -> None:
    """Set what the file says of itself, inside a transaction."""
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())
