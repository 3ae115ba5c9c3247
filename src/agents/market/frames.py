"""Read data frames: pandas, polars, pyarrow and whatever else narwhals knows, Parquet and Arrow files included."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from src.agents.market.candles import MarketDataError
from src.agents.market.sheet import Hints, Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from src.agents.market.sheet import CellSink

_SAMPLE: Final = 20
_PAIR: Final = re.compile(r"\(\s*'([^']*)'\s*,\s*'([^']*)'\s*\)")


def is_frame(source: Any) -> bool:
    """Tell whether an object is a data frame, without importing any library for it."""
    return (
        hasattr(source, "__dataframe__") or hasattr(source, "__arrow_c_stream__") or hasattr(source, "collect_schema")
    )


def open_parquet(path: Path) -> Sheet:
    """Return a Parquet, Feather or Arrow file as a sheet.

    Raises:
        MarketDataError: it cannot be read.
    """
    import pyarrow
    import pyarrow.feather
    import pyarrow.parquet

    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        if is_parquet:
            table = pyarrow.parquet.read_table(path, use_threads=False)
        else:
            table = pyarrow.feather.read_table(path, use_threads=False, memory_map=False)
    except (OSError, pyarrow.ArrowException) as error:
        raise MarketDataError(f"{path} cannot be read as columns ({str(error)[:80]}): write it again.") from error
    sheet = sheet_of_frame(table, path.name)
    kind = "Parquet" if is_parquet else "Arrow"
    return replace(sheet, kind=kind, written_at=datetime.fromtimestamp(path.stat().st_mtime, UTC))


def sheet_of_frame(frame: Any, source: str) -> Sheet:
    """Return a data frame as a sheet; its index is a column where it holds times or names.

    Raises:
        MarketDataError: it is empty.
    """
    import narwhals

    if hasattr(frame, "reset_index") and not hasattr(frame, "columns"):
        raise MarketDataError(f"{source} is a single column: give a frame with time, open, high, low and close.")
    flat, names, hints = _flat(frame)
    try:
        table = narwhals.from_native(flat)
    except TypeError as error:
        raise MarketDataError(f"{source} is no data frame that can be read: {str(error)[:80]}.") from error
    if isinstance(table, narwhals.LazyFrame):
        table = table.collect()
    if not len(table):
        raise MarketDataError(f"{source} is empty: give one row for each candle.")
    shown = names if names is not None else tuple(str(name) for name in table.columns)
    columns = tuple(_pair_name(name) for name in shown)
    sample = tuple(tuple("" if cell is None else str(cell) for cell in row) for row in table.head(_SAMPLE).iter_rows())
    return Sheet(
        source=source,
        names=columns,
        sample=sample,
        read=lambda sinks, _issues, _needed: _read(table, sinks),
        is_exact=False,
        kind="frame",
        hints=hints,
    )


def _pair_name(name: str) -> str:
    """Return `Close (AAPL)` for the name that two levels of columns get in a file: `('Close', 'AAPL')`."""
    match = _PAIR.fullmatch(name.strip())
    return f"{match[1]} ({match[2]})".replace(" ()", "") if match else name


def _flat(frame: Any) -> tuple[Any, tuple[str, ...] | None, Hints]:
    """Return a pandas frame with its index as columns and one level of names; other frames as they are."""
    if not hasattr(frame, "reset_index"):
        return frame, None, Hints()
    columns: Any = frame.columns
    index: Any = frame.index
    hints = Hints()
    names: tuple[str, ...] | None = None
    flat = frame.copy(deep=False)
    if getattr(columns, "nlevels", 1) > 1:
        names, hints = _two_level_names(columns)
        flat.columns = [f"c{place}" for place in range(len(names))]
    elif not columns.is_unique:
        names = tuple(str(name) for name in columns)
        flat.columns = [f"c{place}" for place in range(len(names))]
    if type(index).__name__ == "PeriodIndex":
        flat.index = index.to_timestamp()
    if type(index).__name__ == "RangeIndex":
        return flat, names, hints
    labels = [
        name if name is not None else ("" if place == 0 else f"level {place}") for place, name in enumerate(index.names)
    ]
    flat.index.names = [f"index {place}" for place in range(len(labels))]
    flat = flat.reset_index()
    if names is None:
        names = tuple(str(name) for name in columns)
    return flat, (*(str(label) for label in labels), *names), hints


def _two_level_names(columns: Any) -> tuple[tuple[str, ...], Hints]:
    from src.agents.market.header import FIELD_WORDS

    pairs = [tuple(str(part) for part in pair) for pair in columns]
    level = 0 if sum(_plain(pair[0]) in FIELD_WORDS for pair in pairs) >= len(pairs) / 2 else -1
    names = [f"{pair[level]} ({pair[-1] if level == 0 else pair[0]})".replace(" ()", "") for pair in pairs]
    tickers = {pair[-1] if level == 0 else pair[0] for pair in pairs} - {""}
    return tuple(names), Hints(dialect="yfinance", symbol=tickers.pop() if len(tickers) == 1 else None)


def _plain(word: str) -> str:
    return re.sub(r"\W+", "", word).casefold()


def _read(table: Any, sinks: Mapping[int, CellSink]) -> Any:
    import numpy

    names = table.columns
    for index, sink in sinks.items():
        _add(table[names[index]], sink)
    return numpy.zeros(len(table), dtype="int64")


def _add(series: Any, sink: CellSink) -> None:
    """Hand a column to its sink as what it is."""
    import narwhals
    import numpy

    from src.agents.market.cells import text_array
    from src.agents.market.stamps import TimeColumn

    dtype = series.dtype
    if dtype == narwhals.Float32 and isinstance(sink, TimeColumn):
        raise MarketDataError(
            f"{series.name} holds times as numbers of 32 bits, which have lost their last digits: Unix times of today "
            "are then minutes off. Keep them as float64 or int64."
        )
    native = series.to_native()
    tz = getattr(
        getattr(native, "dtype", None), "tz", None
    )  # of pandas; narwhals knows no zone with a sign in its name
    if tz is not None:
        sink.add_times(native.dt.tz_convert(None).to_numpy().astype("datetime64[us]").astype("int64"), zone=str(tz))
    elif dtype == narwhals.Datetime:
        zone = dtype.time_zone
        plain = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zone is not None else series
        sink.add_times(_times(plain.dt.timestamp("us")), zone=zone)
    elif dtype == narwhals.Date:
        sink.add_times(_times(series.cast(narwhals.Datetime("us")).dt.timestamp("us")), zone=None)
    elif dtype.is_integer() and not series.is_null().any():
        sink.add_values(numpy.asarray(series.to_numpy()).astype("int64"))
    elif dtype.is_numeric():
        sink.add_values(numpy.asarray(series.cast(narwhals.Float64).to_numpy()).astype("float64"))
    else:
        sink.add_text(text_array(_plain_value(value) for value in series.to_list()))


def _plain_value(value: Any) -> Any:
    """Return a cell of a column of objects as text would show it; a missing one is None."""
    is_missing = value is None or value != value  # noqa: PLR0124 - NaN and NaT alone differ from themselves
    return None if is_missing else value


def _times(series: Any) -> Any:
    import numpy

    missing = numpy.asarray(series.is_null().to_numpy()).astype(bool)
    values = numpy.asarray(series.fill_null(0).to_numpy()).astype("int64")
    return numpy.where(missing, numpy.iinfo("int64").min, values)
