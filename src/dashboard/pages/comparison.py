"""Compare the period that Since begins with the one of the same length before: what is a change, and what is noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.dashboard.pages import calls
from src.dashboard.view.formats import shown
from src.dashboard.view.panels import Column, Panel, Table
from src.insight.report.content import compared

if TYPE_CHECKING:
    from src.dashboard.pages.kinds import Context
    from src.insight.facts.reader import FactsReader
    from src.judging.statistics import Interval

_COLUMNS = (
    Column("measure", "figure"), Column("before", "before", "measure"), Column("now", "now", "measure"),
    Column("change", "change", "points"), Column("verdict", "verdict"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with its unit and its 95% interval; `unit` is `usd`, `share`, `ms` or `count`."""

    value: float | None
    low: float | None
    high: float | None
    unit: str


def comparison_panel(context: Context, reader: FactsReader) -> Panel | None:
    """Return what changed against the period before; None where no period is set."""
    if context.filters.since is None:
        return None
    comparison = compared(reader, calls.chosen(context), None, now_ns=context.now_ns)
    slug, title = "before", "Against the period before"
    if comparison is None:
        return Panel(slug=slug, title=title, table=Table(_COLUMNS, []),
                     empty="Nothing was recorded before this period, so it is compared with nothing.")  # fmt: skip
    rows = [
        (item.measure, _measured(item.before, item.unit), _measured(item.now, item.unit), item.relative, item.verdict)
        for item in comparison.total
    ]
    notes = (
        f"Before: {shown(comparison.since_ns, 'time')} to {shown(comparison.until_ns, 'time')}. `up` and `down` stand "
        f"out at a false-discovery rate of 5% over these figures, with {comparison.block}s as what may differ by "
        f"chance; the rest is noise. Under 50 calls or six {comparison.block}s there is not enough.",
    )
    return Panel(slug=slug, title=title, table=Table(_COLUMNS, rows), notes=notes,
                 empty="Neither period has a call.")  # fmt: skip


def _measured(interval: Interval, unit: str) -> Measured:
    return Measured(value=interval.value, low=interval.low, high=interval.high, unit=unit)
