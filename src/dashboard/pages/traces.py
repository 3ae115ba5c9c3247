"""Traces by their filters, with totals of what the filters leave; and sessions, with all that is in each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.data import traces
from src.dashboard.pages.kinds import PageKind
from src.dashboard.pages.ledger_filters import trace_link
from src.dashboard.view.filters import FilterError
from src.dashboard.view.panels import AtLeast, Column, Figure, Link, Page, Panel, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.dashboard.pages.kinds import Context

FILTERS: Final = (
    "since", "until", "agent", "model", "provider", "symbol", "session", "user", "environment", "status", "category",
    "name", "text", "min_ms", "min_usd",
)  # fmt: skip
NO_TRACES: Final = (
    "There are no traces yet: any call through ModelFactory makes one, such as `moondev trade EURUSD --swarm`."
)
COLUMNS: Final = (
    Column("trace_id", "trace"),
    Column("start", "started (UTC)", "time"),
    Column("name", "name"),
    Column("agent", "agent"),
    Column("session", "session"),
    Column("took_ms", "took", "ms"),
    Column("observations", "observations", "count"),
    Column("calls", "calls", "count"),
    Column("errors", "errors", "count"),
    Column("tokens", "tokens", "count"),
    Column("cost_usd", "cost", "money"),
)


def _build(context: Context) -> Page:
    now = context.now_ns
    before = _number(context.options.get("before"))
    question = partial(traces.newest, filters=context.filters, now_ns=now, before=before)
    page = context.store.ask(question, traces.TracePage(), context.limits)
    total = context.store.ask(partial(traces.totals, filters=context.filters, now_ns=now), traces.TraceTotals(),
                              context.limits)  # fmt: skip
    if not total.observations and not context.filters.set_values():
        return Page(empty=NO_TRACES)
    panel = Panel(
        slug="traces",
        title="Traces, newest first" if before is None else "Older traces",
        table=Table(COLUMNS, [trace_row(context, line) for line in page.lines]),
        notes=("A trace is listed whole where the filters leave any observation of it.",),
    )
    links = {}
    if page.before is not None:
        links["older"] = context.filters.query(store=context.options.get("store"), before=str(page.before))
    if before is not None:
        links["newest"] = context.filters.query(store=context.options.get("store"))
    return Page(figures=_figures(total), panels=(panel,), extra={"links": links})


def _number(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise FilterError(f"before is {text!r:.60}: it is the number that the link «older» has.")
    return int(text)


def trace_row(context: Context, line: traces.TraceLine) -> tuple[Any, ...]:
    """Return a trace as a row, in the order of `COLUMNS`."""
    session: Any = line.session_id
    if session is not None:
        session = Link(
            session, f"/traces{context.filters.query((), session=session, store=context.options.get('store'))}"
        )
    return (
        trace_link(line.trace_id, context, line.trace_id), line.start_ns, line.name, line.agent, session, line.took_ms,
        line.observations, line.calls, line.errors, line.tokens, cost(line.cost_usd, line.unpriced),
    )  # fmt: skip


def cost(known: float | None, unpriced: int) -> Any:
    """Return a cost that says whether a part of it is unknown."""
    return AtLeast(known) if unpriced else known


def _figures(total: traces.TraceTotals) -> tuple[Figure, ...]:
    known = total.cost_usd if total.cost_usd is not None or total.unpriced else 0.0
    return (
        Figure("traces", "Traces", total.traces, "count", total.observations, "observations"),
        Figure("calls", "Model calls", total.calls, "count", total.observations, "observations"),
        Figure("errors", "Errors", total.errors, "count", total.observations, "observations"),
        Figure("input_tokens", "Tokens in", total.input_tokens, "count", total.calls, "calls"),
        Figure("output_tokens", "Tokens out", total.output_tokens, "count", total.calls, "calls"),
        Figure("cost_usd", "Cost", cost(known, total.unpriced), "money", total.calls, "calls",
               f"{total.unpriced:,} without a full price" if total.unpriced else ""),
    )  # fmt: skip


def _suggestions(context: Context) -> Mapping[str, list[str]]:
    return context.store.ask(traces.names, {}, context.limits)


def _version(context: Context) -> tuple[int, ...]:
    return context.store.ask(traces.marks, (), context.limits)


KIND: Final = PageKind(
    slug="traces",
    title="Traces",
    build=_build,
    filters=FILTERS,
    intro="What was asked and answered. Filters look at every observation; a trace opens as a waterfall.",
    suggestions=_suggestions,
    version=_version,
    options=("before",),
)

_SESSION_COLUMNS: Final = (
    Column("session", "session"),
    Column("first", "first (UTC)", "time"),
    Column("last", "last (UTC)", "time"),
    Column("runs", "runs", "count"),
    Column("calls", "calls", "count"),
    Column("errors", "errors", "count"),
    Column("tokens", "tokens", "count"),
    Column("cost_usd", "cost", "money"),
)
_SESSION_FILTERS: Final = ("since", "until", "agent", "model", "provider", "symbol", "user", "environment", "session")


def _sessions(context: Context) -> Page:
    question = partial(traces.sessions, filters=context.filters, now_ns=context.now_ns)
    rows = context.store.ask(question, [], context.limits)
    if not rows and not context.filters.set_values():
        return Page(
            empty="No call has a session yet: observe_agent(..., session_id=...) gives one to all that is in it."
        )
    table = [_session_row(context, row) for row in rows]
    known = [row[7] for row in rows if row[7] is not None]
    unpriced = sum(row[8] for row in rows)
    figures = (
        Figure("sessions", "Sessions", len(rows), "count", sum(row[3] for row in rows), "runs"),
        Figure("calls", "Model calls", sum(row[4] for row in rows), "count", len(rows), "sessions"),
        Figure("cost_usd", "Cost", cost(sum(known) if known else None if unpriced else 0.0, unpriced), "money",
               sum(row[4] for row in rows), "calls"),
    )  # fmt: skip
    notes = ("Only the newest 5,000 sessions are here.",) if len(rows) == 5_000 else ()
    panel = Panel(slug="sessions", title="Sessions, newest first", table=Table(_SESSION_COLUMNS, table), notes=notes)
    return Page(figures=figures, panels=(panel,))


def _session_row(context: Context, row: tuple[Any, ...]) -> tuple[Any, ...]:
    session, first_ns, last_ns, count, calls, errors, tokens, known, unpriced = row
    filters = replace(context.filters, session=None)
    link = Link(session, f"/traces{filters.query(session=session, store=context.options.get('store'))}")
    dollars = known if known is not None or unpriced else 0.0
    return (link, first_ns, last_ns, count, calls, errors, tokens, cost(dollars, unpriced))


SESSIONS: Final = PageKind(
    slug="sessions",
    title="Sessions",
    build=_sessions,
    filters=_SESSION_FILTERS,
    intro="One run of a process or loop, with the sums over all calls in it.",
    suggestions=_suggestions,
    version=_version,
)


def _live(context: Context) -> Page:
    last = context.store.ask(traces.last_seq, 0, context.limits)
    return Page(extra={"after": last})


LIVE: Final = PageKind(
    slug="live", title="Live", build=_live, intro="Observations of every process as they end.", template="live.html"
)
