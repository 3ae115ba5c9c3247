"""Decide which columns of a sheet hold what: by the dialect that its header is of, else by its names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from src.agents.market.candles import MarketDataError, RowIssue
from src.agents.market.dialects import COINGECKO, DIALECTS, HISTDATA, METATRADER_4, Dialect
from src.agents.market.names import (
    PRICES,
    Column,
    Roles,
    columns_of,
    keys_of,
    price_sets,
    roles,
    stated_order,
    stated_zone,
)
from src.agents.market.symbols import same_symbol
from src.agents.market.times import looks_like_time

if TYPE_CHECKING:
    from src.agents.market.sheet import Sheet

_GENERIC: Final = Dialect(name="a header of usual names", header="")
_THOUSANDS: Final = re.compile(r"\d{1,3}")
_GROUP: Final = re.compile(r"\d{3}(?:\.\d+)?")
_GATE_WIDTH: Final = 8  # cells of Gate's candles, of which the last says whether the bar is closed
_HEADERLESS: Final = Dialect(name="no header", header="")


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a sheet: `prices` holds the numbers of open, high, low, close; the rest may be missing.

    `is_positional` says that there is no header, so that the order of the price columns is to be decided by their
    cells.
    """

    dialect: Dialect
    time: int
    prices: dict[str, int]
    clock: int | None = None
    volume: int | None = None
    symbol: int | None = None
    period: int | None = None
    groups: tuple[int, ...] = ()
    confirmed: int | None = None
    zone: str | None = None
    date_order: str | None = None
    close_stamps: bool = False
    is_positional: bool = False
    width: int = 0
    remarks: tuple[RowIssue, ...] = ()
    names: dict[str, str] = field(default_factory=dict)


def dialect_of(names: tuple[str, ...], delimiter: str | None) -> Dialect:
    """Return the dialect that has this header; sources without a delimiter may be of any."""
    listed = keys_of(names)
    keys = set(listed)
    for dialect in DIALECTS:
        ordered = keys_of(tuple(dialect.header.split(dialect.delimiter)))
        own = set(ordered)
        required = own - set(dialect.optional)
        if delimiter not in (None, dialect.delimiter) or (dialect.is_ordered and listed != ordered):
            continue
        if required <= keys and (dialect.open_ended or keys - {""} <= own | set(dialect.optional)):
            return dialect
    return _GENERIC


def layout_of(sheet: Sheet, symbol: str | None) -> Layout:
    """Return the layout of a sheet.

    Raises:
        MarketDataError: a column is missing, or two columns mean the same.
    """
    if sheet.names is None:
        return positional(sheet)
    first = sheet.sample[0] if sheet.sample else ()
    parts = roles(sheet.names, first)
    dialect = dialect_of(sheet.names, sheet.delimiter)
    if sheet.hints.dialect:
        dialect = replace(dialect, name=sheet.hints.dialect, zone=sheet.hints.zone or dialect.zone)
    prices, volumes, remarks = _prices(sheet, parts, symbol)
    if parts.time is None:
        raise _lacking(sheet.source, ["time"], sheet.names)
    volume, volume_remarks = _volume(volumes, dialect, sheet, first, parts.symbol)
    return Layout(
        dialect=dialect,
        time=parts.time.index,
        prices={name: column.index for name, column in prices.items()},
        clock=None if parts.clock is None else parts.clock.index,
        volume=None if volume is None else volume.index,
        symbol=None if parts.symbol is None else parts.symbol.index,
        period=None if parts.period is None else parts.period.index,
        groups=tuple(column.index for column in parts.groups),
        confirmed=None if parts.confirmed is None else parts.confirmed.index,
        zone=stated_zone(parts.time),
        date_order=stated_order(parts.time),
        close_stamps=parts.is_close_time or dialect.close_stamps,
        remarks=(*remarks, *volume_remarks),
        names=_shown(parts, prices, volume),
    )


def _shown(parts: Roles, prices: dict[str, Column], volume: Column | None) -> dict[str, str]:
    names = {"time": parts.time.name if parts.time is not None else ""}
    if parts.clock is not None:
        names["time"] += f" + {parts.clock.name}"
    names |= {name: column.name for name, column in prices.items()}
    if volume is not None:
        names["volume"] = volume.name
    if parts.symbol is not None:
        names["symbol"] = parts.symbol.name
    return names


