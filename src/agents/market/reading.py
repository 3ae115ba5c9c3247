"""Read candles from whatever holds them: a file, a data frame, or rows in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from src.agents.market.bars import Columns
from src.agents.market.candles import Candle, Candles, Issues, MarketDataError, Reading
from src.agents.market.closing import are_month_ends, opens_of_closes, opens_of_month_ends, report_weekly_labels
from src.agents.market.doubtful_times import refuse_other_months
from src.agents.market.excel_days import excel_remark
from src.agents.market.layout import Layout, layout_of
from src.agents.market.misnamed import refuse_other_platform, report_other_name
from src.agents.market.numbers import MISSING, Notation, NumberColumn, Unreadable, decimal_sign
from src.agents.market.positions import assigned
from src.agents.market.rows import Rows, in_order, ordered
from src.agents.market.selection import Chosen, Selection, TextColumn
from src.agents.market.stamps import DateOrder, Stamps, TimeColumn, ZoneRule, resolved, with_clock
from src.agents.market.thirty_seconds import refuse_points_and_32nds
from src.agents.market.times import times_of
from src.agents.market.zones import zone_of

if TYPE_CHECKING:
    from src.agents.market.sheet import CellSink, Sheet

_DECIMALS: Final = {".": ".", ",": ",", "point": ".", "comma": ","}
_DATE_ORDERS: Final = ("day-first", "month-first", "year-first")
_STAMPS: Final = ("open", "close")
# Rows of so many numbers may have a mean price before the volume, or the volume before the prices.
_WITH_EXTRAS: Final = (6, 7)


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller says of a source: it wins over what the platform documents."""

    symbol: str | None = None
    zone: str | None = None
    decimal: str | None = None
    dates: str | None = None
    stamps: str | None = None

    def checked(self) -> Options:
        """Return the options in one spelling.

        Raises:
            MarketDataError: one has no meaning; the message lists what has.
        """
        if self.symbol:
            from src.observability.ledger import misleading

            problem = misleading(self.symbol)
            if problem is not None:
                raise MarketDataError(problem)
        if self.zone is not None:
            zone_of(self.zone)
        if self.decimal is not None and self.decimal not in _DECIMALS:
            raise MarketDataError(f"decimal is {self.decimal!r}: give point or comma.")
        if self.dates is not None and self.dates not in _DATE_ORDERS:
            raise MarketDataError(f"dates is {self.dates!r}: give {', '.join(_DATE_ORDERS)}.")
        if self.stamps is not None and self.stamps not in _STAMPS:
            raise MarketDataError(f"stamps is {self.stamps!r}: give open or close.")
        return replace(self, decimal=None if self.decimal is None else _DECIMALS[self.decimal])


def load_candles(
    source: Any,
    *,
    symbol: str | None = None,
    zone: str | None = None,
    decimal: str | None = None,
    dates: str | None = None,
    stamps: str | None = None,
) -> Candles:
    """Return the candles of a source in order of time.

    What a file says is read by all of its cells, and what leaves two readings is refused with both. Bad rows are
    dropped, unsorted ones sorted, of rows with equal times the last one wins, gaps stay gaps: each is reported with
    its line in `issues`. Times without a zone are in the zone that the platform documents, else UTC.

    Args:
        source: A path to CSV, JSON, Parquet or Arrow (gzip, bzip2, xz and zip are unpacked); a pandas, polars or
            pyarrow frame, as yfinance returns it too; or rows in memory.
        symbol: The symbol that is wanted, where the source names several.
        zone: The zone of times that state none: America/New_York, UTC, +02:00.
        decimal: The decimal sign, "point" or "comma".
        dates: "day-first", "month-first" or "year-first", for dates that leave two readings.
        stamps: "open" or "close", by what a stamp means.

    Raises:
        MarketDataError: the source cannot be read, lacks a column, leaves two readings, mixes several series, or more
            than half of it is bad.
    """
    options = Options(symbol=symbol, zone=zone, decimal=decimal, dates=dates, stamps=stamps).checked()
    if isinstance(source, Candles):
        return source
    if isinstance(source, str | os.PathLike):
        return read_sheet(_open(Path(source), symbol), options)
    return (
        _from_candles(source, symbol) if _are_candles(source) else read_sheet(_sheet_in_memory(source, symbol), options)
    )


