"""Small files as charting platforms, brokers and data vendors write them, each made up."""

from __future__ import annotations

from tests.unit.agents.market.price_file import Bar, PriceFile

DAY_FIRST: Bar = ("2024-01-02", 10.5, 12.25, 9.75, 11.5, 1000.0)

DAY_LAST: Bar = ("2024-01-04", 12.5, 14.25, 11.75, 13.5, 3000.0)

PLATFORM_FILES = (
    PriceFile(
        "tradestation.csv",
        "TradeStation",
        '"Date","Time","Open","High","Low","Close","Up","Down"\n01/02/2024,0931,10,11,9,10.5,100,50\n'
        "01/02/2024,0932,10.5,11,10,10.6,90,60\n01/02/2024,0933,10.6,11,10,10.7,90,60\n",
        ("2024-01-02T14:30", 10, 11, 9, 10.5, None),
        ("2024-01-02T14:32", 10.6, 11, 10, 10.7, None),
        options={"zone": "America/New_York"},
        issues=frozenset({"close_stamps"}),
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
