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
    "measure",
]
# The kinds whose values have an interval: in CSV they are three columns.
INTERVALS: frozenset[str] = frozenset({"interval", "points_interval", "measure"})


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
    """One column.

    Attributes:
        key: Its name in CSV.
        label: Its heading.
        kind: How its values read.
        is_bound: Whether its values can be `AtLeast`: CSV has a column beside it that says of which that holds.
    """

    key: str
    label: str
    kind: Kind = "text"
    is_bound: bool = False


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
    columns = (
        Column("figure", "figure"), Column("value", "value", is_bound=True), Column("n", "n", "count"),
        Column("low", "low", "number"), Column("high", "high", "number"),
    )  # fmt: skip
    return Table(columns, [(item.key, _bare(item.value), item.n, *bounds(item.value)) for item in figures])


def bounds(value: Any) -> tuple[float | None, float | None]:
    """Return the ends of an interval; None for values that have none."""
    return getattr(value, "low", None), getattr(value, "high", None)


def is_at_least(value: Any) -> bool:
    """Tell whether a further part of a cell's amount is unknown."""
    while isinstance(value, Link):
        value = value.value
    return isinstance(value, AtLeast)


def _bare(value: Any) -> Any:
    return value if is_at_least(value) else plain(value)


def plain(value: Any) -> Any:
    """Return the raw value of a cell, without its link, bounds or mark."""
    while isinstance(value, Link | AtLeast):
        value = value.value
    return getattr(value, "value", value) if not isinstance(value, str | int | float) else value
