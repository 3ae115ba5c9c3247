"""Read JSON, as exchanges and price services answer: lists of lists, lists of records, columns by name."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from src.agents.market import kline_events
from src.agents.market.candles import MarketDataError
from src.agents.market.names import roles
from src.agents.market.sheet import Hints, Sheet
from src.agents.market.symbols import may_be
from src.agents.market.text_source import open_text
from src.agents.market.times import looks_like_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from src.agents.market.candles import Issues
    from src.agents.market.sheet import CellSink

_SAMPLE: Final = 20
_DEPTH: Final = 6
_ZONE_KEYS: Final = ("timezone", "exchangetimezone", "exchangetimezonename")
_SYMBOL_KEYS: Final = ("symbol", "ticker", "pair", "digitalcurrencycode", "instrument", "instrumentname", "instid",
                       "productid", "coin")  # fmt: skip
_WORDS: Final = (
    "OHLCV?|DATA|RESULTS?|CANDLES|KLINES|BARS|PRICES|QUOTES?|ROWS|UTC|SPOT|PERP|FUTURES|MARK|INDEX|LAST|BID|ASK|MID|DAILY"
    "|WEEKLY|MONTHLY|HOURLY|MINUTE|BINANCE|BYBIT|OKX|KRAKEN|COINBASE|KUCOIN|GATE|BITGET|MEXC|HTX|BITSTAMP|BITFINEX|YAHOO"
)
# A key in front of rows that is no word of an answer, nor a timeframe: XXBTZUSD, AAPL, BTC/USDT, btc_usd.
_SYMBOL: Final = re.compile(
    rf"(?=.*[A-Z])(?!\d*(?:[SMHDWY]|MN|MIN)\d*$|(?:{_WORDS})$)"
    r"[A-Z0-9.]{1,16}(?:[-/:_][A-Z0-9]{2,12}){0,2}|[a-z0-9]{2,8}[-/_](?:usd[tc]?|eur|btc)"
)
# A table's names (None for none), its rows, and the keys under which it stands.
_Tables: TypeAlias = "list[tuple[tuple[str, ...] | None, list[list[Any]], tuple[str, ...]]]"


class _NoBarsError(Exception):
    """Values by their time are no bars; the message names them."""


def open_json(path: Path, symbol: str | None = None) -> Sheet:
    """Return a JSON file, or a file with one JSON record a line, as a sheet; of several series the symbol's.

    Raises:
        MarketDataError: it is no JSON, or holds no bars.
    """
    source = open_text(path)
    text = "".join(source.blocks())
    sheet = sheet_of(_parsed(text, path), path.name, symbol)
    return Sheet(
        source=sheet.source,
        names=sheet.names,
        sample=sheet.sample,
        read=sheet.read,
        is_exact=True,
        encoding=source.encoding,
        written_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
        kind="JSON",
        hints=sheet.hints,
    )


def _parsed(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            if len(lines) > 1:
                return [json.loads(line) for line in lines]
        except (ValueError, RecursionError):
            pass
        raise MarketDataError(f"{path} is no whole JSON ({str(error)[:80]}): fetch it again.") from error


def sheet_of(data: Any, source: str, symbol: str | None = None) -> Sheet:
    """Return parsed JSON as a sheet; of several series that of the symbol.

    Raises:
        MarketDataError: it holds no bars, or several series.
    """
    data = kline_events.bars_of(data)
    hints = _hints(data)
    tables: _Tables = []
    try:
        _collect(data, tables, (), 0)
    except _NoBarsError as error:
        raise MarketDataError(f"{source} holds {error}, but no bars with open, high, low and close.") from error
    if len(tables) > 1 and symbol:
        tables = [table for table in tables if may_be(_symbol_of(table[2]) or "", symbol)] or tables
    if len(tables) > 1:
        listed = ", ".join(".".join(where) or "the whole" for _, _, where in tables[:6])
        raise MarketDataError(f"{source} holds several series ({listed}): give one of them.")
    if not tables:
        raise MarketDataError(
            f"{source} holds no bars: give a list of [time, open, high, low, close, volume], or of records with those "
            "names."
        )
    names, rows, where = tables[0]
    hints = hints if hints.symbol is not None else replace(hints, symbol=_symbol_of(where))
    sample = tuple(tuple(_text(cell) for cell in row) for row in rows[:_SAMPLE])
    return Sheet(source=source, names=names, sample=sample, read=_reader(rows), is_exact=True, kind="JSON", hints=hints)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _reader(rows: list[list[Any]]) -> Callable[[Mapping[int, CellSink], Issues, int], Any]:
    def read(sinks: Mapping[int, CellSink], _issues: Issues, _needed: int) -> Any:
        import numpy

        for index, sink in sinks.items():
            add_cells([row[index] if index < len(row) else None for row in rows], sink)
        return numpy.arange(1, len(rows) + 1, dtype="int64") * 0

    return read


def add_cells(cells: list[Any], sink: CellSink) -> None:
    """Hand cells to a sink: as numbers where all are such, else as text."""
    import numpy

    from src.agents.market.cells import text_array

    kinds = {type(cell) for cell in cells} - {type(None)}
    if kinds and kinds <= {int, float}:
        if kinds == {int} and None not in cells and max(map(abs, cells), default=0) < 2**63:
            sink.add_values(numpy.array(cells, dtype="int64"))
        else:
            sink.add_values(numpy.array([numpy.nan if cell is None else cell for cell in cells], dtype="float64"))
    else:
        sink.add_text(text_array(cells))


def _symbol_of(where: tuple[str, ...]) -> str | None:
    """Return the key that is a symbol among those under which a table stands: of Kraken's result.XXBTZUSD the last."""
    return next((key for key in reversed(where) if _SYMBOL.fullmatch(key)), None)