def _lacking(source: str, missing: list[str], names: tuple[str, ...]) -> MarketDataError:
    has = ", ".join(name.strip() for name in names if name.strip())
    return MarketDataError(
        f"{source} lacks {', '.join(missing)}: its header has {has}. Rename a column, for example to {missing[0]}."
    )


def _prices(sheet: Sheet, parts: Roles, symbol: str | None) -> tuple[dict[str, Column], list[Column], list[RowIssue]]:
    """Return the four price columns, those that may be the volume, and remarks."""
    names = sheet.names or ()
    twice = {name: columns for name, columns in parts.prices.items() if len(columns) > 1}
    single = {name: columns[0] for name, columns in parts.prices.items() if len(columns) == 1}
    if len(single) == len(PRICES):
        return single, parts.volumes, []
    sets = price_sets(columns_of(names))
    sets.pop("", None)
    chosen = _chosen_set(sets, symbol)
    if chosen is not None:
        affix, choice = chosen
        remark = RowIssue(
            line=None,
            kind="columns",
            detail=f"prices are {', '.join(choice[name].name for name in PRICES)}",
            action="read",
        )
        volume = choice.get("volume")
        return (
            {name: choice[name] for name in PRICES},
            [volume] if volume is not None else ([] if len(sets) > 1 else parts.volumes),
            [remark] if affix else [],
        )
    if len(sets) > 1:
        listed = "; ".join(", ".join(fields[name].name for name in PRICES) for fields in list(sets.values())[:6])
        raise MarketDataError(
            f"{sheet.source} holds several sets of prices: {listed}. Name the symbol of one, or give its columns alone."
        )
    if twice:
        name, columns = next(iter(twice.items()))
        listed = " and ".join(f"{column.name!r} (column {column.index + 1})" for column in columns)
        raise MarketDataError(f"{sheet.source} has {name} twice: {listed}. Give the columns of one market alone.")
    missing = [name for name in PRICES if name not in single]
    if missing == ["close"] and parts.adjusted_close is not None:
        raise MarketDataError(
            f"{sheet.source} lacks close: {parts.adjusted_close.name} is adjusted for dividends and splits, and its "
            "open, high and low are not. Give the close that was traded, or all four adjusted."
        )
    raise _lacking(sheet.source, missing if parts.time is not None else ["time", *missing], names)


def _chosen_set(sets: dict[str, dict[str, Column]], symbol: str | None) -> tuple[str, dict[str, Column]] | None:
    """Return the set of the asked symbol, or the only one."""
    matches = [(affix, columns) for affix, columns in sets.items() if symbol and affix and same_symbol(affix, symbol)]
    if len(matches) == 1:
        return matches[0]
    is_market = len(sets) == 1 and (symbol is None or not _is_ticker(next(iter(sets.values()))))
    return next(iter(sets.items())) if is_market else None


def _is_ticker(columns: dict[str, Column]) -> bool:
    """Tell whether a set is named by something in brackets that looks like a symbol rather than a currency."""
    return bool(columns["close"].bracket) and columns["close"].bracket not in ("usd", "usdt", "eur", "gbp", "adj")


def _volume(
    volumes: list[Column], dialect: Dialect, sheet: Sheet, first: tuple[str, ...], symbol: Column | None
) -> tuple[Column | None, list[RowIssue]]:
    """Return the volume of what is traded; where two columns may be that, none, with a remark."""
    if dialect.volume and dialect.volume != "first":
        chosen = next((column for column in volumes if column.key == dialect.volume), None)
    elif not volumes:
        chosen = None
    elif dialect.volume == "first":
        chosen = min(volumes, key=lambda column: column.index)
    else:
        chosen = _plain_volume(volumes, first, symbol)
    others = [column for column in volumes if column is not chosen]
    if not others:
        return chosen, []
    listed = ", ".join(column.name for column in others)
    detail = f"the volume is {chosen.name}, not {listed}" if chosen else f"the volume may be {listed}"
    action = "read" if chosen else "left out"
    return chosen, [RowIssue(line=sheet.first_line, kind="volumes", detail=detail, action=action)]


