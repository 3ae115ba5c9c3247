"""Refuse times that are ambiguous between this machine's zone and UTC, or that lie in the future."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

_SKEW_NS: Final = 300_000_000_000  # that clocks of different machines may differ by


def aware(moment: datetime, name: str) -> datetime:
    """Return a time with its zone; one that states none is UTC's where this machine's clock shows UTC too.

    Raises:
        ValueError: it states no zone, and the machine's is not UTC; the message names it.
    """
    if moment.utcoffset() is not None:
        return moment
    plain = moment.replace(tzinfo=None)
    local = plain.astimezone()
    if local.utcoffset() != timedelta(0):
        raise ValueError(
            f"{name} {plain.isoformat(' ')} states no zone: it is {local.isoformat(' ')} by this machine's clock, and "
            f"{plain.isoformat(' ')}+00:00 in UTC. Give one of them, such as datetime.now(UTC)."
        )
    return plain.replace(tzinfo=UTC)


def refuse_future(time_ns: int, name: str) -> None:
    """Refuse a time, in nanoseconds since 1970, that this machine's clock has not reached, five minutes apart.

    Raises:
        ValueError: it lies in the future; the message names it.
    """
    now_ns = time.time_ns()
    if time_ns > now_ns + _SKEW_NS:
        moment, now = (datetime.fromtimestamp(item / 1e9, UTC) for item in (time_ns, now_ns))
        raise ValueError(
            f"{name} is {moment:%Y-%m-%d %H:%M:%S} UTC, and it is {now:%Y-%m-%d %H:%M:%S} UTC now: what comes later is "
            "known to nobody. Check its zone and its unit, and this machine's clock."
        )
