"""Name the days that Excel counts, which stand in place of dates where a sheet is saved unformatted."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_DAYS: Final = re.compile(r"(\d{5})(?:[.,](\d{1,15}))?")
_ZERO: Final = datetime(1899, 12, 30, tzinfo=UTC)  # Excel's day 0, as it counts a 29 February 1900
_FIRST, _LAST = 25_569, 73_050  # 1970 to 2099


def excel_remark(text: str) -> str:
    """Return what to do about a time that is a number of days as Excel counts them; nothing about all others."""
    match = _DAYS.fullmatch(text.strip())
    if not match or not _FIRST <= int(match[1]) <= _LAST:
        return ""
    moment = _ZERO + timedelta(days=float(f"{match[1]}.{match[2] or 0}"))
    nearest = (moment + timedelta(seconds=0.5)).replace(microsecond=0)
    return (
        f": it looks like a number of days as Excel counts them, {nearest:%Y-%m-%d %H:%M:%S} in the sheet's own time. "
        "Give the column the format yyyy-mm-dd hh:mm:ss in Excel and save the file again, or convert it by "
        "pandas.to_datetime(column, unit='D', origin='1899-12-30')"
    )
