"""Hold judged decisions as columns: figures of a million of them then take a second, not minutes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# Codes of the column `status`, and their meaning.
DECIDED: Final = 0
ABSTAINED: Final = 1
FAILED: Final = 2
STATUS: Final = {"decided": DECIDED, "abstained": ABSTAINED, "failed": FAILED}


@dataclass(frozen=True, slots=True)
class JudgedColumns:
    """Decisions, or members' votes, with what followed: NumPy arrays of one length, in the meaning of `Judged`.

    Attributes:
        time_ns: Nanoseconds since 1970.
        direction: 1 for BUY, -1 for SELL, 0 for NOTHING.
        status: DECIDED, ABSTAINED or FAILED.
        confidence: 0 to 100; not a number where none is stated.
        move: The price's change as a fraction; not a number while it is open.
        net: The return after costs; not a number while it is open.
        round_trip: The costs of a round trip, as a fraction.
        horizon_s: The horizon in seconds.
        cost_usd: The known part of what it cost; not a number where nothing is known.
        cost_unknown: Whether another part is unknown.
        agreed: 1 where all members cast the same vote, 0 where not, -1 where that is unknown.
    """

    time_ns: Any
    direction: Any
    status: Any
    confidence: Any
    move: Any
    net: Any
    round_trip: Any
    horizon_s: Any
    cost_usd: Any
    cost_unknown: Any
    agreed: Any

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.time_ns)

    def take(self, places: Any) -> JudgedColumns:
        """Return those at some places, or where a mask holds."""
        return JudgedColumns(**{item.name: getattr(self, item.name)[places] for item in fields(self)})

    @classmethod
    def joined(cls, parts: Sequence[JudgedColumns]) -> JudgedColumns:
        """Return the items of several columns, one after the other."""
        import numpy

        names = [item.name for item in fields(cls)]
        return cls(**{name: numpy.concatenate([getattr(part, name) for part in parts]) for name in names})
