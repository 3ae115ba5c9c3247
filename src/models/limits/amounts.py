"""Write amounts of dollars so that none reads as 0 that is not, and none is rounded to another."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

_PLACES: Final = 4
_DIGITS: Final = 3  # that the smallest amounts show


def usd(amount: float) -> str:
    """Return what something cost, to four places, or to three digits where four places show fewer: $0.00000240."""
    if not amount:
        return "$0"
    places = _DIGITS - 1 - math.floor(math.log10(abs(amount))) if math.isfinite(amount) else 0
    return f"${amount:,.{max(_PLACES, places)}f}"


def limit(amount: float) -> str:
    """Return a limit as it was set: $5, $12,345.67, $0.00001."""
    return f"${Decimal(repr(float(amount))).normalize() + 0:,f}"