def _are_candles(source: Any) -> bool:
    if not isinstance(source, Sequence) or not len(source) or not isinstance(source[0], Candle):
        return False
    if all(isinstance(row, Candle) for row in source):
        return True
    raise MarketDataError("The rows in memory are Candle records and others: give rows of one kind.")


def _from_candles(bars: Iterable[Candle], symbol: str | None) -> Candles:
    return in_order(((None, bar) for bar in bars), Issues(), symbol=symbol, source="memory")


def _open(path: Path, symbol: str | None) -> Sheet:
    from src.agents.market.csv_file import open_csv
    from src.agents.market.frames import open_parquet
    from src.agents.market.json_file import open_json
    from src.agents.market.text_source import checked_head

    head = checked_head(path)
    if head[:4] == b"PAR1" or head[:6] in (b"ARROW1", b"FEA1\0\0"):
        return open_parquet(path)
    text = head.lstrip(b"\xef\xbb\xbf").lstrip()
    return open_json(path, symbol) if text[:1] in (b"[", b"{") else open_csv(path)


def _sheet_in_memory(source: Any, symbol: str | None) -> Sheet:
    from src.agents.market.frames import is_frame, sheet_of_frame
    from src.agents.market.json_file import sheet_of

    if is_frame(source):
        return sheet_of_frame(source, f"the {type(source).__module__.partition('.')[0]} frame")
    if isinstance(source, Mapping | Sequence) and not isinstance(source, bytes | bytearray):
        data = dict(source) if isinstance(source, Mapping) else [_plain_row(row) for row in source]
        return sheet_of(data, "the rows in memory", symbol)
    raise MarketDataError(
        f"Candles cannot be read from a {type(source).__name__}: give a path, a pandas, polars or pyarrow frame, or "
        "rows."
    )


def _plain_row(row: Any) -> Any:
    return list(row) if isinstance(row, tuple) else row


def read_sheet(sheet: Sheet, options: Options) -> Candles:
    """Return the candles of a sheet."""
    issues = Issues()
    layout = layout_of(sheet, options.symbol)
    issues.extend(layout.remarks)
    if layout.is_positional and sheet.first_line > 1:
        above = sheet.first_line - 1
        issues.add("before_rows", f"{above} lines stand before the first row of prices", "left out", 1, times=above)
    table = _Table(sheet, layout)
    lines = sheet.read(table.sinks, issues, max(layout.prices.values()) + 1)
    total = len(lines) + sum(issues.counts[kind] for kind in ("short_row", "long_row", "cut_line"))
    selection = table.selection.chosen(options.symbol or None, sheet.hints.symbol, sheet.source)
    sign = decimal_sign(
        table.notation, sheet.source, is_exact=sheet.is_exact, stated=options.decimal or table.documented_decimal()
    )
    unreadable = Unreadable()
    numbers = table.numbers(sign, unreadable)
    refuse_other_platform(layout, sheet.source, numbers["volume"], options.zone)
    report_other_name(sheet.source, options.symbol, selection.symbol, issues)
    stamps = table.stamps(options, issues)
    columns = Columns(time_us=stamps.time_us, lines=lines, **numbers)
    keep = _wanted(columns, table, stamps, selection, issues)
    if keep is not None:
        texts, volume_texts = _renumbered(unreadable.texts, keep), _renumbered(table.bad_volumes.texts, keep)
        columns = columns.taken(keep)
        total = total if selection.rows is None else int(selection.rows.sum())
    else:
        texts, volume_texts = unreadable.texts, table.bad_volumes.texts
    columns, is_close = _by_opens(columns, sheet, layout, options, stamps, issues)
    candles = ordered(
        Rows(columns=columns, unreadable=texts, bad_volumes=volume_texts),
        issues,
        symbol=options.symbol or selection.symbol,
        source=sheet.source,
        total=total,
    )
    reading = Reading(
        dialect=table.platform,
        columns=table.names,
        rows=total,
        dropped=total - len(candles),
        zone=stamps.zone,
        zone_source=stamps.zone_source,
        decimal=sign,
        stamps="close" if is_close else "open",
        encoding=sheet.encoding,
        delimiter=sheet.delimiter,
    )
    return replace(candles, reading=reading, written_at=sheet.written_at)


