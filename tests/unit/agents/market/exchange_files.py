"""Small files as crypto exchanges write them, each made up."""

from __future__ import annotations

import json

from tests.unit.agents.market.price_file import Bar, PriceFile


def _binance(scale: int, header: str = "") -> str:
    rows = [
        f"{(1704067200 + 3600 * n) * scale},42{n}00.10000000,42{n}50.50000000,42{n}00.00000000,42{n}25.25000000,"
        f"12.50000000,{(1704067200 + 3600 * (n + 1)) * scale - 1},528000.1,7{n},6.1,257000.2,0"
        for n in range(3)
    ]
    return "\n".join([*([header] if header else []), *rows]) + "\n"


BINANCE_FIRST: Bar = ("2024-01-01T00:00", 42000.1, 42050.5, 42000.0, 42025.25, 12.5)

BINANCE_LAST: Bar = ("2024-01-01T02:00", 42200.1, 42250.5, 42200.0, 42225.25, 12.5)

EXCHANGE_FILES = (
    PriceFile("BTCUSDT-1h-2024-12.csv", "Binance klines", _binance(1_000), BINANCE_FIRST, BINANCE_LAST),
    PriceFile("BTCUSDT-1h-2025-01.csv", "Binance klines", _binance(1_000_000), BINANCE_FIRST, BINANCE_LAST),
    PriceFile(
        "futures.csv",
        "Binance klines",
        _binance(
            1_000,
            "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
            "taker_buy_quote_volume,ignore",
        ),
        BINANCE_FIRST,
        BINANCE_LAST,
    ),
    PriceFile(
        "python-binance.csv",
        "Binance klines",
        _binance(
            1_000,
            "Open time,Open,High,Low,Close,Volume,Close time,Quote asset volume,Number of trades,"
            "Taker buy base asset volume,Taker buy quote asset volume,Ignore",
        ),
        BINANCE_FIRST,
        BINANCE_LAST,
    ),
    PriceFile(
        "XBTUSD_60.csv",
        "Kraken OHLCVT",
        "1704067200,42000.1,42050.5,42000.0,42025.2,3.25,71\n1704070800,42100.1,42150.5,42100.0,42125.2,3.5,72\n"
        "1704074400,42200.1,42250.5,42200.0,42225.2,3.75,73\n",
        ("2024-01-01T00:00", 42000.1, 42050.5, 42000.0, 42025.2, 3.25),
        ("2024-01-01T02:00", 42200.1, 42250.5, 42200.0, 42225.2, 3.75),
    ),
    PriceFile(
        "kraken.json",
        "Kraken OHLC",
        '{"error":[],"result":{"XXBTZUSD":[[1704067200,"100.1","102.5","99.0","101.2","100.9","3.25",71],'
        '[1704070800,"101.1","103.5","100.0","102.2","101.9","3.5",72]],"last":1704070800}}',
        ("2024-01-01T00:00", 100.1, 102.5, 99.0, 101.2, 3.25),
        ("2024-01-01T01:00", 101.1, 103.5, 100.0, 102.2, 3.5),
        rows=2,
    ),
    PriceFile(
        "coinbase.json",
        "Coinbase candles",
        "[[1704074400,99.5,103.5,101.1,102.2,7.5],[1704070800,98.5,102.5,100.1,101.2,6.5],"
        "[1704067200,97.5,101.5,99.1,100.2,5.5]]",
        ("2024-01-01T00:00", 99.1, 101.5, 97.5, 100.2, 5.5),
        ("2024-01-01T02:00", 101.1, 103.5, 99.5, 102.2, 7.5),
        issues=frozenset({"newest_first"}),
    ),
    PriceFile(
        "coinbase.csv",
        "Coinbase candles",
        "time,low,high,open,close,volume\n1704067200,97.5,101.5,99.1,100.2,5.5\n1704070800,98.5,102.5,100.1,101.2,6.5\n",
        ("2024-01-01T00:00", 99.1, 101.5, 97.5, 100.2, 5.5),
        ("2024-01-01T01:00", 100.1, 102.5, 98.5, 101.2, 6.5),
        rows=2,
    ),
    PriceFile(
        "bybit.json",
        "Bybit klines",
        '{"retCode":0,"result":{"symbol":"BTCUSDT","category":"linear","list":['
        '["1704070800000","17071","17073.5","17027","17055.5","268611","15.74"],'
        '["1704067200000","17070","17072.5","17026","17054.5","268610","15.73"]]}}',
        ("2024-01-01T00:00", 17070, 17072.5, 17026, 17054.5, 268610),
        ("2024-01-01T01:00", 17071, 17073.5, 17027, 17055.5, 268611),
        rows=2,
        issues=frozenset({"newest_first"}),
    ),
    PriceFile(
        "okx.csv",
        "OKX candles",
        "instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time,confirm\n"
        "BTC-USDT,3.721,3.743,3.677,3.708,8422410,2269.8,1269.8,1704067200000,1\n"
        "BTC-USDT,3.731,3.749,3.494,3.72,24912403,6763.2,6763.2,1704070800000,1\n"
        "BTC-USDT,3.72,3.75,3.7,3.73,24.5,6.7,6.7,1704074400000,0\n",
        ("2024-01-01T00:00", 3.721, 3.743, 3.677, 3.708, 8422410),
        ("2024-01-01T01:00", 3.731, 3.749, 3.494, 3.72, 24912403),
        rows=2,
        issues=frozenset({"open_candle"}),
    ),
    PriceFile(
        "okx.json",
        "OKX candles",
        '{"code":"0","msg":"","data":[["1704070800000","3.731","3.799","3.494","3.721","24912403","67632347","37632347",'
        '"0"],["1704067200000","3.721","3.743","3.677","3.708","8422410","22698348","12698348","1"]]}',
        ("2024-01-01T00:00", 3.721, 3.743, 3.677, 3.708, 8422410),
        ("2024-01-01T00:00", 3.721, 3.743, 3.677, 3.708, 8422410),
        rows=1,
        issues=frozenset({"open_candle"}),
    ),
    PriceFile(
        "binance-stream.json",
        "a header of usual names",
        "\n".join(
            json.dumps(
                {
                    "e": "kline",
                    "s": "BTCUSDT",
                    "k": {
                        "t": begins,
                        "T": begins + 59_999,
                        "s": "BTCUSDT",
                        "i": "1m",
                        "f": 1,
                        "L": 9,
                        "o": "10",
                        "c": close,
                        "h": "12",
                        "l": "9",
                        "v": "3.5",
                        "n": 3,
                        "x": is_closed,
                    },
                }
            )
            for begins, close, is_closed in (
                (1704153600000, "10.5", False),
                (1704153600000, "11", True),
                (1704153660000, "11.5", True),
                (1704153720000, "11.7", False),
            )
        ),
        ("2024-01-02T00:00", 10, 12, 9, 11, 3.5),
        ("2024-01-02T00:01", 10, 12, 9, 11.5, 3.5),
        rows=2,
        issues=frozenset({"open_candle"}),
    ),
)
