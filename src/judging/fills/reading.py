"""Read fills out of trade exports: CSV of a known header, or JSON of ccxt and of exchanges' own interfaces."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from src.judging.fills.formats import FORMATS, known_header
from src.judging.fills.json_trades import json_trades
from src.judging.fills.records import Fill, FillsError
from src.judging.fills.rows import OrderFee, RowError, as_fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from src.judging.fills.formats import Header

ONE_WAY: Final = (
    "{} does not say to which position a fill belongs: it is read as of an account in one-way mode, where a fill "
    "closes what is open on the other side. In hedge mode its results are not right."
)
NO_OTHER_HALF: Final = "its order's other half is not in the file"
_ONE_WAY_VENUES: Final = ("kraken", "hyperliquid")  # that have no other mode
_DATES: Final = (None, "day-first", "month-first", "year-first")
_HEADER_ROWS: Final = 30  # names stand in one of these
_DELIMITERS: Final = (",", ";", "\t")
_PREAMBLE_ZONE: Final = re.compile(r"Time Zone:\s*(UTC(?:[+-]\d{1,2}(?::?\d{2})?)?)", re.IGNORECASE)
_COMMA_NUMBER: Final = re.compile(r"[+-]?\d[\d.]*,\d")
_CLOCK_FIRST: Final = re.compile(r"(\d{1,2}:\d{2}(?::\d{2})?) (\d{4}-\d{2}-\d{2})")  # Bybit: 14:35 2024-11-16
_WITH_DASH: Final = re.compile(r"(\d{1,2}/\d{1,2}/\d{4}) - (\d{1,2}:\d{2}:\d{2})")  # Hyperliquid: 06/01/2025 - 17:38:42
_SHORT_YEAR: Final = re.compile(r"\d{2}-\d{2}-\d{2} \d{1,2}:\d{2}:\d{2}")  # Binance futures: 26-03-17 09:34:12


@dataclass(slots=True)
class FillFile:
    """What one file, or several together, hold.

    Attributes:
        fills: The fills, oldest first.
        formats: What the files are.
        remarks: What had to be assumed of them.
        skipped: How many rows are no trades, or cannot be used, by reason.
        duplicates: How many fills occur more than once.
    """

    fills: list[Fill] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0


def read_fills(paths: Sequence[Path], *, zone: str | None = None, dates: str | None = None) -> FillFile:
    """Return the fills of files, each once, oldest first.

    Args:
        paths: The files, whose fills may overlap.
        zone: The zone of times whose file states none.
        dates: day-first or month-first, where the dates of a file leave it open.

    Raises:
        FillsError: a file is no export that is known, a time has no zone, or two rows contradict one another.
    """
    result = FillFile()
    seen: dict[tuple[object, ...], Fill] = {}
    for path in paths:
        fills = _of_file(path, result, zone, dates)
        if len(fills) > 1 and fills[0].time_ns > fills[-1].time_ns:
            fills.reverse()  # newest first, so that fills of one moment keep their order too
        nth: Counter[tuple[object, ...]] = Counter()
        for fill in fills:
            key = _identity(fill)
            if fill.trade_id is None:  # rows that are alike may be different fills of one file
                nth[key] += 1
                key = (*key, nth[key])
            before = seen.setdefault(key, fill)
            if before is fill:
                continue
            result.duplicates += 1
            if (before.price, before.amount, before.time_ns) != (fill.price, fill.amount, fill.time_ns):
                raise FillsError(
                    f"{fill.place} has the trade id {fill.trade_id} of {before.place}, with other values: remove one."
                )
    result.fills = sorted(seen.values(), key=lambda fill: fill.time_ns)
    return result


def _identity(fill: Fill) -> tuple[object, ...]:
    if fill.trade_id is not None:
        return (fill.venue, fill.market, fill.expiry, fill.is_spot, fill.trade_id, fill.side)
    return (
        fill.venue,
        fill.market,
        fill.expiry,
        fill.is_spot,
        fill.side,
        fill.time_ns,
        fill.price,
        fill.amount,
        fill.order_id,
    )


def _of_file(path: Path, result: FillFile, zone: str | None, dates: str | None) -> list[Fill]:
    from src.agents.market.candles import MarketDataError
    from src.agents.market.text_source import open_text

    try:
        text = "".join(open_text(path).blocks())
    except MarketDataError as error:
        raise FillsError(str(error)) from error
    stated: str | None = None
    if text.lstrip("\ufeff \t\r\n")[:1] in ("[", "{"):
        header, lines = json_trades(text, path)
    else:
        header, stated, lines = _csv_rows(text, path)
    if header.are_orders:
        raise FillsError(
            f"{path} holds orders, of which all, a part or nothing may be filled: give trades, such as ccxt's "
            "fetch_my_trades or OKX's fills."
        )
    result.formats.append(f"{path.name}: {header.format.name}")
    if dates not in _DATES:
        raise FillsError(f"--dates is {dates!r}: give day-first or month-first.")
    cells = [row[header.places["time"]] if header.places["time"] < len(row) else "" for _, row in lines]
    times = _times(cells, header, path, zone=zone, stated=header.zone or stated, dates=dates)
    fills: list[Fill] = []
    order_fees: list[OrderFee] = []
    resolution_ns = _resolution_ns(cells, times)
    for (line, row), time_us in zip(lines, times, strict=True):
        try:
            item = as_fill(row, header, time_us, f"{path.name}:{line}")
        except RowError as error:
            result.skipped[str(error)] += 1
            continue
        if isinstance(item, OrderFee):
            order_fees.append(item)
        else:
            fills.append(replace(item, resolution_ns=resolution_ns))
    if header.format.venue not in _ONE_WAY_VENUES and any(map(_names_no_position, fills)):
        result.remarks.append(ONE_WAY.format(path.name))
    return _with_fees(fills, order_fees, result)


def _names_no_position(fill: Fill) -> bool:
    return not fill.is_spot and fill.effect is None and fill.closed is None and fill.realized is None


def _with_fees(fills: list[Fill], order_fees: list[OrderFee], result: FillFile) -> list[Fill]:
    """Return fills with the fees of their orders' other halves; one without its fill is counted."""
    places = {(fill.order_id, fill.market): place for place, fill in enumerate(fills)}
    for item in order_fees:
        place = places.get((item.order_id, item.market))
        if place is None:
            result.skipped[NO_OTHER_HALF] += 1
            continue
        fills[place] = replace(fills[place], fees=(*(fills[place].fees or ()), item.fee))
    return fills