def _collect(data: Any, tables: _Tables, where: tuple[str, ...], depth: int) -> None:
    """Collect what looks like a series of bars, wherever an answer wraps it."""
    if depth > _DEPTH:
        return
    table = _table(data)
    if table is not None:
        tables.append((*table, where))
        return
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in list(inner)[:200]:
        if isinstance(value, dict | list):
            _collect(value, tables, (*where, str(key)), depth + 1)


def _table(data: Any) -> tuple[tuple[str, ...] | None, list[list[Any]]] | None:
    if isinstance(data, list) and data:
        return _from_list(data)
    if isinstance(data, dict) and data:
        data = _with_quotes(data)
        return _from_split(data) or _from_columns(data) or _from_times(data)
    return None


def _with_quotes(data: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of Yahoo's charts with its prices beside its times."""
    quotes = data["indicators"].get("quote") if isinstance(data.get("indicators"), dict) else None
    if isinstance(quotes, list) and len(quotes) == 1 and isinstance(quotes[0], dict) and "timestamp" in data:
        return {"timestamp": data["timestamp"], **quotes[0]}
    return data


def _from_list(rows: list[Any]) -> tuple[tuple[str, ...] | None, list[list[Any]]] | None:
    if all(isinstance(row, list) and len(row) >= 5 for row in rows):
        first = [_text(cell) for cell in rows[0]]
        return (None, rows) if looks_like_time(first[0]) else None
    if all(isinstance(row, dict) for row in rows):
        names = list(dict.fromkeys(key for row in rows for key in row))
        if len(names) >= 5 and _is_named(tuple(names)):
            return tuple(names), [[row.get(name) for name in names] for row in rows]
    return None


def _from_split(data: dict[str, Any]) -> tuple[tuple[str, ...], list[list[Any]]] | None:
    """Read what pandas writes with orient="split"."""
    columns, rows, index = data.get("columns"), data.get("data"), data.get("index")
    if not isinstance(columns, list) or not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return None
    names = [_text(name) for name in columns]
    if isinstance(index, list) and len(index) == len(rows):
        names, rows = ["", *names], [[at, *row] for at, row in zip(index, rows, strict=True)]
    return (tuple(names), rows) if _is_named(tuple(names)) else None


def _from_columns(data: dict[str, Any]) -> tuple[tuple[str, ...], list[list[Any]]] | None:
    """Read columns by name: lists of one length, or, as pandas writes them, values by their index."""
    lists = {name: values for name, values in data.items() if isinstance(values, list) and values}
    lengths = {len(values) for values in lists.values()}
    if len(lists) >= 5 and len(lengths) == 1 and _is_named(tuple(lists)):
        return tuple(lists), [list(row) for row in zip(*lists.values(), strict=True)]
    maps = {name: values for name, values in data.items() if isinstance(values, dict) and values}
    if len(maps) == len(data) and len(maps) >= 4 and _is_named(("", *maps)):
        index = list(next(iter(maps.values())))
        rows = [[at, *(values.get(at) for values in maps.values())] for at in index]
        return ("", *maps), rows
    return None


def _from_times(data: dict[str, Any]) -> tuple[tuple[str, ...], list[list[Any]]] | None:
    """Read records by their time, as Alpha Vantage gives them."""
    records = [value for value in data.values() if isinstance(value, dict)]
    if len(records) != len(data) or not looks_like_time(str(next(iter(data)))):
        return None
    names = list(dict.fromkeys(key for record in records for key in record))
    if not _is_named(("date", *names)):
        price = [name for name in names if "price" in name.lower()]
        what = ", ".join(price or names)[:80]
        raise _NoBarsError(f"{what} at each time")
    return ("date", *names), [[at, *(record.get(name) for name in names)] for at, record in data.items()]


def _is_named(names: tuple[str, ...]) -> bool:
    parts = roles(names)
    known = sum(bool(columns) for columns in parts.prices.values())
    return parts.time is not None and known == len(parts.prices)


def _hints(data: Any) -> Hints:
    """Return what an answer says of itself in the objects around its rows."""
    facts: dict[str, str] = {}
    _facts(data, facts, 0)
    zone = next((facts[key] for key in _ZONE_KEYS if key in facts), None)
    symbol = next((facts[key] for key in _SYMBOL_KEYS if key in facts), None)
    dialect = "Alpha Vantage" if isinstance(data, dict) and "Meta Data" in data else None
    return Hints(symbol=symbol, zone=zone, dialect=dialect)


def _facts(data: Any, facts: dict[str, str], depth: int) -> None:
    if depth > 3 or not isinstance(data, dict) or len(data) > 50:
        return
    for name, value in data.items():
        if isinstance(value, str):
            facts.setdefault(re.sub(r"^\d+\.\s*|[\W_]+", "", name.casefold()), value)
        else:
            _facts(value, facts, depth + 1)
