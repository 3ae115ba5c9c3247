"""Response quality without labels: how replies come out, numbers without a ground, agreement of repeats, and drift."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.data import facts
from src.dashboard.pages import calls
from src.dashboard.pages.kinds import PageKind, by_of
from src.dashboard.pages.ledger_filters import trace_link
from src.dashboard.view.panels import Chart, Column, Figure, Page, Panel, Table
from src.insight.quality.drift import drifts
from src.insight.quality.forms import FORMS, Forms, counts_by_form, forms_of
from src.insight.quality.replies import agreements, grounded, judged_replies
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.dashboard.pages.kinds import Context
    from src.insight.facts.filters import Filter
    from src.insight.facts.reader import FactsReader
    from src.insight.quality.forms import Form
    from src.insight.quality.replies import JudgedReply

_BY: Final = ("model", "prompt", "agent", "agent and model", "symbol", "environment")
_SAMPLE: Final = 200  # of the newest calls, whose texts are read
_DRIFT_BY: Final = frozenset({"model", "agent", "symbol", "environment"})
_FIGURES: Final[tuple[tuple[Form, str], ...]] = (
    ("valid", "Valid at once"),
    ("repaired", "Repaired"),
    ("cut", "Cut at the limit"),
    ("malformed", "Malformed"),
    ("refused", "Refused"),
    ("empty", "Empty"),
)
_COLUMNS: Final = (
    Column("calls", "calls", "count"),
    Column("valid_share", "valid at once (95%)", "interval"),
    *(Column(form, form if form != "failed" else "failed otherwise", "count") for form in FORMS),
)


def _build(context: Context) -> Page:
    return facts.ask(context.store, lambda reader: _page(context, reader), context.limits)


def _page(context: Context, reader: FactsReader) -> Page:
    by, filter_ = by_of(context, _BY), calls.chosen(context)
    dimensions = calls.BY[by]
    groups = _forms(reader, filter_, dimensions)
    total = forms_of(None, {form: sum(group.counts[form] for group in groups.values()) for form in FORMS})
    if not total.n and not context.filters.set_values():
        return Page(empty=calls.empty_text(reader, context), notes=calls.notes(reader, filter_, context))
    figures = tuple(
        Figure(form, label, total.shares[form], "interval", total.n, "calls", f"{total.counts[form]:,}")
        for form, label in _FIGURES
    )
    replies = list(context.limits.each(judged_replies(reader, context.store.reader, filter_, _SAMPLE), every=8))
    panels = (
        _groups(context, by, groups),
        _grounding(context, replies),
        _agreement(replies),
        _drift(context, reader, by, filter_),
    )
    lines = calls.notes(reader, filter_, context, is_kept=False)  # finish reasons are known of single calls alone
    return Page(figures=figures, panels=panels, notes=lines)


def _forms(reader: FactsReader, filter_: Filter, dimensions: Sequence[str]) -> dict[tuple[str | None, ...], Forms]:
    """Return how replies came out by group."""
    counts = counts_by_form(reader, filter_, dimensions)  # type: ignore[arg-type] # dimensions
    return {key: forms_of(calls.label(key), numbers) for key, numbers in counts.items()}


def _groups(context: Context, by: str, groups: dict[tuple[str | None, ...], Forms]) -> Panel:
    dimensions = calls.BY[by]
    keys = sorted(groups, key=lambda key: (-groups[key].n, calls.label(key)))
    rows = [
        (*calls.key_cells(context, dimensions, key, "traces"), groups[key].n, groups[key].shares["valid"],
         *(groups[key].counts[form] for form in FORMS))
        for key in keys
    ]  # fmt: skip
    shown = keys[:30]
    rates = [groups[key].shares["valid"] for key in shown]
    chart = Chart(
        kind="intervals",
        label=f"Replies that were valid at once, by {by}",
        data={"x": [calls.label(key) for key in shown], "kind": "share",
              "values": [[rate.value, rate.low, rate.high] for rate in rates],
              "n": [groups[key].n for key in shown]},
    )  # fmt: skip
    return Panel(
        slug="groups",
        title=f"How replies came out, by {by}",
        table=Table((*calls.key_columns(dimensions), *_COLUMNS), rows),
        chart=chart if shown else None,
        notes=("Each call counts in one form: a repaired reply did not fit at first and was shown to the model again; "
               "a cut one ended at the limit of tokens.",),
    )  # fmt: skip


def _grounding(context: Context, replies: Sequence[JudgedReply]) -> Panel:
    rows = []
    for item in grounded(replies):
        example: Any = None
        if item.examples:
            trace_id, span_id, numbers = item.examples[0]
            example = trace_link(", ".join(numbers)[:60], context, trace_id, span_id)
        rows.append((item.key or calls.NONE, item.replies, item.with_absent, item.numbers, item.stated, item.derived,
                     item.absent, example))  # fmt: skip
    columns = (
        Column("key", "prompt and model"), Column("replies", "replies n", "count"),
        Column("with_absent", "with a number from nowhere (95%)", "interval"), Column("numbers", "numbers", "count"),
        Column("stated", "in the prompt", "count"), Column("derived", "derived from it", "count"),
        Column("absent", "neither", "count"), Column("example", "for example"),
    )  # fmt: skip
    return Panel(slug="grounding", title="Numbers in the reasoning", table=Table(columns, rows),
                 notes=(f"Of the newest {counted(len(replies), 'calls')}, whose texts are read.",),
                 empty=f"None of the newest {len(replies):,} replies cites numbers.")  # fmt: skip


def _agreement(replies: Sequence[JudgedReply]) -> Panel:
    rows = [(item.key or calls.NONE, item.requests, item.answers, item.agreement, item.unanimous)
            for item in agreements(replies)]  # fmt: skip
    columns = (
        Column("key", "prompt and model"), Column("requests", "repeated requests", "count"),
        Column("answers", "answers", "count"), Column("agreement", "two answers are the same", "share"),
        Column("unanimous", "all are the same (95%)", "interval"),
    )  # fmt: skip
    return Panel(slug="agreement", title="Agreement of repeated requests", table=Table(columns, rows),
                 empty=f"None of the newest {len(replies):,} requests was sent twice.")  # fmt: skip


def _drift(context: Context, reader: FactsReader, by: str, filter_: Filter) -> Panel:
    columns = (
        Column("key", by), Column("before", "votes before"), Column("now", "votes now"),
        Column("days_before", "days", "count"), Column("days_now", "days now", "count"), Column("p", "p", "number"),
        Column("verdict", "verdict"),
    )  # fmt: skip
    rows = []
    if by in _DRIFT_BY and filter_.since_ns is not None:
        rows = [
            (item.key or calls.NONE, _mix(item.before), _mix(item.now), item.days_before, item.days_now, item.p_value,
             item.verdict)
            for item in drifts(reader, replace(filter_), by, now_ns=context.now_ns)
        ]  # fmt: skip
    return Panel(
        slug="drift",
        title="Drift of the mix of actions",
        table=Table(columns, rows),
        empty="Name a period with Since, such as 7d: its votes are compared with those before it.",
    )


def _mix(counts: Any) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in sorted(counts.items())) or "none"


KIND: Final = PageKind(
    slug="quality",
    title="Quality",
    build=_build,
    filters=("by", *(name for name in calls.FILTERS if name not in {"status", "category"})),
    by=_BY,
    intro="How often replies can be used as they come, and what their texts rest on.",
    suggestions=calls.suggestions,
)
