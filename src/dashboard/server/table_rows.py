"""Write the rows of a table as HTML; thousands of cells would take a template most of a page's time."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

from src.dashboard.view.formats import RIGHT, shown
from src.dashboard.view.lazy_rows import FIRST, each_row
from src.dashboard.view.panels import AtLeast, Link, plain
from src.observability.commands.terminal import visible

if TYPE_CHECKING:
    from src.dashboard.view.lazy_rows import Limits
    from src.dashboard.view.panels import Table

_LONGEST: Final = 400  # characters of a cell; CSV has all of it
_CUT: Final = 30  # characters that may not fit into a cell: pointing at it shows them all


def rows_html(table: Table, most: int, limits: Limits) -> Markup:
    """Return the first rows of a table as HTML, every text in them escaped and visible.

    Cells of figures and times carry their raw values, by which tables are sorted in the page.
    """
    kinds = [column.kind for column in table.columns]
    lines = []
    rows = table.rows[:most] if most <= FIRST else islice(each_row(table.rows, limits), most)
    for row in rows:
        lines.append("<tr>")
        lines += [_cell(value, kind) for value, kind in zip(row, kinds, strict=True)]
        lines.append("</tr>\n")
    return Markup("".join(lines))  # noqa: S704 - each cell is escaped below


def _cell(value: Any, kind: Any) -> str:
    whole = visible(shown(value, kind))
    text = escape(whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}…")
    inner = f"<bdi>{text}</bdi>" if kind in {"text", "action", "id"} else str(text)
    if isinstance(value, Link):
        inner = f'<a href="{escape(value.href)}">{inner}</a>'
    if kind in RIGHT:
        return f'<td class="right" data-value="{_raw(value)}">{inner}</td>'
    if kind in {"time", "day"}:
        mark = " data-time" if kind == "time" and _raw(value) != "" else ""
        return f'<td data-value="{_raw(value)}"{mark}>{inner}</td>'
    if kind == "id":
        return f'<td title="{escape(visible(str(plain(value))))}">{inner}</td>'
    if kind == "action":
        return f'<td data-action="{escape(visible(str(plain(value))))}">{inner}</td>'
    hint = f' title="{text}"' if len(text) > _CUT else ""
    return f"<td{hint}>{inner}</td>"


def _raw(value: Any) -> Any:
    while isinstance(value, Link | AtLeast):
        value = value.value
    raw = plain(value)
    return "" if raw is None else escape(raw)