def _by_opens(
    columns: Columns, sheet: Sheet, layout: Layout, options: Options, stamps: Stamps, issues: Issues
) -> tuple[Columns, bool]:
    """Return rows with the times at which bars open, and whether their stamps are at the bars' close."""
    are_labels = are_month_ends(columns) and not layout.close_stamps
    is_close = layout.close_stamps or are_labels if options.stamps is None else options.stamps == "close"
    if is_close and are_labels:
        return opens_of_month_ends(columns, zone_of(stamps.zone), issues), True
    if is_close:
        return opens_of_closes(columns, sheet, issues), True
    if not options.stamps:
        report_weekly_labels(columns, issues)
    return columns, False


def _wanted(columns: Columns, table: _Table, stamps: Stamps, selection: Chosen, issues: Issues) -> Any:
    """Return the mask of rows to keep, None for all: without those of other symbols, without a time, not confirmed."""
    import numpy

    keep = numpy.ones(len(columns), dtype=bool) if selection.rows is None else selection.rows.copy()
    bad = stamps.is_bad & keep
    refuse_other_months((table.time.text_of(row) for row in numpy.flatnonzero(bad)[:5].tolist()), table.sheet.source)
    for row in numpy.flatnonzero(bad)[:100].tolist():
        kind, detail = table.time_problem(row, stamps)
        issues.add(kind, detail, "dropped", int(columns.lines[row]) or None)
    if bad.sum() > 100:
        issues.counts["bad_time"] += int(bad.sum()) - 100
    keep &= ~bad
    is_open = table.is_open(len(columns)) & keep
    if is_open.any():
        line = int(columns.lines[is_open.argmax()]) or None
        detail = f"{int(is_open.sum())} bars are marked as not closed, the first here"
        issues.add("open_candle", detail, "dropped", line, times=int(is_open.sum()))
        keep &= ~is_open
    return None if keep.all() else keep


def _renumbered(texts: dict[int, tuple[str, str]], keep: Any) -> dict[int, tuple[str, str]]:
    import numpy

    places = numpy.cumsum(keep) - 1
    return {int(places[row]): text for row, text in texts.items() if keep[row]}


