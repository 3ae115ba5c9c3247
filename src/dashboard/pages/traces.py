"""Traces by their filters, with totals of what the filters leave; and sessions, with all that is in each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.data import traces
from src.dashboard.data.conditions import Conditions, conditions
from src.dashboard.pages.calls import at_least
from src.dashboard.pages.kinds import PageKind
from src.dashboard.pages.ledger_filters import trace_link
from src.dashboard.view.filters import FilterError
from src.dashboard.view.lazy_rows import LazyRows
from src.dashboard.view.panels import AtLeast, Column, Figure, Link, Page, Panel, Table
from src.insight.sessions.sums import sums, traces_n

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src.dashboard.data.limits import Limits
    from src.dashboard.data.memo import Version
    from src.dashboard.pages.kinds import Context
    from src.dashboard.view.filters import Filters
    from src.dashboard.view.lazy_rows import Row
    from src.insight.sessions.sums import SessionSums

FILTERS: Final = (
    "since", "until", "agent", "model", "provider", "symbol", "session", "user", "environment", "prompt", "status",
    "category", "name", "text", "min_ms", "min_usd",
)  # fmt: skip
_SEARCH_S: Final = 1.8  # for which texts and traces are searched for a page
_SESSIONS_S: Final = 0.7  # summing up what is found takes half as long again as the search
_NEWEST_LIVE: Final = 50  # observations that the live view begins with
NO_TRACES: Final = (
    "There are no traces yet: any call through ModelFactory makes one, such as `moondev trade EURUSD --swarm`."
)
COLUMNS: Final = (
    Column("trace_id", "trace", "id"),
    Column("start", "started (UTC)", "time"),
    Column("name", "name"),
    Column("agent", "agent"),
    Column("session", "session"),
    Column("took_ms", "took", "ms"),
    Column("observations", "observations", "count"),
    Column("calls", "calls", "count"),
    Column("errors", "errors", "count"),
    Column("tokens", "tokens", "count", is_bound=True),
    Column("cost_usd", "cost", "money", is_bound=True),
)


def _build(context: Context) -> Page:
    before = _number(context.options.get("before"))
    chosen = chosen_observations(context)
    question = partial(traces.newest, chosen=chosen, before=before)
    page = context.store.ask(question, traces.TracePage(), context.limits)
    total = _totals(context, chosen)
    if not total.observations and not context.filters.set_values():
        return Page(empty=NO_TRACES)
    panel = Panel(
        slug="traces",
        title="Traces, newest first" if before is None else "Older traces",
        table=Table(COLUMNS, [trace_row(context, line) for line in page.lines]),
        notes=("A trace is listed whole where the filters leave any observation of it.", *_part_note(page, before)),
    )
    links = {}
    if page.before is not None:
        links["older"] = context.filters.query(store=context.options.get("store"), before=str(page.before))
    if before is not None:
        links["newest"] = context.filters.query(store=context.options.get("store"))
    return Page(figures=_figures(total), panels=(panel,), notes=search_notes(context, chosen), extra={"links": links})


def _part_note(page: traces.TracePage, before: int | None) -> tuple[str, ...]:
    if page.before is None and before is None:
        return ()
    return (
        f"Table and CSV have {traces.PAGE} traces at a time: «Older» goes on, `moondev traces save FILE` writes all.",
    )


def chosen_observations(context: Context, filters: Filters | None = None, seconds: float | None = None) -> Conditions:
    """Return what observations must be for the filters of the address, or for others.

    Args:
        context: Of the page.
        filters: The filters, where they are not the address's.
        seconds: For how long traces are searched for them, where that is not the usual time of a page.
    """
    question = partial(conditions, filters=filters or context.filters, now_ns=context.now_ns,
                       seconds=None if context.is_whole else seconds or _SEARCH_S)  # fmt: skip
    return context.store.ask(question, Conditions(), context.limits)


def search_notes(context: Context, chosen: Conditions) -> tuple[str, ...]:
    """Return what a reader must know of traces that were not all searched."""
    if chosen.searched_n is None:
        return ()
    what = "The newest" if context.filters.text is None else "The texts of the newest"
    return (
        f"{what} {chosen.searched_n:,} of {chosen.all_n:,} observations were searched in the time that a page has: "
        "figures and list are of these. Other filters, such as Since, make them fewer; the CSV searches all.",
    )


def _totals(context: Context, chosen: Conditions) -> traces.TraceTotals:
    if context.filters.set_values():
        question = partial(traces.totals, chosen=chosen)
        return context.store.ask(question, traces.TraceTotals(), context.limits)
    return traces.all_totals(_by_session(context), traces_n(context.store.path, partial(_ask, context)))


def _by_session(context: Context) -> list[SessionSums]:
    """Return the sums of each session over all observations."""
    return sums(context.store.path, partial(_ask, context))


def _ask(context: Context, question: Any, nothing: Any) -> Any:
    return context.store.ask(question, nothing, context.limits)


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
        line.observations, line.calls, line.errors, at_least(line.tokens or 0, line.unmeasured),
        cost(line.cost_usd, line.unpriced),
    )  # fmt: skip


def cost(known: float | None, unpriced: int) -> Any:
    """Return a cost that says whether a part of it is unknown."""
    return AtLeast(known or None) if unpriced else known


def _figures(total: traces.TraceTotals) -> tuple[Figure, ...]:
    known = total.cost_usd if total.cost_usd is not None or total.unpriced else 0.0
    return (
        Figure("traces", "Traces", total.traces, "count", total.observations, "observations"),
        Figure("calls", "Model calls", total.calls, "count", total.observations, "observations"),
        Figure("errors", "Errors", total.errors, "count", total.observations, "observations"),
        Figure("input_tokens", "Tokens in", at_least(total.input_tokens or 0, total.unmeasured), "count",
               total.calls - total.unmeasured, "calls that told"),
        Figure("output_tokens", "Tokens out", at_least(total.output_tokens or 0, total.unmeasured), "count",
               total.calls - total.unmeasured, "calls that told"),
        Figure("cost_usd", "Cost", cost(known, total.unpriced), "money", total.calls, "calls",
               f"{total.unpriced:,} without a full price" if total.unpriced else ""),
    )  # fmt: skip


def _suggestions(context: Context) -> Mapping[str, list[str]]:
    return context.store.ask(traces.names, {}, context.limits)


def _version(context: Context) -> Version:
    return context.version("traces", context.store.ask(traces.marks, (), context.limits))


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
    Column("tokens", "tokens", "count", is_bound=True),
    Column("cost_usd", "cost", "money", is_bound=True),
)
_SESSION_FILTERS: Final = ("since", "until", "agent", "model", "provider", "symbol", "user", "environment", "session")


def _sessions(context: Context) -> Page:
    lines: tuple[str, ...] = ()
    if context.filters.set_values():
        chosen = chosen_observations(context, seconds=_SESSIONS_S)
        lines = search_notes(context, chosen)
        items: list[SessionSums] = context.store.ask(partial(traces.sessions, chosen=chosen), [], context.limits)
    else:
        items = [item for item in _by_session(context) if item.session is not None]
    if not items and not context.filters.set_values():
        return Page(
            empty="No call has a session yet: observe_agent(..., session_id=...) gives one to all that is in it."
        )
    items.sort(key=lambda item: -item.last_ns)
    known = [item.cost_usd for item in items if item.cost_usd is not None]
    unpriced, calls = sum(item.unpriced for item in items), sum(item.calls for item in items)
    figures = (
        Figure("sessions", "Sessions", len(items), "count", sum(item.runs for item in items), "runs"),
        Figure("calls", "Model calls", calls, "count", len(items), "sessions"),
        Figure("cost_usd", "Cost", cost(sum(known) if known else None if unpriced else 0.0, unpriced), "money", calls,
               "calls", f"{unpriced:,} without a full price" if unpriced else ""),
    )  # fmt: skip

    def rows(part: Sequence[SessionSums], _: Limits) -> list[Row]:
        return [_session_row(context, item) for item in part]

    table = Table(_SESSION_COLUMNS, LazyRows(items, rows, context.limits))
    panel = Panel(slug="sessions", title="Sessions, newest first", table=table)
    return Page(figures=figures, panels=(panel,), notes=lines)


def _session_row(context: Context, item: SessionSums) -> tuple[Any, ...]:
    filters = replace(context.filters, session=None)
    link = Link(item.session, f"/traces{filters.query(session=item.session, store=context.options.get('store'))}")
    dollars = item.cost_usd if item.cost_usd is not None or item.unpriced else 0.0
    tokens = at_least((item.input_tokens or 0) + (item.output_tokens or 0), item.unmeasured)
    return (link, item.first_ns, item.last_ns, item.runs, item.calls, item.errors, tokens, cost(dollars, item.unpriced))


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
    return Page(extra={"after": max(last - _NEWEST_LIVE, 0)}, empty=None if last else NO_TRACES)


LIVE: Final = PageKind(
    slug="live", title="Live", build=_live, intro="Observations of every process as they end.", template="live.html"
)