def _csv_rows(text: str, path: Path) -> tuple[Header, str | None, list[tuple[int, list[str]]]]:
    """Return the header, the zone stated above it, and the rows below it with their line numbers."""
    first = "\n".join(text.split("\n", _HEADER_ROWS)[:_HEADER_ROWS])
    for delimiter in _DELIMITERS:
        for number, cells in enumerate(_parsed(first, delimiter)):
            header = known_header(cells)
            if header is None:
                continue
            rows = list(_lines(text, delimiter))
            _refuse_commas(rows, header, delimiter, path)
            above = " ".join(" ".join(cells) for _, cells in rows[:number])
            zone = _PREAMBLE_ZONE.search(above)
            return header, zone[1].upper() if zone else None, [row for row in rows[number + 1 :] if any(row[1])]
    shown = next((line for line in text.split("\n") if line.strip()), "")
    raise FillsError(
        f"{path} has no header of a known trade export; it begins with {shown[:100]!r}. Known are: "
        f"{', '.join(item.name for item in FORMATS)}; docs/decisions.md shows their columns."
    )


def _refuse_commas(rows: list[tuple[int, list[str]]], header: Header, delimiter: str, path: Path) -> None:
    """Refuse numbers with commas where these do not part cells: `42,500` may be 42.5 as well as 42500."""
    if delimiter == ",":
        return
    for meaning in ("price", "amount", "fee"):
        place = header.places.get(meaning)
        for line, row in rows:
            if place is not None and place < len(row) and _COMMA_NUMBER.match(row[place]):
                raise FillsError(
                    f"{path}:{line} has {row[place]!r:.40}, whose comma may be a decimal one: write it with a point."
                )


def _parsed(text: str, delimiter: str) -> Iterable[list[str]]:
    return (row for _, row in _lines(text, delimiter))


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue
        yield line, [cell.strip() for cell in row]


def _times(
    cells: list[str], header: Header, path: Path, *, zone: str | None, stated: str | None, dates: str | None
) -> list[int | None]:
    """Return times in microseconds since 1970; None for cells that are none."""
    from src.agents.market.candles import Issues, MarketDataError
    from src.agents.market.cells import text_array
    from src.agents.market.stamps import DateOrder, ZoneRule, resolved
    from src.agents.market.times import INSTANT, UNORDERED, times_of

    if not cells:
        return []
    times = times_of(text_array(map(_usual, cells)))
    known = stated or header.format.zone
    is_open = (times.state != INSTANT) & (times.state != 0)
    if times.is_zoned is not None:
        is_open &= ~((times.state == UNORDERED) & times.is_zoned)
    if zone is None and known is None and is_open.any():
        raise FillsError(
            f"{path} does not say in which zone its times are, and {header.format.name} documents none: "
            "name it with --zone, such as UTC or +02:00."
        )
    rule = ZoneRule(asked=zone, stated=stated, documented=header.format.zone, platform=header.format.name)
    try:
        stamps = resolved(times, rule, DateOrder(asked=dates), path.name, Issues())
    except MarketDataError as error:
        raise FillsError(str(error)) from error
    return [None if bad else int(time_us) for time_us, bad in zip(stamps.time_us, stamps.is_bad, strict=True)]


def _resolution_ns(cells: list[str], times: list[int | None]) -> int:
    """Return how exact the times of a file are: a minute, a second, or better."""
    known = [time_us for time_us in times if time_us is not None]
    if any(time_us % 1_000_000 for time_us in known):
        return 1_000_000
    return 1_000_000_000 if any(time_us % 60_000_000 for time_us in known) or _has_seconds(cells) else 60_000_000_000


def _has_seconds(cells: list[str]) -> bool:
    return any(cell.count(":") >= 2 or cell.isdigit() for cell in cells)


def _usual(cell: str) -> str:
    """Return a time in a spelling that the market module reads."""
    if match := _CLOCK_FIRST.fullmatch(cell):
        return f"{match[2]} {match[1]}"
    if match := _WITH_DASH.fullmatch(cell):
        return f"{match[1]} {match[2]}"
    return f"20{cell}" if _SHORT_YEAR.fullmatch(cell) else cell
