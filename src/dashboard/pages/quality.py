"""Response quality without labels: valid at once, repaired, cut, empty, refused or malformed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.data import facts
from src.dashboard.pages import calls
from src.dashboard.pages.kinds import PageKind, by_of
from src.dashboard.view.panels import Chart, Column, Figure, Page, Panel, Table
from src.judging.statistics import share

if TYPE_CHECKING:
    from src.dashboard.pages.kinds import Context
    from src.insight.facts.reader import FactsReader
    from src.insight.facts.records import Totals

_BY: Final = ("model", "prompt", "agent", "agent and model", "symbol", "environment")
# Categories of errors that say something of the reply itself; the others say that there was none.
_FAULTS: Final = ("malformed_response", "empty_response", "content_blocked")
_COLUMNS: Final = (
    Column("replies", "replies n", "count"),
    Column("at_once", "valid at once (95%)", "interval"),
    Column("repaired", "repaired", "count"),
    Column("cut", "cut at the limit", "count"),
    Column("malformed_response", "malformed", "count"),
    Column("empty_response", "empty", "count"),
    Column("content_blocked", "refused or blocked", "count"),
    Column("no_reply", "no reply (other errors)", "count"),
)


class _Group:
    """The replies of one group, as far as they are counted."""

    def __init__(self) -> None:
        self.n = self.errors = self.repaired = self.cut = 0
        self.faults: dict[str, int] = dict.fromkeys(_FAULTS, 0)

    def add(self, category: str | None, totals: Totals) -> None:
        self.n += totals.n
        self.errors += totals.errors
        if not totals.errors:
            self.repaired += totals.repaired
            self.cut += totals.cut
        elif category in self.faults:
            self.faults[category] += totals.errors

    @property
    def replies(self) -> int:
        """Return how many replies came, usable or not."""
        return self.n - self.errors + sum(self.faults.values())

    def cells(self) -> tuple[Any, ...]:
        at_once = self.n - self.errors - self.repaired
        return (
            self.replies, share(max(at_once, 0), self.replies), self.repaired, self.cut, *self.faults.values(),
            self.errors - sum(self.faults.values()),
        )  # fmt: skip


def _build(context: Context) -> Page:
    return facts.ask(context.store, lambda reader: _page(context, reader), context.limits)


def _page(context: Context, reader: FactsReader) -> Page:
    by, filter_ = by_of(context, _BY), calls.chosen(context)
    dimensions = calls.BY[by]
    groups: defaultdict[tuple[str | None, ...], _Group] = defaultdict(_Group)
    total = _Group()
    for row in reader.grouped(filter_, (*dimensions, "status", "category")):  # type: ignore[arg-type] # dimensions
        groups[row.key[:-2]].add(row.key[-1], row.totals)
        total.add(row.key[-1], row.totals)
    if not total.n and not context.filters.set_values():
        return Page(empty=calls.NO_CALLS, notes=calls.notes(reader, filter_, context))
    keys = sorted(groups, key=lambda key: -groups[key].replies)
    rows = [(*calls.key_cells(context, dimensions, key, "traces"), *groups[key].cells()) for key in keys]
    shown = [key for key in keys if groups[key].replies][:30]
    rates = [groups[key].cells()[1] for key in shown]
    chart = Chart(
        kind="intervals",
        label=f"Replies that were valid at once, by {by}",
        data={"x": [calls.label(key) for key in shown], "kind": "share",
              "values": [[rate.value, rate.low, rate.high] for rate in rates],
              "n": [groups[key].replies for key in shown]},
    )  # fmt: skip
    panel = Panel(
        slug="groups", title=f"By {by}", table=Table((*calls.key_columns(dimensions), *_COLUMNS), rows),
        chart=chart if shown else None,
        notes=("A repaired reply did not fit what was asked for and was shown to the model again; a cut one ended "
               "at the limit of tokens, and counts as valid where nothing needed repair.",),
    )  # fmt: skip
    return Page(figures=_figures(total), panels=(panel,), notes=calls.notes(reader, filter_, context))


def _figures(total: _Group) -> tuple[Figure, ...]:
    at_once = total.cells()[1]
    n = total.replies
    faults = sum(total.faults.values())
    return (
        Figure("at_once", "Valid at once", at_once, "interval", n, "replies"),
        Figure(
            "repaired", "Repaired", share(total.repaired, n), "interval", n, "replies", f"{total.repaired:,} replies"
        ),
        Figure("cut", "Cut at the limit", share(total.cut, n), "interval", n, "replies", f"{total.cut:,} replies"),
        Figure("unusable", "Unusable", share(faults, n), "interval", n, "replies", f"{faults:,} replies"),
    )


KIND: Final = PageKind(
    slug="quality",
    title="Quality",
    build=_build,
    filters=("by", *(name for name in calls.FILTERS if name not in {"status", "category"})),
    by=_BY,
    intro="How often replies can be used as they come.",
    suggestions=calls.suggestions,
)
