"""Understand the names of columns: which is the time, the four prices, the volume, the symbol."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from src.agents.market.times import states_instant

PRICES: Final = ("open", "high", "low", "close")

# The keys are names as letters and digits only, in lower case, without accents; preferred ones first.
_OPEN_TIMES = ("opentime", "timeopen", "candlebegin", "starttime", "timestart", "start", "startat", "timeperiodstart",
               "opentimestamp", "opendate", "begin", "starttimestamp", "periodstart")  # fmt: skip
_EPOCHS = ("unix", "unixtime", "unixtimestamp", "epoch", "timestampms", "unixms", "unixtimems", "timems")
_STAMPS = ("datetime", "timestamp", "gmttime", "localtime", "utc", "utctime", "timestamputc", "datetimeutc", "dateutc",
           "timeutc", "dateandtime", "datetimeet", "ts", "t", "dt", "candletime", "bartime")  # fmt: skip
_DATES = ("date", "dtyyyymmdd", "day", "tradedate", "tradingdate", "tradingday", "sessiondate", "session", "data",
          "datum", "fecha", "дата", "日期")  # fmt: skip
_CLOCKS = ("time", "hour", "hhmm", "hhmmss", "clock", "timeofday", "uhrzeit", "zeit", "hora", "czas", "время", "时间")
_UNNAMED = ("", "unnamed0", "index", "level0", "indexlevel0")
_CLOSE_TIMES = ("closetime", "timeclose", "endtime", "timeend", "end", "timeperiodend", "closetimestamp", "closedate",
                "endtimestamp", "periodend")  # fmt: skip
_TIME_TIERS = (_OPEN_TIMES, _EPOCHS, _STAMPS, _DATES, ("time",), _UNNAMED, _CLOSE_TIMES)
_SPELLINGS: Final = {
    "open": (("open", "o"), ("openprice", "priceopen", "firstprice", "openingprice", "first"),
             ("eroffn", "eroffnung", "erster", "apertura", "ouv", "ouverture", "abertura", "otwarcie", "откр",
              "开盘", "开盘价")),
    "high": (("high", "h"), ("highprice", "pricehigh", "max", "highest"),
             ("hoch", "maximo", "plushaut", "haut", "massimo", "maxima", "najwyzszy", "макс", "最高", "最高价")),
    "low": (("low", "l"), ("lowprice", "pricelow", "min", "lowest"),
            ("tief", "minimo", "plusbas", "bas", "minima", "najnizszy", "мин", "最低", "最低价")),
    "close": (("close", "c", "closelast"), ("closeprice", "priceclose", "closingprice", "lastprice", "last"),
              ("schluss", "schlusskurs", "cierre", "cloture", "chiusura", "zamkniecie", "收盘", "收盘价"),
              ("price", "zuletzt", "ultimo", "dernier", "цена")),
}  # fmt: skip
_VOLUMES = ("volume", "vol", "v", "basevolume", "volumebase", "volumefrom", "volumeusd", "qty", "quantity", "wolumen",
            "объем", "成交量", "volumen", "tickvolume", "tickvol", "ticks")  # fmt: skip
_NO_VOLUMES = re.compile(r"vol(ume)?(quote|to|ccy|ma|ume?sma|weighted|change|adj).*|vwap|volatility.*|volsma.*")
_SYMBOLS = ("symbol", "ticker", "instrument", "instrumentname", "instrumentid", "instid", "pair", "code", "tic",
            "currencypair", "productid", "product", "security", "asset", "coin", "isin", "name", "stock", "token",
            "company", "companyname", "market", "contract", "crypto", "secid", "ric", "cusip")  # fmt: skip
_PERIODS = ("per", "period", "interval", "timeframe", "granularity", "resolution", "frequency")
_GROUPS = ("exchange", "venue", "side", "pricetype", "broker", "session", "expiry", "source")
_CONFIRMED = ("confirm", "confirmed", "isclosed", "closed", "isfinal", "final", "complete", "iscomplete", "windowclose")
_LETTERED = re.compile(r"(\w*[A-Za-z])[._ ]([OHLCohlc])")
_LETTERS: Final = {"o": "open", "h": "high", "l": "low", "c": "close"}
_ZONE_WORDS = re.compile(r"^(utc|gmt)(?=time|date|datetime|timestamp|$)|(utc|gmt)$")


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name as written, its key, and what stands in brackets behind it."""

    index: int
    name: str
    key: str
    bracket: str


@dataclass(frozen=True, slots=True)
class Roles:
    """The columns by what they mean; a list where several mean the same."""

    time: Column | None
    clock: Column | None
    is_close_time: bool
    prices: dict[str, list[Column]]
    volumes: list[Column]
    symbol: Column | None
    period: Column | None
    groups: list[Column]
    confirmed: Column | None
    adjusted_close: Column | None


def columns_of(names: tuple[str, ...]) -> list[Column]:
    """Return the columns of a header."""
    return [Column(index, name.strip(), *_key(name)) for index, name in enumerate(names)]


def keys_of(names: tuple[str, ...]) -> list[str]:
    """Return the keys of a header's names."""
    return [column.key for column in columns_of(names)]


def _key(name: str) -> tuple[str, str]:
    text = unicodedata.normalize("NFKD", name.strip().strip('"')).casefold()
    text = re.sub(r"^\d+[a-z]?\.\s*", "", text)  # Alpha Vantage: "1. open", "1a. open (USD)"
    brackets = re.findall(r"[(\[]([^)\]]*)[)\]]", text)
    text = re.sub(r"[(\[][^)\]]*[)\]]", "", text)
    return re.sub(r"[\W_]+", "", text), " ".join(brackets).strip()


