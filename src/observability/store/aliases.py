"""Map a project's names to one, so that nothing is sent again for a new spelling of its address or a new key.

A destination's name is made of an address and of a hash of the public key. Addresses differ in spelling, and keys are
rotated; the project stays. The first name under which a project was known stays the one that its progress is kept
under; `aliases` maps the others to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.observability.addresses import plain_address
from src.observability.store.destination_names import NamePrefix

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True)
class NameParts:
    """A destination's name: what kind it is of, its address, and the hash of its public key, if it has one."""

    prefix: NamePrefix
    address: str
    key: str


def split_name(name: str) -> NameParts | None:
    """Return the parts of a name; None where it is of no known kind."""
    for prefix in NamePrefix:
        if name.startswith(prefix.value):
            rest = name.removeprefix(prefix.value)
            address, _, key = rest.rpartition(":") if prefix is not NamePrefix.OTLP else (rest, "", "")
            return NameParts(prefix=prefix, address=plain_address(address), key=key)
    return None


def canonical(connection: sqlite3.Connection, name: str) -> str:
    """Return the name under which a destination's progress is kept."""
    row = connection.execute("SELECT canonical FROM aliases WHERE name = ?", (name,)).fetchone()
    return name if row is None else str(row[0])


def project_of(connection: sqlite3.Connection, name: str) -> str | None:
    """Return the project that a name was seen to belong to; None where no server was asked yet."""
    row = connection.execute("SELECT project FROM aliases WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def unite(connection: sqlite3.Connection, name: str, *, unique_key: bool, project: str | None = None) -> None:
    """Keep the progress of all names of one destination under one of them, inside a transaction.

    Args:
        connection: The connection.
        name: The name that is in use now.
        unique_key: Whether its public key is a random one, which no other project has.
        project: The project that its server named; None where it was not asked, or did not say.
    """
    parts = split_name(name)
    if parts is None:
        return
    if project is None:
        project = project_of(connection, name)
    names = {canonical(connection, name), name}
    stored = connection.execute(
        "SELECT name FROM destinations UNION SELECT name FROM configured UNION SELECT name FROM aliases"
    )
    for (other,) in stored.fetchall():
        if _same(parts, split_name(other), unique_key=unique_key):
            names |= {other, canonical(connection, other)}
    if project is not None:
        statement = "SELECT name, canonical FROM aliases WHERE project = ? AND name LIKE ?"
        for pair in connection.execute(statement, (project, f"{parts.prefix.value}%")).fetchall():
            names |= set(pair)
    target = _first_known(connection, names, name)
    for other in names - {target}:
        _merge(connection, other, target)
    connection.executemany(
        "INSERT OR REPLACE INTO aliases (name, canonical, project) VALUES (?, ?, ?)",
        [(item, target, project) for item in names],
    )


def _same(own: NameParts, other: NameParts | None, *, unique_key: bool) -> bool:
    """Tell whether two names are one destination's, going by the names alone."""
    if other is None or own.prefix is not other.prefix or own.key != other.key:
        return False
    return own.address == other.address or (unique_key and bool(own.key))


def _first_known(connection: sqlite3.Connection, names: set[str], default: str) -> str:
    """Return which of some names is to keep the progress: one that has aliases already, else the furthest one."""
    marks = ", ".join("?" * len(names))
    row = connection.execute(
        f"SELECT canonical FROM aliases WHERE canonical IN ({marks}) LIMIT 1",  # noqa: S608 - placeholders
        tuple(names),
    ).fetchone()
    if row is None:
        row = connection.execute(
            f"SELECT name FROM destinations WHERE name IN ({marks}) ORDER BY acked + scores_acked DESC LIMIT 1",  # noqa: S608 - placeholders
            tuple(names),
        ).fetchone()
    return default if row is None else str(row[0])


def _merge(connection: sqlite3.Connection, source: str, target: str) -> None:
    """Merge the progress of one name into another: a project has what it received under either name."""
    connection.execute(
        "INSERT INTO destinations (name, acked, scores_acked) SELECT ?, acked, scores_acked FROM destinations "
        "WHERE name = ? ON CONFLICT (name) DO UPDATE SET acked = max(acked, excluded.acked), "
        "scores_acked = max(scores_acked, excluded.scores_acked)",
        (target, source),
    )
    connection.execute(
        "INSERT INTO configured (name, scores, seen) SELECT ?, scores, seen FROM configured WHERE name = ? "
        "ON CONFLICT (name) DO UPDATE SET seen = max(seen, excluded.seen)",
        (target, source),
    )
    for table in ("set_aside", "unconfirmed"):
        connection.execute(f"UPDATE OR IGNORE {table} SET destination = ? WHERE destination = ?", (target, source))  # noqa: S608 - our own names
        connection.execute(f"DELETE FROM {table} WHERE destination = ?", (source,))  # noqa: S608 - our own names
    for table in ("destinations", "configured"):
        connection.execute(f"DELETE FROM {table} WHERE name = ?", (source,))  # noqa: S608 - our own names
