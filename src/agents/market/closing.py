"""Turn stamps at the end of bars into those of their beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from src.agents.market.bars import Columns
from src.agents.market.candles import MarketDataError
from src.agents.market.timeframes import DAY_S, FURTHEST_EAST_S, timeframe_of
from src.agents.market.zones import to_utc

if TYPE_CHECKING:
    from datetime import tzinfo

    from src.agents.market.candles import Issues
    from src.agents.market.sheet import Sheet

_US: Final = 1_000_000
_DAY_US: Final = DAY_S * _US
_WEEK_ENDS: Final = {4: "Friday", 5: "Saturday", 6: "Sunday"}
# A month's last session may be so many days before the next month.
_LAST_DAYS: Final = 5
_FEW: Final = 3


def opens_of_closes(columns: Columns, sheet: Sheet, issues: Issues) -> Columns:
    """Return rows with the time at which each bar opens, for stamps at its end such as 16:00:00 or 15:59:59.999.

    Raises:
        MarketDataError: the length of a bar cannot be told.
    """
    import numpy

    ends = _rounded(columns.time_us)
    frame = timeframe_of(numpy.unique(ends))
    if frame is None and sheet.hints.interval_s is None:
        raise MarketDataError(
            f"{sheet.source} stamps bars at their end, and one alone does not tell how long it is: give two or more."
        )
    seconds = sheet.hints.interval_s if frame is None else frame.seconds
    if frame is not None and frame.months:
        months = ends.astype("datetime64[us]").astype("datetime64[M]")
        at_start = (ends == months.astype("datetime64[us]").astype("int64")).all()
        months = months - frame.months if at_start else months - (frame.months - 1)
        opens = months.astype("datetime64[us]").astype("int64")
    else:
        # A date that labels a week by its last day, such as Sunday, stands for the end of that day.
        day_us = _DAY_US if _week_end(columns) is not None and not (ends % _DAY_US).any() else 0
        opens = ends + day_us - int(seconds or 0) * _US
    issues.add("close_stamps", "stamps are at the end of bars", "moved to the beginning")
    return _with_times(columns, opens)


def are_month_ends(columns: Columns) -> bool:
    """Tell whether dates label months, quarters or years by their last days, as resampled series often do."""
    import numpy

    if len(columns) < _FEW:
        return False
    frame = timeframe_of(numpy.unique(columns.time_us))
    if frame is None or not frame.months:
        return False
    days = _named_days(columns.time_us)
    to_end = (days.astype("datetime64[M]") + numpy.timedelta64(1, "M")).astype("datetime64[D]") - days
    return bool((to_end.astype("int64") <= _LAST_DAYS).all())


def opens_of_month_ends(columns: Columns, zone: tzinfo, issues: Issues) -> Columns:
    """Return rows with the beginning of the months, quarters or years that dates label by their last days."""
    import numpy

    frame = timeframe_of(numpy.unique(columns.time_us))
    days = _named_days(columns.time_us)
    months_before = numpy.timedelta64((frame.months if frame is not None else 1) - 1, "M")
    first = (days.astype("datetime64[M]") - months_before).astype("datetime64[us]")
    if isinstance(zone, ZoneInfo):
        opens = to_utc(first.astype("int64"), zone, dates_only=True).time_us
    else:
        opens = first.astype("int64") + columns.time_us - days.astype("datetime64[us]").astype("int64")
    issues.add("close_stamps", "stamps are at the end of bars", "moved to the beginning")
    return _with_times(columns, opens)


def _named_days(time_us: Any) -> Any:
    """Return the days that dates in any zone name, from 14 hours ahead of UTC to 10 behind."""
    return ((time_us + FURTHEST_EAST_S * _US) // _DAY_US).astype("datetime64[D]")


def _with_times(columns: Columns, time_us: Any) -> Columns:
    return Columns(
        time_us=time_us,
        open=columns.open,
        high=columns.high,
        low=columns.low,
        close=columns.close,
        volume=columns.volume,
        lines=columns.lines,
    )


def report_weekly_labels(columns: Columns, issues: Issues) -> None:
    """Say that weekly bars may be labelled by their last day, where they are read as labelled by their first."""
    day = _week_end(columns)
    if day is not None:
        issues.add(
            "weekly_labels",
            f"weekly bars are labelled by {day}s, read as the day on which each opens; where it is their last day, as "
            "of pandas' resample('W'), say so: stamps='close', --stamps close",
            "kept",
        )


def _week_end(columns: Columns) -> str | None:
    """Return the day that labels weekly bars where that may be their last: Friday, Saturday or Sunday; else None.

    pandas' `resample("W")` labels weeks by their Sundays. Bars of some markets open then, so the label does not tell;
    MetaTrader's do, at whatever time of that day its broker begins.
    """
    import numpy

    times = numpy.unique(columns.time_us)
    frame = timeframe_of(times)
    if frame is None or frame.seconds != 7 * DAY_S or len(times) < _FEW or (times % _DAY_US >= _DAY_US // 2).any():
        return None
    days = set(((times // _DAY_US + 3) % 7).tolist())  # 1970 began on a Thursday
    return _WEEK_ENDS.get(days.pop()) if len(days) == 1 else None


def _rounded(time_us: Any) -> Any:
    """Return ends such as 15:59:59.999 as 16:00:00, and 15:59:59 where all end so."""
    if len(time_us) and (time_us % (60 * _US) == 59 * _US).all():
        return time_us + _US
    second = time_us % _US
    return time_us + ((_US - second) * (second >= _US - 1_000)) + 0 * second
