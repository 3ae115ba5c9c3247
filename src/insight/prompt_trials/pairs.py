"""Pair decisions of two versions, and say what the market did after each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.judging.accuracy import round_trip_of
from src.judging.costs import costs_of_venue
from src.judging.grouping import outcome_of
from src.judging.outcomes import StillOpen, follow
from src.observability.ledger import parse_horizon

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from src.agents.market import Candles
    from src.observability.ledger import Entry

_DIRECTIONS: Final = {"BUY": 1, "SELL": -1}
_SAME_TIME_NS: Final = 3_600_000_000_000
_LARGEST_GAP: Final = 0.1  # between a decision's price and the series' own: as outcomes are judged


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the market did after a decision: the price's change as a fraction, and the costs of a round trip."""

    move: float
    round_trip: float
    horizon_s: int


@dataclass(frozen=True, slots=True)
class Side:
    """A decision by one version; sums over its calls are None where a part is not known.

    Attributes:
        action: BUY, SELL, NOTHING or `NO DECISION`.
        is_valid: Whether each of its replies was a decision at once.
        input_tokens: All input tokens.
        output_tokens: All output tokens.
        cost_usd: What it cost.
        latency_ms: How long its slowest call took.
        start_ns: When its first call began, in nanoseconds since 1970.
    """

    action: str
    is_valid: bool
    input_tokens: float | None
    output_tokens: float | None
    cost_usd: float | None
    latency_ms: float
    start_ns: int = 0

    @property
    def direction(self) -> int:
        """Return 1 for BUY, -1 for SELL, else 0."""
        return _DIRECTIONS.get(self.action, 0)

    def is_hit(self, outlook: Outlook) -> bool:
        """Tell whether the price went its way before costs."""
        return self.direction * outlook.move > 0

    def net(self, outlook: Outlook) -> float:
        """Return its return after costs; 0 where it does not trade."""
        return self.direction * outlook.move - outlook.round_trip if self.direction else 0.0


@dataclass(frozen=True, slots=True)
class Pair:
    """A decision by the old version and by the new one; `outlook` is None while what followed is not known."""

    decision_id: str
    time_ns: int
    old: Side
    new: Side
    outlook: Outlook | None

    @property
    def is_of_the_same_time(self) -> bool:
        """Tell whether both versions were asked within an hour, so that their latencies can be compared."""
        return abs(self.old.start_ns - self.new.start_ns) <= _SAME_TIME_NS


def outlooks_of(entries: Iterable[Entry], prices: Sequence[Candles]) -> dict[str, Outlook]:
    """Return what the market did after decisions, by their ids: from their outcomes, else from prices.

    An outcome that ended at a target or stop says nothing of other actions; prices that disagree with the decision's
    own by more than a tenth are of another market.
    """
    from src.judging.prices import series_of

    series = [(candles, series_of(candles)) for candles in prices]
    outlooks = {}
    for entry in entries:
        outlook = _by_outcome(entry)
        for candles, item in series if outlook is None else ():
            outlook = outlook or _by_prices(entry, candles, item)
        if outlook is not None:
            outlooks[entry.decision.id] = outlook
    return outlooks


def _by_outcome(entry: Entry) -> Outlook | None:
    outcome = outcome_of(entry, None)
    if outcome is None or outcome.exit_reason != "horizon":
        return None
    return Outlook(outcome.exit / outcome.entry - 1, round_trip_of(outcome.costs), _horizon_s(entry))


def _by_prices(entry: Entry, candles: Candles, series: object) -> Outlook | None:
    from src.agents.market.symbols import may_be
    from src.judging.prices import PriceSeries

    decision = entry.decision
    assert isinstance(series, PriceSeries)  # noqa: S101 - as `series_of` returns it
    if candles.symbol is not None and not may_be(candles.symbol, decision.symbol):
        return None
    at = series.last_before(decision.as_of_ns)
    if decision.price is None or at is None or abs(float(series.close[at]) / decision.price - 1) > _LARGEST_GAP:
        return None
    trade = follow("BUY", decision.as_of_ns, parse_horizon(entry.horizons[0]), series)
    if isinstance(trade, StillOpen):
        return None
    return Outlook(trade.exit / trade.entry - 1, costs_of_venue(decision.venue).of_round_trip, _horizon_s(entry))


def _horizon_s(entry: Entry) -> int:
    return parse_horizon(entry.horizons[0]).seconds
