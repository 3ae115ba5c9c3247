"""Read candles from an exchange through ccxt: public market data only, no keys."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from src.agents.market.bars import moment
from src.agents.market.candles import Candle, Issues, MarketDataError
from src.agents.market.rows import in_order
from src.agents.market.timeframes import Timeframe, zone_of_months

if TYPE_CHECKING:
    from datetime import tzinfo

    from src.agents.market.candles import Candles

_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_UNIT_MONTHS: Final = {"M": 1, "y": 12, "Y": 12}


def live_candles(
    symbol: str, exchange: str, *, timeframe: str = "15m", limit: int = 300, client: Any = None
) -> Candles:
    """Return the newest candles of a market, without those that are still open.

    Args:
        symbol: The market: the exchange's own name of it (BTC-USD-241220, ETH_USDT), or ccxt's (BTC/USDT,
            XYZ-TSLA/USDC:USDC); BTC-USD and btc_usd are read as BTC/USD.
        exchange: The exchange as ccxt names it: binance, kraken, coinbase, ...
        timeframe: The length of a candle as ccxt names it: 1m, 15m, 1h, 1d, 1w, 1M.
        limit: How many candles.
        client: A ccxt exchange to use in place of a new one; its clock tells which candles are closed.

    Raises:
        MarketDataError: exchange, market or timeframe is unknown, or the exchange does not answer.
    """
    import ccxt

    source = client or _client(ccxt, exchange)
    frame = _frame(source, timeframe, exchange, symbol)
    issues = Issues()
    try:
        market = _market(source, symbol, issues)
        rows = source.fetch_ohlcv(market, timeframe, limit=limit + 1)
        now_us = int(source.milliseconds()) * 1000
    except ccxt.RateLimitExceeded as error:
        raise MarketDataError(f"{exchange} asks to slow down: try again in a minute.") from error
    except ccxt.NetworkError as error:
        raise MarketDataError(f"{exchange} does not answer ({type(error).__name__}): check the network.") from error
    except (ccxt.BadRequest, ccxt.NotSupported, KeyError) as error:
        raise _no_candles(source, timeframe, exchange, symbol) from error
    except ccxt.ExchangeError as error:
        raise MarketDataError(f"{exchange} refuses: {error}") from error
    return _candles(
        rows, frame, now_us, issues, symbol=symbol, source=f"{exchange}, {market}, {timeframe}", limit=limit
    )


def _client(ccxt: Any, exchange: str) -> Any:
    name = exchange.strip().lower()
    if name not in ccxt.exchanges:
        matches = difflib.get_close_matches(name, ccxt.exchanges, n=3)
        hint = f" Do you mean {', '.join(matches)}?" if matches else " Such as binance, kraken or coinbase."
        raise MarketDataError(f"There is no exchange {exchange!r}.{hint}")
    return getattr(ccxt, name)({"enableRateLimit": True, "timeout": 15000})


def _no_candles(source: Any, timeframe: str, exchange: str, symbol: str) -> MarketDataError:
    known = ", ".join(getattr(source, "timeframes", None) or {})
    return MarketDataError(f"{exchange} has no candles of {timeframe} for {symbol}. It knows: {known}.")


def _frame(source: Any, timeframe: str, exchange: str, symbol: str) -> Timeframe:
    """Return a timeframe by ccxt's name; `M` are months, `m` minutes."""
    match = re.fullmatch(r"(\d+)([smhdwMyY])", timeframe)
    known = getattr(source, "timeframes", None)
    if match is None or int(match[1]) == 0 or (known and timeframe not in known):
        raise _no_candles(source, timeframe, exchange, symbol)
    count, unit = int(match[1]), match[2]
    if unit in _UNIT_MONTHS:
        return Timeframe(seconds=count * _UNIT_MONTHS[unit] * 30 * 86_400, months=count * _UNIT_MONTHS[unit])
    return Timeframe(seconds=count * _UNIT_S[unit])


def _market(client: Any, symbol: str, issues: Issues) -> str:
    """Return ccxt's name of a market: by the exchange's own name as it stands, by ccxt's, then by other spellings."""
    client.load_markets()
    name = symbol.strip()
    for spelling in (name, name.upper()):
        own = _own_name(client, spelling, issues)
        if own is not None:
            return own
        if spelling in client.markets:
            return spelling
    folded = {str(market).upper(): str(market) for market in client.markets}
    plain = name.upper()
    pair = re.fullmatch(r"([A-Z0-9]+)[-_/]([A-Z0-9]+)", plain)
    for spelling in (plain, f"{pair[1]}/{pair[2]}" if pair else plain):
        if spelling in folded:
            return folded[spelling]
    is_derivative = ":" in plain or plain.count("-") > 1
    candidates = [market for market in client.markets if is_derivative or ":" not in market]
    matches = difflib.get_close_matches(f"{pair[1]}/{pair[2]}" if pair else plain, candidates, n=4, cutoff=0.5)
    hint = f" Near it: {', '.join(matches)}." if matches else ""
    raise MarketDataError(f"{client.id} has no market {symbol}.{hint}")


def _own_name(client: Any, name: str, issues: Issues) -> str | None:
    """Return the market that the exchange itself calls so; of several, the spot market, which is said."""
    by_id = (client.markets_by_id or {}).get(name) or []
    markets = by_id if isinstance(by_id, list) else [by_id]
    if not markets:  # Hyperliquid numbers its perpetuals, and calls them by a name beside it
        markets = [market for market in client.markets.values() if _stated_name(market) == name]
    if not markets:
        return None
    chosen = next((market for market in markets if market.get("spot")), markets[0])
    others = [str(market["symbol"]) for market in markets if market is not chosen]
    if others:
        detail = f"{name} is read as {chosen['symbol']} ({chosen.get('type')}); so are called {', '.join(others)} too"
        issues.add("market", detail, "name the other to have it")
    return str(chosen["symbol"])


def _stated_name(market: Any) -> str | None:
    info = market.get("info")
    return info.get("name") if isinstance(info, dict) else None


def _candles(
    rows: list[list[Any]], frame: Timeframe, now_us: int, issues: Issues, *, symbol: str, source: str, limit: int
) -> Candles:
    rows = sorted(rows, key=lambda row: row[0])
    closed = len(rows)
    zone = _zone(rows) if frame.months else UTC
    while closed and frame.end_of(moment(int(rows[closed - 1][0]) * 1000), zone) > moment(now_us):
        closed -= 1
    if closed < len(rows):
        count = len(rows) - closed
        detail = "the newest candle is still open" if count == 1 else f"the newest {count} candles are still open"
        issues.add("open_candle", detail, "dropped", times=count)
    rows = rows[:closed][-limit:]
    if len(rows) < limit:
        issues.add("fewer_candles", f"{len(rows)} closed candles came where {limit} were asked for", "kept")
    candles = in_order([(None, _candle(row)) for row in rows], issues, symbol=symbol, source=source)
    return replace(candles, timeframe=frame.name, interval_s=candles.interval_s or frame.seconds)


def _zone(rows: list[list[Any]]) -> tzinfo:
    """Return the zone by whose months an exchange counts: HTX's begin at midnight in Singapore."""
    import numpy

    return zone_of_months(numpy.array([int(row[0]) * 1000 for row in rows], dtype="int64"))


def _candle(row: list[Any]) -> Candle:
    """Return a row as a candle; a null price becomes NaN, which the rule for bad rows drops."""
    opened, high, low, close = (float("nan") if value is None else float(value) for value in row[1:5])
    return Candle(
        time=moment(int(row[0]) * 1000),
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=None if len(row) < 6 or row[5] is None else float(row[5]),
    )
