"""Ten decisions, judged on paper, to the cent of a position of 10,000 dollars."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy
import pytest

from src.judging.costs import TradingCosts, costs_of_venue
from src.judging.outcomes import NO_ENTRY, NO_EXIT, NOT_OVER, SPLIT, StillOpen, follow, judge
from src.judging.prices import FundingSeries, PriceSeries
from src.observability.ledger import HorizonError, parse_horizon, parse_horizons
from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

START = datetime(2024, 3, 1, tzinfo=UTC)
POSITION_USD = 10_000
# Hours with their open, high, low and close; the hours 9 to 29 are missing.
BARS = {
    0: (100.0, 101.0, 99.0, 100.5),
    1: (100.0, 104.0, 98.0, 103.0),
    2: (103.0, 106.0, 102.0, 105.0),
    3: (105.0, 105.5, 95.0, 96.0),
    4: (96.0, 97.0, 90.0, 91.0),
    5: (80.0, 85.0, 79.0, 84.0),
    6: (84.0, 90.0, 83.0, 88.0),
    7: (120.0, 125.0, 119.0, 121.0),
    8: (121.0, 122.0, 110.0, 111.0),
    30: (110.0, 112.0, 108.0, 109.0),
}
FUNDING = {0: 0.0001, 2: 0.0002, 4: -0.0005}  # paid by longs


def ns(hour: float) -> int:
    return int((START + timedelta(hours=hour)).timestamp()) * 1_000_000_000


def series(bars: Mapping[int, tuple[float, ...]] = BARS) -> PriceSeries:
    columns = numpy.array(list(bars.values()), dtype=float).T
    opened, high, low, close = columns
    times = numpy.array([ns(hour) for hour in bars])
    return PriceSeries(open_ns=times, open=opened, high=high, low=low, close=close, source="by hand", symbol="BTC-USD")


def outcome(action: str, hour: float, horizon: str = "2h", **fields: Any) -> OutcomeRecord | StillOpen:
    costs = fields.pop("costs", TradingCosts(fee_bps=10))
    funding = fields.pop("funding", None)
    record = DecisionRecord(
        id="d", time_ns=ns(hour), as_of_ns=ns(hour), symbol="BTC-USD", action=action, horizons=horizon, **fields
    )
    return judge(record, parse_horizon(horizon), series(), costs=costs, resolved_ns=1, funding=funding)


@pytest.mark.parametrize(
    ("ratio", "is_split"), [(4.08, True), (0.5, True), (0.33, True), (25, True), (1.5, False), (0.4, False)]
)
@pytest.mark.parametrize("action", ["BUY", "SELL"])
def test_a_trade_across_a_split_stays_open(action: str, ratio: float, is_split: bool) -> None:
    bars = dict.fromkeys(range(3), (100.0, 101.0, 99.0, 100.0))
    bars |= dict.fromkeys(range(3, 9), (100 * ratio, 101 * ratio, 99 * ratio, 100 * ratio))
    prices = series(bars)
    record = DecisionRecord(id="d", time_ns=ns(1), as_of_ns=ns(1), symbol="BTC-USD", action=action, horizons="2h")

    def judged(hour: int) -> OutcomeRecord | StillOpen:
        moved = replace(record, as_of_ns=ns(hour), time_ns=ns(hour))
        return judge(moved, parse_horizon("2h"), prices, costs=TradingCosts(), resolved_ns=1)

    assert (judged(1) == StillOpen(SPLIT)) is is_split  # from hour 1 to hour 3, which opens after it
    assert isinstance(judged(0), OutcomeRecord)
    assert isinstance(judged(3), OutcomeRecord)


def usd(result: OutcomeRecord | StillOpen) -> float:
    assert isinstance(result, OutcomeRecord)
    return round(result.net * POSITION_USD, 2)


def test_a_purchase_pays_two_fees() -> None:
    # In at 100 (hour 1), out at 105 (hour 3): +5% = 500 dollars; two fees of 0.1% are 20.
    result = outcome("BUY", 1, confidence=80)
    assert usd(result) == 480.00
    assert isinstance(result, OutcomeRecord)
    assert (result.entry, result.exit, result.gross, result.correct) == (100.0, 105.0, 105 / 100 - 1, True)
    assert result.brier == pytest.approx(0.04)  # (0.8 - 1) squared


def test_a_short_earns_what_the_price_loses() -> None:
    # In at 105 (hour 3), out at 80 (hour 5): 25 / 105 = 23.8095%; 2,380.95 less 20.
    assert usd(outcome("SELL", 3)) == 2360.95


def test_a_short_that_goes_wrong_is_wrong() -> None:
    # In at 80 (hour 5), out at 120 (hour 7): -50% = -5,000, less 20.
    result = outcome("SELL", 5, confidence=60)
    assert usd(result) == -5020.00
    assert isinstance(result, OutcomeRecord)
    assert result.correct is False
    assert result.brier == pytest.approx(0.36)


def test_spread_and_slippage_are_paid_besides_the_fee() -> None:
    # +5% again; 2 x 10 + 4 + 2 x 3 = 30 bps are 30 dollars.
    assert usd(outcome("BUY", 1, costs=TradingCosts(fee_bps=10, spread_bps=4, slippage_bps=3))) == 470.00


def test_a_stop_inside_a_bar_fills_at_the_stop() -> None:
    # In at 103 (hour 2); hour 3 falls to 95, through 98: 98 / 103 - 1 = -4.8544%; -485.44 less 20.
    result = outcome("BUY", 2, stop=98.0)
    assert usd(result) == -505.44
    assert isinstance(result, OutcomeRecord)
    assert (result.exit, result.exit_reason, result.exit_ns) == (98.0, "stop", ns(3))


def test_a_gap_through_a_stop_fills_at_the_open() -> None:
    # In at 105 (hour 3) with a stop at 85; hour 4 stays above, hour 5 opens at 80: 80 / 105 - 1 = -23.8095%.
    assert usd(outcome("BUY", 3, "4h", stop=85.0)) == -2400.95


def test_a_target_of_a_short_is_below_it() -> None:
    # In at 105 (hour 3), target 97: hour 3 falls to 95: 8 / 105 = 7.6190%; 761.90 less 20.
    assert usd(outcome("SELL", 3, target=97.0)) == 741.90


def test_where_one_bar_reaches_both_the_stop_counts() -> None:
    # In at 100 (hour 1), which has high 104 and low 98: the stop at 99, not the target at 103: -1% less 20.
    assert usd(outcome("BUY", 1, stop=99.0, target=103.0)) == -120.00


def test_a_gap_beyond_the_target_fills_at_the_open_even_if_the_bar_falls_to_the_stop_later() -> None:
    # In at 84 (hour 6); hour 7 opens at 120, above the target of 100: 120 / 84 - 1 = 42.8571%; 4,285.71 less 20.
    result = outcome("BUY", 6, "5h", target=100.0, stop=50.0)
    assert usd(result) == 4265.71


def test_funding_is_paid_by_longs_and_earned_by_shorts() -> None:
    funding = FundingSeries(numpy.array([ns(hour) for hour in FUNDING]), numpy.array(list(FUNDING.values())))
    # In at 100 (hour 1), out at 105 (hour 3): funding of hour 2, 0.02%, is 2 dollars.
    assert usd(outcome("BUY", 1, funding=funding)) == 478.00
    # In at 105 (hour 3), out at 80 (hour 5): funding of hour 4 is -0.05%: shorts pay 5.
    assert usd(outcome("SELL", 3, funding=funding)) == 2355.95


def test_nothing_has_an_entry_and_an_exit_but_no_return() -> None:
    result = outcome("NOTHING", 1, confidence=70)
    assert isinstance(result, OutcomeRecord)
    assert (result.entry, result.exit, result.gross, result.net, result.correct, result.brier) == (
        100.0, 105.0, 0.0, 0.0, None, None,
    )  # fmt: skip


def test_entry_is_the_next_bar_that_begins() -> None:
    result = outcome("BUY", 0.5)
    assert isinstance(result, OutcomeRecord)
    assert (result.entry_ns, result.exit_ns) == (ns(1), ns(3))


def test_gaps_leave_a_decision_open_with_the_reason() -> None:
    assert outcome("BUY", 8.5, "2h") == StillOpen(NO_ENTRY)  # the next bar begins 21 hours later
    assert outcome("BUY", 8, "3h") == StillOpen(NO_EXIT)  # wanted at hour 11; the next bar is hour 30
    assert outcome("BUY", 30, "2h") == StillOpen(NOT_OVER)
    assert outcome("BUY", 31, "2h") == StillOpen(NOT_OVER)
    whole = outcome("BUY", 8, "24h")  # wanted at hour 32, after the last bar
    assert whole == StillOpen(NOT_OVER)
    late = outcome("BUY", 8, "12h")  # wanted at hour 20; hour 30 is within 12 hours of it
    assert isinstance(late, OutcomeRecord)
    assert late.exit == 110.0


def test_a_barrier_before_the_end_of_prices_needs_no_exit_bar() -> None:
    trade = follow("SELL", ns(8), parse_horizon("7d"), series(), target=111.0)
    assert not isinstance(trade, StillOpen)
    assert (trade.exit, trade.exit_reason) == (111.0, "target")


def test_costs_are_the_venue_s_unless_stated() -> None:
    assert costs_of_venue("Kraken").fee_bps == 26.0
    assert costs_of_venue("nowhere").fee_bps == 10.0
    assert costs_of_venue("kraken", fee_bps=0).of_round_trip == 0.0
    with pytest.raises(ValueError, match="fee_bps is -1"):
        costs_of_venue(None, fee_bps=-1)


def test_horizons_are_read_strictly() -> None:
    assert [item.seconds for item in parse_horizons("90m, 24h,7d,1440m")] == [5400, 86_400, 604_800]
    for text in ("", "24", "h", "0h", "1.5h", "-1h", "24 h", "1y"):
        with pytest.raises(HorizonError, match="is no horizon"):
            parse_horizon(text)
