from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.agents.risk_agent import RiskVerdict
from src.agents.risk_rules import Limits, Portfolio, Position, RiskAction, RiskInputError, judge
from tests.long import rounds


def portfolio_of(equity: Any, start: Any, **values: Any) -> Portfolio:
    positions = tuple(Position(symbol=symbol, value_usd=value) for symbol, value in values.items())
    return Portfolio(equity_usd=equity, start_equity_usd=start, positions=positions)


CALM = portfolio_of(10_000, 10_000, BTC=2_000, EURUSD=-1_000)
LIMITS = Limits(max_loss_usd=500, max_gain_usd=500, min_equity_usd=5_000, max_position_share=0.3)


def test_a_calm_portfolio_is_within_limits() -> None:
    assert judge(CALM, LIMITS).demanded is RiskAction.WITHIN_LIMITS


@pytest.mark.parametrize(
    ("portfolio", "limits", "limit"),
    [
        (portfolio_of(9_500, 10_000), Limits(max_loss_usd=500), "max_loss_usd"),
        (portfolio_of(10_500, 10_000), Limits(max_gain_usd=500), "max_gain_usd"),
        (portfolio_of(4_999, 5_000), Limits(min_equity_usd=5_000), "min_equity_usd"),
    ],
)
def test_each_account_limit_closes_all(portfolio: Portfolio, limits: Limits, limit: str) -> None:
    judgement = judge(portfolio, limits)
    assert (judgement.demanded, [item.limit for item in judgement.breaches]) == (RiskAction.CLOSE_ALL, [limit])


def test_just_inside_each_limit_is_fine() -> None:
    assert judge(portfolio_of(9_500.01, 10_000), Limits(max_loss_usd=500)).demanded is RiskAction.WITHIN_LIMITS
    assert judge(portfolio_of(5_000, 5_000), Limits(min_equity_usd=5_000)).demanded is RiskAction.WITHIN_LIMITS


def test_a_position_that_is_too_large_is_reduced_to_its_share_long_or_short() -> None:
    portfolio = portfolio_of(10_000, 10_000, A=4_000, B=-5_000, C=3_000)
    judgement = judge(portfolio, Limits(max_position_share=0.3))
    assert judgement.demanded is RiskAction.REDUCE
    assert [(item.symbol, item.position, float(item.to_usd)) for item in judgement.reductions] == [
        ("A", 0, 3_000), ("B", 1, -3_000),
    ]  # fmt: skip


def test_closing_all_names_every_position() -> None:
    portfolio = portfolio_of(9_000, 10_000, A=100, B=-50)
    closings = judge(portfolio, Limits(max_loss_usd=1)).reductions
    assert {item.symbol: str(item.to_usd) for item in closings} == {"A": "0", "B": "0"}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_refused_not_judged(bad: float) -> None:
    for portfolio in (portfolio_of(bad, 1), portfolio_of(1, bad), portfolio_of(1, 1, A=bad)):
        with pytest.raises(RiskInputError, match="real number"):
            judge(portfolio, Limits())


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "equity_usd"),
        ({"equity_usd": "ten", "start_equity_usd": 1}, "equity_usd"),
        ({"equity_usd": "1,000.50", "start_equity_usd": 1}, "equity_usd"),
        ({"equity_usd": 1, "start_equity_usd": True}, "start_equity_usd"),
        ({"equity_usd": 1, "start_equity_usd": 1, "equity": 2}, "equity"),
        ({"equity_usd": 1, "start_equity_usd": 1, "positions": [{"symbol": "A"}]}, "value_usd"),
        ({"equity_usd": 1, "start_equity_usd": 1, "positions": {"A": 1}}, "positions"),
        ({"equity_usd": 1, "start_equity_usd": 1, "positions": {}}, "positions"),
        ({"equity_usd": 1, "start_equity_usd": 1, "positions": ""}, "positions"),
        ({"equity_usd": 1, "start_equity_usd": 1, "positions": [{"symbol": " ", "value_usd": 1}]}, "positions"),
    ],
)
def test_a_portfolio_that_cannot_be_read_names_the_field(data: dict[str, Any], field: str) -> None:
    with pytest.raises(RiskInputError, match=field):
        Portfolio.from_dict(data)


CENTS = st.integers(1, 10**9)


@settings(max_examples=rounds(60, 20_000))
@given(CENTS, CENTS)
def test_a_loss_or_gain_of_exactly_the_limit_in_cents_is_seen_and_one_cent_less_is_not(start: int, change: int) -> None:
    limit = change / 100
    for start_usd in (start / 100, Decimal(start) / 100, f"{start / 100:.2f}"):
        lost, won = (start - change) / 100, (start + change) / 100
        assert judge(portfolio_of(lost, start_usd), Limits(max_loss_usd=limit)).demanded is RiskAction.CLOSE_ALL
        assert judge(portfolio_of(won, start_usd), Limits(max_gain_usd=limit)).demanded is RiskAction.CLOSE_ALL
    if start > change:
        nearly = Limits(max_loss_usd=(change + 1) / 100, max_gain_usd=(change + 1) / 100)
        assert judge(portfolio_of((start - change) / 100, start / 100), nearly).demanded is RiskAction.WITHIN_LIMITS
        assert judge(portfolio_of((start + change) / 100, start / 100), nearly).demanded is RiskAction.WITHIN_LIMITS


