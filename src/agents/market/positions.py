"""Tell what each number of a row without a header is, by all rows: the highest is the high, the lowest the low."""

from __future__ import annotations

from typing import Any, Final

from src.agents.market.candles import MarketDataError

# The orders in which exchanges give their numbers after the time, with the place of the volume.
_ORDERS: Final = (
    ("open, high, low, close", {"open": 0, "high": 1, "low": 2, "close": 3}, 4),
    ("low, high, open, close, as Coinbase gives them", {"low": 0, "high": 1, "open": 2, "close": 3}, 4),
    ("open, close, high, low, as KuCoin gives them", {"open": 0, "close": 1, "high": 2, "low": 3}, 4),
    ("volume, close, high, low, open, as Gate gives them", {"close": 1, "high": 2, "low": 3, "open": 4}, 5),
)


# Prices of a share of rows may contradict one another.
_SURE: Final = 0.98


def assigned(numbers: list[Any], source: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the columns by name in the order with which all rows agree, and the place of each.

    Raises:
        MarketDataError: rows agree with no order, or with two that differ.
    """
    import numpy

    nan = numpy.full(len(numbers[0]), numpy.nan)
    fits: list[tuple[float, dict[str, int], int]] = []
    for _, order, volume in _ORDERS:
        if max(order.values()) < len(numbers):
            fits.append((_share(numbers, order), order, volume))
            if fits[0][0] > _SURE:
                break  # the usual order; where another fits as well, its numbers are the same
    best = max((share for share, _, _ in fits), default=0.0)
    if best < 0.5:
        order, volume = _ORDERS[0][1], _ORDERS[0][2]  # the rule for rows says what is wrong with them
    else:
        likely = [(order, volume) for share, order, volume in fits if share > best - 0.02]
        order, volume = likely[0]
        for other, _ in likely[1:]:
            _require_same(order, other, numbers, source)
    places = {name: order[name] for name in ("open", "high", "low", "close")}
    if volume < len(numbers):
        places["volume"] = _volume_place(numbers, order, volume)
    return {"volume": nan, **{name: numbers[place] for name, place in places.items()}}, places


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
    if after >= len(numbers) or volume != 4:
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
