"""Count what is spent and reserved of budgets, in the store's file, so that all threads and processes share them.

Amounts are whole billionths of a US dollar. Before a call its highest cost is reserved in one transaction that looks at
what is spent and reserved already; afterwards the reservation becomes what the call cost. That is written with the next
reservation, or a moment later, so that a call takes one commit; until then the higher amount is held. A reservation
whose process ended without that stays until it expires, and is then counted as spent: nobody knows what was billed.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import sqlite3
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.observability.store import forks
from src.observability.store.connections import read_only, roll_back
from src.observability.store.file import StoreFile, is_busy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

_log = logging.getLogger("moondev.spool")
_NANO: Final = 1_000_000_000
_SETTLE_AFTER_S: Final = 0.2
_EXPIRE_EVERY_S: Final = 5.0
_PATIENCE_MS: Final = 20  # for a lock; whoever waits longer does so without a thread or an event loop
_KEEP_S: Final = 400 * 86_400
_RESERVE: Final = "INSERT INTO budget_reserved (key, start_s, amount, until_s) VALUES (?, ?, ?, ?)"
_STANDING: Final = (
    "SELECT (SELECT amount FROM budget_spent WHERE key = ? AND start_s = ?), "
    "(SELECT sum(amount) FROM budget_reserved WHERE key = ? AND start_s = ?)"
)
_RELEASE: Final = "DELETE FROM budget_reserved WHERE id = ?"


class StoreIsLockedError(Exception):
    """Another process has the file locked: try again."""


@dataclass(frozen=True, slots=True)
class Window:
    """One budget's present window.

    Attributes:
        key: Names the budget, and the run for one of each run.
        start_s: When the window began, in seconds since 1970.
        limit_usd: The most that may be spent in it; None where nothing is refused.
    """

    key: str
    start_s: int
    limit_usd: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is spent of a window, and what is reserved by calls under way, in US dollars."""

    spent_usd: float = 0.0
    reserved_usd: float = 0.0

    @property
    def taken_usd(self) -> float:
        """Return both together."""
        return self.spent_usd + self.reserved_usd


