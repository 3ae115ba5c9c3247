"""Tell a market's state at a time: how volatile it was, and whether it rose, over the 30 days before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from src.judging.prices import PriceSeries

_DAY_NS: Final = 86_400_000_000_000
_DAYS: Final = 30
_FEWEST_DAYS: Final = 20
_NAMES: Final = ("calm", "usual", "wild")


class Regimes:
    """The states of one market: terciles of the trailing 30 days' volatility, and the sign of their return.

    Terciles are those of all days of the series: they describe, and are nothing that a decision could have known.
    """

    def __init__(self, prices: PriceSeries) -> None:
        import numpy

        days = prices.open_ns // _DAY_NS
        last = numpy.flatnonzero(numpy.append(days[1:] != days[:-1], True))
        self._days: Any = days[last]
        closes = prices.close[last]
        returns = numpy.diff(numpy.log(closes), prepend=numpy.nan)
        self._volatility = numpy.array(
            [_deviation(returns[max(0, at - _DAYS + 1) : at + 1]) for at in range(len(last))]
        )
        first = numpy.maximum(numpy.arange(len(last)) - _DAYS, 0)
        self._is_up = closes >= closes[first]
        known = self._volatility[numpy.isfinite(self._volatility)]
        self._bounds = numpy.quantile(known, (1 / 3, 2 / 3)) if len(known) else None

    def at(self, time_ns: int) -> str | None:
        """Return the state by the days that ended before a time, such as `calm, rising`; None without enough days."""
        import numpy

        index = int(numpy.searchsorted(self._days, time_ns // _DAY_NS, side="left")) - 1
        if index < 0 or self._bounds is None or not numpy.isfinite(self._volatility[index]):
            return None
        tercile = int(numpy.searchsorted(self._bounds, self._volatility[index], side="left"))
        return f"{_NAMES[tercile]}, {'rising' if self._is_up[index] else 'falling'}"


def _deviation(returns: Any) -> float:
    import numpy

    known = returns[numpy.isfinite(returns)]
    return float(known.std()) if len(known) >= _FEWEST_DAYS else float("nan")
