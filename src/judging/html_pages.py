"""Write HTML pages that need nothing else: no script, nothing is loaded, texts are escaped, paper has all columns."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from src.observability.commands.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; } h1, h2, p { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #8886; padding: .3rem .7rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; }
@media print {
  body { margin: 0; max-width: none; font-size: 11px; }
  .scroll { overflow: visible; } table { width: 100%; }
  th, td { white-space: normal; overflow-wrap: anywhere; padding: .2rem .3rem; }
  tr, figure { break-inside: avoid; }
}
"""


def page_of(title: str, parts: Iterable[str], style: str = "") -> str:
    """Return a page.

    Args:
        title: Its heading.
        parts: The content below that, as HTML.
        style: What is added to the style that all pages have.
    """
    return "\n".join([
        "<!doctype html>", '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escaped(title)}</title><style>{_STYLE}{style}</style></head><body><main>",
        f"<h1>{escaped(title)}</h1>", *parts, "</main></body></html>",
    ]) + "\n"  # fmt: skip


def table_html(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, which scrolls where it is wider than the page, by the keyboard too."""
    head = "".join(f'<th scope="col">{escaped(name)}</th>' if name else "<td></td>" for name in headings)
    body = "".join(f"<tr>{''.join(f'<td>{escaped(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escaped(title)}"><table><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def list_html(lines: Sequence[str]) -> str:
    """Return remarks as a list; empty where there are none."""
    return f"<ul>{''.join(f'<li>{escaped(line)}</li>' for line in lines)}</ul>" if lines else ""


def escaped(text: str) -> str:
    """Return a text in which nothing is markup, and no control character and mark of direction is hidden."""
    return html.escape(visible(text))