def roles(names: tuple[str, ...], first_row: tuple[str, ...] = ()) -> Roles:
    """Return what each column of a header means; `first_row` tells a time of day from a whole time."""
    columns = columns_of(names)
    by_key: dict[str, Column] = {}
    for column in columns:
        by_key.setdefault(column.key, column)
    time = _time_column(by_key, first_row)
    clock = None
    if time is not None and time.key in _DATES:
        clock = next((by_key[key] for key in _CLOCKS if key in by_key and by_key[key] is not time), None)
        if clock is not None and first_row and not is_clock(_cell(first_row, clock.index)):
            clock = None
    return Roles(
        time=time,
        clock=clock,
        is_close_time=time is not None and time.key in _CLOSE_TIMES,
        prices={field: _price_columns(field, columns) for field in PRICES},
        volumes=_volumes(columns),
        symbol=next((by_key[key] for key in (*_SYMBOLS, *_short_symbol(by_key, first_row)) if key in by_key), None),
        period=next((by_key[key] for key in _PERIODS if key in by_key), None),
        groups=[by_key[key] for key in _GROUPS if key in by_key and by_key[key] is not time],
        confirmed=next((by_key[key] for key in _CONFIRMED if key in by_key), None),
        adjusted_close=next((c for c in columns if re.fullmatch(r"adj(usted|ust)?clos(e|ing)(price)?", c.key)), None),
    )


def _short_symbol(by_key: dict[str, Column], first_row: tuple[str, ...]) -> tuple[str, ...]:
    """Return the name of the symbol where all names are single letters, as streams of exchanges have them."""
    if not {"s", "t", "o", "h", "l", "c"} <= by_key.keys():
        return ()
    return ("s",) if re.search(r"(?!OK$)[A-Z]{2}", _cell(first_row, by_key["s"].index)) else ()


def _time_column(by_key: dict[str, Column], first_row: tuple[str, ...]) -> Column | None:
    """Return the column of a bar's time: of several the first that is a Unix time or states its zone."""
    times = [by_key[key] for tier in _TIME_TIERS for key in tier if key in by_key]
    if len(times) > 1 and times[0].key not in _OPEN_TIMES:
        stamps = [column for column in times if column.key not in (*_UNNAMED, *_CLOSE_TIMES)]
        for column in stamps:
            if states_instant(_cell(first_row, column.index).strip()):
                return column
    return times[0] if times else None


def is_clock(text: str) -> bool:
    """Tell whether a cell is a time of day: 9:30, 09:30:00, 093000, 9:30 AM."""
    return bool(re.fullmatch(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s*([AaPp]\.?[Mm]\.?)?|\d{1,6}", text.strip()))


def _cell(row: tuple[str, ...], index: int) -> str:
    return row[index] if index < len(row) else ""


def _price_columns(field: str, columns: list[Column]) -> list[Column]:
    for tier in _SPELLINGS[field]:
        matches = [column for column in columns if column.key in tier]
        if matches:
            return matches
    return []


def _volumes(columns: list[Column]) -> list[Column]:
    """Return the columns that may be the volume, the preferred ones first."""
    listed = [column for key in _VOLUMES for column in columns if column.key == key]
    others = [
        column
        for column in columns
        if column.key.startswith("vol") and column not in listed and not _NO_VOLUMES.fullmatch(column.key)
    ]
    return listed + others


def price_sets(columns: list[Column]) -> dict[str, dict[str, Column]]:
    """Return complete sets of four prices by what their names have in common beside the field's word.

    `bid_open, bid_high, bid_low, bid_close` are the set «bid», `bid.o, bid.h, ...` too; `Open (AAPL)` and its like the
    set «aapl».
    """
    sets: dict[str, dict[str, Column]] = {}
    for column in columns:
        letter = _LETTERED.fullmatch(column.name)
        if letter:
            sets.setdefault(_key(letter[1])[0], {}).setdefault(_LETTERS[letter[2].lower()], column)
        bracket = re.sub(r"[\W_]+", "", column.bracket)
        for field in (*PRICES, "volume"):
            if column.key.startswith(field):
                sets.setdefault(column.key[len(field) :] + bracket, {}).setdefault(field, column)
            elif column.key.endswith(field):
                sets.setdefault(column.key[: -len(field)] + bracket, {}).setdefault(field, column)
    return {affix: fields for affix, fields in sets.items() if all(field in fields for field in PRICES)}


def stated_order(column: Column) -> str | None:
    """Return the order of dates that a column's name states, such as `Date (dd/mm/yyyy)`."""
    letters = re.sub(r"[^dmy]", "", re.split(r"[ ,t]h", column.bracket.lower(), maxsplit=1)[0])
    short = re.sub(r"(.)\1+", r"\1", letters)
    if not re.fullmatch(r"[dmyht:s .,/-]+", column.bracket.lower()):
        return None
    return {"dmy": "day-first", "mdy": "month-first", "ymd": "year-first"}.get(short)


def stated_zone(column: Column) -> str | None:
    """Return the zone that a column's name states, such as `Gmt time`, `timestamp_utc` or `Time (EET)`."""
    if column.bracket:
        if stated_order(column) is not None:
            return None
        return column.bracket.upper() if column.bracket not in ("ms", "s", "us", "ns", "local") else None
    return "UTC" if _ZONE_WORDS.search(column.key) else None
