"""Small files as platforms write them, each made up, with the right reading of their first and last bar."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

Bar = tuple[str, float, float, float, float, float | None]


@dataclass(frozen=True)
class PriceFile:
    """A file: its text, and what it says."""

    name: str
    dialect: str
    text: str
    first: Bar
    last: Bar
    rows: int = 3
    options: dict[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    issues: frozenset[str] = frozenset()


def bar_of(bar: Bar) -> tuple[datetime, float, float, float, float, float | None]:
    return (datetime.fromisoformat(bar[0]).replace(tzinfo=UTC), *bar[1:])


def _binance(scale: int, header: str = "") -> str:
    rows = [
        f"{(1704067200 + 3600 * n) * scale},42{n}00.10000000,42{n}50.50000000,42{n}00.00000000,42{n}25.25000000,"
        f"12.50000000,{(1704067200 + 3600 * (n + 1)) * scale - 1},528000.1,7{n},6.1,257000.2,0"
        for n in range(3)
    ]
    return "\n".join([*([header] if header else []), *rows]) + "\n"


BINANCE_FIRST: Bar = ("2024-01-01T00:00", 42000.1, 42050.5, 42000.0, 42025.25, 12.5)
BINANCE_LAST: Bar = ("2024-01-01T02:00", 42200.1, 42250.5, 42200.0, 42225.25, 12.5)
DAY_FIRST: Bar = ("2024-01-02", 10.5, 12.25, 9.75, 11.5, 1000.0)
DAY_LAST: Bar = ("2024-01-04", 12.5, 14.25, 11.75, 13.5, 3000.0)

FILES = (
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
        "cryptodatadownload.csv",
        "CryptoDataDownload",
        "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USDT,tradecount\n"
        "1704240000000,2024-01-03 00:00:00,BTC/USDT,11.5,13.25,10.75,12.5,2000.0,24000.5,9\n"
        "1704153600.0,2024-01-02 00:00:00,BTC/USDT,10.5,12.25,9.75,11.5,1000.0,11000.5,NULL\n",
        DAY_FIRST,
        ("2024-01-03", 11.5, 13.25, 10.75, 12.5, 2000.0),
        rows=2,
        options={"symbol": "BTC-USDT"},
        issues=frozenset({"volumes", "mixed_units"}),
    ),
    PriceFile(
        "yahoo.csv",
        "Yahoo",
        "Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-02,10.5,12.25,9.75,11.5,11.4,1000\n"
        "2024-01-03,null,null,null,null,null,null\n2024-01-04,12.5,14.25,11.75,13.5,13.4,3000\n",
        DAY_FIRST,
        DAY_LAST,
        rows=2,
        issues=frozenset({"zone", "not_a_number"}),
    ),
    PriceFile(
        "yfinance-daily.csv",
        "yfinance",
        "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n"
        "2024-01-02 00:00:00-05:00,10.5,12.25,9.75,11.5,1000,0.0,0.0\n"
        "2024-07-02 00:00:00-04:00,12.5,14.25,11.75,13.5,3000,0.24,0.0\n",
        ("2024-01-02T05:00", 10.5, 12.25, 9.75, 11.5, 1000),
        ("2024-07-02T04:00", 12.5, 14.25, 11.75, 13.5, 3000),
        rows=2,
    ),
    PriceFile(
        "yfinance-levels.csv",
        "yfinance",
        "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n"
        "2024-01-02,11.5,12.25,9.75,10.5,1000\n2024-01-04,13.5,14.25,11.75,12.5,3000\n",
        DAY_FIRST,
        DAY_LAST,
        rows=2,
    ),
    PriceFile(
        "yfinance-two-tickers.csv",
        "yfinance",
        "Price,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume\n"
        "Ticker,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT\nDate,,,,,,,,,,\n"
        "2024-01-02,11.5,311.5,12.25,312.25,9.75,309.75,10.5,310.5,1000,5000\n"
        "2024-01-04,13.5,313.5,14.25,314.25,11.75,311.75,12.5,312.5,3000,7000\n",
        DAY_FIRST,
        DAY_LAST,
        rows=2,
        options={"symbol": "AAPL"},
    ),
    PriceFile(
        "stooq.csv",
        "Stooq, or the same header",
        "Date,Open,High,Low,Close,Volume\r\n2024-01-02,10.5,12.25,9.75,11.5,1000\r\n"
        "2024-01-04,12.5,14.25,11.75,13.5,3000\r\n",
        DAY_FIRST,
        DAY_LAST,
        rows=2,
    ),
    PriceFile(
        "stooq-pl.csv",
        "Stooq",
        "Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen\n2024-01-02,10.5,12.25,9.75,11.5,1000\n"
        "2024-01-04,12.5,14.25,11.75,13.5,3000\n",
        DAY_FIRST,
        DAY_LAST,
        rows=2,
    ),
    PriceFile(
        "aapl.us.txt",
        "Stooq bulk",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\r\n"
        "AAPL.US,D,20240102,000000,10.5,12.25,9.75,11.5,1000,0\r\n"
        "AAPL.US,D,20240104,000000,12.5,14.25,11.75,13.5,3000,0\r\n",
        DAY_FIRST,
        DAY_LAST,
        rows=2,
        options={"symbol": "AAPL"},
    ),
    PriceFile(
        "tradingview-iso.csv",
        "TradingView, or the same header",
        "time,open,high,low,close,Plot,Plot,Volume\n2024-01-02T09:30:00-05:00,10.5,12.25,9.75,11.5,1,2,1000\n"
        "2024-01-02T09:45:00-05:00,12.5,14.25,11.75,13.5,1,2,3000\n",
        ("2024-01-02T14:30", 10.5, 12.25, 9.75, 11.5, 1000),
        ("2024-01-02T14:45", 12.5, 14.25, 11.75, 13.5, 3000),
        rows=2,
    ),
    PriceFile(
        "tradingview-unix.csv",
        "TradingView, or the same header",
        "time,open,high,low,close,Volume,Volume MA\n1704153600,10.5,12.25,9.75,11.5,1000,NaN\n"
        "1704326400,12.5,14.25,11.75,13.5,3000,1\n",
        DAY_FIRST,
        DAY_LAST,
        rows=2,
    ),
    PriceFile(
        "EURUSD60.csv",
        "MetaTrader 4",
        "2024.01.02,09:00,1.10501,1.11225,1.10475,1.10575,1000\n2024.01.02,10:00,1.10601,1.11325,1.10575,1.10675,2000\n",
        ("2024-01-02T09:00", 1.10501, 1.11225, 1.10475, 1.10575, 1000),
        ("2024-01-02T10:00", 1.10601, 1.11325, 1.10575, 1.10675, 2000),
        rows=2,
        issues=frozenset({"zone"}),
    ),
    PriceFile(
        "EURUSD_H1.csv",
        "MetaTrader 5",
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
        "2024.01.02\t09:00:00\t110.501\t111.225\t110.475\t110.575\t1000\t0\t8\n"
        "2024.01.02\t10:00:00\t110.601\t111.325\t110.575\t110.675\t2000\t0\t8\n",
        ("2024-01-02T09:00", 110.501, 111.225, 110.475, 110.575, 1000),
        ("2024-01-02T10:00", 110.601, 111.325, 110.575, 110.675, 2000),
        rows=2,
        encoding="utf-16",
        issues=frozenset({"zone", "volumes"}),
    ),
    PriceFile(
        "EURUSD_Daily.csv",
        "MetaTrader 5",
        "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
        "2024.01.02\t10.5\t12.25\t9.75\t11.5\t1000\t0\t8\n2024.01.04\t12.5\t14.25\t11.75\t13.5\t3000\t0\t8\n",
        DAY_FIRST,
        DAY_LAST,
        rows=2,
    ),
    PriceFile(
        "dukascopy.csv",
        "Dukascopy",
        "Gmt time,Open,High,Low,Close,Volume\n01.02.2024 00:00:00.000,1.1,1.2,1.05,1.15,1000.5\n"
        "01.02.2024 01:00:00.000,1.15,1.25,1.1,1.2,2000.5\n",
        ("2024-02-01T00:00", 1.1, 1.2, 1.05, 1.15, 1000.5),
        ("2024-02-01T01:00", 1.15, 1.25, 1.1, 1.2, 2000.5),
        rows=2,
    ),
    PriceFile(
        "dukascopy-local.csv",
        "Dukascopy",
        "Local time,Open,High,Low,Close,Volume\n01.02.2024 00:00:00.000 GMT+0200,1.1,1.2,1.05,1.15,1000.5\n"
        "01.02.2024 01:00:00.000 GMT+0200,1.15,1.25,1.1,1.2,2000.5\n",
        ("2024-01-31T22:00", 1.1, 1.2, 1.05, 1.15, 1000.5),
        ("2024-01-31T23:00", 1.15, 1.25, 1.1, 1.2, 2000.5),
        rows=2,
    ),
    PriceFile(
        "DAT_ASCII_USDJPY_M1_202407.csv",
        "HistData",
        "20240701 170000;160.100;160.200;160.050;160.150;0\n20240701 170100;160.150;160.250;160.100;160.200;0\n",
        ("2024-07-01T22:00", 160.1, 160.2, 160.05, 160.15, 0),
        ("2024-07-01T22:01", 160.15, 160.25, 160.1, 160.2, 0),
        rows=2,
        issues=frozenset({"zone"}),
    ),
    PriceFile(
        "DAT_MT_EURUSD_M1_2024.csv",
        "HistData",
        "2024.07.01,17:00,1.1,1.2,1.05,1.15,0\n2024.07.01,17:01,1.15,1.25,1.1,1.2,0\n",
        ("2024-07-01T22:00", 1.1, 1.2, 1.05, 1.15, 0),
        ("2024-07-01T22:01", 1.15, 1.25, 1.1, 1.2, 0),
        rows=2,
    ),
    PriceFile(
        "investing.csv",
        "Investing.com",
        '\ufeff"Date","Price","Open","High","Low","Vol.","Change %"\n'
        '"01/31/2024","42,150.5","42,000.0","42,200.1","41,900.9","1.25K","0.36%"\n'
        '"01/30/2024","42,000.0","41,000.5","42,100.0","40,900.0","3.4M","-1.2%"\n'
        '"01/29/2024","41,000.5","40,000.0","41,100.0","39,900.0","-","0.1%"\n',
        ("2024-01-29", 40000, 41100, 39900, 41000.5, None),
        ("2024-01-31", 42000, 42200.1, 41900.9, 42150.5, 1250),
        issues=frozenset({"newest_first", "no_volume", "zone"}),
    ),
    PriceFile(
        "investing-de.csv",
        "Investing.com",
        '"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"\n'
        '"02.02.2024","42.150,5","42.000,0","42.200,1","41.900,9","1,25K","0,36%"\n'
        '"01.02.2024","42.000,0","41.000,5","42.100,0","40.900,0","3,40M","-1,2%"\n',
        ("2024-02-01", 41000.5, 42100, 40900, 42000, 3_400_000),
        ("2024-02-02", 42000, 42200.1, 41900.9, 42150.5, 1250),
        rows=2,
        issues=frozenset({"zone"}),
    ),
    PriceFile(
        "nasdaq.csv",
        "Nasdaq",
        'Date,Close/Last,Volume,Open,High,Low\n01/04/2024,$13.50,"3,000",$12.50,$14.25,$11.75\n'
        '01/02/2024,$11.50,"1,000",$10.50,$12.25,$9.75\n',
        DAY_FIRST,
        DAY_LAST,
        rows=2,
    ),
    PriceFile(
        "alpha-vantage.csv",
        "Alpha Vantage",
        "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient\n"
        "2024-01-04,12.5,14.25,11.75,13.5,13.4,3000,0,1\n2024-01-02,10.5,12.25,9.75,11.5,11.4,1000,0,1\n",
        DAY_FIRST,
        DAY_LAST,
        rows=2,
    ),
    PriceFile(
        "alpha-vantage.json",
        "Alpha Vantage",
        '{"Meta Data":{"2. Symbol":"IBM","4. Interval":"5min","6. Time Zone":"US/Eastern"},"Time Series (5min)":{'
        '"2024-07-02 09:35:00":{"1. open":"12.5","2. high":"14.25","3. low":"11.75","4. close":"13.5",'
        '"5. volume":"3000"},'
        '"2024-07-02 09:30:00":{"1. open":"10.5","2. high":"12.25","3. low":"9.75","4. close":"11.5",'
        '"5. volume":"1000"}}}',
        ("2024-07-02T13:30", 10.5, 12.25, 9.75, 11.5, 1000),
        ("2024-07-02T13:35", 12.5, 14.25, 11.75, 13.5, 3000),
        rows=2,
    ),
    PriceFile(
        "coingecko.json",
        "CoinGecko OHLC",
        "[[1704081600000,10.5,12.25,9.75,11.5],[1704096000000,12.5,14.25,11.75,13.5]]",
        ("2024-01-01T00:00", 10.5, 12.25, 9.75, 11.5, None),
        ("2024-01-01T04:00", 12.5, 14.25, 11.75, 13.5, None),
        rows=2,
        issues=frozenset({"close_stamps"}),
    ),
    PriceFile(
        "ccxt.json",
        "ccxt OHLCV",
        "[[1704153600000,10.5,12.25,9.75,11.5,1000.0],[1704326400000,12.5,14.25,11.75,13.5,3000.0]]",
        DAY_FIRST,
        DAY_LAST,
        rows=2,
    ),
    PriceFile(
        "records.json",
        "a header of usual names",
        '{"results":[{"v":1000,"vw":11.2,"o":10.5,"c":11.5,"h":12.25,"l":9.75,"t":1704153600000,"n":7},'
        '{"v":3000,"vw":12.2,"o":12.5,"c":13.5,"h":14.25,"l":11.75,"t":1704326400000,"n":7}],"status":"OK"}',
        DAY_FIRST,
        DAY_LAST,
        rows=2,
    ),
    PriceFile(
        "coinmarketcap.csv",
        "CoinMarketCap",
        "timeOpen;timeClose;timeHigh;timeLow;name;open;high;low;close;volume;marketCap;timestamp\n"
        '"2024-01-02T00:00:00.000Z";"2024-01-02T23:59:59.999Z";"2024-01-02T10:00:00.000Z";"2024-01-02T11:00:00.000Z";'
        '"2781";10.5;12.25;9.75;11.5;1000;1;"2024-01-02T23:59:59.999Z"\n'
        '"2024-01-04T00:00:00.000Z";"2024-01-04T23:59:59.999Z";"2024-01-04T10:00:00.000Z";"2024-01-04T11:00:00.000Z";'
        '"2781";12.5;14.25;11.75;13.5;3000;1;"2024-01-04T23:59:59.999Z"\n',
        DAY_FIRST,
        DAY_LAST,
        rows=2,
    ),
    PriceFile(
        "kucoin.json",
        "KuCoin klines",
        '{"code":"200000","data":[["1704070800000","11.5","12.5","13.25","10.75","6","60"],'
        '["1704067200000","10.5","11.5","12.25","9.75","5","50"]]}',
        ("2024-01-01T00:00", 10.5, 12.25, 9.75, 11.5, 5),
        ("2024-01-01T01:00", 11.5, 13.25, 10.75, 12.5, 6),
        rows=2,
    ),
    PriceFile(
        "gate.json",
        "Gate candlesticks",
        '[["1704067200","50","11.5","12.25","9.75","10.5","5","true"],'
        '["1704070800","60","12.5","13.25","10.75","11.5","6","true"]]',
        ("2024-01-01T00:00", 10.5, 12.25, 9.75, 11.5, 5),
        ("2024-01-01T01:00", 11.5, 13.25, 10.75, 12.5, 6),
        rows=2,
    ),
    PriceFile(
        "yahoo-chart.json",
        "a header of usual names",
        '{"chart":{"result":[{"meta":{"symbol":"IBM"},"timestamp":[1704067200,1704070800],"indicators":{"quote":[{'
        '"open":[10.5,11.5],"high":[12.25,13.25],"low":[9.75,10.75],"close":[11.5,12.5],"volume":[5,6]}]}}],"error":null}}',
        ("2024-01-01T00:00", 10.5, 12.25, 9.75, 11.5, 5),
        ("2024-01-01T01:00", 11.5, 13.25, 10.75, 12.5, 6),
        rows=2,
        options={"symbol": "IBM"},
    ),
)
