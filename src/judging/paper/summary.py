"""Sum a book up: what it owns, what its trades made, and its value over time beside buying and holding."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from src.agents.risk import money
from src.agents.risk_rules import Portfolio, judge
from src.agents.risk_rules import Position as Held
from src.judging.paper.account import ZERO, market_key
from src.judging.paper.curve import Curve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.agents.risk_rules import Judgement
    from src.judging.paper.account import Account, Position, Trade
    from src.judging.paper.book import Contents
    from src.observability.store.ledger_records import DecisionRecord


@dataclass(frozen=True, slots=True)
class Holding:
    """An open position at its last price; `unrealized_usd` is after what was paid for it until now."""

    position: Position
    price: Decimal
    value_usd: Decimal
    unrealized_usd: Decimal


@dataclass(frozen=True, slots=True)
class Summary:
    """A book at the close of the last bar that was looked at; money in US dollars.

    Attributes:
        contents: All that the store has of it.
        cash_usd: Its cash.
        equity_usd: The cash and the positions at their last prices.
        holdings: The open positions.
        trades: The closed ones, oldest first.
        waiting: Decisions without a fill.
        lapsed: How many decisions no fill came of, by reason.
        costs_usd: All fees, spreads and slippage.
        funding_usd: All funding that was paid.
        curve: The equity over time.
        hold: What buying and holding would have made of the same money.
        judgement: What the book's limits demand of it now.
        in_hindsight: How many of its decisions were made when what followed could be known already.
    """

    contents: Contents
    cash_usd: Decimal
    equity_usd: Decimal
    holdings: tuple[Holding, ...]
    trades: tuple[Trade, ...]
    waiting: tuple[DecisionRecord, ...]
    lapsed: Mapping[str, int]
    costs_usd: Decimal
    funding_usd: Decimal
    curve: Curve
    hold: Curve
    judgement: Judgement
    in_hindsight: int

    @property
    def gain(self) -> float:
        """Return what the book made, as a fraction of its cash at the beginning."""
        return float(self.equity_usd) / float(self.contents.terms.start_usd) - 1

    @property
    def max_drawdown(self) -> float:
        """Return the deepest fall from a highest value, at the close of bars, as a fraction."""
        return self.contents.marks[-1].max_drawdown if self.contents.marks else 0.0


def summary_of(contents: Contents) -> Summary:
    """Return the summary of a book.

    Raises:
        BookError: its journal is broken.
    """
    account = contents.account()
    prices = _last_prices(contents, account)
    equity = account.equity(prices)
    with money.exact():
        holdings = tuple(
            Holding(
                position=position,
                price=prices[key],
                value_usd=position.quantity * prices[key],
                unrealized_usd=position.quantity * (prices[key] - position.entry) - position.paid_usd,
            )
            for key, position in account.positions.items()
        )
        costs = sum(
            (
                Decimal(event.fee_usd) + Decimal(event.spread_usd) + Decimal(event.slippage_usd)
                for event in contents.events
            ),
            ZERO,
        )
        funding = sum((Decimal(event.funding_usd) for event in contents.events), ZERO)
    marks = contents.marks
    start = float(contents.terms.start_usd)
    return Summary(
        contents=contents,
        cash_usd=account.cash_usd,
        equity_usd=equity,
        holdings=holdings,
        trades=tuple(account.trades),
        waiting=tuple(contents.waiting(account)) if contents.terms.run_id is None else (),
        lapsed=account.lapsed,
        costs_usd=costs,
        funding_usd=funding,
        curve=Curve(tuple(mark.time_ns for mark in marks), tuple(mark.equity_usd for mark in marks), peak=start),
        hold=_held(contents),
        judgement=_judged(contents, equity, holdings),
        in_hindsight=sum(item.book == "inside" for item in contents.decisions if contents.terms.environment == "paper"),
    )


def _last_prices(contents: Contents, account: Account) -> dict[str, Decimal]:
    """Return the last price of each position's market: its entry until a bar was closed after it."""
    last = contents.marks[-1] if contents.marks else None
    closes = {} if last is None else json.loads(last.prices)
    return {
        key: Decimal(repr(closes[key][0]))
        if last is not None and key in closes and last.time_ns >= position.entry_ns
        else position.entry
        for key, position in account.positions.items()
    }


def _held(contents: Contents) -> Curve:
    """Return the way of the same money, in equal parts in each market that the book has bought, from then on."""
    start = float(contents.terms.start_usd)
    bought: dict[str, tuple[int, float]] = {}
    for event in contents.events:
        if event.kind == "open":
            value = abs(float(event.quantity)) * float(event.price)
            cost = (float(event.fee_usd) + float(event.spread_usd) + float(event.slippage_usd)) / value
            bought.setdefault(market_key(event.symbol), (event.time_ns, float(event.price) * (1 + cost)))
    if not bought:
        return Curve((), (), peak=start)
    part = start / len(bought)
    values: list[float] = []
    latest: dict[str, float] = {}
    for mark in contents.marks:
        latest.update({key: columns[0] for key, columns in json.loads(mark.prices).items()})
        values.append(
            sum(
                part * latest[key] / paid if mark.time_ns >= time_ns and key in latest else part
                for key, (time_ns, paid) in bought.items()
            )
        )
    # Of one market that the book has held from the beginning the fall is known at each bar, also between marks.
    key, (first_ns, _) = next(iter(bought.items()))
    is_whole = len(bought) == 1 and first_ns == contents.events[0].time_ns and bool(values)
    worst = json.loads(contents.marks[-1].prices).get(key, (0, 0, 0))[2] if is_whole else 0
    return Curve(tuple(mark.time_ns for mark in contents.marks), tuple(values), peak=start, worst=worst)


def _judged(contents: Contents, equity: Decimal, holdings: tuple[Holding, ...]) -> Judgement:
    positions = tuple(
        Held(symbol=item.position.symbol, value_usd=round(item.value_usd, 2), pnl_usd=round(item.unrealized_usd, 2))
        for item in holdings
    )
    portfolio = Portfolio(equity_usd=round(equity, 2), start_equity_usd=contents.terms.start_usd, positions=positions)
    return judge(portfolio, contents.terms.limits)
