"""Draw decisions on their price chart: on the bars of a file, or on the prices that the ledger has."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import numpy

from src.agents.market.symbols import same_symbol
from src.dashboard.data.ledger import RESULT_NAMES, result_of, results
from src.dashboard.pages.ledger_filters import lazy_table, trace_link
from src.dashboard.view.panels import Chart, Column, Panel
from src.insight.ledger.columns import ACTIONS
from src.judging.grouping import outcome_of
from src.observability.store.ledger_queries import traces_of_decisions

if TYPE_CHECKING:
    from src.dashboard.pages.kinds import Context
    from src.insight.ledger.chosen import Chosen
    from src.judging.prices import PriceSeries
    from src.observability.ledger import Entry

_MOST_BARS: Final = 1_500
_MOST_MARKS: Final = 3_000
_NAMES: Final = {code: name for name, code in ACTIONS.items()}
_MARGIN: Final = 0.03  # of the time between the first and the last decision, before and after them
_SMALLEST_MARGIN_NS: Final = 86_400_000_000_000
_COLUMNS: Final = (
    Column("as_of", "as of (UTC)", "time"),
    Column("action", "action", "action"),
    Column("confidence", "confidence", "confidence"),
    Column("price", "price", "price"),
    Column("entry_time", "entry (UTC)", "time"),
    Column("entry", "entry", "price"),
    Column("exit_time", "exit (UTC)", "time"),
    Column("exit", "exit", "price"),
    Column("net", "net", "points"),
    Column("outcome", "outcome"),
)


def price_chart(context: Context, decisions: Chosen, symbol_number: int, *, others: int) -> Panel:
    """Return the panel of one symbol; `others` says how many other symbols the filters leave too."""
    columns = decisions.columns
    symbol = columns.texts[symbol_number]
    places = decisions.places[columns.decisions.symbol[decisions.places] == symbol_number]
    shown = places[-_MOST_MARKS:]
    series = next((prices for name, prices in context.prices.items() if same_symbol(name, symbol)), None)
    bars, steps = _bars(series, columns.decisions.as_of_ns[shown]) if series is not None else ([], 1)
    notes = []
    if series is None:
        notes.append("The line joins the prices that the ledger has; `moondev dashboard --csv FILE` draws the market.")
    elif not bars:
        notes.append(f"The prices of {series.source} do not reach the time of these decisions.")
    if steps > 1:
        notes.append(f"Each bar drawn is {steps} bars of the file together.")
    if others:
        notes.append(f"{others} more symbols are among these decisions: the filter Symbol draws another one.")
    if len(shown) < len(places):
        notes.append(f"The newest {len(shown):,} of {len(places):,} decisions are drawn; the CSV has all.")
    store = context.options.get("store")
    marks = _marks(context, decisions, shown)
    if len(marks) < len(shown):
        notes.append(f"Not drawn, for want of a price: {len(shown) - len(marks):,}; the table has them.")
    inside = [mark for mark in marks if _is_on(bars, mark[0], series, steps)]
    if len(inside) < len(marks):
        notes.append(f"Not drawn, as the prices of the file do not reach them: {len(marks) - len(inside):,}.")
    data: dict[str, Any] = {
        "marks": inside,
        "query": f"?{urlencode({'store': store})}" if store else "",
    }
    if bars:
        data["bars"] = bars
    else:
        data["line"] = _line(decisions, shown)
    has_points = bool(bars or data["line"])
    return Panel(
        slug="prices",
        title=f"{symbol}: decisions on the price",
        table=lazy_table(context, _COLUMNS, places[::-1], partial(_row, context)),
        chart=Chart(kind="decisions", data=data, label=f"Price of {symbol} with decisions") if has_points else None,
        notes=tuple(notes),
    )


def _is_on(bars: list[list[float]], moment_ms: int, series: PriceSeries | None, steps: int) -> bool:
    """Tell whether a moment is on the bars that are drawn, or at most one bar's time after them; without bars it is."""
    if not bars or series is None:
        return True
    return bars[0][0] <= moment_ms <= bars[-1][0] + steps * _bar_ns(series) // 1_000_000


