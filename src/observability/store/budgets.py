"""Count what is spent and reserved of budgets, in the store's file, so that all threads and processes share them.

Before a call its highest cost is reserved in a transaction that looks at what is spent and reserved already; afterwards
the reservation becomes what the call cost. In a burst of calls far below a limit, room for some more is reserved at
once (`budget_blocks.py`), and those take of it without a transaction. What calls cost is written with the next
transaction, or a moment later; until then the higher amount is held.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.observability.store import forks
from src.observability.store.budget_blocks import (
    Block,
    Changes,
    Key,
    Refusal,
    Window,
    WindowBalance,
    balance_of,
    free_parts,
    nano,
    spend,
)
from src.observability.store.connections import read_only, roll_back
from src.observability.store.file import StoreFile, is_busy, is_corrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

__all__ = ["BudgetStore", "Refusal", "Reservation", "StoreIsLockedError", "Window", "WindowBalance"]

_log = logging.getLogger("moondev.spool")
_SETTLE_AFTER_S: Final = 0.2
_BURST_S: Final = 0.1  # calls that follow one another within this time are a burst
_EXPIRE_EVERY_S: Final = 5.0
_PATIENCE_MS: Final = 20  # for a lock; whoever waits longer does so without a thread or an event loop
_KEEP_S: Final = 400 * 86_400


class StoreIsLockedError(Exception):
    """Another process has the file locked: try again."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The reservation of a call in billionths of a dollar, the blocks it is of, and how their windows stood before it.

    How a window stood is exact where a call may pass its limit, and up to a burst of calls old elsewhere.
    """

    amount: int
    blocks: tuple[Block, ...]
    before: tuple[WindowBalance, ...]


class BudgetStore:
    """The budgets that are kept in one store's file, by a connection of its own.

    Args:
        path: The store's file; it is made where it is missing.
        clock: Seconds since 1970.
        recover: Replaces a damaged file, and moves what can be read of it to the new one; tells whether it did. Where
            it is not given, only what is spent of budgets moves.

    Attributes:
        path: The store's file.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.time,
        recover: Callable[[sqlite3.DatabaseError], bool] | None = None,
    ) -> None:
        self._clock = clock
        self._file = StoreFile(path, "normal", clock, recover)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._locked_for_fork = False
        self._blocks: dict[Key, Block] = {}
        self._settled: deque[tuple[Reservation, int]] = deque()  # what calls cost that no block counts yet
        self._thread: threading.Thread | None = None
        self._expired_at = 0.0
        self._asked_at = 0.0
        self.path = path
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
        amount = nano(highest_usd)
        with self._lock:
            self._absorb()
            asked_before, self._asked_at = self._asked_at, time.monotonic()
            blocks = self._ready(windows, amount, until_s)
            if blocks is None:
                is_burst = self._asked_at - asked_before < _BURST_S
                try:
                    refusal = self._grow(windows, amount, until_s, is_burst=is_burst)
                except sqlite3.DatabaseError as error:
                    if not is_corrupt(error):
                        raise
                    refusal = self._grow(windows, amount, until_s, is_burst=is_burst)  # in the new file
                if refusal is not None:
                    return refusal
                blocks = [self._blocks[window.name] for window in windows]
            unique = tuple(dict.fromkeys(blocks))  # two budgets of the same name are one window with two limits
            for block in unique:
                block.used += amount
                block.is_idle = False
            return Reservation(amount=amount, blocks=unique, before=tuple([block.balance for block in blocks]))

    def settle(self, reservation: Reservation, cost_usd: float) -> None:
        """Replace a reservation by what the call cost, soon; one that has expired stays counted as spent."""
        self._settled.append((reservation, nano(cost_usd)))
        if self._thread is None:
            self._thread = threading.Thread(target=self._settle_soon, name="moondev-budgets", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is shutting down: it is written at exit
                self._thread = None

    def flush(self) -> None:
        """Write what calls have cost, and give back what no call under way needs.

        Raises:
            StoreIsLockedError: another process has the file locked.
        """
        with self._lock:
            self._absorb()
            if self._blocks:
                with self._transaction(release_all=True):
                    pass

    def _ready(self, windows: Sequence[Window], amount: int, until_s: float) -> list[Block] | None:
        """Return the blocks that a call can take of; None where the file must be asked."""
        blocks = []
        for window in windows:
            block = self._blocks.get(window.name)
            if block is None or not block.can_take(window, amount, until_s):
                return None
            blocks.append(block)
        return blocks

    def _grow(self, windows: Sequence[Window], amount: int, until_s: float, *, is_burst: bool) -> Refusal | None:
        """Reserve room for a call in the file, in all windows or in none."""
        with self._transaction() as (connection, changes):
            balances = []
            for window in windows:
                balance = changes.refusal(connection, window, amount)
                if isinstance(balance, Refusal):
                    return balance
                balances.append(balance)
            for window, balance in zip(windows, balances, strict=True):
                changes.grow(connection, window, balance, amount, until_s, is_burst=is_burst)
        return None

    def _absorb(self) -> None:
        """Have the blocks count what calls have cost."""
        while self._settled:
            reservation, cost = self._settled.popleft()
            for block in reservation.blocks:
                if not block.is_lost:
                    block.used -= reservation.amount
                    block.settled += cost

    def _settle_soon(self) -> None:
        while True:
            time.sleep(_SETTLE_AFTER_S)
            try:
                with self._lock:
                    self._settle_now()
            except StoreIsLockedError:
                continue
            except Exception as error:  # noqa: BLE001 - reservations stay, and are counted as spent when they expire
                _log.warning("What calls cost could not be counted in their budgets: %s", error)
            with self._lock:
                if not self._settled and not any(block.settled or block.free for block in self._blocks.values()):
                    self._thread = None
                    return

    def _settle_now(self) -> None:
        """Write what calls have cost, and give back what no call has taken of since the last time."""
        self._absorb()
        if free_parts(self._blocks):
            with self._transaction(release_idle=True):
                pass
        for block in self._blocks.values():
            block.is_idle = True

    def _settle_at_exit(self) -> None:
        with contextlib.suppress(Exception):
            self.flush()

    def balances(self, windows: Iterable[Window]) -> list[WindowBalance]:
        """Return the windows' balances without writing; where the file is missing nothing is spent."""
        path = self._file.path
        if not path.exists() or not path.stat().st_size:
            return [WindowBalance() for _ in windows]
        with read_only(path) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'budget_spent'").fetchone():
                return [WindowBalance() for _ in windows]
            return [balance_of(connection, window) for window in windows]

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
    def _transaction(
        self, *, release_all: bool = False, release_idle: bool = False
    ) -> Iterator[tuple[sqlite3.Connection, Changes]]:
        """Run the block in a transaction that writes what calls have cost; callers hold the lock."""
        connection = self._open()
        changes = Changes(self._blocks)
        now_s = int(self._clock())
        try:
            connection.execute("BEGIN IMMEDIATE")
            changes.settle(connection, release_all=release_all, release_idle=release_idle, now_s=now_s)
            if time.monotonic() - self._expired_at > _EXPIRE_EVERY_S:
                self._expired_at = time.monotonic()
                self._expire(connection, now_s)
            yield connection, changes
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            roll_back(connection)
            if is_busy(error):
                raise StoreIsLockedError(str(error)) from error
            raise
        except sqlite3.DatabaseError as error:
            roll_back(connection)
            if is_corrupt(error):
                connection.close()
                self._connection = None
                self._file.replace(error)
            raise
        except BaseException:
            roll_back(connection)
            raise
        changes.apply()

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._file.trouble():
            self._connection.close()
            self._connection = None
        if self._connection is None:
            self._connection = self._file.open(_PATIENCE_MS / 1000)
            self._connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        return self._connection

    @staticmethod
    def _expire(connection: sqlite3.Connection, now: int) -> None:
        expired = connection.execute(
            "SELECT id, key, start_s, amount FROM budget_reserved WHERE until_s < ?", (now,)
        ).fetchall()
        for number, key, start_s, amount in expired:
            connection.execute("DELETE FROM budget_reserved WHERE id = ?", (number,))
            spend(connection, key, start_s, amount, now)
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
            self._settled, self._blocks, self._thread = deque(), {}, None  # the parent writes its own
        elif self._locked_for_fork:
            self._lock.release()
