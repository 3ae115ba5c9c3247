"""Write a report as Markdown, or as one HTML page that needs nothing else."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from src.insight.report import charts
from src.insight.report.charts import Bar
from src.insight.report.texts import cost, dollars, key_of, milliseconds, notes, period, tables
from src.judging.documents import STYLE
from src.observability.commands.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from src.insight.report.content import Report
    from src.insight.report.texts import Table

_MOST_BARS: Final = 15
_STYLE: Final = f"""{STYLE}
:root {{ --bar: #2b6cb0; --mark: #b7410e; --text: #222; }}
@media (prefers-color-scheme: dark) {{ :root {{ --bar: #6ea8e8; --mark: #f0a36b; --text: #ddd; }} }}
figure {{ margin: 1.2rem 0; max-width: 48rem; }} figcaption {{ font-weight: 600; margin-bottom: .3rem; }}
svg {{ width: 100%; height: auto; }} .bar {{ fill: var(--bar); }} .mark {{ stroke: var(--mark); stroke-width: 2; }}
.grid {{ stroke: #8884; }} .axis {{ fill: var(--text); font: 12px system-ui, sans-serif; }}
"""


def markdown(report: Report, title: str = "Model calls") -> str:
    """Return the report as Markdown."""
    return markdown_page(title, period(report), tables(report), notes(report))


def markdown_page(title: str, subtitle: str, items: Iterable[Table], remarks: Sequence[str]) -> str:
    """Return tables as Markdown."""
    lines = [f"# {_cell(title)}", "", _cell(subtitle), ""]
    for table in items:
        lines += [f"## {_cell(table.title)}", "", _row(table.headings), _row(["---"] * len(table.headings))]
        lines += [*map(_row, table.rows), ""]
    lines += [f"- {_cell(remark)}" for remark in remarks]
    return "\n".join(lines).rstrip() + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Return a text in which nothing is markup: models choose their names, and so what would be a link or an image."""
    line = " ".join(visible(text).split())
    for sign in "\\|`*_[]<":
        line = line.replace(sign, "&lt;" if sign == "<" else f"\\{sign}")
    return line


def page(report: Report, title: str = "Model calls") -> str:
    """Return the report as an HTML page; every text in it is escaped, and it loads nothing."""
    return html_page(title, period(report), tables(report), notes(report), drawings(report))


def html_page(title: str, subtitle: str, items: Iterable[Table], remarks: Sequence[str], figures: Iterable[str]) -> str:
    """Return tables and drawings as an HTML page.

    Args:
        title: The heading.
        subtitle: A line below it.
        items: The tables.
        remarks: Remarks at the end.
        figures: Drawings, as HTML.
    """
    parts = [
        "<!doctype html>", '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{_escaped(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_escaped(title)}</h1><p>{_escaped(subtitle)}</p>", *figures,
    ]  # fmt: skip
    for table in items:
        head = "".join(f'<th scope="col">{_escaped(name)}</th>' for name in table.headings)
        body = "".join(f"<tr>{''.join(f'<td>{_escaped(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
        parts.append(
            f'<h2>{_escaped(table.title)}</h2><div class="scroll"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )
    if remarks:
        parts.append(f"<ul>{''.join(f'<li>{_escaped(line)}</li>' for line in remarks)}</ul>")
    parts.append("</body></html>")
    return "\n".join(parts) + "\n"


def _escaped(text: str) -> str:
    return html.escape(visible(text))


def drawings(report: Report) -> Iterator[str]:
    """Yield the charts of a report: cost and calls by day, cost and latency by group."""
    days = report.days
    if len(days) > 1:
        yield charts.columns(
            "Known cost by day",
            [Bar(label=key_of(day.key)[5:], value=day.cost_usd or 0.0, text=cost(day)) for day in days],
            dollars,
        )
        yield charts.columns(
            "Calls by day",
            [Bar(label=key_of(day.key)[5:], value=day.totals.n, text=f"{day.totals.n:,}") for day in days],
            lambda value: f"{value:,.0f}",
        )
    if report.groups and report.by != "day":
        shown = report.groups[:_MOST_BARS]
        yield charts.rows(
            f"Known cost by {report.by}",
            [Bar(label=key_of(row.key), value=row.cost_usd or 0.0, text=cost(row)) for row in shown],
        )
        yield charts.rows(
            f"Latency by {report.by}: the bar is the median, the line what 95% stay below",
            [
                Bar(
                    label=key_of(row.key),
                    value=row.latency.p50_ms or 0.0,
                    text=f"{milliseconds(row.latency.p50_ms)}, {milliseconds(row.latency.p95_ms)}",
                    mark=row.latency.p95_ms,
                )
                for row in shown
            ],
        )
