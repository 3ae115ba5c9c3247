"""List the platforms whose files are known: their header, the zone of their stamps, and what is odd about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EST: Final = "-05:00"


@dataclass(frozen=True, slots=True)
class Dialect:
    """A kind of file.

    `header` is a header line as the platform writes it, with its own delimiter. A file is of this dialect where its
    names are the same, in this order where `is_ordered`; those in `optional` may be missing, and others may come where
    `open_ended`. `zone` is the zone of stamps that state none, None where the platform documents none. `close_stamps`
    says that a stamp is a bar's end. `date_order` is "day-first" or "month-first" where the platform writes one alone.
    """

    name: str
    header: str
    delimiter: str = ","
    zone: str | None = None
    decimal: str | None = None
    date_order: str | None = None
    close_stamps: bool = False
    volume: str | None = None
    optional: tuple[str, ...] = ()
    open_ended: bool = False
    is_ordered: bool = False


# The order is that of the search: the more particular first.
DIALECTS: Final = (
    Dialect(
        name="Binance klines",
        header="open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
        "taker_buy_quote_volume,ignore",
        zone="UTC",
    ),
    Dialect(
        name="Binance klines",
        header="Open time,Open,High,Low,Close,Volume,Close time,Quote asset volume,Number of trades,"
        "Taker buy base asset volume,Taker buy quote asset volume,Ignore",
        zone="UTC",
        optional=("ignore",),
    ),
    Dialect(
        name="CryptoDataDownload",
        header="unix,date,symbol,open,high,low,close,Volume BTC,Volume USDT,tradecount",
        zone="UTC",
        volume="first",
        optional=("tradecount", "volumebtc", "volumeusdt", "buytakeramount", "buytakerquantity", "weightedaverage"),
        open_ended=True,
    ),
    Dialect(
        name="CryptoDataDownload",
        header="Unix Timestamp,Date,Symbol,Open,High,Low,Close,Volume",
        zone="UTC",
    ),
    Dialect(
        name="OKX candles",
        header="instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time,confirm",
        zone="UTC",
        volume="vol",
    ),
    Dialect(name="Bybit klines", header="start_at,symbol,period,open,high,low,close", zone="UTC", open_ended=True),
    Dialect(
        name="Bybit klines",
        header="startTime,openPrice,highPrice,lowPrice,closePrice,volume,turnover",
        zone="UTC",
        optional=("turnover",),
    ),
    Dialect(name="Coinbase candles", header="time,low,high,open,close,volume", zone="UTC", is_ordered=True),
    Dialect(
        name="CoinMarketCap",
        header="timeOpen;timeClose;timeHigh;timeLow;name;open;high;low;close;volume;marketCap;timestamp",
        delimiter=";",
        zone="UTC",
        decimal=".",
        optional=("name", "timestamp", "circulatingsupply"),
        open_ended=True,
    ),
    Dialect(
        name="MetaTrader 5",
        header="<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
        delimiter="\t",
        decimal=".",
        volume="tickvol",
        optional=("time",),
    ),
    Dialect(
        name="Stooq bulk",
        header="<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
        optional=("time", "openint"),
    ),
    Dialect(  # closing times, in exchange time: help.tradestation.com, ASCII 3rd Party Data Guidelines
        name="TradeStation",
        header="Date,Time,Open,High,Low,Close,Up,Down",
        decimal=".",
        date_order="month-first",
        close_stamps=True,
    ),
    Dialect(name="Stooq", header="Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen", optional=("wolumen",)),
    Dialect(
        name="Dukascopy",
        header="Gmt time,Open,High,Low,Close,Volume",
        zone="UTC",
        date_order="day-first",
        optional=("volume",),
    ),
    Dialect(
        name="Dukascopy",
        header="Local time,Open,High,Low,Close,Volume",
        date_order="day-first",
        optional=("volume",),
    ),
    Dialect(
        name="Investing.com",
        header="Date,Price,Open,High,Low,Vol.,Change %",
        decimal=".",
        optional=("vol", "change"),
    ),
    Dialect(
        name="Investing.com",
        header="Datum,Zuletzt,Eröffn.,Hoch,Tief,Vol.,+/- %",
        optional=("vol", ""),
        date_order="day-first",
    ),
    Dialect(
        name="Investing.com",
        header="Fecha,Último,Apertura,Máximo,Mínimo,Vol.,% var.",
        optional=("vol", "var"),
        date_order="day-first",
    ),
    Dialect(
        name="Investing.com",
        header="Date,Dernier,Ouv., Plus Haut,Plus Bas,Vol.,Variation %",
        optional=("vol", "variation"),
        date_order="day-first",
    ),
    Dialect(
        name="Investing.com",
        header="Data,Ultimo,Apertura,Massimo,Minimo,Vol.,Var. %",
        optional=("vol", "var"),
        date_order="day-first",
    ),
    Dialect(
        name="Nasdaq",
        header="Date,Close/Last,Volume,Open,High,Low",
        decimal=".",
        date_order="month-first",
    ),
    Dialect(name="Yahoo", header="Date,Open,High,Low,Close,Adj Close,Volume"),
    Dialect(
        name="yfinance",
        header="Date,Open,High,Low,Close,Volume,Dividends,Stock Splits",
        optional=("adjclose", "capitalgains", "repaired"),
    ),
    Dialect(
        name="yfinance",
        header="Datetime,Open,High,Low,Close,Volume,Dividends,Stock Splits",
        optional=("dividends", "stocksplits", "adjclose", "capitalgains", "repaired"),
    ),
    Dialect(
        name="Alpha Vantage",
        header="timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient",
        optional=("splitcoefficient",),
    ),
    Dialect(
        name="Stooq, or the same header",
        header="Date,Open,High,Low,Close,Volume",
        optional=("volume",),
    ),
    Dialect(
        name="TradingView, or the same header",
        header="time,open,high,low,close,Volume",
        optional=("volume", "volumema"),
        open_ended=True,
    ),
)
HISTDATA: Final = Dialect(name="HistData", header="", delimiter=";", zone=EST, decimal=".")
METATRADER_4: Final = Dialect(name="MetaTrader 4", header="")
COINGECKO: Final = Dialect(name="CoinGecko OHLC", header="", zone="UTC", decimal=".", close_stamps=True)
