"""Print tables that fit the terminal: what identifies a row stays whole, other columns give way by rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from src.observability.commands.console import out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from src.observability.commands.safe_console import SafeConsole

_GAP: Final = 2  # columns between two cells


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its heading.
        rank: The column with the highest rank gives way first where the terminal is narrow; one of rank 0 never does.
        least: How narrow its cells may be broken into lines; None where they are never broken.
        comfortable: The width down to which other columns give way before its cells are broken; `least` if not set.
        right: Whether its cells are aligned to the right, as numbers are.
    """

    title: str
    rank: int = 0
    least: int | None = None
    comfortable: int | None = None
    right: bool = False


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells, which are texts with Rich's markup."""
    console = out()
    widths = fitted_widths(columns, _natural_widths(console, columns, rows), console.width)
    console.print(_records(columns, rows) if widths is None else _table(columns, rows, widths))


def fitted_widths(columns: Sequence[Column], natural: Sequence[int], available: int) -> dict[int, int] | None:
    """Return the widths of the columns that stay, by position; None where even those of rank 0 do not fit side by side.

    Args:
        columns: All columns.
        natural: The width that each would take.
        available: The width of the terminal.
    """
    comfortable = [column.comfortable or column.least for column in columns]
    widths = _widths(columns, natural, comfortable, available)
    return widths or _widths(columns, natural, [column.least for column in columns], available)


def _widths(
    columns: Sequence[Column], natural: Sequence[int], breakable: Sequence[int | None], available: int
) -> dict[int, int] | None:
    """Return the widths as above, where the cells of a column may be broken at its breakable width."""
    least = [width if most is None else min(width, most) for most, width in zip(breakable, natural, strict=True)]
    shown = list(range(len(columns)))
    while sum(least[index] + _GAP for index in shown) - _GAP > available:
        index = max(shown, key=lambda item: (columns[item].rank, item))
        if columns[index].rank == 0:
            return None
        shown.remove(index)
    widths = {index: least[index] for index in shown}
    spare = available - sum(width + _GAP for width in widths.values()) + _GAP
    while spare > 0 and (short := [index for index in shown if widths[index] < natural[index]]):
        narrowest = min(short, key=lambda item: (columns[item].rank, widths[item]))
        widths[narrowest] += 1
        spare -= 1
    return widths


def _natural_widths(console: SafeConsole, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    return [
        max(console.render_str(text).cell_len for text in (column.title, *(row[index] for row in rows)))
        for index, column in enumerate(columns)
    ]


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]], widths: dict[int, int]) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for index, width in widths.items():
        column = columns[index]
        table.add_column(
            column.title,
            width=width,
            justify="right" if column.right else "left",
            no_wrap=column.least is None,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(row[index] for index in widths))
    return table


def _records(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> RenderableType:
    """Return each row as lines of title and cell, with an empty line between two rows."""
    from rich.table import Table

    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for count, row in enumerate(rows):
        if count:
            grid.add_row("", "")
        for column, cell in zip(columns, row, strict=True):
            grid.add_row(column.title, cell)
    return grid