@dataclass(frozen=True, slots=True)
class Reservation:
    """The reservation of a call, and how its windows stood before it."""

    ids: tuple[int, ...]
    windows: tuple[Window, ...]
    before: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The first window that has not enough left, and how it stands."""

    window: Window
    standing: Standing


class BudgetStore:
    """The budgets that are kept in one store's file, by a connection of its own.

    Args:
        path: The store's file; it is made where it is missing.
        clock: Seconds since 1970.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._file = StoreFile(path, "normal", clock)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._locked_for_fork = False
        self._settled: list[tuple[Reservation, int]] = []  # what calls cost that is still to be written
        self._thread: threading.Thread | None = None
        self._expired_at = 0.0
        forks.watch(self)
        atexit.register(self._settle_at_exit)

    def reserve(self, windows: Sequence[Window], highest_usd: float, until_s: float) -> Reservation | Refusal:
        """Reserve a call's highest cost in each window, or in none.

        Args:
            windows: The windows.
            highest_usd: The most that the call can cost.
            until_s: When the reservation expires, in seconds since 1970.

        Raises:
            StoreIsLockedError: another process has the file locked.
            SpoolError: the file cannot be opened.
        """
        amount = _nano(highest_usd)
        with self._transaction() as connection:
            standings = [_standing(connection, window) for window in windows]
            for window, standing in zip(windows, standings, strict=True):
                limit = window.limit_usd
                if limit is not None and _nano(standing.taken_usd) + amount > _nano(limit):
                    return Refusal(window=window, standing=standing)
            rows = [(window.key, window.start_s, amount, int(until_s)) for window in windows]
            ids = [connection.execute(_RESERVE, row).lastrowid or 0 for row in rows]
        return Reservation(ids=tuple(ids), windows=tuple(windows), before=tuple(standings))

    def settle(self, reservation: Reservation, cost_usd: float) -> None:
        """Replace a reservation by what the call cost, soon; one that has expired stays counted as spent."""
        self._settled.append((reservation, _nano(cost_usd)))
        if self._thread is None:
            self._thread = threading.Thread(target=self._settle_soon, name="moondev-budgets", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is shutting down: it is written at exit
                self._thread = None

    def flush(self) -> None:
        """Write what calls have cost.

        Raises:
            StoreIsLockedError: another process has the file locked.
        """
        if self._settled:
            with self._transaction():
                pass

    def _settle_soon(self) -> None:
        while True:
            time.sleep(_SETTLE_AFTER_S)
            try:
                self.flush()
            except StoreIsLockedError:
                continue
            except Exception as error:  # noqa: BLE001 - reservations stay, and are counted as spent when they expire
                _log.warning("What calls cost could not be counted in their budgets: %s", error)
            with self._lock:
                if not self._settled:
                    self._thread = None
                    return

    def _settle_at_exit(self) -> None:
        with contextlib.suppress(Exception):
            self.flush()

    def standings(self, windows: Iterable[Window]) -> list[Standing]:
        """Return how windows stand; nothing is written, and a file that is missing has nothing spent."""
        path = self._file.path
        if not path.exists() or not path.stat().st_size:
            return [Standing() for _ in windows]
        with read_only(path) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'budget_spent'").fetchone():
                return [Standing() for _ in windows]
            return [_standing(connection, window) for window in windows]

    def runs(self, prefix: str) -> list[str]:
        """Return the keys that begin so, the one that was spent on last first; at most a hundred."""
        path = self._file.path
        if not path.exists() or not path.stat().st_size:
            return []
        with read_only(path) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'budget_spent'").fetchone():
                return []
            cursor = connection.execute(
                "SELECT key FROM budget_spent WHERE key >= ? AND key < ? ORDER BY changed_s DESC LIMIT 100",
                (prefix, prefix + "\U0010ffff"),
            )
            return [row[0] for row in cursor]

    @contextlib.contextmanager
    def _transaction(self):  # type: ignore[no-untyped-def]
        with self._lock:
            connection = self._open()
            try:
                connection.execute("BEGIN IMMEDIATE")
                count = self._write_settled(connection)
                yield connection
                connection.execute("COMMIT")
                del self._settled[:count]
            except sqlite3.OperationalError as error:
                roll_back(connection)
                if is_busy(error):
                    raise StoreIsLockedError(str(error)) from error
                raise
            except BaseException:
                roll_back(connection)
                raise

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._file.trouble():
            self._connection.close()
            self._connection = None
        if self._connection is None:
            self._connection = self._file.open(_PATIENCE_MS / 1000)
            self._connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        return self._connection

    def _write_settled(self, connection: sqlite3.Connection) -> int:
        """Write what calls have cost, and what has expired; return how many calls those are."""
        now = int(self._clock())
        settled = self._settled[:]
        for reservation, amount in settled:
            for number, window in zip(reservation.ids, reservation.windows, strict=True):
                was_there = connection.execute(_RELEASE, (number,)).rowcount
                if was_there and amount:
                    _spend(connection, window.key, window.start_s, amount, now)
        if time.monotonic() - self._expired_at > _EXPIRE_EVERY_S:
            self._expired_at = time.monotonic()
            self._expire(connection, now)
        return len(settled)

    @staticmethod
    def _expire(connection: sqlite3.Connection, now: int) -> None:
        expired = connection.execute(
            "SELECT id, key, start_s, amount FROM budget_reserved WHERE until_s < ?", (now,)
        ).fetchall()
        for number, key, start_s, amount in expired:
            connection.execute("DELETE FROM budget_reserved WHERE id = ?", (number,))
            _spend(connection, key, start_s, amount, now)
        if expired:
            connection.execute("DELETE FROM budget_spent WHERE changed_s < ?", (now - _KEEP_S,))

    def before_fork(self) -> None:
        """Close the connection for the time of a fork."""
        self._locked_for_fork = forks.acquire(self._lock)
        if self._locked_for_fork and self._connection is not None:
            self._connection.close()
            self._connection = None

    def after_fork(self, *, in_child: bool) -> None:
        """Allow connections again."""
        if in_child:
            self._lock = threading.Lock()
            self._settled, self._thread = [], None  # the parent writes its own
        elif self._locked_for_fork:
            self._lock.release()


def _standing(connection: sqlite3.Connection, window: Window) -> Standing:
    spent, reserved = connection.execute(_STANDING, (window.key, window.start_s, window.key, window.start_s)).fetchone()
    return Standing(spent_usd=(spent or 0) / _NANO, reserved_usd=(reserved or 0) / _NANO)


def _spend(connection: sqlite3.Connection, key: str, start_s: int, amount: int, now_s: int) -> None:
    connection.execute(
        "INSERT INTO budget_spent (key, start_s, amount, changed_s) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (key, start_s) DO UPDATE SET amount = amount + excluded.amount, changed_s = excluded.changed_s",
        (key, start_s, amount, now_s),
    )


def _nano(usd: float) -> int:
    return round(usd * _NANO)
