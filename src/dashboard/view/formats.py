"""Say how values read: amounts, times, shares with their intervals."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.view.panels import AtLeast, Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.dashboard.view.panels import Kind

UNKNOWN: Final = "\u2013"


def shown(value: Any, kind: Kind) -> str:
    """Return a value as text; what is unknown is a dash, never 0."""
    if isinstance(value, Link):
        value = value.value
    prefix = ""
    if isinstance(value, AtLeast):
        value, prefix = value.value, "≥ "
        if value is None:
            return "unknown"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return UNKNOWN
    return prefix + _FORMATS[kind](value)


def _count(value: Any) -> str:
    return f"{value:,}"


def _number(value: Any) -> str:
    return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.1f}"


def _money(value: Any) -> str:
    sign, amount = ("-" if value < 0 else ""), abs(value)
    if amount == 0:
        return "$0"
    if amount >= 100:
        return f"{sign}${amount:,.2f}"
    if amount >= 0.01:
        return f"{sign}${amount:,.4f}".rstrip("0").rstrip(".")
    if amount < 1e-9:  # below what costs are counted in
        return f"{sign}${amount:.1e}"
    return f"{sign}${amount:.{1 - math.floor(math.log10(amount))}f}"  # two digits that count


def _ms(value: Any) -> str:
    if value < 1:
        return f"{value:.2f} ms"
    if value < 1_000:
        return f"{value:.0f} ms"
    if value < 60_000:
        return f"{value / 1_000:.2f} s"
    minutes = value / 60_000
    return f"{minutes:.1f} min" if minutes < 60 else f"{minutes / 60:.1f} h"


def _share(value: Any) -> str:
    return f"{value * 100:.1f}%"


def _points(value: Any) -> str:
    return f"{value * 100:+.2f}%"


def _time(value: Any) -> str:
    """Return nanoseconds since 1970 as a time in UTC."""
    try:
        return datetime.fromtimestamp(value / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{value} ns"


def _day(value: Any) -> str:
    """Return nanoseconds since 1970 as a day in UTC."""
    return _time(value).partition(" ")[0]


def _confidence(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") + "%"


def _id(value: Any) -> str:
    """Return the beginning of an id, which is enough to find it."""
    return f"{value[:12]}…" if len(value) > 16 else str(value)


def _price(value: Any) -> str:
    return f"{value:,.8g}" if abs(value) < 1_000 else f"{value:,.2f}"


def _interval(value: Any) -> str:
    if value.value is None:
        return UNKNOWN
    if value.low is None:
        return f"{value.value * 100:.1f}%"
    return f"{value.value * 100:.1f}% ({value.low * 100:.1f} to {value.high * 100:.1f})"


def _points_interval(value: Any) -> str:
    if value.value is None:
        return UNKNOWN
    if value.low is None:
        return f"{value.value * 100:+.2f}%"
    return f"{value.value * 100:+.2f}% ({value.low * 100:+.2f} to {value.high * 100:+.2f})"


def _tenths(value: Any) -> str:
    return f"{value:,.1f}"


def _measure(value: Any) -> str:
    """Return a figure in its own unit, with how far its interval reaches."""
    if value.value is None:
        return UNKNOWN
    show = {"usd": _money, "share": _share, "ms": _ms}.get(value.unit, _tenths)
    if value.low is None or value.high is None:
        return show(value.value)
    return f"{show(value.value)} ±{show(max(value.high - value.value, value.value - value.low))}"


_FORMATS: Final[dict[Kind, Callable[[Any], str]]] = {
    "text": str,
    "action": str,
    "count": _count,
    "number": _number,
    "money": _money,
    "ms": _ms,
    "share": _share,
    "points": _points,
    "time": _time,
    "day": _day,
    "confidence": _confidence,
    "id": _id,
    "price": _price,
    "interval": _interval,
    "points_interval": _points_interval,
    "measure": _measure,
}
RIGHT: Final = frozenset(_FORMATS) - {"text", "action", "time", "day", "id"}
