"""Tell how long a bar is, and when it ends: months and years by the calendar, days by the clocks of their zone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from src.agents.market.bars import Bars, columns_of, microseconds, moment
from src.agents.market.candles import MarketDataError, RowIssue
from src.agents.market.zones import zone_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from src.agents.market.candles import Candles

DAY_S: Final = 86_400
_US: Final = 1_000_000
# No zone is further ahead of UTC; clocks change by no more.
FURTHEST_EAST_S: Final = 14 * 3600
# A month may open so many days after its first one.
_WEEKEND_DAYS: Final = 4
_CLOCK_CHANGE_US: Final = 3600 * _US
_SKEW_S: Final = 300  # clocks of different machines may differ by so much
_UNITS: Final = ((7 * DAY_S, "w"), (DAY_S, "d"), (3600, "h"), (60, "m"), (1, "s"))
# Calendar frames by their shortest and longest length in days, with their months.
_CALENDAR: Final = ((28, 31, 1), (89, 92, 3), (181, 184, 6), (365, 366, 12))


@dataclass(frozen=True, slots=True)
class Timeframe:
    """A bar's length: `months` of the calendar, or `seconds`."""

    seconds: int
    months: int = 0

    @property
    def name(self) -> str:
        """Return the name that exchanges use: 15m, 1h, 1d, 1w, 1M, 1y."""
        if self.months:
            return f"{self.months // 12}y" if self.months % 12 == 0 else f"{self.months}M"
        size, unit = next((size, unit) for size, unit in _UNITS if self.seconds % size == 0)
        return f"{self.seconds // size}{unit}"

    def end_of(self, opened: datetime, zone: tzinfo = UTC) -> datetime:
        """Return when a bar that opened then ends."""
        if self.months or self.seconds % DAY_S == 0:
            local = opened.astimezone(zone)
            later = _months_later(local, self.months) if self.months else local + timedelta(seconds=self.seconds)
            return later.astimezone(UTC)
        return opened + timedelta(seconds=self.seconds)


def _months_later(time: datetime, months: int) -> datetime:
    year, month = divmod(time.year * 12 + time.month - 1 + months, 12)
    for day in range(time.day, 27, -1):
        try:
            return time.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return time.replace(year=year, month=month + 1)


