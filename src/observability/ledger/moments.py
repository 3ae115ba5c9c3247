"""Refuse a time without a zone where it has two readings: that of this machine's clock, and UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


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
