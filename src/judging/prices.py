"""Look up bars by time, to judge decisions by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src.agents.market import Candles


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
    last_close_ns: int | None = None

    def __len__(self) -> int:
        """Return how many bars there are."""
        return len(self.open_ns)

    def first_at_or_after(self, time_ns: int) -> int:
        """Return the place of the first bar that opens then or later; the number of bars where there is none."""
        import numpy

        return int(numpy.searchsorted(self.open_ns, time_ns, side="left"))

    def last_before(self, time_ns: int) -> int | None:
        """Return the place of the newest bar that opens before a time; None where there is none."""
        index = self.first_at_or_after(time_ns) - 1
        return index if index >= 0 else None


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
