"""Whatever is decided on whatever prices: money is conserved, limits hold at each fill, and pieces make the whole."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.agents.risk.money import exact
from src.agents.risk_rules import Limits, Portfolio, Position, RiskAction, judge
from src.judging.paper.account import Account, account_of, market_key, paid
from src.judging.paper.book import Contents, settled
from src.judging.paper.terms import Terms, tightened
from src.observability.store.book_records import BookEventRecord
from src.observability.store.ledger_records import DecisionRecord
from tests.long import rounds
from tests.unit.judging.paper_markets import market, ns

if TYPE_CHECKING:
    from src.judging.paper.markets import Market

HOURS = 24
SYMBOLS = ("BTC-USD", "ETH-USD")
prices = st.floats(min_value=0.5, max_value=400, allow_nan=False).map(lambda price: round(price, 3))
examples = settings(max_examples=rounds(10, 500), suppress_health_check=list(HealthCheck), derandomize=True)


@st.composite
def bars(draw: st.DrawFn) -> dict[int, tuple[float, ...]]:
    """Return hours in order, some of them missing, each with a high and a low round its open and close."""
    hours = sorted(draw(st.sets(st.integers(1, HOURS - 1), min_size=4, max_size=HOURS - 1)) | {0})
    rows: dict[int, tuple[float, ...]] = {}
    for hour in hours:
        opened, close, more, less = (draw(prices) for _ in range(4))
        rows[hour] = (opened, max(opened, close, more), min(opened, close, less), close)
    return rows


@st.composite
def decisions(draw: st.DrawFn) -> list[DecisionRecord]:
    count = draw(st.integers(1, 10))
    made = [
        DecisionRecord(
            id=f"{number:032x}", time_ns=number, as_of_ns=ns(draw(st.integers(0, HOURS))),
            symbol=draw(st.sampled_from(SYMBOLS)), action=draw(st.sampled_from(("BUY", "SELL", "NOTHING"))),
            horizons=draw(st.sampled_from(("2h", "6h", "24h"))),
            stop=draw(st.none() | prices), target=draw(st.none() | prices),
        )
        for number in range(count)
    ]  # fmt: skip
    return sorted(made, key=lambda item: item.as_of_ns)


limits_of = st.fixed_dictionaries(
    {},
    optional={
        "max_position_share": st.sampled_from(("0.05", "0.3")),
        "max_gross_usd": st.integers(0, 5000),
        "max_net_usd": st.integers(0, 5000),
        "max_long_usd": st.integers(0, 3000),
        "max_short_usd": st.integers(0, 3000),
        "max_loss_usd": st.integers(100, 5000),
    },
)
costs_of = st.fixed_dictionaries(
    {
        "fee_bps": st.sampled_from((0.0, 10.0, 26.0)),
        "spread_bps": st.sampled_from((0.0, 3.3)),
        "slippage_bps": st.sampled_from((0.0, 7.0)),
    }
)


def events_of(rows: list[Any]) -> list[BookEventRecord]:
    return [row for row in rows if isinstance(row, BookEventRecord)]


def made(contents: Contents, markets: dict[str, Market]) -> list[BookEventRecord]:
    return events_of(settled(contents, markets)[0])


@given(bars(), bars(), decisions(), limits_of, costs_of)
@examples
def test_money_is_conserved_and_limits_hold_after_every_fill(
    bitcoin: dict[int, tuple[float, ...]], ether: dict[int, tuple[float, ...]], orders: list[DecisionRecord],
    wanted: dict[str, Any], costs: dict[str, Any],
) -> None:  # fmt: skip
    terms = Terms(name="b", limits=tightened(Limits(), wanted), **costs)
    markets = {
        "BTCUSD": market(bitcoin, funding={3.0: 0.001, 9.5: -0.002}),
        "ETHUSD": market(ether, symbol="ETH-USD"),
    }
    events = made(Contents(terms=terms, decisions=orders), markets)
    by_id = {item.id: item for item in orders}
    account = Account(start_usd=terms.start_usd, cash_usd=terms.start_usd)
    spent = Decimal(0)
    last_ns = 0
    for event in events:
        assert event.time_ns >= last_ns or event.kind == "close"  # a barrier stands at its bar's beginning
        last_ns = max(last_ns, event.time_ns)
        at = {key: item.price_at(event.time_ns) or Decimal(1) for key, item in markets.items()}
        at[market_key(event.symbol)] = Decimal(event.price)
        before = account.equity(at)
        account.apply(event, by_id[event.decision_id])
        with exact():
            spent += paid(event)
            # A fill changes what the book is worth by its costs alone.
            assert account.equity(at) == before - paid(event)
            value = Decimal(event.quantity) * Decimal(event.price)
            assert Decimal(event.fee_usd) == abs(value) * Decimal(repr(costs["fee_bps"])) / 10_000
        if event.kind == "open":
            _assert_within_limits(account, at, terms, event)
    with exact():
        whole = sum((trade.pnl_usd for trade in account.trades), Decimal(0))
        still = sum((item.quantity * item.entry for item in account.positions.values()), Decimal(0))
        left = sum((item.paid_usd for item in account.positions.values()), Decimal(0))
        assert account.cash_usd + still == terms.start_usd + whole - left
        assert spent == sum((trade.paid_usd for trade in account.trades), Decimal(0)) + left
    assert account_of(terms, events, by_id) == account


def _assert_within_limits(account: Account, at: dict[str, Decimal], terms: Terms, event: BookEventRecord) -> None:
    """Judge by the risk agent's rules: a fill breaks no limit that prices had not broken; nothing is borrowed."""
    opened = market_key(event.symbol)

    def breached(keys: set[str]) -> set[str]:
        positions = tuple(Position(symbol=key, value_usd=account.positions[key].quantity * at[key]) for key in keys)
        portfolio = Portfolio(equity_usd=account.equity(at), start_equity_usd=terms.start_usd, positions=positions)
        breaches = judge(portfolio, terms.limits).breaches
        assert not any(opened in breach.detail for breach in breaches if breach.limit == "max_position_share")
        return {breach.limit for breach in breaches if breach.demands is RiskAction.REDUCE}

    assert breached(set(account.positions)) <= breached(set(account.positions) - {opened})
    gross = sum(abs(item.quantity * at[key]) for key, item in account.positions.items())
    assert gross <= max(account.equity(at), Decimal(0))


