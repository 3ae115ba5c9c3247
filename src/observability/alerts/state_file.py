"""Keep what alerts must not forget: states, messages that wait, and which process checks the rules.

It is a small file of its own beside the trace store, so that nothing here ever holds up a traced call. A message is
written in the transaction that changes its rule's state, and deleted once its destination has taken it: a process that
is killed in between leaves it to the next, which sends it: at least once, perhaps twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from src.observability.alerts.states import State
from src.observability.store.connections import connect, transaction
from src.observability.store.leases import is_free
from src.observability.store.schema import SpoolError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

LEASE_S: Final = 120.0  # longer than a pass with its slowest destination
_PATIENCE_S: Final = 5.0
_FORMAT: Final = 1
_STATE_COLUMNS: Final = ("status", "since", "watched_since", "seen_at", "fired_at", "announced", "announced_at")
_SCRIPT: Final = f"""
CREATE TABLE states (
    source TEXT NOT NULL,
    rule TEXT NOT NULL,
    status TEXT NOT NULL,
    since REAL NOT NULL,
    watched_since REAL NOT NULL,
    seen_at REAL NOT NULL,
    fired_at REAL NOT NULL,
    announced INTEGER NOT NULL,
    announced_at REAL NOT NULL,
    reading TEXT NOT NULL,
    PRIMARY KEY (source, rule)
);
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    rule TEXT NOT NULL,
    destination TEXT NOT NULL,
    message TEXT NOT NULL,
    created REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0,
    problem TEXT NOT NULL DEFAULT ''
);
CREATE TABLE lease (source TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL);
PRAGMA user_version = {_FORMAT}
"""


class StateFileError(SpoolError):
    """The states of alerts cannot be kept; the message names the file, the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """A message that waits to be sent.

    Attributes:
        id: Its number; messages of a destination are sent in their order.
        rule: The rule that it is about.
        destination: Where it goes.
        message: What it says.
        created: When it was written, in seconds since 1970.
        attempts: How often sending it has failed.
        next_at: When it may be sent next.
        problem: Why it was not taken; "" before the first attempt.
    """

    id: int
    rule: str
    destination: str
    message: Mapping[str, Any]
    created: float
    attempts: int = 0
    next_at: float = 0.0
    problem: str = ""


def state_path(store: Path) -> Path:
    """Return where the states of a trace store's alerts are kept: beside it, under its name."""
    return store.with_name(store.name + ".alerts.db")


class StateFile:
    """The states, waiting messages and lease of one alerts file on one store.

    Args:
        store: The trace store's file.
        source: The path of the alerts file.
    """

    def __init__(self, store: Path, source: str) -> None:
        self.path = state_path(store.absolute())
        self._source = source

    # Who checks.

    def lead(self, owner: str, now: float) -> bool:
        """Take the lease, or keep it; tell whether this process may check and notify."""
        with self._writing() as db:
            return self._lead(db, owner, now)

    def leader(self) -> str | None:
        """Return which process has the lease; None where none took it."""
        rows = self._read("SELECT owner FROM lease WHERE source = ?", (self._source,))
        return None if not rows else str(rows[0][0])

    def leave(self, owner: str) -> None:
        """Give the lease back."""
        with self._writing() as db:
            db.execute("DELETE FROM lease WHERE source = ? AND owner = ?", (self._source, owner))

    def _lead(self, db: sqlite3.Connection, owner: str, now: float) -> bool:
        row = db.execute("SELECT owner, until FROM lease WHERE source = ?", (self._source,)).fetchone()
        if row is not None and not is_free(row[0], row[1], owner=owner, now=now):
            return False
        db.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?)", (self._source, owner, now + LEASE_S))
        return True

    # States.

    def states(self) -> dict[str, tuple[State, dict[str, Any]]]:
        """Return each rule's state with its last reading."""
        columns = ", ".join(_STATE_COLUMNS)
        rows = self._read(f"SELECT rule, {columns}, reading FROM states WHERE source = ?", (self._source,))  # noqa: S608 - our own names
        return {rule: (_state(values), json.loads(reading)) for rule, *values, reading in rows}

    def save(
        self,
        states: Mapping[str, tuple[State, Mapping[str, Any]]],
        messages: Collection[tuple[str, str, Mapping[str, Any]]],
        *,
        owner: str,
        now: float,
    ) -> bool:
        """Save all states, and the messages that follow from them, in one transaction; False where another leads now.

        Args:
            states: Each rule's state and reading; other rules are forgotten.
            messages: The rule, the destination and the text of each.
            owner: This process.
            now: The time in seconds since 1970.
        """
        with self._writing() as db:
            if not self._lead(db, owner, now):
                return False
            db.execute("DELETE FROM states WHERE source = ?", (self._source,))
            marks = ", ".join("?" * (len(_STATE_COLUMNS) + 3))
            columns = ", ".join(("source", "rule", *_STATE_COLUMNS, "reading"))
            db.executemany(
                f"INSERT INTO states ({columns}) VALUES ({marks})",  # noqa: S608 - our own names
                [
                    (self._source, rule, *astuple(state), json.dumps(reading))
                    for rule, (state, reading) in states.items()
                ],
            )
            db.executemany(
                "INSERT INTO outbox (source, rule, destination, message, created) VALUES (?, ?, ?, ?, ?)",
                [(self._source, rule, name, json.dumps(message), now) for rule, name, message in messages],
            )
            return True

    # Messages.

    def waiting(self) -> list[WaitingMessage]:
        """Return the messages that wait, in their order."""
        names = [item.name for item in fields(WaitingMessage)]
        statement = f"SELECT {', '.join(names)} FROM outbox WHERE source = ? ORDER BY id"  # noqa: S608 - our own names
        rows = [dict(zip(names, row, strict=True)) for row in self._read(statement, (self._source,))]
        return [WaitingMessage(**{**row, "message": json.loads(row["message"])}) for row in rows]

    def sent(self, number: int) -> None:
        """Delete a message that its destination has taken, or that is given up."""
        with self._writing() as db:
            db.execute("DELETE FROM outbox WHERE id = ?", (number,))

    def postpone(self, number: int, problem: str, next_at: float) -> None:
        """Note that a message was not taken, why, and when it is sent again."""
        with self._writing() as db:
            statement = "UPDATE outbox SET attempts = attempts + 1, problem = ?, next_at = ? WHERE id = ?"
            db.execute(statement, (problem, next_at, number))

    # The file.

    def _read(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        """Return rows; none where there is no file yet."""
        if not self.path.exists():
            return []
        try:
            with connect(self.path, _PATIENCE_S) as db:
                if db.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
                    return []
                return db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._error(error) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self._create()
            with connect(self.path, _PATIENCE_S) as db, transaction(db):
                if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                    for statement in _SCRIPT.split(";"):
                        db.execute(statement)
                yield db
        except (sqlite3.Error, OSError) as error:
            raise self._error(error) from error

    def _create(self) -> None:
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _error(self, error: Exception) -> StateFileError:
        remedy = "" if getattr(error, "sqlite_errorname", "") in ("SQLITE_BUSY", "SQLITE_LOCKED") else (
            ". Move it away, and alerts begin anew"
        )  # fmt: skip
        return StateFileError(f"the states of alerts in {self.path} cannot be kept ({error}){remedy}.")


def _state(values: list[Any]) -> State:
    fields_ = dict(zip(_STATE_COLUMNS, values, strict=True))
    return State(**{**fields_, "announced": bool(fields_["announced"])})
