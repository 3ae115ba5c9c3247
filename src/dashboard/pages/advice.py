"""What to change: findings with their worth, each with its evidence, its check on the past, and how to do it."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from src.dashboard.data import facts, traces
from src.dashboard.data.background import Progress
from src.dashboard.pages import calls
from src.dashboard.pages.kinds import PageKind
from src.dashboard.pages.ledger_filters import trace_link
from src.dashboard.view.panels import Chart, Column, Figure, Link, Page, Panel, Table
from src.insight.advice import wording
from src.insight.advice.content import make_advice
from src.insight.facts.filters import Filter
from src.observability.ledger import LedgerReader
from src.observability.search.records import moment
from src.observability.store.ledger_queries import has_ledger

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from src.dashboard.data.background import Result
    from src.dashboard.data.limits import Limits
    from src.dashboard.pages.kinds import Context
    from src.insight.advice.content import Advice
    from src.insight.advice.finding import Finding
    from src.insight.facts.reader import FactsReader

_FILTERS: Final = ("since", "until", "agent", "model", "provider", "symbol", "environment", "session")
_TEXTS: Final = 1_000  # of so many calls each kind reads the texts; the command reads more
_MOST_DRAWN: Final = 12  # findings; of more the table would be folded away under the chart
_USUAL: Final = "30d"
_FEW: Final = 5_000  # calls, and decisions, for which the page waits: below half a second
_MARKS: Final = (
    "SELECT (SELECT coalesce(max(seq), 0) FROM decisions), (SELECT count(*) FROM outcomes), "
    "(SELECT coalesce(max(seq), 0) FROM outcomes)"
)
_COLUMNS: Final = (
    Column("change", "change"),
    Column("kind", "kind"),
    Column("worth", "worth (95%)"),
    Column("n", "n", "count"),
    Column("of", "of"),
    Column("evidence", "evidence"),
)
_WITHHELD: Final = (
    Column("change", "change"),
    Column("kind", "kind"),
    Column("n", "n", "count"),
    Column("of", "of"),
    Column("reason", "why not"),
)
_FACTS: Final = (Column("what", "what"), Column("text", "text"))


def _build(context: Context) -> Page:
    if context.filters.since is None:
        context = replace(context, filters=replace(context.filters, since=_USUAL))
    ledger = context.store.ask(_marks, (), context.limits)
    n, counted = facts.ask(context.store, partial(_extent, calls.chosen(context)), context.limits)
    marks = (*ledger, *context.store.ask(traces.marks, (), context.limits), *counted)
    if n <= _FEW and sum(ledger[:1]) <= _FEW:  # a page can wait for that
        page = partial(facts.ask, context.store, partial(_page, context, progress=Progress()), context.limits)
        return context.remembered("advice", page, context.version("advice", marks))
    key = ("advice", context.store.name, context.store.mark(), context.filters, tuple(sorted(context.options.items())))
    result = context.background.ask(key, marks, partial(_anew, context), context.limits, waits=context.is_whole)
    return _as_far(result)


def _extent(filter_: Filter, reader: FactsReader) -> tuple[int, tuple[int, ...]]:
    """Return how many calls a filter's period has, and what changes whenever facts come or go."""
    state = reader.freshness()
    n = reader.totals(Filter(since_ns=filter_.since_ns, until_ns=filter_.until_ns)).n
    return n, (state.observations, state.behind, state.expired)


def _anew(context: Context, limits: Limits, progress: Progress) -> Page:
    """Return the page as of now, within other limits."""
    context = replace(context, limits=limits, now_ns=time.time_ns())
    return facts.ask(context.store, partial(_page, context, progress=progress), limits)


def _as_far(result: Result[Page]) -> Page:
    """Return the page as it was computed last, with a word on what is newer."""
    if result.value is None:
        text = f"Calls and decisions are gone through, once; so far, {result.progress or 'nothing'}. "
        return Page(empty=text + "This page asks again every other second.", extra={"reload_s": 2})
    as_of = f"As of {moment(result.began_ns)[:19].replace('T', ' ')} UTC"
    if result.progress is not None:
        as_of += f"; what came since is being counted: {result.progress}. Reload the page to see it"
    elif not result.is_newest:
        as_of += "; more was recorded or counted since. Reload the page to see it"
    return replace(result.value, notes=(f"{as_of}.", *result.value.notes))


