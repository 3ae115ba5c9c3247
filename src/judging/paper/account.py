"""Compute a book's account from its journal: cash, positions and trades, in exact decimal arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from src.agents.market.symbols import plain_symbol
from src.agents.risk import money
from src.judging.paper.terms import BookError
from src.observability.ledger import parse_horizons

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from src.judging.paper.terms import Terms
    from src.observability.store.book_records import BookEventRecord, EventReason
    from src.observability.store.ledger_records import DecisionRecord

ZERO: Final = Decimal(0)
_FOLLOWED: Final = frozenset({"open", "keep", "lapse"})


@lru_cache(maxsize=1024)
def market_key(symbol: str) -> str:
    """Return a key that is the same for all spellings of one market."""
    return plain_symbol(symbol)


@lru_cache(maxsize=1024)
def horizon_ns(horizons: str) -> int:
    """Return the length of a decision's main horizon in nanoseconds."""
    return parse_horizons(horizons)[0].seconds * 1_000_000_000


@dataclass(slots=True)
class Position:
    """An open position.

    Attributes:
        symbol: The market, as the first decision spelled it.
        quantity: Its size, negative for a short one.
        entry_ns: When it was opened.
        entry: The price of one, before costs.
        decision_id: The newest decision that it follows.
        since_ns: When it began to follow that decision.
        due_ns: When that decision's horizon is over.
        target: The price at which its gain is taken.
        stop: The price at which its loss is cut.
        paid_usd: What was paid for it besides the price: costs and funding.
        funded_ns: Until when funding is paid.
        venue: Where it is held.
    """

    symbol: str
    quantity: Decimal
    entry_ns: int
    entry: Decimal
    decision_id: str
    since_ns: int
    due_ns: int
    target: float | None = None
    stop: float | None = None
    paid_usd: Decimal = ZERO
    funded_ns: int = 0
    venue: str | None = None

    @property
    def direction(self) -> int:
        """Return 1 for a long position, -1 for a short one."""
        return 1 if self.quantity > 0 else -1


@dataclass(frozen=True, slots=True)
class Trade:
    """A position from its opening to its close; `pnl_usd` is after all costs and funding, which are `paid_usd`."""

    symbol: str
    quantity: Decimal
    entry_ns: int
    entry: Decimal
    exit_ns: int
    exit: Decimal
    reason: EventReason
    paid_usd: Decimal
    pnl_usd: Decimal


@dataclass(slots=True)
class Account:
    """What a book owns, and what became of the decisions that it follows.

    Attributes:
        start_usd: The cash at the beginning.
        cash_usd: The cash.
        positions: The open positions by their market.
        trades: The closed ones, in the order of their close.
        followed: The decisions that the book has dealt with.
        number: The number of the journal's last line.
        last_ns: When the last event was.
        lapsed: Decisions that no fill came of, by reason.
    """

    start_usd: Decimal
    cash_usd: Decimal
    positions: dict[str, Position] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    followed: set[str] = field(default_factory=set)
    number: int = 0
    last_ns: int = 0
    lapsed: dict[str, int] = field(default_factory=dict)

    def cash_after(self, event: BookEventRecord) -> Decimal:
        """Return the cash after an event."""
        with money.exact():
            return self.cash_usd - Decimal(event.quantity) * Decimal(event.price) - paid(event)

    def apply(self, event: BookEventRecord, decision: DecisionRecord | None) -> None:
        """Change the account by the journal's next line.

        Args:
            event: The line.
            decision: The decision that it follows from; None where the ledger no longer has it.

        Raises:
            BookError: the line does not follow from those before it.
        """
        cash = self.cash_after(event)
        if event.number != self.number + 1 or cash != Decimal(event.cash_usd):
            raise BookError(
                f"The journal of the book {event.book} is broken at line {event.number}: it says a cash of "
                f"{event.cash_usd}, and the lines before it make {cash:f}. Begin another book with --book NAME."
            )
        key = market_key(event.symbol)
        if event.kind == "open":
            self.positions[key] = Position(
                symbol=event.symbol,
                quantity=Decimal(event.quantity),
                entry_ns=event.time_ns,
                entry=Decimal(event.price),
                decision_id=event.decision_id,
                since_ns=event.time_ns,
                due_ns=event.time_ns,
                paid_usd=paid(event),
                funded_ns=event.time_ns,
                venue=None if decision is None else decision.venue,
            )
        if event.kind in ("open", "keep"):
            _follow(self.positions[key], event, decision)
        elif event.kind == "funding":
            self.positions[key].paid_usd += paid(event)
            self.positions[key].funded_ns = event.time_ns
        elif event.kind == "close":
            self.trades.append(_trade(self.positions.pop(key), event))
        elif event.kind == "lapse":
            self.lapsed[event.reason] = self.lapsed.get(event.reason, 0) + 1
        if event.kind in _FOLLOWED:
            self.followed.add(event.decision_id)
        self.cash_usd, self.number = cash, event.number
        self.last_ns = max(self.last_ns, event.time_ns)

    def equity(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Return the cash and the positions' value at prices, which are by market."""
        with money.exact():
            return self.cash_usd + sum(
                (position.quantity * prices[key] for key, position in self.positions.items()), ZERO
            )


def _follow(position: Position, event: BookEventRecord, decision: DecisionRecord | None) -> None:
    """Let a position follow a decision from an event on."""
    position.decision_id, position.since_ns = event.decision_id, event.time_ns
    if decision is not None:
        position.due_ns = event.time_ns + horizon_ns(decision.horizons)
        position.target, position.stop = decision.target, decision.stop


def paid(event: BookEventRecord) -> Decimal:
    """Return what an event cost besides the price."""
    with money.exact():
        fills = Decimal(event.fee_usd) + Decimal(event.spread_usd) + Decimal(event.slippage_usd)
        return fills + Decimal(event.funding_usd)


def _trade(position: Position, event: BookEventRecord) -> Trade:
    with money.exact():
        costs = position.paid_usd + paid(event)
        return Trade(
            symbol=position.symbol,
            quantity=position.quantity,
            entry_ns=position.entry_ns,
            entry=position.entry,
            exit_ns=event.time_ns,
            exit=Decimal(event.price),
            reason=event.reason,
            paid_usd=costs,
            pnl_usd=position.quantity * (Decimal(event.price) - position.entry) - costs,
        )


def account_of(terms: Terms, events: Iterable[BookEventRecord], decisions: Mapping[str, DecisionRecord]) -> Account:
    """Return the account of a journal.

    Raises:
        BookError: a line does not follow from those before it.
    """
    account = Account(start_usd=terms.start_usd, cash_usd=terms.start_usd)
    for event in events:
        account.apply(event, decisions.get(event.decision_id))
    return account
