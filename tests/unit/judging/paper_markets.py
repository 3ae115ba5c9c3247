"""Markets and decisions for the tests of paper books: hours from a Friday on, prices by hand."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy

from src.agents.market.symbols import plain_symbol
from src.judging.paper.book import PaperBook
from src.judging.paper.markets import Market
from src.judging.paper.terms import Terms
from src.judging.prices import FundingSeries, PriceSeries
from src.observability.store.ledger_records import DecisionRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.judging.paper.book import Contents, Settlement
    from src.observability.store.spool import Spool

START = datetime(2024, 3, 1, tzinfo=UTC)
_numbers = itertools.count(1)


def ns(hour: float) -> int:
    return int((START + timedelta(hours=hour)).timestamp()) * 1_000_000_000


def market(
    bars: Mapping[int, tuple[float, ...]], *, symbol: str = "BTC-USD", funding: Mapping[float, float] | None = None,
    closed: int | None = None,
) -> Market:  # fmt: skip
    """Return hours with their open, high, low and close; the last one is closed unless `closed` says otherwise."""
    opened, high, low, close = numpy.array(list(bars.values()), dtype=float).T
    times = numpy.array([ns(hour) for hour in bars])
    series = PriceSeries(open_ns=times, open=opened, high=high, low=low, close=close, source="by hand", symbol=symbol)
    rates = None
    if funding is not None:
        rates = FundingSeries(numpy.array([ns(hour) for hour in funding]), numpy.array(list(funding.values())))
    return Market(prices=series, closed=len(bars) if closed is None else closed, funding=rates)


def flat(prices: Mapping[int, float]) -> dict[int, tuple[float, ...]]:
    """Return bars that stay at one price each."""
    return {hour: (price,) * 4 for hour, price in prices.items()}


class Desk:
    """A book with what a test does to it."""

    def __init__(
        self, spool: Spool, *, name: str = "paper", limits: Mapping[str, Any] | None = None, **terms: Any
    ) -> None:
        self.spool = spool
        self.book = PaperBook.open(spool, Terms(name=name, **terms), limits)

    def decide(self, action: str, hour: float, *, symbol: str = "BTC-USD", horizon: str = "24h", **fields: Any) -> str:
        """Write a decision that the book follows; return its id."""
        record = DecisionRecord(
            id=f"{next(_numbers):032x}", time_ns=ns(hour), as_of_ns=ns(hour), symbol=symbol, action=action,
            horizons=horizon, **fields,
        )  # fmt: skip
        self.book.follow(record.id)
        self.spool.append_ledger(record)
        return record.id

    def settle(self, *markets: Market) -> Settlement:
        return self.book.settle({plain_symbol(item.prices.symbol or ""): item for item in markets})

    @property
    def contents(self) -> Contents:
        return self.book.contents()

    @property
    def cash(self) -> Decimal:
        return self.contents.account().cash_usd

    def lines(self) -> list[tuple[str, str, int, str, str]]:
        """Return the journal: kind, reason, hour, quantity, and the cash to the cent."""
        return [
            (
                item.kind,
                item.reason,
                round((item.time_ns - ns(0)) / 3.6e12),
                item.quantity,
                f"{Decimal(item.cash_usd):.2f}",
            )
            for item in self.contents.events
        ]
