"""Errors and rate limits: what failed in the end, what was tried again, and how the share changes by day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from src.dashboard.data import facts
from src.dashboard.pages import calls
from src.dashboard.pages.kinds import PageKind, by_of
from src.dashboard.pages.rate_limits import limit_panels
from src.dashboard.view.panels import Chart, Column, Figure, Link, Page, Panel, Table
from src.insight.facts.filters import is_daily
from src.insight.facts.retries import counts_deleted
from src.judging.statistics import wilson
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from src.dashboard.pages.kinds import Context
    from src.insight.facts.filters import Filter
    from src.insight.facts.reader import FactsReader

_BY: Final = ("model", "agent", "agent and model", "provider", "symbol", "prompt", "environment")
_RETRY_BY: Final = frozenset({"agent", "model", "provider", "environment"})
_RATE_LIMITS: Final = ("rate_limit", "quota", "overloaded")
_MOST_GROUPS: Final = 30
_COLUMNS: Final = (
    Column("calls", "calls", "count"),
    Column("errors", "errors", "count"),
    Column("error_rate", "error rate (95%)", "interval"),
    Column("rate_limited", "of these rate limits", "count"),
    Column("retried_calls", "calls tried again", "count"),
)


def _build(context: Context) -> Page:
    return facts.ask(context.store, lambda reader: _page(context, reader), context.limits)


def _page(context: Context, reader: FactsReader) -> Page:
    by, filter_ = by_of(context, _BY), calls.chosen(context)
    reader.grouped(filter_, (*calls.BY[by], "category", "status"))  # type: ignore[arg-type] # what follows is out of this
    totals = reader.totals(filter_)
    if not totals.n and not context.filters.set_values():
        return Page(empty=calls.empty_text(reader, context), notes=calls.notes(reader, filter_, context))
    categories = {row.key[0]: row.totals.n for row in reader.grouped(_failed(filter_), ("category",))}
    limited = sum(categories.get(name, 0) for name in _RATE_LIMITS)
    figures = (
        Figure("calls", "Model calls", totals.n, "count", totals.n, "calls"),
        Figure("errors", "Ended in an error", wilson(totals.errors, totals.n), "interval", totals.n, "calls",
               counted(totals.errors, "errors"), calls.errors_address(totals.errors, context)),
        Figure("rate_limited", "By rate limits", wilson(limited, totals.n), "interval", totals.n, "calls",
               counted(limited, "errors")),
        Figure("retried", "Tried again", wilson(totals.retried, totals.n), "interval", totals.n, "calls",
               counted(totals.retried, "calls")),
    )  # fmt: skip
    panels = (
        _groups(context, reader, by, filter_),
        _days(context, reader, filter_),
        _categories(context, categories, totals.n),
        *limit_panels(context, reader, filter_),
        _retries(reader, filter_, by),
    )
    lines = (*calls.notes(reader, filter_, context), *_without_deleted(reader, filter_))
    return Page(figures=figures, panels=panels, notes=lines)


def _failed(filter_: Filter) -> Filter:
    from dataclasses import replace

    return replace(filter_, status="error") if filter_.status is None else filter_


def _groups(context: Context, reader: FactsReader, by: str, filter_: Filter) -> Panel:
    dimensions = calls.BY[by]
    limited: dict[tuple[str | None, ...], int] = {}
    for row in reader.grouped(_failed(filter_), (*dimensions, "category")):  # type: ignore[arg-type] # dimensions
        if row.key[-1] in _RATE_LIMITS:
            limited[row.key[:-1]] = limited.get(row.key[:-1], 0) + row.totals.errors
    rows = sorted(
        reader.grouped(filter_, dimensions),  # type: ignore[arg-type] # dimensions
        key=lambda row: (-row.totals.errors, -row.totals.n),
    )
    rates = [wilson(row.totals.errors, row.totals.n) for row in rows]
    table: list[tuple[Any, ...]] = [
        (*calls.key_cells(context, dimensions, row.key, "traces"), row.totals.n,
         calls.errors_link(row.totals.errors, context, dimensions, row.key), rate,
         limited.get(row.key, 0), row.totals.retried)
        for row, rate in zip(rows, rates, strict=True)
    ]  # fmt: skip
    chart = Chart(
        kind="intervals",
        label=f"Error rate by {by}",
        data={
            "x": [calls.label(row.key) for row in rows[:_MOST_GROUPS]],
            "kind": "share",
            "values": [[rate.value, rate.low, rate.high] for rate in rates[:_MOST_GROUPS]],
            "n": [row.totals.n for row in rows[:_MOST_GROUPS]],
            "hrefs": [
                calls.errors_address(row.totals.errors, context, dimensions, row.key) for row in rows[:_MOST_GROUPS]
            ],
        },
    )
    return Panel(slug="groups", title=f"By {by}", table=Table((*calls.key_columns(dimensions), *_COLUMNS), table),
                 chart=chart if rows else None)  # fmt: skip


def _days(context: Context, reader: FactsReader, filter_: Filter) -> Panel:
    points = reader.series(_failed(filter_), "day", ("category",))
    return calls.by_day(
        points, context, ("category",), title="Errors by day and category", slug="days", kind="count",
        figure=lambda item: item.errors, unit="errors",
    )  # fmt: skip


def _categories(context: Context, categories: dict[str | None, int], calls_n: int) -> Panel:
    rows = []
    for name, n in sorted(categories.items(), key=lambda item: -item[1]):
        query = context.filters.query(calls.FILTERS, category=name, status=None, store=context.options.get("store"))
        cell: Any = calls.NONE if name is None else Link(name, f"/traces{query}")
        rows.append((cell, n, wilson(n, calls_n)))
    columns = (Column("category", "category"), Column("errors", "errors", "count"),
               Column("rate", "of all calls (95%)", "interval"))  # fmt: skip
    return Panel(slug="categories", title="What failed in the end", table=Table(columns, rows),
                 empty="Nothing failed.")  # fmt: skip


def _without_deleted(reader: FactsReader, filter_: Filter) -> tuple[str, ...]:
    """Return a note where attempts of deleted observations are not counted; `calls.notes` has it for other filters."""
    if counts_deleted(filter_) or not is_daily(filter_) or not reader.expired_in(filter_):
        return ()
    return ("Attempts of observations that retention has deleted are not counted with these filters.",)


def _retries(reader: FactsReader, filter_: Filter, by: str) -> Panel:
    dimensions = [name for name in calls.BY[by] if name in _RETRY_BY]
    retries = reader.retries(filter_, (*dimensions, "category"))  # type: ignore[arg-type] # of those that retries have
    rows = [(*(part if part is not None else calls.NONE for part in key), n)
            for key, n in sorted(retries.items(), key=lambda item: -item[1])]  # fmt: skip
    columns = (*calls.key_columns(dimensions), Column("category", "category"),
               Column("attempts", "failed attempts", "count"))  # fmt: skip
    return Panel(
        slug="retries",
        title="What was tried again",
        table=Table(columns, rows),
        notes=("Attempts that failed and were followed by another one, of the calls that the filters leave; Category "
               "is the attempt's here, elsewhere that of the error which ended the call.",),
        empty="No attempt was followed by another one.",
    )  # fmt: skip


KIND: Final = PageKind(
    slug="errors",
    title="Errors and rate limits",
    menu_title="Errors",
    build=_build,
    filters=("by", *calls.FILTERS),
    by=_BY,
    intro="What failed, what was tried again, and how near the rate limits are.",
    suggestions=calls.suggestions,
)
