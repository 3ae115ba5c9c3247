"""Define what a thread brings to be committed, and how long its commit may wait for a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from src.observability.store.connections import BUSY_S
from src.observability.store.ledger_records import LedgerRecord
from src.observability.store.records import ScoreRecord, SpanRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

StoredRecord: TypeAlias = SpanRecord | ScoreRecord | LedgerRecord

IMPATIENT_S: Final = 0.1  # how long to wait for a lock that could not be had before, until it can be had again


class Ticket:
    """A record that waits for its commit, which another thread may do.

    Args:
        record: What to store.
        is_patient: Whether it is brought again where another process has the file locked.
    """

    __slots__ = ("done", "failure", "is_patient", "record")

    def __init__(self, record: StoredRecord, *, is_patient: bool) -> None:
        self.record = record
        self.is_patient = is_patient
        self.done = False
        self.failure: BaseException | None = None


def longest_wait_s(tickets: Sequence[Ticket]) -> float:
    """Return how long to wait for a lock: briefly where all records can be brought again."""
    return IMPATIENT_S if all(ticket.is_patient for ticket in tickets) else BUSY_S
