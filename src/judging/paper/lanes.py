"""Tell what happens next in one market of a book."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

from src.judging.outcomes import first_barrier
from src.judging.paper.account import ZERO, horizon_ns
from src.judging.paper.markets import exact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from src.judging.paper.account import Position
    from src.judging.paper.markets import Market
    from src.observability.store.book_records import EventReason
    from src.observability.store.ledger_records import DecisionRecord

DIRECTIONS: Final = {"BUY": 1, "SELL": -1}
NO_PRICES: Final = "no prices of it were given"
BLOCKED: Final = "the prices of the book's other symbols are needed up to the same time"
_LARGEST_GAP: Final = Decimal("0.1")
# Of what happens at one time: funding is paid by who held the position before the open, barriers come after it.
_FUNDING, _ORDER, _HORIZON, _BARRIER = range(4)


@dataclass(frozen=True, slots=True)
class Step:
    """What happens next in a market: at which price, and for funding at which rate."""

    time_ns: int
    phase: int
    kind: Literal["order", "lapse", "funding", "close"]
    price: Decimal = ZERO
    reason: EventReason = "decision"
    rate: Decimal = ZERO


class Lane:
    """One market with the decisions on it that have no fill yet.

    Args:
        key: The symbol's plain name.
        orders: The decisions, in the order in which they were written.
        market: The prices; None where there are none.
        position: The position at the beginning.
        settled_ns: Until when the bars were looked at before.
        last_ns: When the book's last event was.
        stops_at_splits: Whether a position is not taken through a change of prices as by a split.

    Attributes:
        orders: The decisions in the order of the data that they saw.
        at: The place of the next one.
        market: The prices; None where there are none, or none that can be used.
    """

    def __init__(
        self,
        key: str,
        orders: Sequence[DecisionRecord],
        market: Market | None,
        position: Position | None,
        *,
        settled_ns: int,
        last_ns: int,
        stops_at_splits: bool = True,
    ) -> None:
        self.key = key
        self._stops_at_splits = stops_at_splits
        self._problem = NO_PRICES if market is None else _problem(market, orders, position, settled_ns)
        self.market = None if self._problem else market
        self.orders = sorted(orders, key=lambda decision: decision.as_of_ns)
        self.at = 0
        self._by_id = {decision.id: decision for decision in orders}
        self._settled_ns = settled_ns
        self._last_ns = last_ns
        self._indices = self._fill_indices()

    def _fill_indices(self) -> list[int]:
        import numpy

        if self.market is None or not self.orders:
            return []
        times = numpy.array([decision.as_of_ns for decision in self.orders], dtype="int64")
        indices: list[int] = numpy.searchsorted(self.market.prices.open_ns, times, side="left").tolist()
        return indices

    def decision(self, decision_id: str) -> DecisionRecord | None:
        """Return a decision by its id."""
        return self._by_id.get(decision_id)

    def take(self) -> None:
        """Go on to the next decision."""
        self.at += 1

    def is_replaced(self) -> bool:
        """Tell whether a newer decision waits for the same bar as the next one."""
        following = self.at + 1
        return following < len(self._indices) and self._indices[following] == self._indices[self.at]

    def next_step(self, position: Position | None) -> Step | None:
        """Return what happens next, as far as the bars tell."""
        if self.market is None or not len(self.market.prices):
            return None
        steps = [step for step in self._steps(self.market, position) if step is not None]
        step = min(steps, key=lambda step: (step.time_ns, step.phase)) if steps else None
        split_ns = self.split_ns(position)
        return None if step is None or (split_ns is not None and step.time_ns >= split_ns) else step

    def split_ns(self, position: Position | None) -> int | None:
        """Return when the prices of a position change as by a split, through which its size is not known."""
        if position is None or self.market is None or not self._stops_at_splits:
            return None
        return self.market.prices.split_after(max(position.since_ns, self._settled_ns))

    def _steps(self, market: Market, position: Position | None) -> Iterator[Step | None]:
        order = self._order(market)
        yield order
        if position is None:
            return
        due = market.prices.first_at_or_after(max(position.due_ns, self._settled_ns + 1))
        if due < len(market.prices):
            yield Step(int(market.prices.open_ns[due]), _HORIZON, "close", market.open_at(due), "horizon")
        ends = [due, market.closed]
        if order is not None and order.kind == "order":
            ends.append(self._indices[self.at])
        yield self._barrier(market, position, min(ends))
        yield self._funding(market, position)

    def _order(self, market: Market) -> Step | None:
        if self.at >= len(self.orders):
            return None
        index, decision = self._indices[self.at], self.orders[self.at]
        if index == len(market.prices):
            return None
        time_ns = int(market.prices.open_ns[index])
        if time_ns <= self._settled_ns or time_ns < self._last_ns:
            return Step(max(self._settled_ns, self._last_ns), _FUNDING, "lapse", reason="late")
        if time_ns > decision.as_of_ns + horizon_ns(decision.horizons):
            return Step(time_ns, _ORDER, "lapse", reason="no_bar")
        return Step(time_ns, _ORDER, "order", market.open_at(index))

    def _barrier(self, market: Market, position: Position, end: int) -> Step | None:
        if position.target is None and position.stop is None:
            return None
        first = market.prices.first_at_or_after(max(position.since_ns, self._settled_ns + 1))
        barrier = first_barrier(
            market.prices, first, end, position.direction, target=position.target, stop=position.stop
        )
        if barrier is None:
            return None
        index, price, reason = barrier
        return Step(int(market.prices.open_ns[index]), _BARRIER, "close", exact(price), reason)

    def _funding(self, market: Market, position: Position) -> Step | None:
        import numpy

        funding = market.funding
        if funding is None:
            return None
        after = max(position.funded_ns, self._settled_ns)
        index = int(numpy.searchsorted(funding.time_ns, after, side="right"))
        if index == len(funding.time_ns) or int(funding.time_ns[index]) > market.known_ns:
            return None
        time_ns = int(funding.time_ns[index])
        price = market.price_at(time_ns)
        return Step(time_ns, _FUNDING, "funding", price or ZERO, "funding", exact(funding.rate[index]))

    def last_known_ns(self, position: Position | None) -> int | None:
        """Return until when it is known what happened, on closed bars; None where nothing can happen."""
        if position is not None:
            return -1 if self.market is None else self._before_split(self.market.closed_ns, position)
        return self.orders[self.at].as_of_ns - 1 if self.at < len(self.orders) else None

    def is_known_until(self, time_ns: int, position: Position | None) -> bool:
        """Tell whether nothing can happen in this market until a time that is not known yet."""
        known_ns = -1 if self.market is None else self.market.known_ns
        if position is not None:
            return self._before_split(known_ns, position) >= time_ns
        return self.at >= len(self.orders) or max(known_ns, self.orders[self.at].as_of_ns - 1) >= time_ns

    def _before_split(self, time_ns: int, position: Position) -> int:
        split_ns = self.split_ns(position)
        return time_ns if split_ns is None else min(time_ns, split_ns - 1)

    def symbol(self, position: Position | None) -> str:
        """Return the symbol as it is spelled."""
        return position.symbol if position is not None else self.orders[0].symbol if self.orders else self.key

    def waiting(self, position: Position | None) -> dict[str, str]:
        """Return why the decisions that are left have no fill, and one that is held no end, by their ids."""
        left = [decision.id for decision in self.orders[self.at :]]
        split_ns = self.split_ns(position)
        if position is not None and split_ns is not None and self.market is not None:
            reason = (
                f"{self.market.prices.source}: the bar of {_text(split_ns)} opens at a whole multiple or part of the "
                f"close before it, as after a split, and the position of {position.symbol} is older: begin another "
                "book with --book NAME, and give prices adjusted for splits"
            )
            return dict.fromkeys([position.decision_id, *left], reason)
        return {decision.id: self._reason(decision) for decision in self.orders[self.at :]}

    def _reason(self, decision: DecisionRecord) -> str:
        if self.market is None:
            return self._problem or NO_PRICES
        if decision.as_of_ns <= self.market.known_ns:
            return BLOCKED
        return f"no bar of {self.market.prices.source} begins at or after {_text(decision.as_of_ns)}"


def _problem(
    market: Market, orders: Sequence[DecisionRecord], position: Position | None, settled_ns: int
) -> str | None:
    """Return why a book cannot go on by these prices; None where it can."""
    prices = market.prices
    if not len(prices):
        return f"{prices.source} has no bar"
    for decision in orders:
        mismatch = market.mismatch(decision)
        if mismatch is not None:
            return mismatch
    first_ns = int(prices.open_ns[0])
    wanted_ns = min((decision.as_of_ns for decision in orders), default=first_ns)
    if position is not None:
        wanted_ns = min(wanted_ns, max(position.since_ns, settled_ns))
        at = market.price_at(position.since_ns)
        if at is not None and abs(at / position.entry - 1) > _LARGEST_GAP and position.since_ns == position.entry_ns:
            return f"{prices.source} has {at:f} where the position was opened at {position.entry:f}: another market"
    if first_ns > wanted_ns:
        return (
            f"{prices.source} begins at {_text(first_ns)}: the bars from {_text(wanted_ns)} on are needed too, in "
            "a longer file or of a longer --timeframe"
        )
    return None


def _text(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%Y-%m-%d %H:%M} UTC"
