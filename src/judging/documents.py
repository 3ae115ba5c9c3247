"""Write a report as Markdown or as one HTML page without scripts."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from src.judging.report import notes, table

if TYPE_CHECKING:
    from src.judging.report import Report

STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #8886; padding: .3rem .7rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; }
"""


def markdown(report: Report, title: str) -> str:
    """Return the report as Markdown."""
    lines = [f"# {title}", ""]
    for heading, columns, rows in table(report):
        lines += [f"## {heading}", "", _row(columns), _row(["---"] * len(columns)), *map(_row, rows), ""]
    lines += [f"- {note}" for note in notes(report)]
    return "\n".join(lines).rstrip() + "\n"


def _row(cells: list[str]) -> str:
    escaped = (" ".join(cell.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def page(report: Report, title: str) -> str:
    """Return the report as an HTML page; every text in it is escaped."""
    parts = [
        "<!doctype html>", '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{html.escape(title)}</h1>",
    ]  # fmt: skip
    for heading, columns, rows in table(report):
        head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        parts.append(
            f'<h2>{html.escape(heading)}</h2><div class="scroll"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )
    if lines := notes(report):
        parts.append(f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>")
    parts.append("</body></html>")
    return "\n".join(parts) + "\n"
