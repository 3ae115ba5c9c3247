"""Take the rows of one market: the asked symbol's, and refuse what cannot be told apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from src.agents.market.candles import MarketDataError
from src.agents.market.cells import chosen, joined, mask_of, text_array, trimmed
from src.agents.market.symbols import may_be, same_symbol


class TextColumn:
    """The cells of a column as text."""

    def __init__(self) -> None:
        self.pieces: list[Any] = []

    def add_text(self, cells: Any) -> None:
        """Take cells as a pyarrow array of strings."""
        self.pieces.append(cells)

    def add_values(self, values: Any) -> None:
        """Take numbers, as text."""
        self.pieces.append(text_array(values.tolist()))

    def add_times(self, time_us: Any, *, zone: str | None) -> None:
        """Take times, as text."""
        self.pieces.append(text_array([f"{value} {zone or ''}" for value in time_us.tolist()]))

    def cells(self) -> Any:
        """Return all cells as one pyarrow array."""
        return joined(self.pieces)

    def texts(self) -> list[str]:
        """Return all cells."""
        return [str(cell) for cell in self.cells().to_pylist()]

    def distinct(self) -> list[str]:
        """Return the distinct cells without blank ones, in order of their first appearance."""
        from pyarrow import compute

        values = [str(value) for value in compute.unique(trimmed(self.cells())).to_pylist()]
        return [value for value in values if value]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rows of the market (a mask, None for all), and its symbol as the source spells it."""

    rows: Any
    symbol: str | None


@dataclass(frozen=True, slots=True)
class Selection:
    """The columns that tell markets apart."""

    symbol: TextColumn | None
    period: TextColumn | None
    groups: dict[int, TextColumn | None] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def chosen(self, asked: str | None, stated: str | None, source: str) -> Chosen:
        """Return the rows of the asked symbol, or of the only one.

        Raises:
            MarketDataError: it is not there, or there are several markets and nothing says which is wanted.
        """
        rows, symbol = None, stated
        if self.symbol is not None:
            rows, symbol = self._of_symbol(self.symbol, asked, source)
        elif asked and stated and not may_be(stated, asked):
            raise MarketDataError(f"{source} holds {stated}, not {asked}: ask for {stated}, or give another source.")
        for index, column in self.groups.items():
            if column is not None:
                self._require_single(column, rows, self.names[index].strip(), source)
        if self.period is not None:
            self._require_single(self.period, rows, "timeframe", source)
        return Chosen(rows=rows, symbol=symbol)

    def _of_symbol(self, column: TextColumn, asked: str | None, source: str) -> tuple[Any, str | None]:
        from pyarrow import compute

        symbols = column.distinct()
        if not symbols:
            return None, None
        shown = ", ".join(symbols[:12]) + (f" and {len(symbols) - 12} more" if len(symbols) > 12 else "")
        if asked is None:
            if len(symbols) > 1:
                raise MarketDataError(f"{source} holds several symbols: {shown}. Name the one that is wanted.")
            return None, symbols[0]
        exact = [name for name in symbols if name == asked]
        matches = exact or [name for name in symbols if same_symbol(name, asked)]
        matches = matches or [name for name in symbols if may_be(name, asked)]
        if not matches:
            raise MarketDataError(f"{source} holds {shown}, not {asked}: ask for one of them.")
        if len(symbols) == len(matches) == 1:
            return None, matches[0]
        return mask_of(compute.is_in(trimmed(column.cells()), text_array(matches))), matches[0]

    def _require_single(self, column: TextColumn, rows: Any, name: str, source: str) -> None:
        values = column.distinct()
        if len(values) > 1 and rows is not None:
            part = TextColumn()
            part.add_text(chosen(column.cells(), rows))
            values = part.distinct()
        if len(values) > 1:
            listed = ", ".join(values[:12])
            raise MarketDataError(
                f"{source} holds rows of several kinds in {name}: {listed}. Give the rows of one alone."
            )
