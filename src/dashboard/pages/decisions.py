"""Decisions on the price chart, with what came of them, and what they would have earned in turn."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.data.ledger import result_of
from src.dashboard.pages.kinds import PageKind
from src.dashboard.pages.ledger_filters import FILTERS, NONE_YET, entries_of, suggestions, trace_link, version
from src.dashboard.pages.price_chart import price_chart
from src.dashboard.view.panels import AtLeast, Chart, Column, Figure, Page, Panel, Table
from src.judging.accuracy import accuracy_of
from src.judging.grouping import judged, outcome_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.dashboard.pages.kinds import Context
    from src.observability.ledger import Entry

MOST_POINTS: Final = 2_000  # of a curve
_COLUMNS: Final = (
    Column("as_of", "as of (UTC)", "time"),
    Column("symbol", "symbol"),
    Column("action", "action", "action"),
    Column("status", "status"),
    Column("confidence", "confidence", "number"),
    Column("price", "price", "price"),
    Column("agent", "agent"),
    Column("environment", "environment"),
    Column("horizon", "horizon"),
    Column("entry", "entry", "price"),
    Column("exit", "exit", "price"),
    Column("gross", "gross", "points"),
    Column("net", "net", "points"),
    Column("outcome", "outcome"),
    Column("cost_usd", "cost", "money"),
    Column("id", "decision"),
)


def _build(context: Context) -> Page:
    if not context.ledger().entries:
        return Page(empty=NONE_YET)
    entries = entries_of(context)
    table = Panel(
        slug="decisions",
        title="Decisions, newest first",
        table=Table(_COLUMNS, [_row(context, entry) for entry in reversed(entries)]),
        notes=("Gross is before costs, net after them; NOTHING earns and costs nothing.",),
    )
    return Page(figures=decision_figures(context, entries), panels=(*_charts(context, entries), table))


def _row(context: Context, entry: Entry) -> tuple[Any, ...]:
    decision, outcome = entry.decision, outcome_of(entry, context.filters.horizon)
    cost = AtLeast(decision.cost_usd) if decision.cost_unknown else decision.cost_usd
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


def decision_figures(context: Context, entries: Sequence[Entry]) -> tuple[Figure, ...]:
    """Return the headline figures of decisions."""
    total = accuracy_of("all", [judged(entry, context.filters.horizon) for entry in context.limits.each(entries)])
    cost = AtLeast(total.cost_usd) if total.cost_unknown else total.cost_usd
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


def _charts(context: Context, entries: Sequence[Entry]) -> tuple[Panel, ...]:
    symbols = Counter(entry.decision.symbol for entry in entries)
    panels = []
    if symbols:
        symbol = symbols.most_common(1)[0][0]
        panels.append(price_chart(context, symbol, [item for item in entries if item.decision.symbol == symbol],
                                  others=len(symbols) - 1))  # fmt: skip
    return (*panels, equity(context, entries))


def equity(context: Context, entries: Sequence[Entry]) -> Panel:
    """Return the sum of net returns in the order of the exits, beside that of always buying."""
    trades = []
    for entry in entries:
        outcome = outcome_of(entry, context.filters.horizon)
        if outcome is not None and outcome.correct is not None and entry.decision.status == "decided":
            item = judged(entry, context.filters.horizon)
            trades.append((outcome.exit_ns, entry, outcome.net, (item.move or 0.0) - item.round_trip))
    trades.sort(key=lambda trade: (trade[0], trade[1].decision.id))
    rows: list[tuple[Any, ...]] = []
    total = long_total = 0.0
    for exit_ns, entry, net, long_net in trades:
        total, long_total = total + net, long_total + long_net
        decision = entry.decision
        rows.append((exit_ns, decision.symbol, trace_link(decision.action, context, decision.trace_id), net, total,
                     long_total))  # fmt: skip
    columns = (Column("exit", "exit (UTC)", "time"), Column("symbol", "symbol"), Column("action", "action", "action"),
               Column("net", "net", "points"), Column("net_sum", "sum of net", "points"),
               Column("long_sum", "sum of always BUY", "points"))  # fmt: skip
    points = thinned(rows)
    chart = Chart(
        kind="lines",
        label="Sum of net returns over time, beside that of always buying",
        data={
            "x": [row[0] // 1_000_000 for row in points],
            "time": True,
            "kind": "points",
            "series": [
                {"name": "decisions, net", "data": [row[4] for row in points]},
                {"name": "always BUY, net", "data": [row[5] for row in points]},
            ],
        },
    )
    notes = ["Each trade puts in the same amount; returns are added, not compounded."]
    if len(points) < len(rows):
        notes.append(f"The chart draws {len(points):,} of {len(rows):,} points; the CSV has all.")
    return Panel(
        slug="equity",
        title="Equity",
        table=Table(columns, rows[::-1]),
        chart=chart if rows else None,
        notes=tuple(notes),
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
