"""Define quiet hours, in which no notification is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import time
    from zoneinfo import ZoneInfo

DAYS: Final[tuple[str, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Hours of each day, or of some, by the clocks of a zone. They may cross midnight.

    Attributes:
        begin: When they begin.
        end: The first time after them.
        zone: The zone of the clocks.
        days: On which days they begin, Monday is 0.
        excepted: The severities that are sent all the same.
    """

    begin: time
    end: time
    zone: ZoneInfo
    days: frozenset[int] = frozenset(range(7))
    excepted: frozenset[str] = frozenset()

    def holds(self, time_s: float, severity: str) -> bool:
        """Tell whether a message of a severity waits at a time, in seconds since 1970."""
        if severity in self.excepted:
            return False
        local = datetime.fromtimestamp(time_s, self.zone)
        clock = local.time()
        if self.begin < self.end:
            return self.begin <= clock < self.end and local.weekday() in self.days
        if clock >= self.begin:
            return local.weekday() in self.days
        # After midnight they are those that began the day before.
        return clock < self.end and (local.date() - timedelta(days=1)).weekday() in self.days
