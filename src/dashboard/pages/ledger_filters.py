"""What the pages on decisions share: their filters, what these are offered, and links to traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from src.dashboard.data.ledger import chosen, models_of, prompt_of
from src.dashboard.view.panels import Link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src.dashboard.pages.kinds import Context
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


def entries_of(context: Context) -> list[Entry]:
    """Return the decisions that the filters leave, oldest first."""
    return chosen(context.limits.each(context.ledger().entries), context.filters, context.now_ns)


def version(context: Context) -> Any:
    """Return what changes when the ledger does."""
    return context.ledger().version


def suggestions(context: Context) -> Mapping[str, list[str]]:
    """Return the values that filters are offered: what stands in the ledger."""
    loaded = context.ledger()
    return context.memo.get(
        ("offered", context.store.name, loaded.version), lambda: _offered(context, loaded.entries), context.limits
    )


def _offered(context: Context, entries: Sequence[Entry]) -> Mapping[str, list[str]]:
    values: dict[str, set[str | None]] = {
        name: set() for name in ("symbol", "agent", "environment", "horizon", "model", "member", "prompt")
    }
    for entry in context.limits.each(entries):
        decision = entry.decision
        values["symbol"].add(decision.symbol)
        values["agent"].add(decision.agent)
        values["environment"].add(decision.environment)
        values["horizon"].update(entry.horizons)
        values["model"].update(models_of(entry))
        values["member"].update(vote.member for vote in entry.votes)
        values["prompt"].add(prompt_of(entry))
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
