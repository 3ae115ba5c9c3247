"""Follow a book's value over time, beside buying and holding."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.judging.paper.account import market_key
from src.observability.store.book_records import BookMarkRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from src.judging.paper.markets import Market
    from src.judging.paper.terms import Terms
    from src.observability.store.book_records import BookEventRecord

_DAY_NS: Final = 86_400_000_000_000
_MOST_MARKS: Final = 200  # of bars that are looked at together; of more the last of each day is kept


@dataclass(frozen=True, slots=True)
class Curve:
    """A value over time: at the close of bars, whose opens are `times_ns`; values in US dollars.

    `peak` and `worst` are the highest value, and the deepest fall from one as a fraction, before the first of them.
    """

    times_ns: tuple[int, ...]
    values: tuple[float, ...]
    peak: float
    worst: float = 0.0

    @property
    def end(self) -> float:
        """Return the last value, or the one at the beginning."""
        return self.values[-1] if self.values else self.peak

    @property
    def max_drawdown(self) -> float:
        """Return the deepest fall from a highest value until then, as a fraction of it."""
        return self.drawdowns()[1]

    def drawdowns(self) -> tuple[float, float, list[float], list[float]]:
        """Return the highest value and the deepest fall at the end, and both at each time."""
        import numpy

        if not self.values:
            return self.peak, self.worst, [], []
        values = numpy.array(self.values)
        peaks = numpy.maximum(numpy.maximum.accumulate(values), self.peak)
        worst = numpy.maximum(numpy.maximum.accumulate(1 - values / peaks), self.worst)
        return float(peaks[-1]), float(worst[-1]), peaks.tolist(), worst.tolist()


def curve_of(
    events: Sequence[BookEventRecord],
    markets: Mapping[str, Market],
    *,
    start_usd: Decimal,
    after_ns: int,
    upto_ns: int,
    before: tuple[float, float] | None = None,
) -> Curve:
    """Return a book's equity at the close of each bar of its markets.

    Args:
        events: Its whole journal.
        markets: The prices of each symbol that it holds in this time, by their plain names.
        start_usd: Its cash at the beginning.
        after_ns: The bars that open later than this are looked at.
        upto_ns: Those that open later than this are not.
        before: The highest equity and the deepest fall until `after_ns`.
    """
    import numpy

    keys = {market_key(event.symbol) for event in events if event.kind in ("open", "close")}
    times = _times(markets, after_ns, upto_ns)
    value: Any = float(start_usd) + numpy.zeros(len(times))
    moments = numpy.array([event.time_ns for event in events], dtype="int64")
    cash = numpy.array([float(start_usd), *(float(event.cash_usd) for event in events)])
    if len(times):
        value = cash[_reached(moments, times)]
    for key in sorted(keys & markets.keys()):
        own = [event for event in events if market_key(event.symbol) == key and event.kind in ("open", "close")]
        sizes = numpy.array([0.0, *(float(event.position) for event in own)])
        at = _reached(numpy.array([event.time_ns for event in own], dtype="int64"), times)
        held = sizes[at]
        value = value + numpy.where(held != 0, held * _closes(markets[key], times), 0.0)
    peak, worst = before or (float(start_usd), 0.0)
    return Curve(times_ns=tuple(times.tolist()), values=tuple(value.tolist()), peak=peak, worst=worst)


def _reached(moments: Any, times: Any) -> Any:
    """Return how many of the moments are at or before each time."""
    import numpy

    return numpy.searchsorted(numpy.maximum.accumulate(moments) if len(moments) else moments, times, side="right")


def _times(markets: Mapping[str, Market], after_ns: int, upto_ns: int) -> Any:
    import numpy

    parts = [numpy.asarray(market.prices.open_ns[: market.closed], dtype="int64") for market in markets.values()]
    times = numpy.unique(numpy.concatenate(parts)) if parts else numpy.zeros(0, dtype="int64")
    return times[(times > after_ns) & (times <= upto_ns)]


def _closes(market: Market, times: Any) -> Any:
    """Return the newest close of closed bars at each time; the first open before there is one."""
    import numpy

    indices = numpy.searchsorted(market.prices.open_ns[: market.closed], times, side="right") - 1
    closes = market.prices.close[numpy.maximum(indices, 0)]
    return numpy.where(indices >= 0, closes, market.prices.open[0])


def holding_curve(
    markets: Mapping[str, Market],
    first_ns: Mapping[str, int],
    *,
    start_usd: Decimal,
    upto_ns: int,
    cost: float,
    share: float = 1.0,
) -> Curve:
    """Return the way of an account that buys once and holds.

    Args:
        markets: The prices by plain names.
        first_ns: When each symbol is bought, at the open of the first bar from then on, for an equal part of the money.
        start_usd: The cash at the beginning.
        upto_ns: Bars that open later than this are not looked at.
        cost: What buying costs, as a fraction of the value.
        share: The part of the money that is invested; the rest stays cash.
    """
    import numpy

    bought = {key: time_ns for key, time_ns in first_ns.items() if key in markets}
    start = float(start_usd)
    if not bought:
        return Curve(times_ns=(), values=(), peak=start)
    times = _times({key: markets[key] for key in bought}, min(bought.values()) - 1, upto_ns)
    part = start * share / len(bought)
    value: Any = numpy.full(len(times), start - part * len(bought))
    for key, time_ns in sorted(bought.items()):
        prices = markets[key].prices
        index = prices.first_at_or_after(time_ns)
        if index == len(prices):
            value = value + part
            continue
        entry_ns, entry = int(prices.open_ns[index]), float(prices.open[index])
        worth = part / (1 + cost) * _closes(markets[key], times) / entry
        value = value + numpy.where(times >= entry_ns, worth, part)
    return Curve(times_ns=tuple(times.tolist()), values=tuple(value.tolist()), peak=start)


def marks_of(
    terms: Terms,
    events: Sequence[BookEventRecord],
    markets: Mapping[str, Market],
    curve: Curve,
    before: BookMarkRecord | None = None,
) -> list[BookMarkRecord]:
    """Return the marks to keep of a stretch of a curve: all where they are few, else the last of each day.

    Args:
        terms: The book's terms.
        events: Its whole journal.
        markets: The prices that the curve was made by.
        curve: The stretch.
        before: The last mark before it.
    """
    import numpy

    if not curve.values:
        return []
    times = numpy.array(curve.times_ns)
    chosen = numpy.arange(len(times))
    if len(times) > _MOST_MARKS:
        days = times // _DAY_NS
        chosen = numpy.flatnonzero(numpy.append(days[1:] != days[:-1], True))
    _, _, peaks, worst = curve.drawdowns()
    reached = _reached(numpy.array([event.time_ns for event in events], dtype="int64"), times)
    earlier = {} if before is None else json.loads(before.prices)
    prices = {key: _price_columns(_closes(market, times), earlier.get(key)) for key, market in markets.items()}
    return [
        BookMarkRecord(
            book=terms.name,
            time_ns=int(times[index]),
            cash_usd=events[reached[index] - 1].cash_usd if reached[index] else f"{terms.start_usd:f}",
            equity_usd=curve.values[index],
            peak_usd=peaks[index],
            max_drawdown=worst[index],
            prices=json.dumps({key: [column[index] for column in columns] for key, columns in prices.items()}),
        )
        for index in chosen.tolist()
    ]


def _price_columns(closes: Any, before: Sequence[float] | None) -> tuple[list[float], list[float], list[float]]:
    """Return closes, the highest until each, and the deepest fall until each; `before` has those of the last mark."""
    curve = Curve(
        times_ns=(),
        values=tuple(closes.tolist()),
        peak=before[1] if before else 0.0,
        worst=before[2] if before else 0.0,
    )
    _, _, peaks, worst = curve.drawdowns()
    return list(curve.values), peaks, worst