@given(bars(), decisions(), st.integers(1, HOURS))
@examples
def test_a_book_that_is_settled_in_pieces_is_the_book_that_is_settled_at_once(
    hours: dict[int, tuple[float, ...]], orders: list[DecisionRecord], until: int
) -> None:
    """Each piece sees the bars until then, the last one open; decisions come when their data does."""
    orders = [replace(item, symbol="BTC-USD") for item in orders]
    terms = Terms(name="b", fee_bps=10.0)
    whole = made(Contents(terms=terms, decisions=orders), {"BTCUSD": market(hours)})
    contents = Contents(terms=terms)
    places = list(hours)
    for count in sorted({min(until, len(places)), len(places)}):
        seen = {hour: hours[hour] for hour in places[:count]}
        is_last = count == len(places)
        known = [item for item in orders if is_last or item.as_of_ns <= ns(places[count - 1])]
        piece = replace(contents, decisions=known)
        rows, _, _ = settled(piece, {"BTCUSD": market(seen, closed=count if is_last else count - 1)})
        marks = [row for row in rows if not isinstance(row, BookEventRecord)]
        contents = replace(piece, events=[*piece.events, *events_of(rows)], marks=[*piece.marks, *marks])  # type: ignore[list-item] # marks alone
    assert [replace(item, written_ns=0) for item in contents.events] == [replace(item, written_ns=0) for item in whole]
