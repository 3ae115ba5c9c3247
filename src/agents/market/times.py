"""Read times of price files, in any usual spelling, as UTC."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?")
_YEAR_FIRST = re.compile(r"(\d{4})[./](\d{1,2})[./](\d{1,2})(?=$|[ T])")
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:[ T]?(\d{2}):?(\d{2})(?::?(\d{2}))?)?")
_ZONE = re.compile(r"\s*(?:UTC|GMT|Z)$", re.IGNORECASE)
_SINCE_1980 = 315_532_800
# Seconds, milliseconds, microseconds, nanoseconds: the size of a number tells which it is.
_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (math.inf, 1e9))


class UnreadableTimeError(ValueError):
    """A text is no time in a known spelling."""


def reader(samples: Sequence[str]) -> tuple[Callable[[str], datetime], str | None]:
    """Return the function that reads a file's times, and a remark where its dates are ambiguous.

    Whether `01/02/2023` has the day or the month first is decided by the whole column: a first part above 12 is a day,
    a second part above 12 is a day too. Without either, the order in which the rows are sorted applies, month first if
    both are.
    """
    slashed = [match for text in samples if (match := _SLASHED.fullmatch(_plain(text)))]
    if not slashed:
        return read, None
    if any(int(match[1]) > 12 for match in slashed):
        return lambda text: read(text, day_first=True), None
    if any(int(match[2]) > 12 for match in slashed):
        return read, None
    months = [_parts(match, day_first=False) for match in slashed]
    days = [_parts(match, day_first=True) for match in slashed]
    day_first = months != sorted(months) and days == sorted(days)
    order = "day first" if day_first else "month first"
    return (lambda text: read(text, day_first=day_first)), f"dates such as {samples[0]} are read {order}"


def read(text: str, *, day_first: bool = False) -> datetime:
    """Return a time as UTC; one without a zone is UTC.

    Raises:
        UnreadableTimeError: it is none of ISO 8601, day.month.year, slashed dates, compact dates, or a Unix time.
    """
    text = _plain(text)
    try:
        return _parsed(text, day_first=day_first)
    except (ValueError, OverflowError, OSError) as error:
        raise UnreadableTimeError(f"{text[:40]!r} is not a time") from error


def _parsed(text: str, *, day_first: bool) -> datetime:
    if re.fullmatch(r"\d{9,19}(\.\d+)?", text):
        return _unix(float(text))
    for pattern, days in ((_DOTTED, True), (_SLASHED, day_first)):
        match = pattern.fullmatch(text)
        if match:
            return _parts(match, day_first=days)
    match = _COMPACT.fullmatch(text)
    if match:
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    moment = datetime.fromisoformat(_YEAR_FIRST.sub(_dashed, text))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _dashed(match: re.Match[str]) -> str:
    return f"{match[1]}-{int(match[2]):02d}-{int(match[3]):02d}"


def _parts(match: re.Match[str], *, day_first: bool) -> datetime:
    first, second = int(match[1]), int(match[2])
    day, month = (first, second) if day_first else (second, first)
    hour, minute, seconds = (int(part or 0) for part in match.groups()[3:6])
    fraction = int((match[7] or "0").ljust(6, "0"))
    return datetime(int(match[3]), month, day, hour, minute, seconds, fraction, tzinfo=UTC)


def _unix(number: float) -> datetime:
    seconds = next(number / unit for most, unit in _UNITS if number < most)
    if seconds < _SINCE_1980:
        raise ValueError("before 1980")
    return datetime.fromtimestamp(seconds, UTC)


def _plain(text: str) -> str:
    return _ZONE.sub("", text.strip().strip("\"'"))
