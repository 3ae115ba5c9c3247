"""Look up bars by time, to judge decisions by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from src.agents.market import Candles

_LEAST_SPLIT: Final = 2
_ANY_SPLIT: Final = 10  # what is above it is about a whole number in any case
_MOVE: Final = 0.03


@dataclass(frozen=True, slots=True)
class PriceSeries:
    """Bars as arrays in order of time; `open_ns` are the times at which they open, in nanoseconds since 1970.

    `source` says where they come from; `symbol` is None where the source names none.
    """

    open_ns: Any
    open: Any
    high: Any
    low: Any
    close: Any
    source: str
    symbol: str | None = None
    _splits: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find the bars that open as after a split, by the close before them."""
        object.__setattr__(self, "_splits", _splits_of(self.open, self.close))

    def __len__(self) -> int:
        """Return how many bars there are."""
        return len(self.open_ns)

    def first_at_or_after(self, time_ns: int) -> int:
        """Return the place of the first bar that opens then or later; the number of bars where there is none."""
        import numpy

        return int(numpy.searchsorted(self.open_ns, time_ns, side="left"))

    def has_split(self, after: int, upto: int) -> bool:
        """Tell whether prices between two bars change as by a split: a bar opens at a whole multiple or part."""
        import numpy

        first, last = numpy.searchsorted(self._splits, (after, upto), side="right")
        return bool(last > first)

    def split_after(self, time_ns: int) -> int | None:
        """Return when the first bar opens as after a split, of those that open later than a time; None for none."""
        import numpy

        opens = self.open_ns[self._splits]
        place = int(numpy.searchsorted(opens, time_ns, side="right"))
        return int(opens[place]) if place < len(opens) else None

    def last_before(self, time_ns: int) -> int | None:
        """Return the place of the newest bar that opens before a time; None where there is none."""
        index = self.first_at_or_after(time_ns) - 1
        return index if index >= 0 else None


def _splits_of(opened: Any, closed: Any) -> Any:
    """Return the places of bars that open at 2, 3 or more times the close before them, or at a half, a third or less.

    The market has moved a little since that close, so that the ratio is about a whole number.
    """
    import numpy

    with numpy.errstate(divide="ignore", invalid="ignore"):
        ratios = numpy.asarray(opened[1:], dtype="float64") / numpy.asarray(closed[:-1], dtype="float64")
        times = numpy.where(ratios < 1, 1 / ratios, ratios)
        whole = numpy.round(times)
        is_split = (whole >= _LEAST_SPLIT) & (numpy.abs(times / whole - 1) <= _MOVE)
    return numpy.flatnonzero(is_split | (times > _ANY_SPLIT)) + 1


@dataclass(frozen=True, slots=True)
class FundingSeries:
    """Funding rates of a perpetual contract: at each time, longs pay the rate to shorts, as a fraction.

    `symbol` is None where their source names none.
    """

    time_ns: Any
    rate: Any
    symbol: str | None = None
    _sums: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Add the rates up, so that a sum over any time is a difference."""
        import numpy

        object.__setattr__(self, "_sums", numpy.concatenate(([0.0], numpy.cumsum(self.rate))))

    def paid_by_long(self, after_ns: int, upto_ns: int) -> float:
        """Return what a long position pays that is opened at the one time and closed at the other."""
        import numpy

        first, last = numpy.searchsorted(self.time_ns, (after_ns, upto_ns), side="right")
        return float(self._sums[last] - self._sums[first])


def series_of(candles: Candles) -> PriceSeries:
    """Return candles as a series.

    Raises:
        MarketDataError: bars open in the future: their times are not what they seem, and would judge decisions.
    """
    from src.agents.market.bars import columns_of
    from src.agents.market.timeframes import refuse_future_bars

    refuse_future_bars(candles)
    columns = columns_of(candles.bars)
    return PriceSeries(
        open_ns=columns.time_us * 1000,
        open=columns.open,
        high=columns.high,
        low=columns.low,
        close=columns.close,
        source=candles.source,
        symbol=candles.symbol,
    )
