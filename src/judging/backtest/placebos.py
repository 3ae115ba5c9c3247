"""Make series that a true skill must fail on: shuffled, with flipped signs, or without a name and a date."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from src.agents.market.bars import Bars, Columns, columns_of

if TYPE_CHECKING:
    from src.agents.market import Candles

KINDS: Final = ("shuffled", "flipped", "relabelled")
RELABELLED: Final = "ASSET"
_SEED: Final = 7
_FIRST_PRICE: Final = 100.0
_FIRST_US: Final = 978_307_200_000_000  # 2001-01-01
_DAY_US: Final = 86_400_000_000


def placebo(candles: Candles, kind: str) -> Candles:
    """Return a placebo of candles.

    `shuffled` draws the bars' changes in another order; `flipped` turns each change round; `relabelled` begins at a
    price of 100 in the year 2001, as ASSET, with the same changes.

    Raises:
        ValueError: there is no such kind.
    """
    columns = columns_of(candles.bars)
    if kind == "relabelled":
        return replace(
            candles, bars=Bars(_relabelled(columns)), symbol=RELABELLED, source=f"{candles.source} (relabelled)"
        )
    if kind not in KINDS:
        raise ValueError(f"--placebo is {kind!r}: give one of {', '.join(KINDS)}.")
    return replace(candles, bars=Bars(_changed(columns, kind)), source=f"{candles.source} ({kind})")


def _relabelled(columns: Columns) -> Columns:
    factor = _FIRST_PRICE / columns.open[0]
    shift = (int(columns.time_us[0]) - _FIRST_US) // _DAY_US * _DAY_US  # whole days, so that hours keep their meaning
    prices = {name: getattr(columns, name) * factor for name in ("open", "high", "low", "close")}
    return Columns(time_us=columns.time_us - shift, volume=columns.volume, lines=columns.lines, **prices)


def _changed(columns: Columns, kind: str) -> Columns:
    """Return the bars after their logarithms' changes were shuffled or turned round.

    A bar's four prices keep their distances to the close before it.
    """
    import numpy

    closes = numpy.log(columns.close)
    before = numpy.concatenate(([numpy.log(columns.open[0])], closes[:-1]))
    changes = {name: numpy.log(getattr(columns, name)) - before for name in ("open", "high", "low", "close")}
    volume = columns.volume
    if kind == "flipped":
        changes = {name: -values for name, values in changes.items()}
        changes["high"], changes["low"] = changes["low"], changes["high"]
    else:
        order = numpy.random.default_rng(_SEED).permutation(len(columns))
        changes = {name: values[order] for name, values in changes.items()}
        volume = volume[order]
    start = numpy.log(columns.open[0])
    base: Any = start + numpy.concatenate(([0.0], numpy.cumsum(changes["close"])[:-1]))
    prices = {name: numpy.exp(base + values) for name, values in changes.items()}
    return Columns(time_us=columns.time_us, volume=volume, lines=columns.lines, **prices)
