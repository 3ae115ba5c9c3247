"""Write a back-test as one HTML page: a chart of the money's way, and its table. No script, nothing is loaded."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from src.judging.html_pages import page_of, table_html
from src.judging.report import cost, dollars, interval, percent, verdict
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.judging.backtest.results import Equity, Result

_WIDTH: Final = 960
_HEIGHT: Final = 320
_POINTS: Final = 600  # of a line, at most
_COLOURS: Final = ("#0b6fb8", "#b8430b", "#2b8a3e", "#8a2b84", "#946200", "#5a5a5a", "#0b8f8f", "#b80b4a")


def page(result: Result) -> str:
    """Return the page; every text in it is escaped."""
    title = f"Back-test {result.run_id}: {result.symbol}"
    lines = [item for item in result.equities if item.values]
    return page_of(
        title,
        [
            f"<p>{counted(result.decisions, 'decisions')}, {counted(result.resolved, 'outcomes')}, "
            f"{counted(result.calls, 'calls')}, "
            f"{dollars(result.cost_usd)}.</p>",
            "<h2>The way of one dollar</h2>",
            "<p>Each decider's paper book, within the risk agent's limits, at the close of each bar.</p>",
            _chart(lines),
            "<h2>Drawdown</h2>",
            _chart([_drawdowns(item) for item in lines], zero=0.0),
            _table(result),
        ],
    )


def _drawdowns(item: Equity) -> Equity:
    """Return the falls below the highest value until then, as fractions below 0."""
    import numpy

    values = numpy.array(item.values)
    peaks = numpy.maximum(numpy.maximum.accumulate(values), 1.0)
    return replace(item, values=tuple((values / peaks - 1).tolist()))


def _chart(lines: Sequence[Equity], zero: float = 1.0) -> str:
    """Return a chart of lines with a straight one at `zero`."""
    if not lines:
        return "<p>No decision is resolved yet.</p>"
    times = [time_ns for item in lines for time_ns in (item.times_ns[0], item.times_ns[-1])]
    values = [zero, *(value for item in lines for value in item.values)]
    low, high = min(values), max(values)
    left, span = min(times), max(max(times) - min(times), 1)
    height = max(high - low, 1e-9)

    def point(time_ns: int, value: float) -> str:
        return f"{(time_ns - left) / span * _WIDTH:.1f},{(high - value) / height * _HEIGHT:.1f}"

    parts = [
        f'<svg viewBox="-60 -10 {_WIDTH + 80} {_HEIGHT + 20}" role="img" aria-label="Values over time">',
        f'<polyline points="{point(left, zero)} {point(left + span, zero)}" fill="none" stroke="#8888" />',
        *(
            f'<text x="-8" y="{(high - value) / height * _HEIGHT + 4:.1f}" text-anchor="end" font-size="12" '
            f'fill="currentColor">{value:.2f}</text>'
            for value in dict.fromkeys((low, zero, high))
        ),
    ]
    for index, item in enumerate(lines):
        step = max(1, len(item.values) // _POINTS)
        chosen = [*range(0, len(item.values) - 1, step), len(item.values) - 1]
        path = " ".join(point(item.times_ns[at], item.values[at]) for at in chosen)
        colour = _COLOURS[index % len(_COLOURS)]
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5">'
            f"<title>{html.escape(item.name)}</title></polyline>"
        )
    parts.append("</svg>")
    legend = "".join(
        f'<li><span style="color:{_COLOURS[index % len(_COLOURS)]}">&#9632;</span> {html.escape(item.name)}</li>'
        for index, item in enumerate(lines)
    )
    return "".join(parts) + f"<ul>{legend}</ul>"


def _table(result: Result) -> str:
    by_name = {item.name: item for item in result.equities}
    deciders = {row.key for row in result.rows}
    heads = (
        "decider", "n", "hit rate", "majority", "skill", "mean net", "end of $1", "drawdown", "cost", "verdict",
    )  # fmt: skip
    rows = [
        (
            row.key, f"{row.n:,}", interval(row.hit_rate), percent(row.baseline_hit_rate), interval(row.skill),
            interval(row.net_return, digits=2), f"{by_name[row.key].end:.3f}", percent(by_name[row.key].drawdown, 1),
            cost(row), verdict(row),
        )
        for row in result.rows
    ]  # fmt: skip
    rows += [
        (item.name, "", "", "", "", "", f"{item.end:.3f}", percent(item.drawdown, 1), "", "")
        for item in result.equities
        if item.name not in deciders
    ]
    return table_html("Deciders", heads, rows)
