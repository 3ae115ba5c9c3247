"""Paper books: ten fills worked out on paper, what waits, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from src.agents.risk_rules import RiskInputError
from src.judging.paper.book import PaperBook
from src.judging.paper.summary import summary_of
from src.judging.paper.terms import BookError, Terms
from tests.unit.judging.paper_markets import Desk, flat, market

if TYPE_CHECKING:
    from src.observability.store.spool import Spool

# Hours with their open, high, low and close; the hours 13 to 39 are missing.
BARS = {
    0: (100.0, 101.0, 99.0, 100.0),
    1: (100.0, 104.0, 98.0, 103.0),
    2: (103.0, 106.0, 102.0, 105.0),
    3: (105.0, 105.5, 103.0, 104.0),
    4: (104.0, 110.0, 103.0, 109.0),
    5: (110.0, 111.0, 99.0, 100.0),
    6: (100.0, 101.0, 98.0, 100.0),
    7: (100.0, 100.0, 90.0, 91.0),
    8: (80.0, 85.0, 79.0, 84.0),
    9: (80.0, 82.0, 78.0, 80.0),
    10: (80.0, 81.0, 79.0, 80.0),
    11: (100.0, 101.0, 99.0, 100.0),
    12: (100.0, 102.0, 97.0, 101.0),
    40: (120.0, 121.0, 119.0, 120.0),
    41: (125.0, 126.0, 124.0, 125.0),
}
# Each position is of 1,000 dollars; a fill pays 10 bps fee, half of 4 bps spread, 3 bps slippage: 15 bps.
ON_PAPER: dict[str, Any] = {"fee_bps": 10.0, "spread_bps": 4.0, "slippage_bps": 3.0}
THOUSAND = {"max_long_usd": 1000, "max_short_usd": 1000}


def test_ten_fills_on_paper_to_the_cent(spool: Spool) -> None:
    """A horizon, a turn to short with funding, a stop, a gap through a stop, a short's target, a gap in the bars."""
    desk = Desk(spool, limits=THOUSAND, **ON_PAPER)
    funding = {2.0: 0.0001, 5.0: -0.0005, 6.0: 0.0002}
    desk.decide("BUY", 1, horizon="2h")
    desk.decide("SELL", 4, horizon="24h")
    desk.decide("BUY", 5, horizon="24h", stop=99.0)
    desk.decide("BUY", 6, horizon="24h", stop=85.0)
    desk.decide("SELL", 9, horizon="4h", target=78.5)
    desk.decide("BUY", 11.5, horizon="6h")
    desk.settle(market(BARS, funding=funding))
    assert desk.lines() == [
        # 10 at 100 are 1,000.00; 15 bps are 1.50.
        ("open", "decision", 1, "10.00000000", "8998.50"),
        # Funding of 0.01% on 10 x 103 is 0.103, paid by the long side.
        ("funding", "funding", 2, "0", "8998.40"),
        # 10 at 105 are 1,050.00, less 1.575: 8,998.397 + 1,050 - 1.575.
        ("close", "horizon", 3, "-10.00000000", "10046.82"),
        # 1,000 / 104 = 9.61538461; sold for 999.99999944, less 1.49999999916.
        ("open", "decision", 4, "-9.61538461", "11045.32"),
        # Funding of -0.05% at 110: the short side pays 9.61538461 x 110 x 0.0005 = 0.52884615.
        ("funding", "funding", 5, "0", "11044.79"),
        # Bought back at 110 for 1,057.6923071, less 1.5865384: 11,044.7931532 - 1,059.2788455.
        ("close", "decision", 5, "9.61538461", "9985.51"),
        # 1,000 / 110 = 9.0909090: bought for 999.99999, and 1.49999998.
        ("open", "decision", 5, "9.09090909", "8984.01"),
        # The same bar falls to 99: the stop fills there. 9.09090909 x 99 = 899.99999991, less 1.35.
        ("close", "stop", 5, "-9.09090909", "9882.66"),
        # 10 at 100 again.
        ("open", "decision", 6, "10.00000000", "8881.16"),
        # Hour 8 opens at 80, below the stop at 85: 800.00 less 1.20.
        ("close", "stop", 8, "-10.00000000", "9679.96"),
        # 12.5 short at 80: 1,000.00 less 1.50.
        ("open", "decision", 9, "-12.50000000", "10678.46"),
        # The target at 78.5 is reached in the same hour: 981.25, and 1.471875.
        ("close", "target", 9, "12.50000000", "9695.74"),
        # The next bar after 11:30 begins at 12:00: 10 at 100.
        ("open", "decision", 12, "10.00000000", "8694.24"),
        # Due at hour 18; the next bar begins at hour 40, at 120: 1,200.00 less 1.80.
        ("close", "horizon", 40, "-10.00000000", "9892.44"),
    ]  # fmt: skip
    trades = desk.contents.account().trades
    assert [f"{trade.pnl_usd:.2f}" for trade in trades] == ["46.82", "-61.31", "-102.85", "-202.70", "15.78", "196.70"]
    assert sum(trade.pnl_usd for trade in trades) == desk.cash - 10_000  # nothing is left open: to the last digit
    again = desk.settle(market(BARS, funding=funding))
    assert (again.events, len(desk.contents.events)) == ([], 14)


