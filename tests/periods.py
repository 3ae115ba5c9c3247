"""Keep what a test does inside one period of the real clock."""

from __future__ import annotations

import time

HOUR_S = 3_600


def wait_for_room(period_s: int = HOUR_S, room_s: float = 30.0) -> None:
    """Return at once, or after the end of this period of UTC where it comes within `room_s`.

    A program counts what it spends by the hour, the day and the month, and leaves out a bar that is not closed: what a
    test does before the end of a period and what it looks at afterwards are two things. Days and months end with an
    hour.
    """
    left_s = period_s - time.time() % period_s
    if left_s < room_s:
        time.sleep(left_s + 0.01)
