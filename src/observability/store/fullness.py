"""Report how near a store is to its size limit, long before rows are lost that exist only there or are not judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from src.observability.store.connections import bytes_used
from src.observability.store.row_kinds import OBSERVATION
from src.observability.store.watermarks import delivered_upto

if TYPE_CHECKING:
    import sqlite3

LEVELS: Final = (1.0, 0.9, 0.7)  # shares of the limit at which a notice is given, the highest first
URGENT: Final = 0.9
# How long before such rows are deleted a notice must have been given, where the user has set no limit.
GRACE_S: Final = 7 * 86_400
NOTICE: Final = "size_notice"  # the counter with the time since when the limit comes near, in seconds since 1970
# Decisions of which a horizon has no outcome yet; and those of them in the older half of what is stored, which the
# limit would reach: that the newest ones wait for their time is no reason to tell anybody.
_OPEN: Final = """
    FROM decisions d WHERE d.status = 'decided' AND d.trace_id IS NOT NULL AND
    (SELECT count(*) FROM outcomes o
    WHERE o.decision_id = d.id AND instr(',' || d.horizons || ',', ',' || o.horizon || ','))
    < length(d.horizons) - length(replace(d.horizons, ',', '')) + 1
"""
_OLD: Final = """
    AND d.time_ns <= ((SELECT start_ns FROM observations ORDER BY seq LIMIT 1) / 2
    + (SELECT start_ns FROM observations ORDER BY seq DESC LIMIT 1) / 2)
"""


@dataclass(frozen=True, slots=True)
class Fullness:
    """How much of its limit a store takes.

    Attributes:
        used: Bytes in use.
        limit: The most that there may be.
        only_here: How many observations no destination has yet; where none is set up, that is all of them.
        has_destination: Whether observations are delivered anywhere.
        unjudged: How many decisions in the older half of what is stored have no outcome yet: their traces would go too.
        safe_until: Until when rows of these two kinds are not dropped, in seconds since 1970; None where the limit
            takes them at once, or nobody had to be told yet.
    """

    used: int
    limit: int
    only_here: int
    has_destination: bool
    unjudged: int = 0
    safe_until: float | None = None

    @property
    def share(self) -> float:
        """Return the share of the limit that is used."""
        return self.used / self.limit

    @property
    def level(self) -> float | None:
        """Return the level that is reached, where rows would be lost at the limit; None where no notice is needed."""
        if not (self.only_here or self.unjudged):
            return None
        return next((level for level in LEVELS if self.share >= level), None)

    @property
    def sentence(self) -> str:
        """Return the state in words, with what to do."""
        parts, remedies = [], ["Raise MOONDEV_TRACE_MAX_MB", "set MOONDEV_TRACE_KEEP_DAYS"]
        if self.only_here and self.has_destination:
            parts.append(f"{self.only_here:,} observations are still to be delivered")
        elif self.only_here:
            parts.append(f"nothing is delivered anywhere: its {self.only_here:,} observations are the only copy")
            remedies.insert(1, "set up a destination")
        if self.unjudged:
            parts.append(f"{self.unjudged:,} old decisions have no outcome yet")
            remedies.insert(1, "run `moondev decisions resolve`")
        safe = ""
        if self.safe_until is not None:
            safe = f"; these stay until {datetime.fromtimestamp(self.safe_until, UTC):%Y-%m-%d %H:%M} UTC"
        return (
            f"{self.share:.0%} of the limit of {self.limit // 1024**2:,} MB is used, at which the oldest rows go, "
            f"and {' and '.join(parts)}{safe}. {', '.join(remedies[:-1])}, or {remedies[-1]}."
        )


def fullness(connection: sqlite3.Connection, max_bytes: int, grace_s: float = 0.0) -> Fullness:
    """Return how much of its limit a store takes.

    Args:
        connection: The store, in the present format.
        max_bytes: The limit.
        grace_s: How long after the first notice rows are not dropped that exist only here or are not judged.
    """
    upto = delivered_upto(connection, OBSERVATION)
    statement = "SELECT count(*) FROM observations WHERE seq > ?"
    only_here = int(connection.execute(statement, (upto or 0,)).fetchone()[0])
    noticed_at = notice(connection)
    return Fullness(
        used=bytes_used(connection),
        limit=max_bytes,
        only_here=only_here,
        has_destination=upto is not None,
        unjudged=int(connection.execute(f"SELECT count(*) {_OPEN} {_OLD}").fetchone()[0]),
        safe_until=noticed_at + grace_s if grace_s and noticed_at is not None else None,
    )


def notice(connection: sqlite3.Connection) -> int | None:
    """Return since when the store says that its limit comes near, in seconds since 1970; None where it does not."""
    row = connection.execute("SELECT value FROM counters WHERE name = ?", (NOTICE,)).fetchone()
    return int(row[0]) if row else None


def open_decisions(connection: sqlite3.Connection, after: int) -> list[tuple[int, str]]:
    """Return the decisions after a number that have no outcome yet, in their order: numbers and traces."""
    return connection.execute(f"SELECT d.seq, d.trace_id {_OPEN} AND d.seq > ? ORDER BY d.seq", (after,)).fetchall()