class _Table:
    """The sinks of a sheet's columns, and what they hold when it has been read."""

    def __init__(self, sheet: Sheet, layout: Layout) -> None:
        self.sheet, self.layout = sheet, layout
        is_settled = sheet.delimiter == "," and not any("," in cell for row in sheet.sample for cell in row)
        self.notation = Notation(is_settled=is_settled)
        self.names = dict(layout.names)
        self.platform = layout.dialect.name
        self.sinks: dict[int, CellSink] = {}
        self.bad_volumes = Unreadable()
        self.time = TimeColumn()
        self.sinks[layout.time] = self.time
        self.clock = self._text(layout.clock)
        self.price_columns = {name: self._number(index, name) for name, index in layout.prices.items()}
        self.volume = None if layout.volume is None else self._number(layout.volume, "volume")
        last = max(layout.prices.values())
        extra = range(last + 2, last + 4) if layout.is_positional and layout.width in _WITH_EXTRAS else ()
        width = layout.width + min(layout.prices.values())
        self.extra_columns = [
            self._number(index, f"column {index + 1}") for index in extra if index < width and index not in self.sinks
        ]
        self.confirmed = self._text(layout.confirmed)
        self.selection = Selection(
            symbol=self._text(layout.symbol),
            period=self._text(layout.period),
            groups={index: self._text(index) for index in layout.groups},
            names=sheet.names or (),
        )

    def _text(self, index: int | None) -> TextColumn | None:
        if index is None:
            return None
        sink = self.sinks.get(index)
        if not isinstance(sink, TextColumn):
            sink = TextColumn()
            self.sinks[index] = sink
        return sink

    def _number(self, index: int, name: str) -> NumberColumn:
        column = NumberColumn(name, self.notation)
        self.sinks[index] = column
        return column

    def documented_decimal(self) -> str | None:
        """Return the decimal sign that a platform writes; None where the form alone is its own and commas stand."""
        has_comma = any("," in text for _, text in self.notation.examples.values())
        return None if self.layout.is_positional and has_comma else self.layout.dialect.decimal

    def numbers(self, sign: str, unreadable: Unreadable) -> dict[str, Any]:
        """Return prices and volume; without a header their order is the one that all rows agree with."""
        import numpy

        refuse_points_and_32nds(self.price_columns, self.sheet.source)
        prices = [self.price_columns[name].values(sign, unreadable) for name in self.price_columns]
        volume = None if self.volume is None else self.volume.values(sign, self.bad_volumes)
        if volume is None:
            volume = numpy.full(len(prices[0]), numpy.nan)
        if not self.layout.is_positional:
            return {**dict(zip(self.price_columns, prices, strict=True)), "volume": volume}
        extra = [column.values(sign, Unreadable()) for column in self.extra_columns]
        numbers = [*prices, *([] if self.volume is None else [volume]), *extra]
        result = assigned(numbers, self.sheet.source)
        first = min(self.layout.prices.values()) + 1
        self.names |= {name: f"column {first + place}" for name, place in result.places.items()}
        self.platform = result.platform or self.platform
        return result.values

    def stamps(self, options: Options, issues: Issues) -> Stamps:
        """Return the times in UTC."""
        dialect = self.layout.dialect
        times = self.time.times() if self.clock is None else times_of(with_clock(self.time.cells(), self.clock.cells()))
        rule = ZoneRule(
            asked=options.zone,
            stated=self.layout.zone or self.sheet.hints.zone,
            documented=dialect.zone,
            platform=dialect.name,
        )
        order = DateOrder(asked=options.dates or self.layout.date_order, documented=dialect.date_order)
        if times.has_24 and options.stamps is None:
            raise MarketDataError(
                f"{self.sheet.source} has times of 24:00, at which a bar may end, but hardly begin: say what its "
                "stamps mean, --stamps close or --stamps open (stamps=)."
            )
        stamps = resolved(times, rule, order, self.sheet.source, issues)
        return replace(stamps, zone=self.time.zone) if self.time.zone is not None else stamps

    def time_problem(self, row: int, stamps: Stamps) -> tuple[str, str]:
        """Return why a row has no time."""
        text = self.time.text_of(row)
        for kind, rows in stamps.reasons.items():
            if row in rows:
                what = (
                    "happened twice, as clocks went back"
                    if kind == "ambiguous_time"
                    else "never was, as clocks went forward"
                )
                return kind, f"{text!r} {what} in {stamps.zone}"
        if text.strip().lower() in MISSING:
            return "bad_time", "time is missing"
        return "bad_time", f"{text[:40]!r} is not a time{excel_remark(text)}"

    def is_open(self, count: int) -> Any:
        """Return which rows are marked as bars that are not closed yet."""
        import numpy

        if self.confirmed is None:
            return numpy.zeros(count, dtype=bool)
        words = numpy.array([cell.strip().lower() for cell in self.confirmed.texts()])
        return numpy.isin(words, ("0", "false", "no", "0.0"))