@settings(max_examples=rounds(30, 10_000))
@given(CENTS, CENTS)
def test_a_loss_that_floats_have_blurred_is_seen_too(start: int, loss: int) -> None:
    blurred = (start + loss) / 100 - loss / 100  # may be some billionths of a cent off
    portfolio = portfolio_of(blurred, (start + loss) / 100)
    assert judge(portfolio, Limits(max_loss_usd=loss / 100)).demanded is RiskAction.CLOSE_ALL


AMOUNTS = st.one_of(
    st.decimals(-(10**9), 10**9, places=2),
    st.decimals(-1000, 1000, places=5),
    st.floats(-1e12, 1e12),
    st.floats(-1e300, 1e300),
    st.integers(-(10**6), 10**6).map(str),
    st.sampled_from([5e-324, -1e-9, 0.1 + 0.2, "1e-300", -0.0]),
)
CAPS = st.one_of(
    st.none(),
    st.decimals(0, 10**6, places=2),
    st.floats(0, 1e6),
    st.decimals(0, 10, places=5),
)
LOTS = st.lists(st.tuples(st.sampled_from(["BTC-USD", "btc/usd", "XBTUSDT", "ETH", "EURUSD"]), AMOUNTS), max_size=8)


@settings(max_examples=rounds(90, 50_000))
@given(
    st.one_of(st.floats(0.001, 1e12), st.decimals(1, 10**6, places=3)),
    LOTS,
    st.one_of(st.none(), st.floats(0, 1), st.sampled_from(["0.3", 0.1, 1])),
    st.tuples(CAPS, CAPS, CAPS, CAPS),
    st.sampled_from(["0.01", 1, "0.5", 1e-8, 100, "0.03", Decimal("0.25")]),
)
def test_what_a_verdict_demands_satisfies_it(
    equity: Any, rows: list[tuple[str, Any]], share: Any, caps: tuple[Any, ...], tick: Any
) -> None:
    gross, net, long, short = caps
    limits = Limits(
        max_position_share=share,
        max_gross_usd=gross,
        max_net_usd=net,
        max_long_usd=long,
        max_short_usd=short,
        tick_usd=tick,
    )
    positions = [Position(symbol=symbol, value_usd=value) for symbol, value in rows]
    judgement = judge(Portfolio(equity, equity, tuple(positions)), limits)
    assert judgement.demanded is (RiskAction.REDUCE if judgement.breaches else RiskAction.WITHIN_LIMITS)
    assert bool(judgement.reductions) is bool(judgement.breaches)
    for item in judgement.reductions:
        assert item.symbol == positions[item.position].symbol
        assert abs(item.to_usd) < abs(item.from_usd)
        assert item.to_usd == 0 or (item.to_usd > 0) is (item.from_usd > 0)
        positions[item.position] = Position(symbol=item.symbol, value_usd=item.to_usd)
    assert judge(Portfolio(equity, equity, tuple(positions)), limits).demanded is RiskAction.WITHIN_LIMITS


@settings(max_examples=rounds(30, 20_000))
@given(CENTS, st.integers(1, 9999), st.sampled_from([1, -1]), st.booleans())
def test_a_reduction_is_to_the_limit_and_not_further(equity: int, share: int, side: int, as_json: bool) -> None:
    limit = Decimal(equity) / 100 * share / 10_000
    portfolio = portfolio_of(equity / 100, equity / 100, A=side * (float(limit) + 10))
    judgement = judge(portfolio, Limits(max_position_share=share / 10_000))
    demanded = (
        RiskVerdict(judgement.demanded, judgement.breaches, judgement.reductions, judgement.demanded).to_dict()[
            "reductions"
        ][0]["to_usd"]
        if as_json
        else judgement.reductions[0].to_usd
    )
    assert 0 <= limit - side * Decimal(str(demanded)) < Decimal("0.01")
    again = judge(portfolio_of(equity / 100, equity / 100, A=demanded), Limits(max_position_share=share / 10_000))
    assert again.demanded is RiskAction.WITHIN_LIMITS


