"""Write a table as CSV: raw values, so that another program can compute with them."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.view.lazy_rows import each_row
from src.dashboard.view.panels import INTERVALS, bounds, is_at_least, plain
from src.observability.commands.terminal import visible

if TYPE_CHECKING:
    from src.dashboard.view.lazy_rows import Limits
    from src.dashboard.view.panels import Table

# A spreadsheet takes a text that begins so for a formula, and models write such texts.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_text(table: Table, limits: Limits) -> str:
    """Return the table as CSV. Times are ISO 8601 in UTC, amounts US dollars, shares fractions, times taken ms.

    A column of amounts of which a part may be unknown is followed by `..._at_least`: true where the amount is the known
    part alone. It is empty where no part is known.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    head: list[str] = []
    for column in table.columns:
        head.append(column.key)
        if column.kind in INTERVALS:
            head += [f"{column.key}_low", f"{column.key}_high"]
        if column.is_bound:
            head.append(f"{column.key}_at_least")
    writer.writerow(head)
    for row in each_row(table.rows, limits):
        cells: list[Any] = []
        for column, value in zip(table.columns, row, strict=True):
            cells.append(_cell(plain(value), column.kind))
            if column.kind in INTERVALS:
                cells += [_cell(bound, "number") for bound in bounds(value)]
            if column.is_bound:
                cells.append("true" if is_at_least(value) else "false")
        writer.writerow(cells)
    return file.getvalue()


def _cell(value: Any, kind: str) -> Any:
    if value is None:
        return ""
    if kind in {"time", "day"} and isinstance(value, int):
        return _iso(value)
    if isinstance(value, str):
        text = visible(value)
        return f"'{text}" if text.startswith(_FORMULA) else text
    return value


def _iso(ns: int) -> str:
    try:
        moment = datetime.fromtimestamp(ns // 1_000_000_000, UTC)
    except (OverflowError, ValueError, OSError):
        return str(ns)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % 1_000_000_000:09d}Z"
