"""The first page: what is asked, spent, failing and decided, with a way to each page that says more."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.data import facts, traces
from src.dashboard.pages import calls, ledger_filters
from src.dashboard.pages.comparison import comparison_panel
from src.dashboard.pages.decisions import decision_figures
from src.dashboard.pages.kinds import PageKind
from src.dashboard.pages.traces import COLUMNS, chosen_observations, search_notes, trace_row
from src.dashboard.view.filters import Filters
from src.dashboard.view.panels import Column, Figure, Page, Panel, Table
from src.judging.statistics import wilson

if TYPE_CHECKING:
    from src.dashboard.pages.kinds import Context
    from src.insight.facts.reader import FactsReader

_FILTERS: Final = ("since", "until", "agent", "model", "symbol", "environment", "session")
_NEWEST: Final = 8
_SEARCH_S: Final = 1.0  # for which traces are searched by symbol or environment
_COLUMNS: Final = (
    Column("agent", "agent"),
    Column("calls", "calls", "count"),
    Column("error_rate", "error rate (95%)", "interval"),
    Column("cost_usd", "cost", "money", is_bound=True),
    Column("p50_ms", "p50", "ms"),
    Column("p95_ms", "p95", "ms"),
)


def _build(context: Context) -> Page:
    page = facts.ask(context.store, lambda reader: _calls(context, reader), context.limits)
    newest = _newest(context)
    columns = context.ledger()
    has_decisions = len(columns) > 0
    if page.empty and not has_decisions and not newest.table.rows:
        return Page(empty=page.empty, notes=page.notes)
    decided: tuple[Figure, ...] = ()
    if has_decisions:
        decided = context.remembered("decided", lambda: _decided(context), ledger_filters.version(context))
    notes = (*page.notes, *ledger_filters.notes(columns))
    return Page(figures=(*page.figures, *decided), panels=(*page.panels, newest), notes=notes)


def _decided(context: Context) -> tuple[Figure, ...]:
    return decision_figures(ledger_filters.decisions_of(context))


def _calls(context: Context, reader: FactsReader) -> Page:
    filter_ = calls.chosen(context)
    lines = calls.notes(reader, filter_, context)
    points = reader.series(filter_, "day", ("agent",))
    totals = reader.totals(filter_)  # out of the days', as the rows are: so what is finest is asked for first
    if not totals.n and not context.filters.set_values():
        return Page(empty=calls.empty_text(reader, context), notes=lines)
    rows = reader.grouped(filter_, ("agent",))
    took, all_took = reader.percentiles_and_all(filter_, ("agent",), (0.5, 0.95))
    table: list[tuple[Any, ...]] = []
    for row in rows:
        group = took.get(row.key)
        values = group.values_ms if group is not None and group.n else (None, None)
        table.append((*calls.key_cells(context, ("agent",), row.key, "latency"), row.totals.n,
                      wilson(row.totals.errors, row.totals.n), calls.money(row.totals), *values))  # fmt: skip
    p95 = all_took.values_ms[1] if all_took is not None and all_took.n else None
    figures = (
        *calls.total_figures(totals, context)[:3],
        Figure("p95_ms", "p95 response time", p95, "ms", totals.n, "calls"),
    )
    cost = calls.by_day(points, context, ("agent",), title="Cost by day and agent", slug="cost", kind="money",
                        figure=calls.money, unit="cost_usd")  # fmt: skip
    counts = calls.by_day(points, context, ("agent",), title="Calls by day and agent", slug="calls", kind="count",
                          figure=lambda item: item.n, unit="calls")  # fmt: skip
    agents = Panel(slug="agents", title="By agent", table=Table(_COLUMNS, table))
    before = comparison_panel(context, reader)
    panels = (agents, cost, counts, *([before] if before is not None else []))
    return Page(figures=figures, panels=panels, notes=lines)


def _newest(context: Context) -> Panel:
    filters = Filters(**{name: getattr(context.filters, name) for name in _FILTERS})
    chosen = chosen_observations(context, filters, _SEARCH_S)
    question = partial(traces.newest, chosen=chosen, before=None)
    lines = context.store.ask(question, traces.TracePage(), context.limits).lines[:_NEWEST]
    return Panel(
        slug="newest",
        title="Newest traces",
        table=Table(COLUMNS, [trace_row(context, line) for line in lines]),
        notes=search_notes(context, chosen),
    )


KIND: Final = PageKind(
    slug="",
    title="Overview",
    build=_build,
    filters=_FILTERS,
    intro="What agents ask, what it costs, what fails, and what they decide.",
    suggestions=calls.suggestions,
)
