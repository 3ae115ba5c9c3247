"""Write the report on replies as Markdown, or as an HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.insight.quality.content import quality_notes, quality_tables
from src.insight.report.charts import Bar, rows
from src.insight.report.documents import html_page, markdown_page
from src.insight.report.texts import day, key_of, percent

if TYPE_CHECKING:
    from src.insight.quality.content import Quality

_TITLE = "Quality of replies"
_MOST_BARS = 15


def markdown(quality: Quality) -> str:
    """Return the report as Markdown."""
    return markdown_page(_TITLE, _period(quality), quality_tables(quality), quality_notes(quality))


def page(quality: Quality) -> str:
    """Return the report as an HTML page; every text in it is escaped, and it loads nothing."""
    bars = [
        Bar(label=key_of(item.key), value=item.shares["valid"].value or 0.0, text=percent(item.shares["valid"].value))
        for item in quality.groups[:_MOST_BARS]
    ]
    figures = [rows("Valid at once", bars)] if bars else []
    return html_page(_TITLE, _period(quality), quality_tables(quality), quality_notes(quality), figures)


def _period(quality: Quality) -> str:
    since = "the beginning" if quality.since_ns is None else day(quality.since_ns)
    return f"from {since} to {'now' if quality.until_ns is None else day(quality.until_ns)} (UTC)"