def test_a_fill_waits_until_its_bar_exists(spool: Spool) -> None:
    desk = Desk(spool)
    bars = flat(dict.fromkeys(range(5), 100.0))
    decision = desk.decide("BUY", 5, price=100.0)
    waiting = desk.settle(market(bars))
    assert waiting.waiting == {decision: "no bar of by hand begins at or after 2024-03-01 05:00 UTC"}
    assert desk.lines() == []
    assert desk.settle().waiting == {decision: "no prices of it were given"}
    # The open of a bar that is not closed is known; its high and low are not.
    desk.settle(market({**bars, 5: (100.0, 130.0, 70.0, 90.0)}, closed=5))
    assert [line[:3] for line in desk.lines()] == [("open", "decision", 5)]


def test_a_stop_in_a_bar_that_is_not_closed_waits(spool: Spool) -> None:
    desk = Desk(spool)
    bars = {**flat({0: 100.0, 1: 100.0}), 2: (100.0, 130.0, 70.0, 90.0)}
    desk.decide("BUY", 1, target=120.0, stop=80.0)
    desk.settle(market(bars, closed=2))
    assert [line[0] for line in desk.lines()] == ["open"]
    desk.settle(market(bars))
    assert [line[:3] for line in desk.lines()] == [("open", "decision", 1), ("close", "stop", 2)]


def test_a_decision_the_same_way_keeps_the_position_and_its_horizon_begins_again(spool: Spool) -> None:
    desk = Desk(spool)
    bars = flat({hour: 100.0 + hour for hour in range(12)})
    desk.decide("BUY", 1, horizon="4h")
    desk.decide("NOTHING", 2, horizon="4h")
    desk.decide("BUY", 4, horizon="4h")
    desk.settle(market(bars))
    assert [line[:3] for line in desk.lines()] == [
        ("open", "decision", 1), ("keep", "decision", 4), ("close", "horizon", 8),
    ]  # fmt: skip


def test_the_newest_decision_of_several_for_one_bar_counts(spool: Spool) -> None:
    desk = Desk(spool)
    desk.decide("BUY", 1.1)
    desk.decide("SELL", 1.2)
    desk.settle(market(flat({0: 100.0, 1: 100.0, 2: 100.0})))
    assert [line[:3] for line in desk.lines()] == [("lapse", "replaced", 2), ("open", "decision", 2)]
    assert Decimal(desk.lines()[1][3]) < 0


def test_what_has_no_bar_within_its_horizon_lapses(spool: Spool) -> None:
    desk = Desk(spool)
    desk.decide("BUY", 1.5, horizon="2h")
    desk.settle(market(flat({0: 100.0, 1: 100.0, 9: 100.0})))
    assert [line[:3] for line in desk.lines()] == [("lapse", "no_bar", 9)]


def test_what_comes_after_its_bar_was_looked_at_is_not_filled_in_hindsight(spool: Spool) -> None:
    desk = Desk(spool)
    bars = flat(dict.fromkeys(range(10), 100.0))
    desk.decide("BUY", 1, horizon="2h")
    desk.settle(market(bars))
    desk.decide("BUY", 4)
    desk.settle(market(bars))
    assert desk.lines()[-1][:2] == ("lapse", "late")
    assert len(desk.contents.events) == 3


def test_prices_of_another_market_fill_nothing(spool: Spool) -> None:
    desk = Desk(spool)
    desk.decide("BUY", 1, price=100.0)
    settlement = desk.settle(market(flat({0: 30.0, 1: 30.0, 2: 31.0})))
    assert "differs by more than a tenth from the close of 30" in next(iter(settlement.waiting.values()))
    assert desk.lines() == []
    desk.settle(market(flat({0: 100.0, 1: 100.0})))
    other = desk.settle(market(flat({0: 30.0, 1: 30.0, 2: 31.0})))
    assert (other.events, len(desk.contents.marks)) == ([], 1)


def test_prices_that_begin_too_late_are_refused_rather_than_skipped_over(spool: Spool) -> None:
    desk = Desk(spool)
    decision = desk.decide("BUY", 1, stop=90.0)
    late = flat({5: 100.0, 6: 100.0})
    assert "the bars from 2024-03-01 01:00 UTC on are needed too" in desk.settle(market(late)).waiting[decision]
    desk.settle(market(flat({0: 100.0, 1: 100.0})))
    assert desk.settle(market(late)).events == []
    assert len(desk.contents.marks) == 1


