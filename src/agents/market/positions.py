"""Tell what each number of a row without a header is, by all rows: the highest is the high, the lowest the low."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from src.agents.market.candles import MarketDataError

# The orders in which exchanges give their numbers after the time, with the place of the volume. The usual one comes
# first; the others are those of one platform each.
_ORDERS: Final = (
    ("", {"open": 0, "high": 1, "low": 2, "close": 3}, 4),
    ("Coinbase candles", {"low": 0, "high": 1, "open": 2, "close": 3}, 4),
    ("KuCoin klines", {"open": 0, "close": 1, "high": 2, "low": 3}, 4),
    ("Gate candlesticks", {"close": 1, "high": 2, "low": 3, "open": 4}, 5),
)
# Kraken's rows have so many numbers: four prices, their mean, the volume, the number of trades.
_WITH_MEAN: Final = 7
# Prices of a share of rows may contradict one another.
_SURE: Final = 0.98


@dataclass(frozen=True, slots=True)
class Assigned:
    """The columns by name, the place of each, and the platform whose order it is where that is not the usual one."""

    values: dict[str, Any]
    places: dict[str, int]
    platform: str


def assigned(numbers: list[Any], source: str) -> Assigned:
    """Return the columns in the order with which all rows agree.

    Raises:
        MarketDataError: rows agree with no order, or with two that differ.
    """
    import numpy

    nan = numpy.full(len(numbers[0]), numpy.nan)
    fits: list[tuple[float, str, dict[str, int], int]] = []
    for platform, order, volume in _ORDERS:
        if max(order.values()) < len(numbers):
            fits.append((_share(numbers, order), platform, order, volume))
            if fits[0][0] > _SURE:
                break  # the usual order; where another fits as well, its numbers are the same
    best = max((fit[0] for fit in fits), default=0.0)
    if best < 0.5:
        platform, order, volume = _ORDERS[0]  # the rule for rows says what is wrong with them
    else:
        likely = [fit[1:] for fit in fits if fit[0] > best - 0.02]
        platform, order, volume = likely[0]
        for _, other, _ in likely[1:]:
            _require_same(order, other, numbers, source)
    places = {name: order[name] for name in ("open", "high", "low", "close")}
    if volume < len(numbers):
        places["volume"] = _volume_place(numbers, order, volume)
    values = {"volume": nan, **{name: numbers[place] for name, place in places.items()}}
    return Assigned(values=values, places=places, platform=platform)


def _share(numbers: list[Any], order: dict[str, int]) -> float:
    """Return the share of rows whose highest and lowest numbers stand where an order has the high and the low."""
    import numpy

    opened, high, low, close = (numbers[order[name]] for name in ("open", "high", "low", "close"))
    with numpy.errstate(invalid="ignore"):
        fits = (high >= low) & (high >= opened) & (high >= close) & (low <= opened) & (low <= close)
        finite = numpy.isfinite(opened) & numpy.isfinite(high) & numpy.isfinite(low) & numpy.isfinite(close)
    return float(fits[finite].mean()) if finite.any() else 0.0


def _volume_place(numbers: list[Any], order: dict[str, int], volume: int) -> int:
    """Return the place of the volume; where a mean price stands before it, as in Kraken's answers, the next."""
    import numpy

    after = volume + 1
    if len(numbers) != _WITH_MEAN or volume != 4:
        return volume
    with numpy.errstate(invalid="ignore"):
        low, high = numbers[order["low"]], numbers[order["high"]]
        traded = numbers[after] > 0
        is_price = (numbers[volume] >= low) & (numbers[volume] <= high)
    return after if traded.any() and is_price[traded].all() else volume


def _require_same(first: dict[str, int], second: dict[str, int], numbers: list[Any], source: str) -> None:
    import numpy

    for name, place in first.items():
        left, right = numbers[place], numbers[second[name]]
        if not numpy.array_equal(left, right, equal_nan=True):
            raise MarketDataError(
                f"{source} has no header, and its numbers may stand in two orders: {name} may be column "
                f"{place + 2} or {second[name] + 2}. Give it a header."
            )
