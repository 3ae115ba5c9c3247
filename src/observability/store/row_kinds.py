"""Describe the two kinds of rows that a store holds: observations and scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from src.observability.store.records import Accepts

KindName = Literal["observation", "score"]


@dataclass(frozen=True, slots=True)
class RowKind:
    """One kind of row, in the words of the store's tables.

    Attributes:
        name: What the column `kind` of the table `set_aside` holds.
        tables: The tables that hold a row; the first one has its number (`seq`) and its time.
        acked_column: The column of `destinations` with a destination's watermark for these rows.
        owner_column: The column of `destinations` with the process that delivers these rows there.
        lease_column: The column of `destinations` with the moment until which it may.
        time_column: The column with the row's time, in nanoseconds since 1970.
        size_sql: An expression for the bytes that dominate a row of the first table, which it calls `t`.
        refused_by: What a destination accepts that takes no rows of this kind.
    """

    name: KindName
    tables: tuple[str, ...]
    acked_column: str
    owner_column: str
    lease_column: str
    time_column: str
    size_sql: str
    refused_by: Accepts

    @property
    def table(self) -> str:
        """Return the table with the row's number and time."""
        return self.tables[0]


OBSERVATION: Final = RowKind(
    name="observation",
    tables=("observations", "payloads"),
    acked_column="acked",
    owner_column="owner",
    lease_column="lease_until",
    time_column="end_ns",
    size_sql="(SELECT length(span) FROM payloads p WHERE p.seq = t.seq)",
    refused_by=Accepts.SCORES,
)
SCORE: Final = RowKind(
    name="score",
    tables=("scores",),
    acked_column="scores_acked",
    owner_column="scores_owner",
    lease_column="scores_lease_until",
    time_column="timestamp_ns",
    size_sql="coalesce(length(comment), 0) + coalesce(length(metadata), 0)",
    refused_by=Accepts.OBSERVATIONS,
)
KINDS: Final = (OBSERVATION, SCORE)


def kind_named(name: KindName) -> RowKind:
    """Return the kind of a name."""
    return OBSERVATION if name == OBSERVATION.name else SCORE