def test_several_markets_go_on_in_the_order_of_time(spool: Spool) -> None:
    """The size of the second position depends on what the first one is worth then, so it waits for its prices."""
    desk = Desk(spool)
    bitcoin, ether = flat({0: 100.0, 1: 100.0, 2: 180.0, 3: 180.0}), flat({0: 10.0, 1: 10.0, 2: 10.0, 3: 10.0})
    desk.decide("BUY", 1)
    desk.decide("BUY", 2, symbol="ETH-USD")
    alone = desk.settle(market(ether, symbol="ETH-USD"))
    assert (alone.events, list(alone.blocked)) == ([], ["BTC-USD"])
    desk.settle(market(ether, symbol="ETH-USD"), market(bitcoin))
    assert [(item.symbol, item.kind) for item in desk.contents.events] == [("BTC-USD", "open"), ("ETH-USD", "open")]
    first, second = desk.contents.events
    # 30% of 10,000 less fees; then 30% of what that is after bitcoin has risen to 180.
    assert Decimal(first.quantity) * 100 == pytest.approx(Decimal(3000) / Decimal("1.0003"))
    equity = Decimal(first.cash_usd) + Decimal(first.quantity) * 180
    assert Decimal(second.quantity) * 10 == pytest.approx(equity * Decimal("0.3") / Decimal("1.0003"))


def test_a_book_that_owns_nothing_is_followed_on_beside_holding(spool: Spool) -> None:
    desk = Desk(spool, fee_bps=0.0)
    bars = flat({hour: 100.0 + hour for hour in range(6)})
    desk.decide("BUY", 1, horizon="1h")
    desk.settle(market(bars))
    desk.settle(market({**bars, 6: (106.0, 202.0, 100.0, 202.0), 7: (101.0,) * 4}))
    summary = summary_of(desk.contents)
    assert (len(summary.trades), summary.curve.end) == (1, float(desk.cash))
    assert (summary.hold.end, summary.hold.max_drawdown) == (10_000.0, 0.5)  # 101, up to 202, and back to 101


def test_books_are_apart(spool: Spool) -> None:
    one_book, other = Desk(spool, name="a"), Desk(spool, name="b", start_usd=Decimal(500))
    one_book.decide("BUY", 1)
    one_book.settle(market(flat({0: 100.0, 1: 100.0})))
    assert (len(one_book.contents.events), len(other.contents.events), other.cash) == (1, 0, Decimal(500))
    with pytest.raises(BookError, match="There is no book 'c' \\(there are a, b\\)"):
        PaperBook(spool, "c").contents()


def test_limits_may_only_tighten(spool: Spool) -> None:
    desk = Desk(spool, limits={"max_position_share": "0.2", "min_equity_usd": 5000})
    for name, value in (("max_position_share", "0.25"), ("min_equity_usd", 4000)):
        with pytest.raises(RiskInputError, match="may only tighten"):
            PaperBook.open(spool, Terms(name="paper"), {name: value})
    with pytest.raises(RiskInputError, match=r"looser than the book's 0\.3"):
        Desk(spool, name="new", limits={"max_position_share": 1})
    PaperBook.open(spool, Terms(name="paper"), {"max_position_share": "0.1", "max_gross_usd": 100})
    limits = desk.contents.terms.limits
    assert (limits.max_position_share, limits.max_gross_usd, limits.min_equity_usd) == (Decimal("0.1"), 100, 5000)


def test_an_account_limit_closes_and_opens_nothing(spool: Spool) -> None:
    desk = Desk(spool, limits={"max_loss_usd": 500})
    desk.decide("BUY", 1, horizon="7d")
    desk.decide("BUY", 3, horizon="7d")
    desk.decide("SELL", 4, horizon="7d")
    desk.settle(market(flat({0: 100.0, 1: 100.0, 2: 90.0, 3: 80.0, 4: 70.0})))
    assert [line[:3] for line in desk.lines()] == [
        ("open", "decision", 1), ("close", "limits", 3), ("lapse", "limits", 3), ("lapse", "limits", 4),
    ]  # fmt: skip


def test_a_journal_that_was_changed_is_refused(spool: Spool) -> None:
    import sqlite3

    desk = Desk(spool)
    desk.decide("BUY", 1)
    desk.settle(market(flat({0: 100.0, 1: 100.0})))
    with sqlite3.connect(spool.path) as connection:
        connection.execute("UPDATE book_events SET cash_usd = '99999'")
    with pytest.raises(BookError, match="is broken at line 1"):
        desk.settle(market(flat({0: 100.0, 1: 100.0, 2: 100.0})))


def test_a_position_is_not_taken_through_a_split(spool: Spool) -> None:
    desk = Desk(spool, limits=THOUSAND, **ON_PAPER)
    held = desk.decide("BUY", 1, horizon="24h", stop=390.0)
    later = desk.decide("SELL", 3, horizon="24h")
    bars = flat({0: 400.0, 1: 400.0, 2: 404.0, 3: 101.0, 4: 102.0, 30: 103.0})
    settlement = desk.settle(market(bars))
    assert [(kind, hour) for kind, _, hour, _, _ in desk.lines()] == [("open", 1)]
    assert set(settlement.waiting) == {held, later}
    assert "as after a split" in settlement.waiting[held]
    assert summary_of(desk.contents).max_drawdown < 0.01
    assert not desk.settle(market(bars)).events
    desk = Desk(spool, name="after", limits=THOUSAND, **ON_PAPER)
    desk.decide("BUY", 3, horizon="24h")
    assert not desk.settle(market(bars)).waiting
    assert [kind for kind, *_ in desk.lines()] == ["open", "close"]
