"""Prompts by version: what each costs, how its replies are, and how right the decisions with it were."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy

from src.dashboard.data import facts
from src.dashboard.pages import calls, ledger_filters
from src.dashboard.pages.accuracy import COLUMNS, accuracy_row
from src.dashboard.pages.kinds import PageKind
from src.dashboard.view.panels import Chart, Column, Figure, Page, Panel, Table
from src.insight.facts.filters import EVALUATION
from src.insight.ledger.chosen import Labels, groups_of
from src.judging.accuracy import accuracy_of, with_discoveries
from src.judging.statistics import wilson

if TYPE_CHECKING:
    from src.dashboard.pages.kinds import Context
    from src.insight.facts.reader import FactsReader

_DIMENSIONS: Final = ("prompt_name", "prompt_version")
_FILTERS: Final = ("since", "until", "agent", "model", "symbol", "environment", "session")
_COLUMNS: Final = (
    Column("prompt_name", "prompt"),
    Column("prompt_version", "version"),
    Column("calls", "calls", "count"),
    Column("error_rate", "error rate (95%)", "interval"),
    Column("repaired", "repaired", "count"),
    Column("cut", "cut", "count"),
    Column("mean_ms", "mean time", "ms"),
    Column("tokens_in", "tokens in per call", "number"),
    Column("cached_share", "cache share", "share"),
    Column("cost_usd", "cost", "money", is_bound=True),
    Column("unpriced", "without full price", "count"),
)


def _build(context: Context) -> Page:
    page = facts.ask(context.store, lambda reader: _calls(context, reader), context.limits)
    accuracy = context.remembered("prompts", lambda: _accuracy(context), ledger_filters.version(context))
    if page.empty and not accuracy.table.rows:
        return page
    return Page(figures=page.figures, panels=(*page.panels, accuracy), notes=page.notes)


def _calls(context: Context, reader: FactsReader) -> Page:
    filter_ = calls.chosen(context)
    if filter_.environment is None:  # trials of a version are no use of it
        filter_ = replace(filter_, without_environment=EVALUATION)
    rows = reader.grouped(filter_, _DIMENSIONS)
    named = [row for row in rows if row.key[0] is not None]
    lines = calls.notes(reader, filter_, context)
    if filter_.without_environment is not None:
        lines = (*lines, f"Trials of prompts and judges (environment {EVALUATION}) are not counted.")
    if not named and not context.filters.set_values():
        return Page(
            empty=calls.empty_text(
                reader,
                context,
                "No call names its prompt yet: `langfuse_prompt=` or a named prompt links one to each call.",
            ),
            notes=lines,
        )
    table: list[tuple[Any, ...]] = []
    for row in rows:
        totals, measured = row.totals, row.totals.n - row.totals.unmeasured
        table.append((
            *calls.key_cells(context, _DIMENSIONS, row.key, "cost"), totals.n, wilson(totals.errors, totals.n),
            totals.repaired, totals.cut, totals.mean_ms, totals.input_tokens / measured if measured else None,
            totals.cached_tokens / totals.input_tokens if totals.input_tokens else None, calls.money(totals),
            totals.unpriced,
        ))  # fmt: skip
    n = sum(row.totals.n for row in rows)
    linked = sum(row.totals.n for row in named)
    figures = (
        Figure("prompts", "Prompts and versions", len(named), "count", linked, "calls"),
        Figure("linked", "Calls that name their prompt", wilson(linked, n), "interval", n, "calls"),
    )
    panel = Panel(slug="calls", title="Calls by prompt and version", table=Table(_COLUMNS, table))
    return Page(figures=figures, panels=(panel,), notes=lines)


def _accuracy(context: Context) -> Panel:
    decisions = ledger_filters.decisions_of(context)
    columns = decisions.columns
    known, numbers = numpy.unique(columns.decisions.prompt[decisions.places], return_inverse=True)
    labels = Labels(numbers, [columns.text(number) or calls.NONE for number in known.tolist()])
    groups = groups_of(decisions.judged(), labels)
    rows = with_discoveries(accuracy_of(key, items) for key, items in context.limits.each(groups, 1))
    shown = [row for row in rows if row.hit_rate.value is not None][:30]
    chart = Chart(
        kind="intervals",
        label="Hit rate by prompt and version",
        data={"x": [row.key for row in shown], "kind": "share",
              "values": [[row.hit_rate.value, row.hit_rate.low, row.hit_rate.high] for row in shown],
              "n": [row.n for row in shown], "base": 0.5},
    )  # fmt: skip
    return Panel(
        slug="accuracy",
        title="Decisions by prompt and version",
        table=Table((Column("prompt", "prompt"), *COLUMNS), [(row.key, *accuracy_row(row)) for row in rows]),
        chart=chart if shown else None,
        notes=ledger_filters.notes(columns),
        empty="No decision names its prompt yet.",
    )


KIND: Final = PageKind(
    slug="prompts",
    title="Prompts",
    build=_build,
    filters=_FILTERS,
    intro="Versions of prompts beside one another: cost, replies, and how right the decisions were.",
    suggestions=calls.suggestions,
)
