"""Write a report as Markdown or as one HTML page without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.judging.html_pages import escaped, list_html, page_of, table_html
from src.judging.report import notes, table
from src.observability.commands.terminal import visible

if TYPE_CHECKING:
    from src.judging.report import Report


def markdown(report: Report, title: str) -> str:
    """Return the report as Markdown."""
    lines = [f"# {markdown_cell(title)}", ""]
    for heading, columns, rows in table(report):
        lines += [f"## {markdown_cell(heading)}", "", _row(columns), _row(["---"] * len(columns)), *map(_row, rows), ""]
    lines += [f"- {markdown_cell(note)}" for note in notes(report)]
    return "\n".join(lines).rstrip() + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(map(markdown_cell, cells))} |"


def markdown_cell(text: str) -> str:
    """Return a text in which nothing is markup: models choose their names, and so what would be a link or an image."""
    line = " ".join(visible(text).split())
    for sign in "\\|`*_[]<":
        line = line.replace(sign, "&lt;" if sign == "<" else f"\\{sign}")
    return line


def page(report: Report, title: str) -> str:
    """Return the report as an HTML page; every text in it is escaped."""
    parts = [
        f"<h2>{escaped(heading)}</h2>{table_html(heading, columns, rows)}" for heading, columns, rows in table(report)
    ]
    return page_of(title, [*parts, list_html(notes(report))])
