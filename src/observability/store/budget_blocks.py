"""Reserve parts of budgets in the store's file for one process: blocks, of which its calls take without a transaction.

A block is a row of `budget_reserved`. So no process spends what another one has, whatever it does with its own block;
and what a killed process leaves is its block, which is counted as spent when it expires. Amounts are whole billionths
of a US dollar.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from src.observability.store.connections import connect, roll_back

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_log = logging.getLogger("moondev.spool")
NANO: Final = 1_000_000_000
_CALLS_AHEAD: Final = 16  # that a block has room for beside those under way, in a burst of calls
_SHARE: Final = 16  # of what is left of a limit: at most one part of so many is reserved ahead
_LONGER_S: Final = 30  # longer than its first call a block with room for others is reserved
_RESERVE: Final = "INSERT INTO budget_reserved (key, start_s, amount, until_s) VALUES (?, ?, ?, ?)"
_RESIZE: Final = "UPDATE budget_reserved SET amount = ?, until_s = max(until_s, ?) WHERE id = ?"
_RELEASE: Final = "DELETE FROM budget_reserved WHERE id = ?"
_BALANCE: Final = (
    "SELECT (SELECT amount FROM budget_spent WHERE key = ? AND start_s = ?), "
    "(SELECT sum(amount) FROM budget_reserved WHERE key = ? AND start_s = ?)"
)

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Window:
    """One budget's present window.

    Attributes:
        key: Names the budget, and the run for one of each run.
        start_s: When the window began, in seconds since 1970.
        limit_usd: The most that may be spent in it; None for no limit.
        is_hard: Whether more is refused.
    """

    key: str
    start_s: int
    limit_usd: float | None
    is_hard: bool = True

    @property
    def name(self) -> Key:
        """Return its identity."""
        return self.key, self.start_s


@dataclass(frozen=True, slots=True)
class WindowBalance:
    """What is spent of a window, and what is reserved by calls under way, in US dollars."""

    spent_usd: float = 0.0
    reserved_usd: float = 0.0

    @property
    def taken_usd(self) -> float:
        """Return the sum of both."""
        return self.spent_usd + self.reserved_usd


@dataclass(frozen=True, slots=True)
class Refusal:
    """The first window that has too little left, and its balance."""

    window: Window
    balance: WindowBalance


@dataclass(slots=True, eq=False)
class Block:
    """What this process has reserved of a window.

    Attributes:
        window: The window.
        row: The number of its row.
        amount: What is reserved in the file.
        until_s: When that expires, in seconds since 1970.
        balance: The rest of the window's balance, as read from the file last.
        used: What calls under way have reserved of it.
        settled: What calls have cost since that was written.
        is_idle: Whether no call has taken of it for a moment.
        is_lost: Whether it had expired, and so was counted as spent.
    """

    window: Window
    row: int
    amount: int
    until_s: int
    balance: WindowBalance
    used: int = 0
    settled: int = 0
    is_idle: bool = False
    is_lost: bool = False

    @property
    def free(self) -> int:
        """Return what further calls can take."""
        return self.amount - self.used - self.settled

    def can_take(self, window: Window, amount: int, until_s: float) -> bool:
        """Tell whether a call can take an amount until a time; a limit that was changed is looked up in the file."""
        is_same = window is self.window or window == self.window
        return is_same and self.free >= amount and self.until_s >= until_s


@dataclass(slots=True)
class Changes:
    """What one transaction changes of the blocks, once it is committed.

    Attributes:
        blocks: The blocks as they will be.
        written: How much of what calls have cost is written, by the block.
        lost: Those that had expired.
    """

    blocks: dict[Key, Block]
    sizes: dict[Key, int] = field(default_factory=dict)
    written: dict[Key, int] = field(default_factory=dict)
    grown: dict[Key, Block] = field(default_factory=dict)
    lost: set[Key] = field(default_factory=set)

    def settle(self, connection: sqlite3.Connection, *, release_all: bool, release_idle: bool, now_s: int) -> None:
        """Write what calls have cost, and give back what is not needed."""
        for key, block in self.blocks.items():
            is_released = release_all or (release_idle and block.is_idle)
            size = block.used if is_released else max(block.amount - block.settled, block.used)
            if not block.settled and size == block.amount:
                continue
            cursor = connection.execute(*((_RESIZE, (size, 0, block.row)) if size else (_RELEASE, (block.row,))))
            if not cursor.rowcount:
                self.lost.add(key)
                continue
            if block.settled:
                spend(connection, block.window.key, block.window.start_s, block.settled, now_s)
            self.sizes[key], self.written[key] = size, block.settled

    def refusal(self, connection: sqlite3.Connection, window: Window, amount: int) -> Refusal | WindowBalance:
        """Return a window's balance without this process's free part; a refusal where it has too little left."""
        whole = balance_of(connection, window)
        block = self.blocks.get(window.name)
        own_free = 0
        if block is not None and window.name not in self.lost:
            own_free = self.sizes.get(window.name, block.amount) - block.used
        balance = WindowBalance(spent_usd=whole.spent_usd, reserved_usd=(nano(whole.reserved_usd) - own_free) / NANO)
        is_bound = window.is_hard and window.limit_usd is not None
        if is_bound and nano(balance.taken_usd) + amount > nano(window.limit_usd or 0.0):
            return Refusal(window=window, balance=balance)
        return balance

    def grow(
        self, connection: sqlite3.Connection, window: Window, balance: WindowBalance, amount: int, until_s: float,
        *, is_burst: bool,
    ) -> None:  # fmt: skip
        """Reserve room for a call, in a burst of calls for some more."""
        if window.name in self.grown:
            return
        ahead = _ahead(window, balance, amount) if is_burst else 0
        block = self.blocks.get(window.name)
        if window.name in self.lost or self.sizes.get(window.name) == 0:
            block = None
        used = block.used if block is not None else 0
        until = int(until_s) + 1 + (_LONGER_S if ahead else 0)
        size = used + amount + ahead
        if block is None:
            row = connection.execute(_RESERVE, (window.key, window.start_s, size, until)).lastrowid or 0
            block = Block(window=window, row=row, amount=size, until_s=until, balance=balance)
        else:
            connection.execute(_RESIZE, (size, until, block.row))
        self.grown[window.name] = Block(
            window=window, row=block.row, amount=size, until_s=max(until, block.until_s), balance=balance
        )

    def apply(self) -> None:
        """Take the changes over: the transaction is committed."""
        for key in self.lost:
            self.blocks.pop(key).is_lost = True
        for key, size in self.sizes.items():
            block = self.blocks[key]
            block.amount, block.settled = size, block.settled - self.written[key]
            if not size:
                del self.blocks[key]
        for key, grown in self.grown.items():
            block = self.blocks.setdefault(key, grown)
            block.window, block.balance = grown.window, grown.balance
            block.amount, block.until_s = grown.amount, grown.until_s


def _ahead(window: Window, balance: WindowBalance, amount: int) -> int:
    """Return how much to reserve beyond a call: nothing near the limit, where every call is looked up in the file."""
    if window.limit_usd is None:
        return _CALLS_AHEAD * amount
    left = nano(window.limit_usd) - nano(balance.taken_usd) - amount
    ahead = min(_CALLS_AHEAD * amount, left // _SHARE)
    return ahead if ahead >= amount else 0


def free_parts(blocks: Mapping[Key, Block]) -> bool:
    """Tell whether there is anything to write: costs, or parts of idle blocks to give back."""
    return any(block.settled or (block.is_idle and block.free) for block in blocks.values())


def balance_of(connection: sqlite3.Connection, window: Window) -> WindowBalance:
    """Return the balance of a window, with all that is reserved."""
    values = (window.key, window.start_s, window.key, window.start_s)
    spent, reserved = connection.execute(_BALANCE, values).fetchone()
    return WindowBalance(spent_usd=(spent or 0) / NANO, reserved_usd=(reserved or 0) / NANO)


def spend(connection: sqlite3.Connection, key: str, start_s: int, amount: int, now_s: int) -> None:
    """Count an amount as spent."""
    connection.execute(
        "INSERT INTO budget_spent (key, start_s, amount, changed_s) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (key, start_s) DO UPDATE SET amount = amount + excluded.amount, changed_s = excluded.changed_s",
        (key, start_s, amount, now_s),
    )


def carry_spent(connection: sqlite3.Connection, damaged: Path, now_s: int) -> None:
    """Count in a new file what a damaged one says is spent and reserved, so that limits go on from there."""
    try:
        with connect(damaged) as source:
            if not source.execute("SELECT 1 FROM sqlite_master WHERE name = 'budget_spent'").fetchone():
                return  # of a program that knew no budgets
            rows = source.execute(
                "SELECT key, start_s, sum(amount) FROM (SELECT key, start_s, amount FROM budget_spent "
                "UNION ALL SELECT key, start_s, amount FROM budget_reserved) GROUP BY key, start_s"
            ).fetchall()
    except (sqlite3.Error, OSError) as error:
        _log.error(
            "What was spent of budgets cannot be read from %s (%s): all budgets begin at 0 again.", damaged.name, error
        )
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for key, start_s, amount in rows:
            spend(connection, key, start_s, amount, now_s)
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def nano(usd: float) -> int:
    """Return US dollars as billionths."""
    return round(usd * NANO)
