"""Read candles from a CSV file, whatever its header calls the columns."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.agents.market import times
from src.agents.market.candles import Candle, Candles, Issues, MarketDataError, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

# The spellings of each column, as letters and digits only, the preferred ones first.
_SPELLINGS: dict[str, tuple[str, ...]] = {
    "time": (
        "datetime", "timestamp", "opentime", "time", "date", "gmttime", "localtime", "utc", "utctime", "unix",
        "unixtime", "timestamputc", "datetimeutc", "dateutc", "starttime", "start", "candlebegin", "timeperiodstart",
        "ts", "t",
    ),
    "open": ("open", "o", "openprice", "firstprice", "openbid", "openask", "bidopen", "askopen"),
    "high": ("high", "h", "highprice", "max", "highbid", "highask", "bidhigh", "askhigh"),
    "low": ("low", "l", "lowprice", "min", "lowbid", "lowask", "bidlow", "asklow"),
    "close": ("close", "c", "closeprice", "last", "closelast", "price", "closebid", "closeask", "bidclose", "askclose",
              "adjclose", "adjustedclose"),
    "volume": ("volume", "vol", "v", "basevolume", "volumebase", "tickvolume", "tickvol", "volumefrom", "volumeusd",
               "qty"),
}  # fmt: skip
_REQUIRED = ("time", "open", "high", "low", "close")
_HEADERLESS = {"time": 0, "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5}
_LARGEST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns of a file by their field; `clock` is a column with the time of day, beside one with the date."""

    columns: dict[str, int]
    clock: int | None
    decimal_comma: bool
    first_line: int


def load_candles(path: str | Path, *, symbol: str | None = None) -> Candles:
    """Return the candles of a CSV file in order of time.

    The header may use any of the usual spellings; the delimiter may be a comma, semicolon, tab or bar. Times may be
    ISO 8601, day.month.year, slashed, compact, or Unix times in seconds to nanoseconds; without a zone they are UTC.
    Bad rows are dropped, unsorted ones sorted, of rows with equal times the last one wins, gaps stay gaps: each is
    reported with its line in `issues`.

    Raises:
        MarketDataError: the file cannot be read, lacks a column, or more than half of it is bad.
    """
    file = Path(path)
    lines = _text(file).splitlines()
    if not any(line.strip() for line in lines):
        raise MarketDataError(f"{file} is empty: give a CSV file with time, open, high, low and close.")
    delimiter = _delimiter(lines)
    rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=False))
    layout = _layout(rows, file, delimiter)
    issues = Issues()
    body = rows[layout.first_line :]
    read_time, remark = times.reader([_time_text(row, layout) for row in body if len(row) > layout.columns["time"]])
    if remark:
        issues.add("ambiguous_dates", remark, "kept")
    filled = [(line, row) for line, row in enumerate(body, start=layout.first_line + 1) if not _is_skipped(row)]
    candles = list(_candles(filled, layout, read_time, issues))
    return in_order(candles, issues, symbol=symbol, source=file.name, total=len(filled))


def _text(file: Path) -> str:
    try:
        if file.is_dir():
            raise MarketDataError(f"{file} is a folder: name a CSV file in it.")
        if file.stat().st_size > _LARGEST_BYTES:
            raise MarketDataError(f"{file} is larger than 1 GB: cut it to the months that are needed.")
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise MarketDataError(f"{file} does not exist: check the path.") from error
    except (OSError, ValueError) as error:
        raise MarketDataError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _decoded(data, "utf-16", file)
    if b"\0" in data[:4096]:
        raise MarketDataError(f"{file} is not a text file: give a CSV file (a spreadsheet must be saved as CSV first).")
    return _decoded(data, "utf-8-sig", file)


def _decoded(data: bytes, encoding: str, file: Path) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise MarketDataError(f"{file} is not {encoding.upper()} text: save it as UTF-8.") from error


def _delimiter(lines: list[str]) -> str:
    """Return the delimiter that is most frequent in the first lines."""
    sample = [line for line in lines[:20] if line.strip()]
    return max(
        ";\t|,",
        key=lambda mark: (min(line.count(mark) for line in sample) > 1, sum(line.count(mark) for line in sample)),
    )