def test_four_lots_of_one_symbol_are_held_together_in_any_spelling() -> None:
    lots = tuple(Position(symbol=symbol, value_usd=1_000) for symbol in ("BTC-USD", "BTC/USD", "btc-usd", "BTCUSDT"))
    judgement = judge(Portfolio(10_000, 10_000, lots), Limits())
    assert judgement.demanded is RiskAction.REDUCE
    assert sum(item.to_usd for item in judgement.reductions) == 3_000
    assert [item.position for item in judgement.reductions] == [0, 1, 2, 3]
    detail = judgement.breaches[0].detail
    assert "4 lots" in detail
    assert "4,000.00 USD" in detail
    one_less = judge(Portfolio(10_000, 10_000, lots[:3]), Limits())
    assert one_less.demanded is RiskAction.WITHIN_LIMITS  # exactly at the limit
    shorts = tuple(Position(symbol=item.symbol, value_usd=-1_000) for item in lots)
    assert judge(Portfolio(10_000, 10_000, shorts), Limits()).demanded is RiskAction.REDUCE
    four_symbols = tuple(Position(symbol=symbol, value_usd=1_000) for symbol in ("BTC", "ETH", "SOL", "EURUSD"))
    assert judge(Portfolio(10_000, 10_000, four_symbols), Limits()).demanded is RiskAction.WITHIN_LIMITS


def test_the_sides_of_a_hedge_are_held_each_by_itself() -> None:
    """Where one side is closed by force, the other is what is left."""
    hedge = Portfolio(10_000, 10_000, (Position("BTC/USDC:USDC", -3_000), Position("BTC-USD", 3_000)))
    assert judge(hedge, Limits()).demanded is RiskAction.WITHIN_LIMITS
    larger = Portfolio(10_000, 10_000, (Position("BTC/USDC:USDC", -3_000), Position("BTC-USD", 4_000)))
    assert [(item.symbol, int(item.to_usd)) for item in judge(larger, Limits()).reductions] == [("BTC-USD", 3_000)]


@pytest.mark.parametrize(
    ("limit", "long", "short"),
    [("max_gross_usd", 750, 250), ("max_net_usd", 2_000, 1_000), ("max_long_usd", 1_000, 1_000),
     ("max_short_usd", 3_000, 500)],
)  # fmt: skip
def test_the_account_has_limits_of_its_own(limit: str, long: int, short: int) -> None:
    bound = 500 if limit == "max_short_usd" else 1_000
    portfolio = portfolio_of(100_000, 100_000, A=2_000, B=1_000, C=-1_000)
    judgement = judge(portfolio, Limits(**{limit: bound}))
    assert [item.limit for item in judgement.breaches] == [limit]
    sizes = [Decimal(2_000), Decimal(1_000), Decimal(-1_000)]
    for item in judgement.reductions:
        sizes[item.position] = item.to_usd
    assert (int(sizes[0] + sizes[1]), int(-sizes[2])) == (long, short)


def test_sides_that_only_whole_ticks_can_level_are_levelled() -> None:
    limits = Limits(max_position_share=None, max_net_usd=0)
    judgement = judge(portfolio_of(1, 1, A="0.019", B="0.019", C="0.019", D="-0.05"), limits)
    sizes = {item.symbol: item.to_usd for item in judgement.reductions}
    assert {symbol: str(size) for symbol, size in sizes.items()} == {
        "A": "0.01",
        "B": "0.01",
        "C": "0.01",
        "D": "-0.03",
    }
    assert judge(portfolio_of(1, 1, **sizes), limits).demanded is RiskAction.WITHIN_LIMITS


REFUSED_SHARES = (30, "30%", -0.1, math.nan, Decimal("1.0001"), True)
REFUSED_AMOUNTS = (-1, -0.01, math.nan, math.inf, "much", Decimal("-Infinity"), Decimal("sNaN"), False)
AMOUNT_LIMITS = (
    *("max_loss_usd", "max_gain_usd", "min_equity_usd"),
    *("max_gross_usd", "max_net_usd", "max_long_usd", "max_short_usd"),
)


def test_a_limit_that_makes_no_sense_is_refused_with_its_range() -> None:
    refused = [
        *(("max_position_share", value, "a share of equity from 0 to 1") for value in REFUSED_SHARES),
        *((name, value, "an amount of at least 0 US dollars") for name in AMOUNT_LIMITS for value in REFUSED_AMOUNTS),
        ("tick_usd", 0, "a number above 0"),
    ]
    for name, value, remedy in refused:
        with pytest.raises(RiskInputError, match=rf"{name} is .+: give {remedy}"):
            judge(CALM, Limits(**{name: value}))


def test_an_amount_that_cannot_be_reckoned_with_is_refused_in_a_line() -> None:
    refused: list[Any] = [10**5000, "1e301", Decimal("1e-500"), "1e999999", None, [], "", "0x10", "1_000", "\u0663"]
    for bad in refused:
        with pytest.raises(RiskInputError, match="equity_usd is") as raised:
            judge(portfolio_of(bad, 1), Limits())
        assert len(str(raised.value)) < 200


@pytest.mark.parametrize("number", [numpy.float64(0.1), numpy.float32(0.1), "0.1", " +1e-1 ", Decimal("0.10"), 0.1])
def test_an_amount_is_read_as_it_is_written(number: Any) -> None:
    judgement = judge(portfolio_of(numpy.int64(1), 1, A=number), Limits(max_position_share=0))
    assert [item.from_usd for item in judgement.reductions] == [Decimal("0.1")]
