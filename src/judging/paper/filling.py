"""Turn decisions into fills: each at the next bar's open, in the order of time over all markets of a book.

A BUY makes the position long, a SELL makes it short, NOTHING leaves it as it is. A position ends at its decision's
horizon, target or stop, or by a decision the other way; one the same way lets it go on until its own. What is not known
yet waits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from src.agents.risk import money
from src.agents.risk.reductions import Lot
from src.agents.risk.symbols import exposure_of
from src.judging.paper.account import ZERO, Position, market_key
from src.judging.paper.lanes import DIRECTIONS, Lane, Step
from src.judging.paper.sizing import Wish, is_closed_by_account_limits, largest_quantity
from src.observability.ledger import misleading
from src.observability.store.book_records import BookEventRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from src.judging.paper.account import Account
    from src.judging.paper.markets import Market
    from src.judging.paper.terms import Terms
    from src.observability.store.book_records import EventKind, EventReason
    from src.observability.store.ledger_records import DecisionRecord

_BPS: Final = Decimal(10_000)
_HALF: Final = Decimal("0.5")


@dataclass(slots=True)
class Filling:
    """What became of a book's decisions now.

    Attributes:
        events: The new lines of its journal.
        waiting: Why decisions have no fill yet, by their ids.
        blocked: The symbols without whose prices nothing goes on, each with the time from which they are needed.
    """

    events: list[BookEventRecord] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Fractions:
    """What a fill costs, as exact fractions of its value."""

    fee: Decimal
    spread: Decimal
    slippage: Decimal

    @property
    def whole(self) -> Decimal:
        return self.fee + self.spread + self.slippage


class Filler:
    """One pass through the markets of a book.

    Args:
        terms: The book's terms.
        account: Its account, which is changed.
        decisions: The decisions that it follows, in the order in which they were written.
        markets: The prices by the symbols' plain names.
        settled_ns: Until when the bars were looked at before: nothing happens then or before any more.
    """

    def __init__(
        self,
        terms: Terms,
        account: Account,
        decisions: Iterable[DecisionRecord],
        markets: Mapping[str, Market],
        *,
        settled_ns: int = -1,
    ) -> None:
        self._terms = terms
        self._account = account
        self._filling = Filling()
        self._costs: dict[str | None, _Fractions] = {}
        # Markets that the book has left are followed on: for what holding would have made.
        left = {market_key(trade.symbol) for trade in account.trades} & markets.keys()
        lanes: dict[str, list[DecisionRecord]] = {key: [] for key in [*account.positions, *sorted(left)]}
        for decision in decisions:
            if decision.status != "decided" or decision.action not in DIRECTIONS or decision.id in account.followed:
                continue
            problem = misleading(decision.symbol)
            if problem is not None:  # written by an earlier version
                self._filling.waiting[decision.id] = problem
                continue
            lanes.setdefault(market_key(decision.symbol), []).append(decision)
        last_ns = account.last_ns
        self.lanes = [
            Lane(
                key,
                orders,
                markets.get(key),
                account.positions.get(key),
                settled_ns=settled_ns,
                last_ns=last_ns,
                stops_at_splits=terms.run_id is None,
            )
            for key, orders in lanes.items()
        ]

    def run(self) -> Filling:
        """Do all that is known; return what came of it."""
        with money.exact():
            while self._advance():
                pass
        for lane in self.lanes:
            self._filling.waiting.update(lane.waiting(self._account.positions.get(lane.key)))
        return self._filling

    def known_until_ns(self) -> int:
        """Return until when all that happened in the book is known, and all its bars are closed; -1 for never."""
        closed = [lane.market.closed_ns for lane in self.lanes if lane.market is not None]
        bounds = [lane.last_known_ns(self._account.positions.get(lane.key)) for lane in self.lanes]
        return min([min(closed, default=-1), *(bound for bound in bounds if bound is not None)])

    def _advance(self) -> bool:
        """Do the next thing in the order of time; tell whether there was one."""
        positions = self._account.positions
        steps = [(step, lane) for lane in self.lanes if (step := lane.next_step(positions.get(lane.key))) is not None]
        if not steps:
            return False
        step, lane = min(steps, key=lambda item: (item[0].time_ns, item[0].phase))
        unknown = [
            item.symbol(positions.get(item.key))
            for item in self.lanes
            if item is not lane and not item.is_known_until(step.time_ns, positions.get(item.key))
        ]
        if unknown:
            self._filling.blocked.update(dict.fromkeys(unknown, step.time_ns))
            return False
        self._do(step, lane)
        return True

    def _do(self, step: Step, lane: Lane) -> None:
        position = self._account.positions.get(lane.key)
        if step.kind == "order":
            self._follow(lane, step, position)
        elif step.kind == "lapse":
            self._lapse(lane, step.reason, step.time_ns)
        elif position is not None and step.kind == "funding":
            self._write(
                lane, "funding", "funding", step.time_ns, position.symbol, position.decision_id,
                funding=position.quantity * step.price * step.rate, price=step.price,
            )  # fmt: skip
        elif position is not None:
            self._close(lane, position, step.time_ns, step.price, step.reason, position.decision_id)

    def _follow(self, lane: Lane, step: Step, position: Position | None) -> None:
        """Let the newest of the decisions that wait for this bar have its way."""
        while lane.is_replaced():
            self._lapse(lane, "replaced", step.time_ns)
        decision = lane.orders[lane.at]
        equity = self._equity(step.time_ns, lane.key, step.price)
        is_closing = is_closed_by_account_limits(equity, self._terms.start_usd, self._terms.limits)
        direction = DIRECTIONS[decision.action]
        if position is not None and not is_closing and position.direction == direction:
            self._write(lane, "keep", "decision", step.time_ns, position.symbol, decision.id, price=step.price)
            lane.take()
            return
        if position is not None:
            reason: EventReason = "limits" if is_closing else "decision"
            self._close(lane, position, step.time_ns, step.price, reason, decision.id)
            equity = self._equity(step.time_ns, lane.key, step.price)
        if is_closing:
            self._lapse(lane, "limits", step.time_ns)
            return
        self._open(lane, decision, direction, step, equity)

    def _open(self, lane: Lane, decision: DecisionRecord, direction: int, step: Step, equity: Decimal) -> None:
        others = [
            Lot(exposure=exposure_of(item.symbol), size=item.quantity * price)
            for key, item in self._account.positions.items()
            if (price := self._price(key, step.time_ns)) is not None
        ]
        wish = Wish(
            symbol=decision.symbol, direction=direction, price=step.price, cost=self._costs_of(decision.venue).whole
        )
        quantity = largest_quantity(wish, equity, others, self._terms.limits)
        if quantity <= 0:
            self._lapse(lane, "limits", step.time_ns)
            return
        self._write(
            lane, "open", "decision", step.time_ns, decision.symbol, decision.id,
            quantity=direction * quantity, price=step.price, venue=decision.venue,
        )  # fmt: skip
        lane.take()

    def _close(
        self, lane: Lane, position: Position, time_ns: int, price: Decimal, reason: EventReason, decision_id: str
    ) -> None:
        self._write(
            lane, "close", reason, time_ns, position.symbol, decision_id,
            quantity=-position.quantity, price=price, venue=position.venue,
        )  # fmt: skip

    def _lapse(self, lane: Lane, reason: EventReason, time_ns: int) -> None:
        decision = lane.orders[lane.at]
        self._write(lane, "lapse", reason, time_ns, decision.symbol, decision.id)
        lane.take()

    def _write(
        self,
        lane: Lane,
        kind: EventKind,
        reason: EventReason,
        time_ns: int,
        symbol: str,
        decision_id: str,
        *,
        quantity: Decimal = ZERO,
        price: Decimal = ZERO,
        funding: Decimal = ZERO,
        venue: str | None = None,
    ) -> None:
        """Append a line to the journal, and change the account by it."""
        value, costs = abs(quantity) * price, self._costs_of(venue)
        fee, spread, slippage = value * costs.fee, value * costs.spread, value * costs.slippage
        present = self._account.positions.get(lane.key)
        event = BookEventRecord(
            book=self._terms.name,
            number=self._account.number + 1,
            time_ns=time_ns,
            written_ns=time.time_ns(),
            kind=kind,
            reason=reason,
            symbol=symbol,
            decision_id=decision_id,
            quantity=f"{quantity:f}",
            price=f"{price:f}",
            fee_usd=f"{fee:f}",
            spread_usd=f"{spread:f}",
            slippage_usd=f"{slippage:f}",
            funding_usd=f"{funding:f}",
            cash_usd=f"{self._account.cash_usd - quantity * price - fee - spread - slippage - funding:f}",
            position=f"{(ZERO if present is None else present.quantity) + quantity:f}",
            source="" if lane.market is None else lane.market.prices.source,
        )
        self._account.apply(event, lane.decision(decision_id))
        self._filling.events.append(event)

    def _costs_of(self, venue: str | None) -> _Fractions:
        if venue not in self._costs:
            costs = self._terms.costs(venue)
            self._costs[venue] = _Fractions(
                fee=_bps(costs.fee_bps), spread=_HALF * _bps(costs.spread_bps), slippage=_bps(costs.slippage_bps)
            )
        return self._costs[venue]

    def _price(self, key: str, time_ns: int) -> Decimal | None:
        market = next((lane.market for lane in self.lanes if lane.key == key), None)
        return None if market is None else market.price_at(time_ns)

    def _equity(self, time_ns: int, key: str, price: Decimal) -> Decimal:
        """Return the equity at a time, before the fills of that time in the market `key`, which is at a price."""
        equity = self._account.cash_usd
        for name, position in self._account.positions.items():
            at = price if name == key else self._price(name, time_ns)
            equity += position.quantity * (position.entry if at is None else at)
        return equity


def _bps(points: float) -> Decimal:
    return Decimal(float.__repr__(float(points))) / _BPS
