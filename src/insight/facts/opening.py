"""Open the facts file of a store, if there is one that belongs to it."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from src.insight.facts.schema import APPLICATION_ID, FORMAT, INDEXES, SCRIPT, facts_path
from src.observability.store.reader import StoreReader
from src.observability.store.schema import FACTS_SINCE

if TYPE_CHECKING:
    from pathlib import Path

_WAIT_S = 5.0


class Identity(NamedTuple):
    """What tells stores apart: `store` is a trail of calls, `file` one file of it, with its own numbers of rows."""

    store: str
    file: str


def store_identity(store: Path) -> Identity | None:
    """Return the identity of a store; None where there is none, or where its file is of an older format.

    Raises:
        SpoolError: the file is no store, or cannot be read.
    """
    return StoreReader(store).ask(_identity, None)


def _identity(connection: sqlite3.Connection) -> Identity | None:
    if connection.execute("PRAGMA user_version").fetchone()[0] < FACTS_SINCE:
        return None
    row = connection.execute("SELECT store, file FROM identity").fetchone()
    return Identity(*row) if row else None


def open_facts(store: Path) -> sqlite3.Connection:
    """Return a connection that reads the facts of a store: empty tables in memory where it has none."""
    path = facts_path(store)
    identity = store_identity(store)
    if identity is not None and path.exists():
        with contextlib.suppress(sqlite3.Error):
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)
            if is_of(connection, identity):
                connection.execute("PRAGMA cache_size = -65536")
                return connection
            connection.close()
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCRIPT + ";".join(INDEXES))
    return connection


def is_of(connection: sqlite3.Connection, identity: Identity, number: int = FORMAT) -> bool:
    """Tell whether a file holds facts of a store, in a format: the present one where no other is named."""
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if (owner, version) != (APPLICATION_ID, number):
        return False
    row = connection.execute("SELECT value FROM meta WHERE name = 'store'").fetchone()
    return row is not None and row[0] == identity.store
