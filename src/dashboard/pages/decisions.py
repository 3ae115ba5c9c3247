"""Decisions on the price chart, with what came of them, and what they would have earned in turn."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy

from src.dashboard.data.ledger import OPEN, result_of, results
from src.dashboard.pages.kinds import PageKind
from src.dashboard.pages.ledger_filters import (
    FILTERS,
    NONE_YET,
    decisions_of,
    lazy_table,
    notes,
    suggestions,
    trace_link,
    version,
)
from src.dashboard.pages.price_chart import price_chart
from src.dashboard.view.panels import AtLeast, Chart, Column, Figure, Page, Panel
from src.judging.accuracy import accuracy_of
from src.judging.grouping import outcome_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.dashboard.pages.kinds import Context
    from src.insight.ledger.chosen import Chosen
    from src.observability.ledger import Entry

MOST_POINTS: Final = 2_000  # of a curve
_COLUMNS: Final = (
    Column("as_of", "as of (UTC)", "time"),
    Column("symbol", "symbol"),
    Column("action", "action", "action"),
    Column("status", "status"),
    Column("confidence", "confidence", "confidence"),
    Column("price", "price", "price"),
    Column("agent", "agent"),
    Column("environment", "environment"),
    Column("horizon", "horizon"),
    Column("entry", "entry", "price"),
    Column("exit", "exit", "price"),
    Column("gross", "gross", "points"),
    Column("net", "net", "points"),
    Column("outcome", "outcome"),
    Column("cost_usd", "cost", "money", is_bound=True),
    Column("id", "decision", "id"),
)

_EQUITY: Final = (
    Column("exit", "exit (UTC)", "time"),
    Column("symbol", "symbol"),
    Column("action", "action", "action"),
    Column("net", "net", "points"),
    Column("net_sum", "sum of net", "points"),
    Column("long_sum", "sum of always BUY", "points"),
)


def _build(context: Context) -> Page:
    columns = context.ledger()
    if not len(columns):
        return Page(empty=NONE_YET)
    decisions = decisions_of(context)
    table = Panel(
        slug="decisions",
        title="Decisions, newest first",
        table=lazy_table(context, _COLUMNS, decisions.places[::-1], partial(_row, context)),
        notes=("Gross is before costs, net after them; NOTHING earns and costs nothing.",),
    )
    return Page(figures=decision_figures(decisions), panels=(*_charts(context, decisions), table),
                notes=notes(columns))  # fmt: skip


def _row(context: Context, entry: Entry, _: int) -> tuple[Any, ...]:
    decision, outcome = entry.decision, outcome_of(entry, context.filters.horizon)
    cost = AtLeast(decision.cost_usd or None) if decision.cost_unknown else decision.cost_usd
    return (
        decision.as_of_ns,
        decision.symbol,
        trace_link(decision.action, context, decision.trace_id),
        entry.status,
        decision.confidence,
        decision.price,
        decision.agent,
        decision.environment,
        context.filters.horizon or entry.horizons[0],
        None if outcome is None else outcome.entry,
        None if outcome is None else outcome.exit,
        None if outcome is None else outcome.gross,
        None if outcome is None else outcome.net,
        result_of(entry, context.filters.horizon),
        cost,
        trace_link(decision.id, context, decision.trace_id),
    )


def decision_figures(decisions: Chosen) -> tuple[Figure, ...]:
    """Return the headline figures of decisions."""
    total = accuracy_of("all", decisions.judged())
    cost = AtLeast(total.cost_usd or None) if total.cost_unknown else total.cost_usd
    return (
        Figure("decisions", "Decisions", total.decisions, "count", total.decisions, "decisions"),
        Figure("resolved", "Judged trades", total.n, "count", total.decisions, "decisions", "BUY and SELL"),
        Figure("hit_rate", "Went their way", total.hit_rate, "interval", total.n, "judged trades",
               _enough(total.n)),
        Figure("net_return", "Mean net return", total.net_return, "points_interval", total.n, "judged trades"),
        Figure("max_drawdown", "Deepest fall", total.max_drawdown if total.n else None, "share", total.n,
               "judged trades", "of the sum of net returns"),
        Figure("decision_cost_usd", "Cost of decisions", cost, "money", total.decisions, "decisions"),
    )  # fmt: skip


def _enough(n: int) -> str:
    return "" if n >= 50 else "too few for a verdict (50)"


def _charts(context: Context, decisions: Chosen) -> tuple[Panel, ...]:
    symbols = decisions.columns.decisions.symbol[decisions.places]
    panels = []
    if len(symbols):
        counts = numpy.bincount(symbols)
        number = int(symbols[numpy.argmax(counts[symbols] == counts.max())])  # the first of those that occur most often
        panels.append(price_chart(context, decisions, number, others=int((counts > 0).sum()) - 1))
    return (*panels, equity(context, decisions))


def equity(context: Context, decisions: Chosen) -> Panel:
    """Return the sum of net returns in the order of the exits, beside that of always buying."""
    columns, outcomes = decisions.columns, decisions.outcomes
    trades = decisions.places[results(columns, outcomes)[decisions.places] < OPEN]
    trades = trades[numpy.lexsort((trades, outcomes.exit_ns[trades]))]
    items = decisions.judged(trades)
    sums, long_sums = numpy.cumsum(items.net), numpy.cumsum(items.move - items.round_trip)
    points = numpy.array(thinned(range(len(trades))), dtype="int64")
    chart = Chart(
        kind="lines",
        label="Sum of net returns over time, beside that of always buying",
        data={
            "x": (outcomes.exit_ns[trades[points]] // 1_000_000).tolist(),
            "time": True,
            "kind": "points",
            "series": [
                {"name": "decisions, net", "data": sums[points].tolist()},
                {"name": "always BUY, net", "data": long_sums[points].tolist()},
            ],
        },
    )
    remarks = ["Each trade puts in the same amount; returns are added, not compounded."]
    if len(points) < len(trades):
        remarks.append(f"The chart draws {len(points):,} of {len(trades):,} points; the CSV has all.")
    by_place = {int(place): number for number, place in enumerate(trades)}

    def row(entry: Entry, place: int) -> tuple[Any, ...]:
        number, decision = by_place[place], entry.decision
        return (int(outcomes.exit_ns[place]), decision.symbol,
                trace_link(decision.action, context, decision.trace_id), float(items.net[number]), float(sums[number]),
                float(long_sums[number]))  # fmt: skip

    return Panel(
        slug="equity",
        title="Equity",
        table=lazy_table(context, _EQUITY, trades[::-1], row),
        chart=chart if len(trades) else None,
        notes=tuple(remarks),
        empty="No BUY or SELL is judged yet: `moondev decisions resolve --csv FILE`.",
    )


def thinned(rows: Sequence[Any]) -> Sequence[Any]:
    """Return at most `MOST_POINTS` rows at even steps, the last one among them."""
    if len(rows) <= MOST_POINTS:
        return rows
    step = len(rows) / (MOST_POINTS - 1)
    return [rows[int(number * step)] for number in range(MOST_POINTS - 1)] + [rows[-1]]


KIND: Final = PageKind(
    slug="decisions",
    title="Decisions",
    build=_build,
    filters=(*FILTERS[:-2], "outcome", *FILTERS[-2:]),
    intro="What was decided, where on the price chart, and what came of it.",
    suggestions=suggestions,
    version=version,
)
