"""What calls cost: by agent, model, symbol, prompt, and day; how many tokens, and how many of them from caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from src.dashboard.data import facts
from src.dashboard.pages import calls
from src.dashboard.pages.comparison import comparison_panel
from src.dashboard.pages.kinds import PageKind, by_of
from src.dashboard.view.panels import Column, Page, Panel, Table

if TYPE_CHECKING:
    from src.dashboard.pages.kinds import Context
    from src.insight.facts.reader import FactsReader
    from src.insight.facts.records import Row

_BY: Final = ("model", "agent", "agent and model", "provider", "symbol", "prompt", "environment")
_TOKENS: Final = ("input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens")
_COLUMNS: Final = (
    Column("calls", "calls", "count"),
    Column("cost_usd", "cost", "money", is_bound=True),
    Column("share", "share of known cost", "share"),
    Column("per_call", "cost per call", "money"),
    Column("unpriced", "without full price", "count"),
    Column("input_tokens", "tokens in", "count", is_bound=True),
    Column("output_tokens", "tokens out", "count", is_bound=True),
    Column("reasoning_tokens", "of these reasoning", "count", is_bound=True),
    Column("cached_tokens", "read from caches", "count", is_bound=True),
    Column("cached_share", "cache share", "share"),
)


def _build(context: Context) -> Page:
    return facts.ask(context.store, lambda reader: _page(context, reader), context.limits)


def _page(context: Context, reader: FactsReader) -> Page:
    by = by_of(context, _BY)
    dimensions, filter_ = calls.BY[by], calls.chosen(context)
    points = reader.series(filter_, "day", dimensions)  # type: ignore[arg-type] # dimensions
    totals = reader.totals(filter_)  # out of the days', as the rows are: so what is finest is asked for first
    if not totals.n and not context.filters.set_values():
        return Page(empty=calls.empty_text(reader, context), notes=calls.notes(reader, filter_, context))
    rows = reader.grouped(filter_, dimensions)  # type: ignore[arg-type] # dimensions
    table = [(*calls.key_cells(context, dimensions, row.key, "traces"), *_cells(row, totals.cost_usd)) for row in rows]
    groups = Panel(
        slug="groups",
        title=f"By {by}",
        table=Table((*calls.key_columns(dimensions), *_COLUMNS), table),
        notes=("≥ is the known part: the price of some of these calls is not known in whole.",)
        if totals.unpriced
        else (),
    )
    days = calls.by_day(
        points, context, dimensions, title=f"Cost by day and {by}", slug="days", kind="money", figure=calls.money,
        unit="cost_usd",
    )  # fmt: skip
    before = comparison_panel(context, reader)
    panels = (days, groups, *([before] if before is not None else []))
    return Page(
        figures=calls.total_figures(totals, context), panels=panels, notes=calls.notes(reader, filter_, context)
    )


def _cells(row: Row, all_usd: float) -> tuple[Any, ...]:
    totals = row.totals
    is_known = totals.cost_nano or not totals.unpriced
    return (
        totals.n, calls.money(totals), totals.cost_usd / all_usd if all_usd and is_known else None,
        totals.cost_usd / totals.n if totals.n and not totals.unpriced else None, totals.unpriced,
        *(calls.tokens(totals, name) for name in _TOKENS),
        totals.cached_tokens / totals.input_tokens if totals.input_tokens else None,
    )  # fmt: skip


KIND: Final = PageKind(
    slug="cost",
    title="Cost",
    build=_build,
    filters=("by", *calls.FILTERS),
    by=_BY,
    intro="What model calls cost, for whom and for what.",
    suggestions=calls.suggestions,
)
