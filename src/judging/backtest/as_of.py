"""Show a market as it was at a time: a read of anything later raises."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from src.agents.market.bars import Bars, Columns, columns_of, moment
from src.agents.market.timeframes import close_times_us, frame_of
from src.observability.ledger import market_name

if TYPE_CHECKING:
    from src.agents.market import Candle, Candles

_US: Final = 1_000_000


class LookAheadError(ValueError):
    """Something was read that was not known yet; the message names both times."""


@dataclass(frozen=True, slots=True)
class AsOfView:
    """A market at `as_of`: its newest closed bars, the last one at their end.

    The arrays are copies that end at `as_of`, so that nothing later can be reached through them. `peeks` says what was
    read past it, so that code that catches the error is caught too.
    """

    symbol: str
    as_of: datetime
    candles: Candles
    peeks: list[str] = field(default_factory=list, repr=False, compare=False)

    @property
    def closes(self) -> Any:
        """Return the closing prices as an array."""
        return columns_of(self.candles.bars).close

    @property
    def price(self) -> float:
        """Return the last close."""
        return float(self.closes[-1])

    def bar_at(self, time: datetime) -> Candle:
        """Return the bar that opened at a time.

        Raises:
            LookAheadError: it was not closed yet at `as_of`.
            KeyError: there is no such bar in the view.
        """
        import numpy

        columns = columns_of(self.candles.bars)
        if time >= self.as_of or (len(columns) and time > moment(int(columns.time_us[-1]))):
            raise _caught(
                self.peeks, f"The bar of {time:%Y-%m-%d %H:%M} was not known at {self.as_of:%Y-%m-%d %H:%M} UTC."
            )
        index = int(numpy.searchsorted(columns.time_us, int(time.timestamp() * _US)))
        if index == len(columns) or moment(int(columns.time_us[index])) != time:
            raise KeyError(f"no bar opens at {time:%Y-%m-%d %H:%M} UTC")
        return self.candles.bars[index]


class _ClosedBars(Bars):
    """Bars of a view; the error of an index past the last one says that it is the future."""

    __slots__ = ("_peeks",)

    def __init__(self, columns: Columns, peeks: list[str]) -> None:
        super().__init__(columns)
        self._peeks = peeks

    def __getitem__(self, index: Any) -> Any:
        """Return one bar, or a part of the sequence."""
        if not isinstance(index, slice) and index >= len(self):
            raise _caught(self._peeks, f"Bar {index} was not closed yet: the view has {len(self)}.")
        return super().__getitem__(index)


def _caught(peeks: list[str], text: str) -> LookAheadError:
    """Return the error of a read past a view, which is noted."""
    peeks.append(text)
    return LookAheadError(text)


class Replay:
    """A market that can be viewed as of past times.

    Args:
        candles: All bars.
        symbol: The market's symbol.
        window: How many bars a view has at most.

    Attributes:
        closed_us: When each bar closes, in microseconds since 1970.

    Raises:
        ValueError: there are no bars, they do not tell how long one is, or the symbol has letters that look like
            others.
    """

    def __init__(self, candles: Candles, symbol: str, *, window: int) -> None:
        market_name(symbol)
        if not len(candles):
            raise ValueError(
                f"{candles.source} has no closed bar: all of its bars end after now. Check the zone and the unit of "
                "its times (--zone), and this machine's clock."
            )
        frame = frame_of(candles)
        if frame is None:
            raise ValueError(f"{candles.source} has too few bars to tell how long one is: give a longer history.")
        self.symbol = symbol
        self.candles = candles
        self.bar_s = frame.seconds
        self._columns = columns_of(candles.bars)
        self.closed_us = close_times_us(candles, frame)
        self._window = window

    @property
    def has_even_bars(self) -> bool:
        """Tell whether all bars are equally long; months are not, nor are days as clocks change."""
        return bool((self.closed_us - self._columns.time_us == self.bar_s * _US).all())

    def closed_at(self, time_us: int) -> int:
        """Return how many bars were closed at a time, in microseconds since 1970."""
        import numpy

        return int(numpy.searchsorted(self.closed_us, time_us, side="right"))

    def last_close_us(self, time_us: int) -> int:
        """Return when the newest bar that was closed at a time ended; there must be one."""
        return int(self.closed_us[self.closed_at(time_us) - 1])

    def view(self, time_us: int) -> AsOfView:
        """Return the market at a time."""
        end = self.closed_at(time_us)
        part = self._columns.taken(slice(max(0, end - self._window), end))
        copied = Columns(**{name: getattr(part, name).copy() for name in Columns.__slots__})
        peeks: list[str] = []
        bars = _ClosedBars(copied, peeks)
        candles = replace(self.candles, bars=bars, symbol=self.symbol, issues=(), issue_counts={})
        return AsOfView(symbol=self.symbol, as_of=moment(time_us), candles=candles, peeks=peeks)

    @property
    def first_us(self) -> int:
        """Return when the first bar closed."""
        return int(self.closed_us[0])

    @property
    def end_us(self) -> int:
        """Return when the last bar closed."""
        return int(self.closed_us[-1])


def as_us(time: datetime) -> int:
    """Return a time as microseconds since 1970; one without a zone is UTC."""
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return int(aware.timestamp()) * _US
