"""Refuse times with two readings: .NET's ticks, clocks of twelve hours without AM and PM, months in other words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from src.agents.market.candles import MarketDataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from src.agents.market.times import Times

_HOUR_US: Final = 3600 * 1_000_000
_DAY_US: Final = 24 * _HOUR_US
_NOON: Final = 12
# A day, a word and a year: a date whose month is named in another language than English.
_NAMED: Final = re.compile(
    r"\d{1,2}[-/ .]{1,2}(?P<first>[^\W\d_]{3,10})\.?[-/ ,.]{1,3}(?:\d{4}|\d{2})(?!\d).*"
    r"|(?P<second>[^\W\d_]{3,10})\.? \d{1,2},? \d{4}(?!\d).*"
)


def refuse_ticks(times: Times, source: str) -> None:
    """Refuse numbers of 18 digits that are nanoseconds of 1989 and 1990, or times of today as .NET counts them.

    Raises:
        MarketDataError: all of them are such.
    """
    import numpy

    if times.tick_us is None:
        return
    unix, ticks = (str(numpy.datetime64(int(value), "us"))[:16] for value in (times.value_us.min(), times.tick_us))
    raise MarketDataError(
        f"{source}: its times may be Unix times in nanoseconds ({unix}), or steps of 100 nanoseconds since the year 1 "
        f"as .NET counts them ({ticks}). Write them as dates such as 2024-01-02T09:30:00Z."
    )


def refuse_half_days(local_us: Any, source: str) -> None:
    """Refuse times of day by a clock of twelve hours whose AM and PM are lost: 11:00, 12:00, 01:00 on one date.

    Args:
        local_us: Times by a clock, in the order of the rows, in microseconds.
        source: The source, for the error.

    Raises:
        MarketDataError: no hour is 0 or above 12, and after the twelfth the first follows on the same date.
    """
    import numpy

    hours = local_us % _DAY_US // _HOUR_US
    if not len(hours) or hours.min() < 1 or hours.max() != _NOON:
        return
    days = local_us // _DAY_US
    after_noon = (days[1:] == days[:-1]) & (hours[1:] + hours[:-1] == _NOON + 1) & (numpy.abs(numpy.diff(hours)) > 1)
    places = numpy.flatnonzero(after_noon & ((hours[1:] == _NOON) | (hours[:-1] == _NOON)))
    if len(places):
        place = int(places[0])
        pair = sorted(str(value.astype("datetime64[us]"))[:16] for value in local_us[place : place + 2])
        raise MarketDataError(
            f"{source}: {pair[0].replace('T', ' ')} and {pair[1].replace('T', ' ')} stand side by side, and no hour is "
            "0 or above 12: the times may be of a clock of twelve hours that lacks AM and PM, or 24-hour times in no "
            "order. Write them with 24 hours."
        )


def refuse_other_months(texts: Iterable[str], source: str) -> None:
    """Refuse dates whose months are named in another language: those that English shares would be read, others lost.

    Raises:
        MarketDataError: one of the texts, which are no times, is such a date.
    """
    for text in texts:
        match = _NAMED.fullmatch(text.strip())
        if match is not None:
            name = match["first"] or match["second"]
            raise MarketDataError(
                f"{source}: {text.strip()[:40]!r} names its month {name!r}, which is no English name, and other rows "
                "may have one that is: those would be all that is left. Write months as numbers."
            )
