"""Turn times of a clock on a wall into UTC, summer time included."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from src.agents.market.candles import MarketDataError

_SECOND: Final = 1_000_000
_DAY_S: Final = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Abbreviations that mean one offset; those that mean several (CST, IST, BST) are refused.
OFFSETS_MIN: Final = {
    "Z": 0, "UTC": 0, "GMT": 0, "EST": -300, "EDT": -240, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420,
    "CET": 60, "CEST": 120, "EEST": 180, "MSK": 180, "JST": 540, "KST": 540, "HKT": 480, "SGT": 480,
}  # fmt: skip
_NAMES: Final = {"ET": "America/New_York", "US/EASTERN": "America/New_York", "EASTERN": "America/New_York",
                 "CT": "America/Chicago", "NEW YORK": "America/New_York", "LONDON": "Europe/London",
                 "TOKYO": "Asia/Tokyo", "EET": "Europe/Helsinki"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Local:
    """Times in UTC of times on a wall: `ambiguous` ones happened twice, `missing` ones never."""

    time_us: Any
    ambiguous: Any
    missing: Any


def zone_of(name: str) -> tzinfo:
    """Return the zone of a name: America/New_York, UTC, -05:00, UTC+2, EST (without summer time).

    Raises:
        MarketDataError: there is no such zone.
    """
    text = name.strip()
    offset = re.fullmatch(r"(?:UTC|GMT)?\s*([+-])(\d{1,2})(?::?(\d{2}))?", text, re.IGNORECASE)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        if minutes < 24 * 60:
            return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    if text.upper() in OFFSETS_MIN and text.upper() != "CET":
        return timezone(timedelta(minutes=OFFSETS_MIN[text.upper()])) if OFFSETS_MIN[text.upper()] else UTC
    try:
        return ZoneInfo(_NAMES.get(text.upper(), text))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise MarketDataError(
            f"There is no time zone {name!r}: give a name such as America/New_York, or an offset such as +02:00."
        ) from error


def is_zone(name: str) -> bool:
    """Tell whether there is a zone of this name."""
    try:
        zone_of(name)
    except MarketDataError:
        return False
    return True


def to_utc(local_us: Any, zone: tzinfo, *, dates_only: bool) -> Local:
    """Return local times as UTC.

    Of a time that happened twice, as clocks went back, the order of the rows decides: in a series that runs one way,
    the second pass follows the first. Where it does not decide, the time is ambiguous. A date alone is the first
    moment of its day.
    """
    import numpy

    none = numpy.zeros(len(local_us), dtype=bool)
    if not isinstance(zone, ZoneInfo):
        fixed = zone.utcoffset(None) or timedelta(0)
        return Local(local_us - int(fixed.total_seconds()) * _SECOND, none, none)
    if not len(local_us):
        return Local(local_us, none, none)
    instants, offsets = _transitions(zone, int(local_us.min()), int(local_us.max()))
    before, after = offsets[:-1], offsets[1:]
    first = local_us - offsets[numpy.searchsorted(instants + numpy.maximum(before, after), local_us, "right")]
    last = local_us - offsets[numpy.searchsorted(instants + numpy.minimum(before, after), local_us, "right")]
    missing = last < first  # clocks went forward over it
    twice = last > first
    earlier, later = numpy.minimum(first, last), numpy.maximum(first, last)
    if dates_only:
        moments = numpy.where(missing, _end_of_gap(instants, first, last), earlier)
        return Local(moments, none, none)
    if not twice.any():
        return Local(earlier, none, missing)
    chosen, ambiguous = _passes(local_us, earlier, later, twice)
    return Local(chosen, ambiguous, missing)


def _end_of_gap(instants: Any, first: Any, last: Any) -> Any:
    """Return the transition at or before the later reading: the moment at which a gap in local time ends."""
    import numpy

    if not len(instants):
        return first
    place = numpy.clip(numpy.searchsorted(instants, numpy.maximum(first, last), "right") - 1, 0, None)
    return instants[place]


def _passes(local_us: Any, earlier: Any, later: Any, twice: Any) -> tuple[Any, Any]:
    """Choose between the two readings of times that happened twice, one fold after the other."""
    import numpy

    moments = earlier.copy()
    ambiguous = numpy.zeros(len(local_us), dtype=bool)
    rows = numpy.flatnonzero(twice)
    for fold in numpy.split(rows, numpy.flatnonzero(numpy.abs(numpy.diff(local_us[rows])) >= _DAY_S * _SECOND) + 1):
        falling = _is_falling(local_us, fold)
        times = local_us[fold][::-1] if falling else local_us[fold]
        breaks = numpy.flatnonzero(numpy.diff(times) <= 0)
        order = fold[::-1] if falling else fold
        if len(breaks) == 1:
            second = order[breaks[0] + 1 :]
            moments[second] = later[second]
        else:
            ambiguous[fold] = True
    return moments, ambiguous


def _is_falling(local_us: Any, fold: Any) -> bool:
    before, after = max(int(fold[0]) - 1, 0), min(int(fold[-1]) + 1, len(local_us) - 1)
    return bool(local_us[before] > local_us[after])


def _transitions(zone: ZoneInfo, first_us: int, last_us: int) -> tuple[Any, Any]:
    """Return the moments (microseconds) at which a zone's offset changes, and the offsets around them."""
    import numpy

    day = first_us // _SECOND - 3 * _DAY_S
    end = last_us // _SECOND + 3 * _DAY_S
    instants: list[int] = []
    offsets = [_offset(zone, day)]
    while day < end:
        following = day + 7 * _DAY_S
        if _offset(zone, following) != offsets[-1]:
            at = _change(zone, day, following)
            instants.append(at)
            offsets.append(_offset(zone, at))
            day = at
        else:
            day = following
    return numpy.array(instants, dtype="int64") * _SECOND, numpy.array(offsets, dtype="int64") * _SECOND


def _change(zone: ZoneInfo, low: int, high: int) -> int:
    before = _offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(zone: tzinfo, second: int) -> int:
    offset = (_EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