def _marks(connection: sqlite3.Connection) -> tuple[int, ...]:
    """Return what changes whenever decisions or their outcomes do."""
    return tuple(connection.execute(_MARKS).fetchone()) if has_ledger(connection) else ()


def _page(context: Context, reader: FactsReader, *, progress: Progress) -> Page:
    if not reader.totals(Filter()).n:
        return Page(empty=calls.empty_text(reader, context), notes=calls.notes(reader, Filter(), context))
    filter_ = calls.chosen(context)
    advice = make_advice(
        reader,
        context.store.reader,
        LedgerReader(context.store.reader).entries(since_ns=filter_.since_ns, until_ns=filter_.until_ns),
        filter_,
        now_ns=context.now_ns,
        most_texts=_TEXTS,
        each=lambda items, what: progress.each(items, what, context.limits),
    )
    return Page(
        figures=_figures(advice),
        panels=(
            _overview(context, advice),
            *(_finding(context, place, item) for place, item in enumerate(advice.findings, 1)),
            _withheld(advice),
        ),
        notes=(f"{wording.period(advice)}.", *_notes(advice)),
    )


def _notes(advice: Advice) -> tuple[str, ...]:
    return tuple(wording.notes(advice, shows_withheld=True))


def _figures(advice: Advice) -> tuple[Figure, ...]:
    return (
        Figure("findings", "Changes that stand up to the past", len(advice.findings), "count", advice.calls, "calls"),
        Figure("withheld", "Considered, not advised", len(advice.withheld), "count", advice.calls, "calls"),
    )


def _overview(context: Context, advice: Advice) -> Panel:
    rows = [
        (Link(item.title, f"#finding-{place}"), item.kind, wording.worth(item), item.n, item.of,
         Link("traces", _address(context, item)))
        for place, item in enumerate(advice.findings, 1)
    ]  # fmt: skip
    return Panel(
        slug="findings",
        title="What to change",
        table=Table(_COLUMNS, rows),
        chart=_chart(advice.findings),
        notes=("What the first half of the past tells came true in the second; the largest certain saving is first.",),
        empty=wording.nothing(advice),
    )


def _chart(findings: Sequence[Finding]) -> Chart | None:
    """Return the savings in money with their intervals, where there are any; of many the table says more."""
    money = [item for item in findings if item.unit == "usd_per_30_days"]
    if not money or len(findings) > _MOST_DRAWN:
        return None
    data = {
        "x": [item.title for item in money],
        "kind": "money",
        "values": [[item.estimate.value, item.estimate.low, item.estimate.high] for item in money],
        "n": [item.n for item in money],
        "base": 0,
    }
    return Chart(kind="intervals", label="US dollars in 30 days that each change saves", data=data)


def _finding(context: Context, place: int, item: Finding) -> Panel:
    rows: list[tuple[Any, ...]] = []
    for name, text in wording.facts_of(item):
        if name == "evidence":
            rows.append((name, Link("these calls", _address(context, item))))
            rows += [("a trace", trace_link(trace_id, context, trace_id)) for trace_id in item.evidence.trace_ids]
        if name:
            rows.append(("in a terminal" if name == "evidence" else name, text))
    return Panel(slug=f"finding-{place}", title=f"{place}. {item.title}", table=Table(_FACTS, rows))


def _address(context: Context, item: Finding) -> str:
    """Return the page of traces with the calls behind a finding, in the times and the store of this page."""
    filters = replace(context.filters, **item.evidence.filters)
    values = {name: value for name, value in filters.set_values().items() if name not in {"by", "other", "prompt"}}
    store = context.options.get("store")
    return f"/traces?{urlencode(values | ({'store': store} if store else {}))}"


def _withheld(advice: Advice) -> Panel:
    rows = [(item.title, item.kind, item.n, item.of, item.reason) for item in advice.withheld]
    return Panel(
        slug="withheld",
        title="Considered, not advised",
        table=Table(_WITHHELD, rows),
        empty="Nothing else was considered.",
    )


KIND: Final = PageKind(
    slug="advice",
    title="What to change",
    menu_title="Advice",
    build=_build,
    filters=_FILTERS,
    intro="What money, time or accuracy is lost to, as far as the recorded past bears it out, and how to change that. "
    "Without Since, of the last 30 days.",
    suggestions=calls.suggestions,
    is_made_early=True,
)
