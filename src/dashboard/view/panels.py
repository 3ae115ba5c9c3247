"""Describe a page as data: its figures, and its panels of a table and perhaps a chart.

The same table is shown, drawn as the chart, and written as CSV, so that the three cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Kind = Literal[
    "text",
    "count",
    "number",
    "money",
    "ms",
    "share",
    "points",
    "time",
    "day",
    "confidence",
    "id",
    "price",
    "action",
    "interval",
    "points_interval",
]
# The kinds whose values have an interval: in CSV they are three columns.
INTERVALS: frozenset[str] = frozenset({"interval", "points_interval"})


@dataclass(frozen=True, slots=True)
class Link:
    """A value that leads to another page."""

    value: Any
    href: str


@dataclass(frozen=True, slots=True)
class AtLeast:
    """An amount of which a further part is unknown."""

    value: float | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in CSV, its heading, and how its values read."""

    key: str
    label: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of raw values, in the order of the columns."""

    columns: tuple[Column, ...]
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, as `charts.js` draws it.

    Attributes:
        kind: The name of the function there that draws it.
        data: Its arguments, as plain data.
        label: What it shows, for those who do not see it.
    """

    kind: str
    data: Mapping[str, Any]
    label: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A titled table with, where it helps, a chart of it."""

    slug: str
    title: str
    table: Table
    chart: Chart | None = None
    notes: tuple[str, ...] = ()
    empty: str = "Nothing to show for these filters."


@dataclass(frozen=True, slots=True)
class Figure:
    """One headline figure; `n` says how many things it rests on."""

    key: str
    label: str
    value: Any
    kind: Kind
    n: int | None
    of: str
    note: str = ""
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows; `empty` says what to do where there is nothing at all."""

    figures: tuple[Figure, ...] = ()
    panels: tuple[Panel, ...] = ()
    notes: tuple[str, ...] = ()
    empty: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def panel(self, slug: str) -> Panel | None:
        """Return a panel by its name in the address."""
        return next((panel for panel in self.panels if panel.slug == slug), None)


def figures_table(figures: Sequence[Figure]) -> Table:
    """Return headline figures as a table, for CSV."""
    columns = (Column("figure", "figure"), Column("value", "value"), Column("n", "n", "count"))
    return Table(columns, [(item.key, plain(item.value), item.n) for item in figures])


def plain(value: Any) -> Any:
    """Return the raw value of a cell, without its link, bounds or mark."""
    while isinstance(value, Link | AtLeast):
        value = value.value
    return getattr(value, "value", value) if not isinstance(value, str | int | float) else value
