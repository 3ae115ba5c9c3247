"""Select what an agent decides on: closed bars only, at least ten, with remarks on what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from src.observability.ledger import aware, market_name, refuse_future

if TYPE_CHECKING:
    from src.agents.market import Candles, MarketSnapshot

# Fewer bars show neither a trend nor how much a price moves.
MIN_BARS: Final = 10
# What `load_candles` returns or reads: a path, a frame of pandas, polars or pyarrow, rows.
PriceSource: TypeAlias = Any
_SHOWN_ISSUES: Final = 5


@dataclass(frozen=True, slots=True)
class MarketView:
    """Closed bars with their snapshot.

    Attributes:
        candles: The closed bars.
        snapshot: What they show.
        remarks: Which bars were left out, and what so few bars cannot tell.
        as_of: The close of the last bar.
    """

    candles: Candles
    snapshot: MarketSnapshot
    remarks: tuple[str, ...]
    as_of: datetime


def require_min_bars(count: int) -> int:
    """Return a valid minimum number of bars.

    Raises:
        ValueError: it is no whole number above 0.
    """
    value: object = count
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"min_bars is {count!r}: give a whole number of bars above 0; {MIN_BARS} is usual.")
    return count


def market_view(
    symbol: str, source: PriceSource, *, now: datetime | None = None, min_bars: int = MIN_BARS
) -> MarketView:
    """Return the closed bars, snapshot and remarks that an agent decides on.

    Raises:
        MarketDataError: the prices cannot be read, are of another symbol, or are too few.
        ValueError: `now` states no zone, and this machine's is not UTC, or it lies in the future; the symbol has
            letters that look like others.
    """
    from src.agents.market import Candles, MarketDataError, closed_bars, load_candles, snapshot
    from src.agents.market.candles import first_of_each_kind
    from src.agents.market.symbols import may_be
    from src.agents.market.timeframes import last_close

    market_name(symbol)
    if now is not None:
        refuse_future(int(aware(now, "now").timestamp()) * 1_000_000_000, "now")
    prices = source if isinstance(source, Candles) else load_candles(source, symbol=symbol)
    if prices.symbol is not None and not may_be(prices.symbol, symbol):
        raise MarketDataError(f"The candles are of {prices.symbol}, not of {symbol}: give those of {symbol}.")
    closed = closed_bars(prices, datetime.now(UTC) if now is None else aware(now, "now"))
    left_out = [issue.detail for issue in closed.issues[len(prices.issues) :]]
    if len(closed) < min_bars:
        why = f" ({'; '.join(left_out)})" if left_out else ""
        raise MarketDataError(
            f"{prices.source} has {len(closed)} closed bars of {symbol}{why}, and a decision needs at least "
            f"{min_bars}: {min_bars - len(closed)} are missing. Give a longer history, or a smaller --min-bars."
        )
    market = snapshot(closed)
    shown = first_of_each_kind(prices.issues, _SHOWN_ISSUES)
    remarks = [f"left out: {detail}" for detail in left_out]
    remarks += [f"prices: {issue.kind}: {issue.detail} ({issue.action})" for issue in shown]
    return MarketView(candles=closed, snapshot=market, remarks=(*remarks, *market.missing), as_of=last_close(closed))