def _plain_volume(volumes: list[Column], first: tuple[str, ...], symbol: Column | None) -> Column | None:
    if len(volumes) == 1:
        return volumes[0]
    same = [column for column in volumes if column.key == volumes[0].key]
    if len(same) > 1:
        return None
    if volumes[0].key in ("volume", "vol", "v", "basevolume", "volumebase", "volumefrom"):
        return volumes[0]
    base = re.split(r"[/\-_:]", first[symbol.index])[0].casefold() if symbol and symbol.index < len(first) else ""
    matches = [column for column in volumes if base and column.key in (f"volume{base}", f"vol{base}")]
    return matches[0] if len(matches) == 1 else None


def positional(sheet: Sheet) -> Layout:
    """Return the layout of a sheet without a header: a time, then at least four numbers."""
    row = sheet.sample[0]
    if len(row) >= 6 and re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", row[1].strip()):
        platform = HISTDATA if "DAT_MT_" in sheet.source.upper() else METATRADER_4
        return _positional(sheet, platform, first_price=2, clock=1)
    if not looks_like_time(row[0].strip()):
        raise MarketDataError(
            f"{sheet.source} has no header with time, open, high, low and close, and begins with "
            f"{row[0].strip()[:40]!r}. Give the columns those names."
        )
    return _positional(sheet, _platform(sheet, row), first_price=1, clock=None)


def _positional(sheet: Sheet, dialect: Dialect, *, first_price: int, clock: int | None) -> Layout:
    counts = [len(cells) for cells in sheet.sample]
    width = max(set(counts), key=lambda count: (counts.count(count), count))  # of most rows; longer ones are dropped
    volume = first_price + 4 if width > first_price + 4 else None
    if volume is not None and sheet.delimiter == "," and dialect in (METATRADER_4, HISTDATA, _HEADERLESS):
        _refuse_grouped_volume(sheet, volume)
    confirmed = 8 if dialect.name == "OKX candles" else None
    if all(len(cells) == _GATE_WIDTH and cells[7].strip().lower() in ("true", "false") for cells in sheet.sample):
        confirmed = 7
    return Layout(
        dialect=dialect,
        time=0,
        clock=clock,
        prices={name: first_price + place for place, name in enumerate(PRICES)},
        volume=volume,
        confirmed=confirmed,
        close_stamps=dialect.close_stamps,
        is_positional=True,
        width=width - first_price,
        names={"time": "column 1" + (" + 2" if clock else "")},
    )


def _refuse_grouped_volume(sheet: Sheet, volume: int) -> None:
    """Raise where the cells of a volume and after it may be one number, as in `3,112.24`, in each row that has both."""
    pairs = [(cells[volume].strip(), cells[volume + 1].strip()) for cells in sheet.sample if len(cells) > volume + 1]
    if pairs and all(_THOUSANDS.fullmatch(first) and _GROUP.fullmatch(second) for first, second in pairs):
        first, second = pairs[0]
        raise MarketDataError(
            f"{sheet.source}: {first},{second} may be a volume of {first}{second}, or one of {first} and another "
            "column. Quote numbers that have a comma in them, or give the columns names in a first line."
        )


def _platform(sheet: Sheet, row: tuple[str, ...]) -> Dialect:
    width = len(row)
    if sheet.kind == "JSON" and width == 5 and row[0].isdigit():
        return COINGECKO
    if sheet.delimiter == ";" and re.fullmatch(r"\d{8} \d{6}", row[0].strip()):
        return HISTDATA
    by_width = {12: "Binance klines", 8: "Kraken OHLC", 9: "OKX candles", 7: "Kraken OHLCVT"}
    name = by_width.get(width, "ccxt OHLCV" if sheet.kind == "JSON" and width == 6 else "")
    if width == 7 and len(row[0].strip()) > 11:
        name = "Bybit klines"
    if not row[0].strip().isdigit() or not name or (width == 9 and row[8].strip() not in ("0", "1")):
        return _HEADERLESS
    return Dialect(name=name, header="", zone="UTC", decimal="." if sheet.is_exact else None)
