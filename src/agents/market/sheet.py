"""Define what every source gives before its cells are judged: names, a few sample rows, and cells by column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from src.agents.market.candles import Issues


class CellSink(Protocol):
    """Takes the cells of one column, in order, piece by piece."""

    def add_text(self, cells: Any) -> None:
        """Take cells as a pyarrow array of strings."""

    def add_values(self, values: Any) -> None:
        """Take numbers as a numpy array of float64 or int64; NaN is a missing one."""

    def add_times(self, time_us: Any, *, zone: str | None) -> None:
        """Take times as microseconds since 1970, in UTC; where `zone` is None they are those of a clock on a wall."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What a source says of itself beside its rows."""

    symbol: str | None = None
    zone: str | None = None
    interval_s: int | None = None
    dialect: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of text or values.

    `read` hands the cells of the columns that are asked for to their sinks, and returns the line of each row (numpy
    int64); its last argument is how many cells a row of text must have at least. `is_exact`
    says that a dot in its numbers is a decimal point, as in JSON and in files with commas between cells.
    """

    source: str
    names: tuple[str, ...] | None
    sample: tuple[tuple[str, ...], ...]
    read: Callable[[Mapping[int, CellSink], Issues, int], Any]
    is_exact: bool = False
    delimiter: str | None = None
    encoding: str | None = None
    written_at: datetime | None = None
    kind: str = "CSV"
    first_line: int = 1
    hints: Hints = field(default_factory=Hints)
