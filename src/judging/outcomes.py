"""Judge one decision by the prices that followed it.

Entry is the open of the first bar that begins at or after the decision's `as_of`; exit the open of the first bar that
begins at or after entry + horizon, or the first barrier (target or stop) that is reached before. Where no bar begins
within one horizon after the wanted time, the decision stays open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.observability.store.ledger_records import OutcomeRecord

if TYPE_CHECKING:
    from src.judging.costs import TradingCosts
    from src.judging.prices import FundingSeries, PriceSeries
    from src.observability.ledger import Horizon
    from src.observability.store.ledger_records import DecisionRecord, ExitReason

NO_ENTRY: Final = "no bar begins within the horizon after the decision"
NO_EXIT: Final = "no bar begins within the horizon after the wanted exit"
NOT_OVER: Final = "its horizon is not over"
SPLIT: Final = "a bar opens at a whole multiple or part of the close before it: give prices adjusted for splits"
_DIRECTIONS: Final = {"BUY": 1, "SELL": -1, "NOTHING": 0}


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade from its entry to its exit; `direction` is 1 for long, -1 for short, 0 for none."""

    direction: int
    entry_ns: int
    entry: float
    exit_ns: int
    exit: float
    exit_reason: ExitReason

    @property
    def gross(self) -> float:
        """Return the return before costs, as a fraction of the entry; 0 for no trade."""
        return self.direction * (self.exit / self.entry - 1)


@dataclass(frozen=True, slots=True)
class StillOpen:
    """Why a decision cannot be judged by these prices."""

    reason: str


def judge(
    decision: DecisionRecord,
    horizon: Horizon,
    prices: PriceSeries,
    *,
    costs: TradingCosts,
    resolved_ns: int,
    funding: FundingSeries | None = None,
) -> OutcomeRecord | StillOpen:
    """Return what came of a decision by one horizon, or why that is not known."""
    trade = follow(decision.action, decision.as_of_ns, horizon, prices, target=decision.target, stop=decision.stop)
    if isinstance(trade, StillOpen):
        return trade
    correct = None if trade.direction == 0 else trade.gross > 0
    return OutcomeRecord(
        decision_id=decision.id,
        horizon=horizon.name,
        entry_ns=trade.entry_ns,
        entry=trade.entry,
        exit_ns=trade.exit_ns,
        exit=trade.exit,
        exit_reason=trade.exit_reason,
        gross=trade.gross,
        net=net_return(trade, costs, funding),
        correct=correct,
        brier=brier_score(decision.confidence, correct=correct),
        costs=costs.to_json(),
        source=prices.source,
        resolved_ns=resolved_ns,
    )


def follow(
    action: str,
    as_of_ns: int,
    horizon: Horizon,
    prices: PriceSeries,
    *,
    target: float | None = None,
    stop: float | None = None,
) -> Trade | StillOpen:
    """Return the trade of an action from its entry to its exit, or why there is none."""
    horizon_ns = horizon.seconds * 1_000_000_000
    entry_at = prices.first_at_or_after(as_of_ns)
    if entry_at == len(prices):
        return StillOpen(NOT_OVER)
    entry_ns = int(prices.open_ns[entry_at])
    if entry_ns > as_of_ns + horizon_ns:
        return StillOpen(NO_ENTRY)
    wanted_ns = entry_ns + horizon_ns
    exit_at = prices.first_at_or_after(wanted_ns)
    direction, entry = _DIRECTIONS[action], float(prices.open[entry_at])
    barrier = first_barrier(prices, entry_at, exit_at, direction, target=target, stop=stop)
    if barrier is not None:
        at, price, reason = barrier
        if direction and prices.has_split(entry_at, at):
            return StillOpen(SPLIT)
        return Trade(direction, entry_ns, entry, int(prices.open_ns[at]), price, reason)
    if exit_at == len(prices):
        return StillOpen(NOT_OVER)
    exit_ns = int(prices.open_ns[exit_at])
    if exit_ns > wanted_ns + horizon_ns:
        return StillOpen(NO_EXIT)
    if direction and prices.has_split(entry_at, exit_at):
        return StillOpen(SPLIT)
    return Trade(direction, entry_ns, entry, exit_ns, float(prices.open[exit_at]), "horizon")


def first_barrier(
    prices: PriceSeries, first: int, end: int, direction: int, *, target: float | None, stop: float | None
) -> tuple[int, float, ExitReason] | None:
    """Return the place, the price and the kind of the first barrier that bars `first` to `end` - 1 reach; None if none.

    A bar that opens beyond a barrier fills at its open. Where one bar reaches both, the stop counts: the order inside
    a bar is not known, and the worse one is taken.
    """
    import numpy

    if direction == 0 or (target is None and stop is None) or first >= end:
        return None
    high, low, opened = prices.high[first:end], prices.low[first:end], prices.open[first:end]
    worse, better = (low, high) if direction > 0 else (high, low)
    never = numpy.zeros(len(opened), dtype=bool)
    is_stopped = never if stop is None else (worse - stop) * direction <= 0
    is_reached = never if target is None else (better - target) * direction >= 0
    hits = numpy.flatnonzero(is_stopped | is_reached)
    if not len(hits):
        return None
    at = int(hits[0])
    price = float(opened[at])
    if stop is not None and is_stopped[at]:
        # A target that the open has passed is filled before the bar falls to the stop.
        if target is not None and (price - target) * direction >= 0:
            return first + at, price, "target"
        return first + at, min(price * direction, stop * direction) * direction, "stop"
    if target is None:
        return None
    return first + at, max(price * direction, target * direction) * direction, "target"


def net_return(trade: Trade, costs: TradingCosts, funding: FundingSeries | None = None) -> float:
    """Return a trade's return after fees, spread, slippage and funding; 0 for no trade."""
    if trade.direction == 0:
        return 0.0
    paid = funding.paid_by_long(trade.entry_ns, trade.exit_ns) * trade.direction if funding is not None else 0.0
    return trade.gross - costs.of_round_trip - paid


def brier_score(confidence: float | None, *, correct: bool | None) -> float | None:
    """Return the squared error of a confidence, taken as the probability of being right; None where there is none."""
    if confidence is None or correct is None:
        return None
    return (confidence / 100 - float(correct)) ** 2
