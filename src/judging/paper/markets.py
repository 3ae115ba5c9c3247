"""Define the prices that a book's fills are made by."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from src.agents.market.symbols import may_be
from src.agents.risk.symbols import exposure_of
from src.judging.paper.account import market_key
from src.judging.prices import series_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from src.agents.market import Candles
    from src.judging.prices import FundingSeries, PriceSeries
    from src.observability.store.ledger_records import DecisionRecord

# A reference price further from the series' own close at that time is of another market, unit or adjustment.
_LARGEST_GAP = 0.1


@dataclass(frozen=True, slots=True)
class Market:
    """One market's bars.

    Attributes:
        prices: The bars; the open of the last one is known even while it is not closed.
        closed: How many of them are closed, so that their high, low and close are final.
        funding: Funding rates, of a perpetual contract.
    """

    prices: PriceSeries
    closed: int
    funding: FundingSeries | None = None

    @property
    def known_ns(self) -> int:
        """Return until when it is known what happened: when the last bar opens; -1 without any bar."""
        return int(self.prices.open_ns[-1]) if len(self.prices) else -1

    @property
    def closed_ns(self) -> int:
        """Return when the last closed bar opens; -1 where none is closed."""
        return int(self.prices.open_ns[self.closed - 1]) if self.closed else -1

    def open_at(self, index: int) -> Decimal:
        """Return the open of a bar."""
        return exact(self.prices.open[index])

    def price_at(self, time_ns: int) -> Decimal | None:
        """Return the price at a time: the open of the bar that begins then, else the close of the one before."""
        index = self.prices.first_at_or_after(time_ns)
        if index < len(self.prices) and int(self.prices.open_ns[index]) == time_ns:
            return self.open_at(index)
        return exact(self.prices.close[index - 1]) if index else None

    def mismatch(self, decision: DecisionRecord) -> str | None:
        """Return why these may not be the prices that a decision was made on; None where they are."""
        index = self.prices.last_before(decision.as_of_ns)
        if decision.price is None or index is None:
            return None
        close = float(self.prices.close[index])
        if abs(close / decision.price - 1) <= _LARGEST_GAP:
            return None
        return (
            f"its price of {decision.price:,.12g} differs by more than a tenth from the close of {close:,.12g} in "
            f"{self.prices.source}: another market, unit or adjustment"
        )


def exact(price: float) -> Decimal:
    """Return a price exactly as it is written."""
    return Decimal(float.__repr__(float(price)))


def market_of(candles: Candles, now: datetime, *, funding: FundingSeries | None = None) -> Market:
    """Return candles as a market; bars that are not closed at a time count with their open alone."""
    from src.agents.market import closed_bars

    return Market(prices=series_of(candles), closed=len(closed_bars(candles, now)), funding=funding)


def markets_by_symbol(
    markets: Sequence[Market], symbols: Sequence[str], names: Sequence[str | None]
) -> dict[str, Market]:
    """Return markets by the plain names of the symbols that they are of.

    Args:
        markets: The markets.
        symbols: The symbols that a book needs.
        names: Which symbol each market is of; where None, the one that its source names, or the only one of `symbols`.

    Raises:
        ValueError: it cannot be told which symbol a market is of, two are of the same, or funding rates are of another.
    """
    by_symbol: dict[str, Market] = {}
    for market, explicit in zip(markets, names, strict=True):
        name = explicit or market.prices.symbol
        if name is None:
            if len(symbols) != 1:
                source, example = market.prices.source, symbols[0] if symbols else "BTC-USD"
                raise ValueError(f"{source} does not say which symbol it has: name it, as in --csv {example}={source}")
            name = symbols[0]
        rates_of = market.funding.symbol if market.funding is not None else None
        if rates_of is not None and exposure_of(rates_of) != exposure_of(name):
            raise ValueError(f"The funding rates are of {rates_of}, not of {name}: give those of {name}.")
        key = market_key(next((item for item in symbols if may_be(name, item)), name))
        if key in by_symbol:
            raise ValueError(f"{by_symbol[key].prices.source} and {market.prices.source} are both of {name}: give one.")
        by_symbol[key] = market
    return by_symbol
