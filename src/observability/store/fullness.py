"""Say how near a store is to its size limit, long before rows are dropped that exist nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.observability.store.connections import bytes_used
from src.observability.store.row_kinds import OBSERVATION
from src.observability.store.watermarks import delivered_upto

if TYPE_CHECKING:
    import sqlite3

LEVELS: Final = (0.9, 0.7)  # shares of the limit at which somebody is told, the highest first


@dataclass(frozen=True, slots=True)
class Fullness:
    """How much of its limit a store takes.

    Attributes:
        used: Bytes in use.
        limit: The most that there may be.
        only_here: How many observations no destination has yet; where none is set up, that is all of them.
        has_destination: Whether observations are delivered anywhere.
    """

    used: int
    limit: int
    only_here: int
    has_destination: bool

    @property
    def share(self) -> float:
        """Return the share of the limit that is used."""
        return self.used / self.limit

    @property
    def level(self) -> float | None:
        """Return the level that is reached, where rows would be lost at the limit; None where nobody need be told."""
        if not self.only_here:
            return None
        return next((level for level in LEVELS if self.share >= level), None)

    @property
    def sentence(self) -> str:
        """Return the state in words, with what to do."""
        rows = (
            f"{self.only_here:,} observations are still to be delivered"
            if self.has_destination
            else (f"nothing is delivered anywhere: its {self.only_here:,} observations are the only copy")
        )
        return (
            f"{self.share:.0%} of the limit of {self.limit // 1024**2:,} MB is used, at which the oldest rows go, "
            f"and {rows}. Raise MOONDEV_TRACE_MAX_MB, set up a destination, or set MOONDEV_TRACE_KEEP_DAYS."
        )


def fullness(connection: sqlite3.Connection, max_bytes: int) -> Fullness:
    """Return how much of its limit a store takes."""
    upto = delivered_upto(connection, OBSERVATION)
    statement = "SELECT count(*) FROM observations WHERE seq > ?"
    only_here = int(connection.execute(statement, (upto or 0,)).fetchone()[0])
    return Fullness(used=bytes_used(connection), limit=max_bytes, only_here=only_here, has_destination=upto is not None)
