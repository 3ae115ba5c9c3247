"""Refuse rows of two timeframes of one market, such as hours with a row for each day among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from src.agents.market.bars import moment
from src.agents.market.candles import MarketDataError

if TYPE_CHECKING:
    from src.agents.market.bars import Columns

_LOOKED_AT: Final = 40
_GAP: Final = 1.5  # of a usual distance: a row with more before and behind it stands alone
_VOLUMES: Final = (
    0.5  # of the volumes of its parts a longer bar has at least this share, as they are counted differently
)


def refuse_frames_of_one_time(columns: Columns, conflicts: Any, source: str) -> None:
    """Refuse a series in which most of the times that come twice have a bar, and one that sums up those after it.

    Where a bar comes again since it was open at first, as in a file that grows, its range and volume are its own.

    Args:
        columns: Rows in order of time.
        conflicts: The first of two rows with one time and other prices.
        source: The source, for the error.

    Raises:
        MarketDataError: it is such a series.
    """
    import numpy

    pairs = list(zip(conflicts[:_LOOKED_AT].tolist(), conflicts[1 : _LOOKED_AT + 1].tolist(), strict=False))
    is_single = numpy.ones(len(columns), dtype=bool)
    is_single[1:] = numpy.diff(columns.time_us) != 0
    nested = []
    for row, following in pairs:
        ranges = [columns.high[place] - columns.low[place] for place in (row, row + 1)]
        small, large = (row, row + 1) if ranges[0] < ranges[1] else (row + 1, row)
        after = numpy.arange(row + 2, following)
        if _sums_up(columns, large, numpy.concatenate(([small], after[is_single[row + 2 : following]]))):
            nested.append(row)
    if len(nested) * 2 > len(pairs):
        row = nested[0]
        at = f"{moment(int(columns.time_us[row])):%Y-%m-%d %H:%M}"
        raise _refusal(
            source, f"lines {columns.lines[row]} and {columns.lines[row + 1]} are both of {at}, and one of them"
        )


def refuse_lonely_sums(columns: Columns, usual_us: int, source: str) -> None:
    """Refuse a series in which most of the rows that stand alone sum up those after them, as days before their hours.

    Args:
        columns: Rows in order of time, each time once.
        usual_us: The usual distance of two rows, in microseconds.
        source: The source, for the error.

    Raises:
        MarketDataError: it is such a series.
    """
    import numpy

    is_far = numpy.diff(columns.time_us) > _GAP * usual_us
    lonely = numpy.flatnonzero(numpy.concatenate(([True], is_far)) & numpy.concatenate((is_far, [False])))
    pairs = list(zip(lonely[:_LOOKED_AT].tolist(), lonely[1 : _LOOKED_AT + 1].tolist(), strict=False))
    nested = [row for row, following in pairs if _sums_up(columns, row, numpy.arange(row + 1, following))]
    if len(nested) > 1 and len(nested) * 2 > len(pairs):
        row = nested[0]
        raise _refusal(
            source, f"the bar of {moment(int(columns.time_us[row])):%Y-%m-%d %H:%M} (line {columns.lines[row]})"
        )


def _refusal(source: str, what: str) -> MarketDataError:
    return MarketDataError(
        f"{source}: {what} has the high and the low of the bars behind it together: these are rows of two timeframes. "
        "Give those of one."
    )


def _sums_up(columns: Columns, large: int, parts: Any) -> bool:
    """Tell whether a row has the high, the low and about the volume of several others together."""
    import numpy

    if (
        len(parts) < 2
        or columns.high[parts].max() != columns.high[large]
        or columns.low[parts].min() != columns.low[large]
    ):
        return False
    volumes = columns.volume[parts]
    known = numpy.isfinite(volumes).all() and numpy.isfinite(columns.volume[large])
    if known and volumes.any():
        return bool(columns.volume[large] >= _VOLUMES * volumes.sum())
    return bool(columns.close[parts[-1]] == columns.close[large])
