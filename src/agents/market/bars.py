"""Hold bars as columns: a million of them take 50 MB, and become `Candle` records where somebody looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, overload

from src.agents.market.candles import Candle

if TYPE_CHECKING:
    from collections.abc import Iterable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRICES = ("open", "high", "low", "close")
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Columns:
    """Arrays of one length: `time_us` counts microseconds since 1970 (int64), prices and volume are float64.

    A volume that is not known is NaN. `lines` are the rows' lines in their file, 0 where they have none.
    """

    time_us: Any
    open: Any
    high: Any
    low: Any
    close: Any
    volume: Any
    lines: Any

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.time_us)

    def taken(self, rows: Any) -> Columns:
        """Return some rows: a slice, a mask, or numbers."""
        return Columns(
            time_us=self.time_us[rows],
            open=self.open[rows],
            high=self.high[rows],
            low=self.low[rows],
            close=self.close[rows],
            volume=self.volume[rows],
            lines=self.lines[rows],
        )


class Bars(Sequence[Candle]):
    """A sequence of candles over columns."""

    __slots__ = ("columns",)

    def __init__(self, columns: Columns) -> None:
        self.columns = columns

    def __len__(self) -> int:
        """Return how many bars there are."""
        return len(self.columns)

    @overload
    def __getitem__(self, index: int) -> Candle: ...

    @overload
    def __getitem__(self, index: slice) -> Bars: ...

    def __getitem__(self, index: int | slice) -> Candle | Bars:
        """Return one bar, or a part of the sequence."""
        if isinstance(index, slice):
            return Bars(self.columns.taken(index))
        columns = self.columns
        volume = float(columns.volume[index])
        return Candle(
            time=moment(int(columns.time_us[index])),
            open=float(columns.open[index]),
            high=float(columns.high[index]),
            low=float(columns.low[index]),
            close=float(columns.close[index]),
            volume=volume if volume == volume else None,  # noqa: PLR0124 - NaN alone differs from itself
        )

    def __iter__(self) -> Any:
        """Iterate from the oldest bar to the newest, some thousands at a time."""
        for start in range(0, len(self), _CHUNK):
            part = self.columns.taken(slice(start, start + _CHUNK))
            prices = [getattr(part, name).tolist() for name in _PRICES]
            for time_us, opened, high, low, close, volume in zip(
                part.time_us.tolist(), *prices, part.volume.tolist(), strict=True
            ):
                known = volume if volume == volume else None  # noqa: PLR0124 - NaN alone differs from itself
                yield Candle(time=moment(time_us), open=opened, high=high, low=low, close=close, volume=known)

    def __eq__(self, other: object) -> bool:
        """Compare with any sequence of candles."""
        if not isinstance(other, Sequence) or isinstance(other, str) or len(other) != len(self):
            return NotImplemented if not isinstance(other, Sequence) else False
        return all(bar == other_bar for bar, other_bar in zip(self, other, strict=True))

    def __hash__(self) -> int:
        """Return the hash of the equal tuple."""
        return hash(tuple(self))

    def __repr__(self) -> str:
        """Return the number of bars with the first and the last."""
        ends = f": {self[0].time:%Y-%m-%d %H:%M} to {self[-1].time:%Y-%m-%d %H:%M}" if len(self) else ""
        return f"<{len(self):,} bars{ends}>"


def moment(time_us: int) -> datetime:
    """Return microseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


def microseconds(time: datetime) -> int:
    """Return a time as microseconds since 1970; one without a zone is UTC."""
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def columns_of(bars: Iterable[Candle]) -> Columns:
    """Return candles as columns."""
    import numpy

    if isinstance(bars, Bars):
        return bars.columns
    rows = list(bars)
    nan = float("nan")
    return Columns(
        time_us=numpy.array([microseconds(bar.time) for bar in rows], dtype="int64"),
        open=numpy.array([bar.open for bar in rows], dtype="float64"),
        high=numpy.array([bar.high for bar in rows], dtype="float64"),
        low=numpy.array([bar.low for bar in rows], dtype="float64"),
        close=numpy.array([bar.close for bar in rows], dtype="float64"),
        volume=numpy.array([nan if bar.volume is None else bar.volume for bar in rows], dtype="float64"),
        lines=numpy.zeros(len(rows), dtype="int64"),
    )
