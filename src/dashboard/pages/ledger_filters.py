"""What the pages on decisions share: their filters, what these are offered, and links to traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import numpy as np

from src.dashboard.data.ledger import chosen, entries_at
from src.dashboard.view.lazy_rows import LazyRows
from src.dashboard.view.panels import Link, Table
from src.insight.ledger.chosen import Chosen, asked_models

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from src.dashboard.data.limits import Limits
    from src.dashboard.data.memo import Version
    from src.dashboard.pages.kinds import Context
    from src.dashboard.view.lazy_rows import Row
    from src.dashboard.view.panels import Column
    from src.insight.ledger.columns import LedgerColumns
    from src.observability.ledger import Entry

FILTERS: Final = (
    "since", "until", "symbol", "agent", "model", "member", "prompt", "environment", "book", "action", "horizon",
    "session",
)  # fmt: skip
NONE_YET: Final = (
    "There are no decisions yet: `moondev trade SYMBOL --swarm` makes one, and decision() in any agent. "
    "`moondev decisions resolve --csv FILE` judges them."
)
_MOST_OFFERED: Final = 200


def decisions_of(context: Context) -> Chosen:
    """Return the decisions that the filters leave."""
    columns = context.ledger()
    return Chosen(columns, chosen(columns, context.filters, context.now_ns), context.filters.horizon)


def version(context: Context) -> Version:
    """Return what changes when the ledger does."""
    columns = context.ledger()
    return context.version("ledger", (columns.version, columns.is_behind))


def notes(columns: LedgerColumns) -> tuple[str, ...]:
    """Return what a reader must know of figures of a ledger that is not read to its end."""
    if not columns.is_behind:
        return ()
    return (f"{len(columns):,} of {columns.total:,} decisions are in these figures so far, with what came of some of "
            "them: reload soon.",)  # fmt: skip


def lazy_table(context: Context, columns: tuple[Column, ...], places: Any, row: Callable[[Entry, int], Row]) -> Table:
    """Return a table of decisions at some places of the ledger; those beyond a page are read as they are asked for.

    Args:
        context: Of the page.
        columns: The columns.
        places: The places of the decisions, in the order of the rows.
        row: Makes a row of a decision and its place.
    """
    store, seqs = context.store, context.ledger().decisions.seq

    def make(part: Any, limits: Limits) -> list[Row]:
        numbers = seqs[part].tolist()
        entries = entries_at(store, numbers, limits)
        return [
            row(entries[number], int(place)) for place, number in zip(part, numbers, strict=True) if number in entries
        ]

    return Table(columns, LazyRows(places, make, context.limits))


def suggestions(context: Context) -> Mapping[str, list[str]]:
    """Return the values that filters are offered: what stands in the ledger."""
    return context.memo.get(
        ("offered", context.store.name), lambda: _offered(context.ledger()), context.limits, version=version(context)
    )


def _offered(columns: LedgerColumns) -> Mapping[str, list[str]]:
    rows, votes = columns.decisions, columns.votes
    numbers = {name: getattr(rows, name) for name in ("symbol", "agent", "environment", "prompt")}
    numbers |= {"model": votes.model, "member": votes.member}
    values = {name: {columns.text(int(number)) for number in np.unique(part)} for name, part in numbers.items()}
    values["model"].update(*asked_models(columns).values())
    values["horizon"] = {name for number in np.unique(rows.horizons) for name in columns.texts[number].split(",")}
    return {name: sorted(filter(None, items))[:_MOST_OFFERED] for name, items in values.items()}


def trace_link(value: Any, context: Context, trace_id: str | None, span_id: str | None = None) -> Any:
    """Return a value that leads to a trace, or to one observation in it; the value alone where there is none."""
    if trace_id is None:
        return value
    return Link(value, trace_address(context, trace_id, span_id))


def trace_address(context: Context, trace_id: str, span_id: str | None = None) -> str:
    """Return the address of a trace, or of one observation in it."""
    query = {"store": context.options["store"]} if context.options.get("store") else {}
    if span_id is not None:
        query["span"] = span_id
    return f"/traces/{quote(trace_id, safe='')}{'?' + urlencode(query) if query else ''}"
