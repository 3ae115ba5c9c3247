"""Read candles from an exchange through ccxt: public market data only, no keys."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from src.agents.market.candles import Candle, Issues, MarketDataError
from src.agents.market.rows import in_order

if TYPE_CHECKING:
    from src.agents.market.candles import Candles


def live_candles(
    symbol: str, exchange: str, *, timeframe: str = "15m", limit: int = 300, client: Any = None
) -> Candles:
    """Return the newest candles of a market, without the one that is still open.

    Args:
        symbol: The market, such as BTC/USDT or BTC-USD.
        exchange: The exchange as ccxt names it: binance, kraken, coinbase, ...
        timeframe: The length of a candle as ccxt names it: 1m, 15m, 1h, 1d.
        limit: How many candles.
        client: A ccxt exchange to use in place of a new one.

    Raises:
        MarketDataError: exchange, market or timeframe is unknown, or the exchange does not answer.
    """
    import ccxt

    source = client or _client(ccxt, exchange)
    try:
        market = _market(source, symbol)
        rows = source.fetch_ohlcv(market, timeframe, limit=limit + 1)
        length = int(source.parse_timeframe(timeframe))
        now = source.milliseconds() / 1000
    except ccxt.RateLimitExceeded as error:
        raise MarketDataError(f"{exchange} asks to slow down: try again in a minute.") from error
    except ccxt.NetworkError as error:
        raise MarketDataError(f"{exchange} does not answer ({type(error).__name__}): check the network.") from error
    except (ccxt.BadRequest, ccxt.NotSupported, KeyError) as error:
        known = ", ".join(getattr(source, "timeframes", None) or {})
        raise MarketDataError(f"{exchange} has no candles of {timeframe} for {symbol}. It knows: {known}.") from error
    except ccxt.ExchangeError as error:
        raise MarketDataError(f"{exchange} refuses: {error}") from error
    return _candles(rows, length, now, symbol, exchange, timeframe)


def _client(ccxt: Any, exchange: str) -> Any:
    name = exchange.strip().lower()
    if name not in ccxt.exchanges:
        matches = difflib.get_close_matches(name, ccxt.exchanges, n=3)
        hint = f" Do you mean {', '.join(matches)}?" if matches else " Such as binance, kraken or coinbase."
        raise MarketDataError(f"There is no exchange {exchange!r}.{hint}")
    return getattr(ccxt, name)({"enableRateLimit": True, "timeout": 15000})


def _market(client: Any, symbol: str) -> str:
    client.load_markets()
    market = symbol.strip().upper().replace("-", "/").replace("_", "/")
    if market in client.markets:
        return market
    matches = difflib.get_close_matches(market, [name for name in client.markets if ":" not in name], n=4, cutoff=0.5)
    hint = f" Near it: {', '.join(matches)}." if matches else ""
    raise MarketDataError(f"{client.id} has no market {symbol}.{hint}")


def _candles(rows: list[list[Any]], length: int, now: float, symbol: str, exchange: str, timeframe: str) -> Candles:
    issues = Issues()
    if rows and rows[-1][0] / 1000 + length > now:
        issues.add("open_candle", "the newest candle is still open", "dropped")
        rows = rows[:-1]
    candles = [(None, _candle(row)) for row in rows]
    return in_order(candles, issues, symbol=symbol, source=f"{exchange}, {timeframe}")


def _candle(row: list[Any]) -> Candle:
    """Return a row as a candle; a null price becomes NaN, which the rule for bad rows drops."""
    opened, high, low, close = (float("nan") if value is None else float(value) for value in row[1:5])
    return Candle(
        time=datetime.fromtimestamp(row[0] / 1000, UTC),
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=None if len(row) < 6 or row[5] is None else float(row[5]),
    )