def _layout(rows: list[list[str]], file: Path, delimiter: str) -> _Layout:
    comma = delimiter == ";" and any("," in cell for row in rows[1:20] for cell in row)
    for number, row in enumerate(rows[:10]):
        if _is_skipped(row):
            continue
        names = [re.sub(r"[^a-z0-9]", "", cell.lower()) for cell in row]
        columns = _columns(names)
        if all(name in columns for name in _REQUIRED):
            clock = _clock(names, columns["time"])
            return _Layout(columns=columns, clock=clock, decimal_comma=comma, first_line=number + 1)
        if _is_headerless(row):
            return _Layout(columns=_HEADERLESS, clock=None, decimal_comma=comma, first_line=number)
        if len(row) > 1 and any(name in columns for name in ("open", "high", "close")):
            missing = [name for name in _REQUIRED if name not in columns]
            has = ", ".join(cell.strip() for cell in row if cell.strip())
            raise MarketDataError(
                f"{file} lacks {', '.join(missing)}: its header has {has}. "
                f"Rename a column, for example to {missing[0]}."
            )
    first = next((row for row in rows if any(cell.strip() for cell in row)), [])
    raise MarketDataError(
        f"{file} has no header with time, open, high, low and close; it begins with {' '.join(first)[:80]!r}. "
        "Give the columns those names."
    )


def _columns(names: list[str]) -> dict[str, int]:
    """Return the column of each field: the preferred spelling, else a name such as `volumebtc` that begins with it."""
    columns: dict[str, int] = {}
    for field_name, spellings in _SPELLINGS.items():
        at = next((names.index(spelling) for spelling in spellings if spelling in names), None)
        if at is None and field_name == "volume":
            at = next((place for place, name in enumerate(names) if name.startswith("vol")), None)
        if at is not None:
            columns[field_name] = at
    if "date" in names and columns.get("time") is not None and names[columns["time"]] == "time":
        columns["time"] = names.index("date")  # a date with the time of day beside it
    return columns


def _clock(names: list[str], date_column: int) -> int | None:
    """Return the column of the time of day, where date and time have a column each."""
    if names[date_column] != "date":
        return None
    return next((place for place, name in enumerate(names) if name in ("time", "hour", "hhmm")), None)


def _is_headerless(row: list[str]) -> bool:
    """Tell whether a first row is data: a time, then four numbers that can be open, high, low, close."""
    if len(row) < 5:
        return False
    try:
        times.read(row[0])
        opened, high, low, close = (float(cell) for cell in row[1:5])
    except ValueError:
        return False
    return low <= min(opened, close) and high >= max(opened, close)


def _time_text(row: list[str], layout: _Layout) -> str:
    text = row[layout.columns["time"]].strip()
    if layout.clock is not None and len(row) > layout.clock:
        return f"{text} {row[layout.clock].strip()}"
    return text


def _is_skipped(row: list[str]) -> bool:
    """Tell whether a row is empty or a comment."""
    return not any(cell.strip() for cell in row) or row[0].lstrip().startswith("#")


def _candles(
    rows: list[tuple[int, list[str]]], layout: _Layout, read_time: Callable[[str], datetime], issues: Issues
) -> Iterator[tuple[int, Candle]]:
    columns = layout.columns
    width = max(columns[name] for name in _REQUIRED) + 1
    volume_at = columns.get("volume")
    for line, row in rows:
        if len(row) < width:
            issues.add("short_row", f"{len(row)} columns where {width} are needed", "dropped", line)
            continue
        try:
            time = read_time(_time_text(row, layout))
        except times.UnreadableTimeError as error:
            issues.add("bad_time", str(error), "dropped", line)
            continue
        try:
            opened, high, low, close = (_number(row[columns[name]], layout) for name in _REQUIRED[1:])
        except ValueError:
            bad = next(name for name in _REQUIRED[1:] if not _is_number(row[columns[name]], layout))
            issues.add("not_a_number", f"{bad} is {row[columns[bad]][:20]!r}", "dropped", line)
            continue
        has_volume = volume_at is not None and len(row) > volume_at and _is_number(row[volume_at], layout)
        volume = _number(row[volume_at], layout) if has_volume and volume_at is not None else None
        yield line, Candle(time=time, open=opened, high=high, low=low, close=close, volume=volume)


def _number(cell: str, layout: _Layout) -> float:
    try:
        return float(cell)
    except ValueError:
        text = cell.strip().lstrip("$€£").replace(" ", "").replace("\u00a0", "")
        plain = text.replace(".", "").replace(",", ".") if layout.decimal_comma else text.replace(",", "")
        return float(plain)


def _is_number(cell: str, layout: _Layout) -> bool:
    try:
        _number(cell, layout)
    except ValueError:
        return False
    return True