def _bar_ns(series: PriceSeries) -> int:
    """Return the usual time between two bars; a day where there is one bar."""
    return int(numpy.median(numpy.diff(series.open_ns))) if len(series.open_ns) > 1 else _SMALLEST_MARGIN_NS


def _row(context: Context, entry: Entry, _: int) -> tuple[Any, ...]:
    decision, outcome = entry.decision, outcome_of(entry, context.filters.horizon)
    return (
        decision.as_of_ns,
        trace_link(decision.action, context, decision.trace_id),
        decision.confidence,
        decision.price,
        None if outcome is None else outcome.entry_ns,
        None if outcome is None else outcome.entry,
        None if outcome is None else outcome.exit_ns,
        None if outcome is None else outcome.exit,
        None if outcome is None else outcome.net,
        result_of(entry, context.filters.horizon),
    )


def _marks(context: Context, decisions: Chosen, places: Any) -> list[list[Any]]:
    """Return the decisions that have a price as the chart draws them: at their entries, where these are known.

    Each is the time in ms, the price, the action, the result, the net return, the confidence and the trace's id.
    """
    columns = decisions.columns
    rows, outcomes = columns.decisions.take(places), decisions.outcomes.take(places)
    is_judged = ~numpy.isnan(outcomes.entry)
    price = numpy.where(is_judged, outcomes.entry, rows.price)
    moment_ns = numpy.where(is_judged, outcomes.entry_ns, rows.as_of_ns)
    codes = results(columns, decisions.outcomes)[places]
    traces = context.store.ask(partial(traces_of_decisions, numbers=rows.seq.tolist()), {}, context.limits)
    return [
        [
            int(moment_ns[place]) // 1_000_000,
            float(price[place]),
            _NAMES[int(rows.action[place])],
            RESULT_NAMES[codes[place]],
            round(float(outcomes.net[place]), 6) if is_judged[place] else None,
            None if numpy.isnan(rows.confidence[place]) else float(rows.confidence[place]),
            traces.get(int(rows.seq[place])),
        ]
        for place in numpy.flatnonzero(~numpy.isnan(price))
    ]


def _line(decisions: Chosen, places: Any) -> list[list[float]]:
    """Return the prices that the ledger has: of decisions, entries and exits, by time."""
    rows, outcomes = decisions.columns.decisions.take(places), decisions.outcomes.take(places)
    is_judged = ~numpy.isnan(outcomes.entry)
    points: dict[int, float] = {}
    for moments, amounts in (
        (rows.as_of_ns, rows.price),
        (outcomes.entry_ns[is_judged], outcomes.entry[is_judged]),
        (outcomes.exit_ns[is_judged], outcomes.exit[is_judged]),
    ):
        has_price = ~numpy.isnan(amounts)
        times_ms = (moments[has_price] // 1_000_000).tolist()
        points.update(zip(times_ms, amounts[has_price].tolist(), strict=True))
    return [[time_ms, points[time_ms]] for time_ms in sorted(points)]


def _bars(series: PriceSeries, as_of_ns: Any) -> tuple[list[list[float]], int]:
    """Return bars around the decisions as [time in ms, open, close, low, high], and how many make one of them."""
    first, last = int(as_of_ns.min()), int(as_of_ns.max())  # they were written in any order
    margin = max(int((last - first) * _MARGIN), _SMALLEST_MARGIN_NS)
    start = series.first_at_or_after(first - margin)
    end = series.first_at_or_after(last + margin)
    count = end - start
    steps = max(1, -(-count // _MOST_BARS))
    bars = []
    for place in range(start, end, steps):
        upto = min(place + steps, end)
        bars.append([
            int(series.open_ns[place]) // 1_000_000,
            float(series.open[place]),
            float(series.close[upto - 1]),
            float(series.low[place:upto].min()),
            float(series.high[place:upto].max()),
        ])  # fmt: skip
    return bars, steps
