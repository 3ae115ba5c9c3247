"""Response times by agent and model: the middle, the slow tail, and the time to the first token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from src.dashboard.data import facts
from src.dashboard.pages import calls
from src.dashboard.pages.kinds import PageKind, by_of
from src.dashboard.view.panels import Chart, Column, Figure, Page, Panel, Table
from src.insight.facts.filters import is_latency

if TYPE_CHECKING:
    from src.dashboard.pages.kinds import Context
    from src.insight.facts.reader import FactsReader
    from src.insight.facts.records import Percentiles

_BY: Final = ("agent and model", "model", "agent", "provider", "symbol", "prompt", "environment")
_SHARES: Final = (0.5, 0.95, 0.99)
_MOST_GROUPS: Final = 24  # in the chart
_COLUMNS: Final = (
    Column("n", "n", "count"),
    Column("p50_ms", "p50", "ms"),
    Column("p95_ms", "p95", "ms"),
    Column("p99_ms", "p99", "ms"),
    Column("mean_ms", "mean", "ms"),
    Column("streamed", "streamed n", "count"),
    Column("first_p50_ms", "first token p50", "ms"),
    Column("first_p95_ms", "first token p95", "ms"),
    Column("exact", "quantiles"),
)


def _build(context: Context) -> Page:
    return facts.ask(context.store, lambda reader: _page(context, reader), context.limits)


def _page(context: Context, reader: FactsReader) -> Page:
    by = by_of(context, _BY)
    dimensions, filter_ = calls.BY[by], calls.chosen(context)
    took, total = reader.percentiles_and_all(filter_, dimensions, _SHARES)  # type: ignore[arg-type] # dimensions
    if (total is None or not total.n) and not context.filters.set_values():
        return Page(empty=calls.empty_text(reader, context), notes=calls.notes(reader, filter_, context))
    first, first_total = reader.percentiles_and_all(filter_, dimensions, _SHARES, "first_token")  # type: ignore[arg-type] # as above
    means = {row.key: row.totals.mean_ms for row in reader.grouped(filter_, dimensions)}  # type: ignore[arg-type] # as above
    keys = sorted((key for key in took if took[key].n), key=lambda key: -took[key].n)
    rows = [
        (*calls.key_cells(context, dimensions, key, "traces"), *_cells(took[key], means.get(key), first.get(key)))
        for key in keys
    ]
    panel = Panel(
        slug="groups",
        title=f"By {by}",
        table=Table((*calls.key_columns(dimensions), *_COLUMNS), rows),
        chart=_chart(context, by, [(key, took[key]) for key in keys[:_MOST_GROUPS]]) if keys else None,
        notes=("All calls count, failed ones too: the filter Status leaves them out. A time is that of the whole call, "
               "its retries and repairs included.",),
    )  # fmt: skip
    is_kept = is_latency(filter_, dimensions)
    lines = calls.notes(reader, filter_, context, is_kept=is_kept)
    return Page(figures=_figures(total, first_total), panels=(panel,), notes=lines)


def _cells(took: Percentiles, mean_ms: float | None, first: Percentiles | None) -> tuple[Any, ...]:
    has_first = first is not None and first.n > 0
    return (
        took.n, *took.values_ms, mean_ms, first.n if first is not None else 0,
        first.values_ms[0] if first is not None and has_first else None,
        first.values_ms[1] if first is not None and has_first else None,
        "exact" if took.is_exact else "within 5%",
    )  # fmt: skip


def _figures(total: Percentiles | None, first: Percentiles | None) -> tuple[Figure, ...]:
    figures = []
    for place, name in enumerate(("p50", "p95", "p99")):
        n = 0 if total is None else total.n
        value = total.values_ms[place] if total is not None and total.n else None
        note = "" if total is None or total.is_exact else "from a histogram, within 5%"
        figures.append(Figure(f"{name}_ms", f"{name} of all calls", value, "ms", n, "calls", note))
    n = 0 if first is None else first.n
    for place, name in enumerate(("p50", "p95")):
        value = first.values_ms[place] if first is not None and n else None
        figures.append(Figure(f"first_{name}_ms", f"First token {name}", value, "ms", n, "streamed calls"))
    return tuple(figures)


def _chart(context: Context, by: str, groups: list[tuple[tuple[str | None, ...], Percentiles]]) -> Chart:
    return Chart(
        kind="bars",
        label=f"Response times by {by}",
        data={
            "x": [calls.label(key) for key, _ in groups],
            "hrefs": [calls.traces_of(context, calls.BY[by], key) for key, _ in groups],
            "n": [group.n for _, group in groups],
            "kind": "ms",
            "series": [
                {"name": name, "data": [group.values_ms[place] for _, group in groups]}
                for place, name in enumerate(("p50", "p95", "p99"))
            ],
        },
    )


KIND: Final = PageKind(
    slug="latency",
    title="Response times",
    menu_title="Times",
    build=_build,
    filters=("by", *calls.FILTERS),
    by=_BY,
    intro="How long agents wait for models.",
    suggestions=calls.suggestions,
)
