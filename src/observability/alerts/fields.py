"""Read the values of an alerts file: durations, shares, amounts of money, times of day."""

from __future__ import annotations

import math
import re
from datetime import time
from typing import Any, Final

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_SHARE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


class FieldProblem(ValueError):
    """A value cannot be read; the message names it and the valid forms."""


def duration(value: Any) -> float:
    """Return a duration such as `90s`, `15m`, `1.5h` or `7d` in seconds.

    Raises:
        FieldProblem: it is none; a number without a unit is refused, since seconds and minutes are easily confused.
    """
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise FieldProblem(f"is {value!r:.60}: give a duration with its unit, such as 90s, 15m, 4h or 7d")
    return float(match[1]) * _SECONDS[match[2]]


def share(value: Any) -> float:
    """Return a share such as `20%` or 0.2 as a number from 0 to 1; budgets may be passed, so above 1 is a share too.

    Raises:
        FieldProblem: it is none. 20 without a percent sign is refused: it may mean either.
    """
    match = _SHARE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        return float(match[1]) / 100
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise FieldProblem(f"is {value!r:.60}: give a share such as '20%', or 0.2")


def amount(value: Any) -> float:
    """Return an amount of US dollars.

    Raises:
        FieldProblem: it is none.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return float(value)
    raise FieldProblem(f"is {value!r:.60}: give US dollars as a number, such as 5 or 0.25")


def whole(value: Any) -> int:
    """Return a whole number of at least 1.

    Raises:
        FieldProblem: it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise FieldProblem(f"is {value!r:.60}: give a whole number of at least 1")


def text(value: Any) -> str:
    """Return a text that is not empty.

    Raises:
        FieldProblem: it is none.
    """
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise FieldProblem(f"is {value!r:.60}: give a text that is not empty")


def texts(value: Any) -> tuple[str, ...]:
    """Return a list of texts.

    Raises:
        FieldProblem: it is none, or empty.
    """
    if isinstance(value, list) and value and all(isinstance(item, str) and item.strip() for item in value):
        return tuple(value)
    raise FieldProblem(f"is {value!r:.60}: give a list of texts, such as ['log']")


def clock_time(value: Any) -> time:
    """Return a time of day such as `22:00`, or TOML's own 22:00:00.

    Raises:
        FieldProblem: it is none.
    """
    if isinstance(value, time):
        return value
    match = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise FieldProblem(f"is {value!r:.60}: give a time of day such as '22:00'")
    return time(int(match[1]), int(match[2]))


def shown_duration(seconds: float) -> str:
    """Return a duration in the unit that suits it: `250 ms`, `8 s`, `15 min`, `1 h`, `2.5 d`."""
    if seconds == 3_600:
        return "1 h"
    for limit, size, unit in ((1, 0.001, "ms"), (120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86_400:.3g} d"


def shown_share(value: float) -> str:
    """Return a share in percent."""
    return f"{value * 100:.3g} %"


def shown_amount(usd: float) -> str:
    """Return an amount of US dollars in as many digits as it needs."""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.3g}"
