"""Write a report as Markdown, or as one HTML page that needs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from src.insight.report import charts
from src.insight.report.charts import Bar
from src.insight.report.texts import cost, dollars, key_of, milliseconds, notes, period, tables
from src.judging.documents import markdown_cell
from src.judging.html_pages import escaped, list_html, page_of, table_html

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from src.insight.report.content import Report
    from src.insight.report.texts import Table

_MOST_BARS: Final = 15
_STYLE: Final = """
:root { --bar: #2b6cb0; --mark: #b7410e; --text: #222; }
@media (prefers-color-scheme: dark) { :root { --bar: #6ea8e8; --mark: #f0a36b; --text: #ddd; } }
figure { margin: 1.2rem 0; max-width: 48rem; } figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { width: 100%; height: auto; } .bar { fill: var(--bar); } .mark { stroke: var(--mark); stroke-width: 2; }
.grid { stroke: #8884; } .axis { fill: var(--text); font: 12px system-ui, sans-serif; }
"""


def markdown(report: Report, title: str = "Model calls") -> str:
    """Return the report as Markdown."""
    return markdown_page(title, period(report), tables(report), notes(report))


def markdown_page(title: str, subtitle: str, items: Iterable[Table], remarks: Sequence[str]) -> str:
    """Return tables as Markdown."""
    lines = [f"# {markdown_cell(title)}", "", markdown_cell(subtitle), ""]
    for table in items:
        lines += [f"## {markdown_cell(table.title)}", "", _row(table.headings), _row(["---"] * len(table.headings))]
        lines += [*map(_row, table.rows), ""]
    lines += [f"- {markdown_cell(remark)}" for remark in remarks]
    return "\n".join(lines).rstrip() + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown_cell, cells))} |"


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
    parts = [f"<p>{escaped(subtitle)}</p>", *figures]
    parts += [f"<h2>{escaped(item.title)}</h2>{table_html(item.title, item.headings, item.rows)}" for item in items]
    return page_of(title, [*parts, list_html(remarks)], _STYLE)


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