def timeframe_of(time_us: Any) -> Timeframe | None:
    """Return the timeframe of rising times by their most common distance; None for fewer than two."""
    import numpy

    if len(time_us) < 2:
        return None
    distances, counts = numpy.unique(numpy.diff(time_us) // _US, return_counts=True)
    seconds = int(distances[counts.argmax()])
    days = seconds / DAY_S
    for low, high, months in _CALENDAR:
        # Calendar frames have no bar nearer than the shortest month; an hour is summer time's.
        if low - 0.05 <= days <= high + 0.05 and distances[0] / DAY_S >= low - 0.05:
            is_calendar = days != 28 or len(distances) > 1
            if is_calendar:
                return Timeframe(seconds=seconds, months=months)
    return Timeframe(seconds=max(seconds, 1))


def zone_of_candles(candles: Candles) -> tzinfo:
    """Return the zone in whose days and months the bars of candles are counted.

    Of stamps that state offsets alone, or none, as Unix times, the zone is not known by name. That of months is then
    the one in which they begin on their first day: those that open on a month's last evening in UTC are of a zone east
    of it.
    """
    name = candles.reading.zone if candles.reading is not None else "UTC"
    try:
        zone = zone_of(name)
    except MarketDataError:
        zone = UTC
    frame = frame_of(candles)
    if zone is not UTC or frame is None or not frame.months:
        return zone
    return zone_of_months(columns_of(candles.bars).time_us)


def zone_of_months(opened: Any) -> tzinfo:
    """Return the zone of months that open in the evening before a first day in UTC, by their times in microseconds.

    Where a month begins at a weekend, it opens a few days later, as currencies do on Sunday evening. All others: UTC.
    """
    import numpy

    until_midnight_us = -opened % (DAY_S * _US)
    is_evening = (until_midnight_us > 0) & (until_midnight_us <= FURTHEST_EAST_S * _US)
    days = (opened + until_midnight_us).astype("datetime64[us]").astype("datetime64[D]")
    first = days.astype("datetime64[M]").astype("datetime64[D]")
    if not len(opened) or not (is_evening & ((days - first).astype("int64") <= _WEEKEND_DAYS)).all():
        return UTC
    return timezone(timedelta(microseconds=int(numpy.max(until_midnight_us))))


def close_times_us(candles: Candles, timeframe: Timeframe) -> Any:
    """Return when each bar ends, in microseconds since 1970, as a numpy array.

    A bar of a day or more ends as the next one opens, where that is within an hour of its length: days have 23 to 25
    hours as clocks change. Of any other two bars the next one's opening ends the first.
    """
    import numpy

    opened = columns_of(candles.bars).time_us
    ends = opened + timeframe.seconds * _US
    if timeframe.months:
        zone = zone_of_candles(candles)
        ends = numpy.array(
            [microseconds(timeframe.end_of(moment(time_us), zone)) for time_us in opened.tolist()], dtype="int64"
        )
    elif timeframe.seconds % DAY_S == 0 and len(opened):
        ends[-1] = microseconds(timeframe.end_of(moment(int(opened[-1])), zone_of_candles(candles)))
    following = opened[1:]
    slack = _CLOCK_CHANGE_US if timeframe.months or timeframe.seconds % DAY_S == 0 else 0
    ends[:-1] = numpy.where(following <= ends[:-1] + slack, following, ends[:-1])
    return ends


def closed_bars(candles: Candles, now: datetime) -> Candles:
    """Return candles without the bars that are not closed yet, and say so in their issues.

    A bar is closed once its timeframe has passed since it opened. The last row of a file that was written before its
    bar's end is not closed either, even if it has passed since: it stands as it was then.
    """
    timeframe = frame_of(candles)
    if not len(candles) or timeframe is None:
        return candles
    zone = zone_of_candles(candles)
    columns = columns_of(candles.bars)
    now_us = microseconds(now)
    count = len(columns)
    while count and microseconds(timeframe.end_of(moment(int(columns.time_us[count - 1])), zone)) > now_us:
        count -= 1
    reason = f"{len(columns) - count} bars end after {now:%Y-%m-%d %H:%M:%S} UTC"
    if len(columns) - count == 1:
        reason = f"the bar of {moment(int(columns.time_us[-1])):%Y-%m-%d %H:%M} UTC is open until " + (
            f"{timeframe.end_of(moment(int(columns.time_us[-1])), zone):%Y-%m-%d %H:%M} UTC"
        )
    elif count < len(columns) - 1:
        reason += ": if the times are in another zone, name it (--zone, zone=)"
    if count == len(columns) and candles.written_at is not None:
        count, reason = _closed_when_written(columns.time_us, timeframe, zone, candles.written_at)
    if count == len(columns):
        return candles
    return _without_last(candles, len(columns) - count, reason)


def _closed_when_written(opened_us: Any, timeframe: Timeframe, zone: tzinfo, written_at: datetime) -> tuple[int, str]:
    """Return how many bars were closed when their file was written, and why others are left out.

    Several may have been open: of weeks with a row for today behind them, both of the last two. A file whose time is
    long before its bars was given that time by somebody else.
    """
    count = len(opened_us)
    last = moment(int(opened_us[-1]))
    if last - written_at > timedelta(seconds=max(FURTHEST_EAST_S, 2 * timeframe.seconds)):
        return count, ""
    while count and timeframe.end_of(moment(int(opened_us[count - 1])), zone) > written_at:
        count -= 1
    written = f"when the file was written, at {written_at:%Y-%m-%d %H:%M} UTC"
    if len(opened_us) - count == 1 and last <= written_at:
        return count, f"the bar of {last:%Y-%m-%d %H:%M} UTC was open {written}"
    zone_hint = ": if the times are in another zone, name it (--zone, zone=)" if last > written_at else ""
    return count, f"{len(opened_us) - count} bars had not ended {written}{zone_hint}"


def refuse_future_bars(candles: Candles) -> None:
    """Refuse bars that open more than a bar's length, and five minutes, after the present.

    Raises:
        MarketDataError: there are some.
    """
    timeframe = frame_of(candles)
    now = datetime.now(UTC)
    length_s = timeframe.seconds if timeframe is not None else DAY_S
    latest = microseconds(now) + max(_SKEW_S, length_s) * _US
    opened = columns_of(candles.bars).time_us
    count = int((opened > latest).sum())
    if count:
        last = moment(int(opened[-1]))
        raise MarketDataError(
            f"{candles.source} has {count} bars that open in the future, the last at {last:%Y-%m-%d %H:%M} UTC, and it "
            f"is {now:%Y-%m-%d %H:%M} UTC now: nobody knows their prices. Check the zone (--zone, zone=), the order of "
            "dates (--dates, dates=), and this machine's clock."
        )


def last_close(candles: Candles) -> datetime:
    """Return when the last bar ends; when it opens, where one bar alone does not tell how long it is."""
    opened, timeframe = candles.bars[-1].time, frame_of(candles)
    return opened if timeframe is None else timeframe.end_of(opened, zone_of_candles(candles))


def _without_last(candles: Candles, dropped: int, reason: str) -> Candles:
    columns = columns_of(candles.bars)
    issue = RowIssue(line=int(columns.lines[-1]) or None, kind="open_candle", detail=reason, action="dropped")
    counts = dict(candles.issue_counts)
    counts["open_candle"] = counts.get("open_candle", 0) + dropped
    return replace(
        candles,
        bars=Bars(columns.taken(slice(0, len(columns) - dropped))),
        issues=(*candles.issues, issue),
        issue_counts=counts,
    )


def frame_of(candles: Candles) -> Timeframe | None:
    """Return the timeframe of candles, by what they say, else by their distances."""
    from_times = timeframe_of(columns_of(candles.bars).time_us)
    if from_times is not None and from_times.months and from_times.name == candles.timeframe:
        return from_times
    if candles.interval_s and (from_times is None or from_times.seconds != candles.interval_s):
        return Timeframe(seconds=candles.interval_s)
    return from_times
