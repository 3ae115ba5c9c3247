"""Draw decisions on their price chart: on the bars of a file, or on the prices that the ledger has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from src.agents.market.symbols import same_symbol
from src.dashboard.data.ledger import result_of
from src.dashboard.pages.ledger_filters import trace_address, trace_link
from src.dashboard.view.panels import Chart, Column, Panel, Table
from src.judging.grouping import outcome_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.dashboard.pages.kinds import Context
    from src.judging.prices import PriceSeries
    from src.observability.ledger import Entry

_MOST_BARS: Final = 1_500
_MOST_MARKS: Final = 3_000
_MARGIN: Final = 0.03  # of the time between the first and the last decision, before and after them
_SMALLEST_MARGIN_NS: Final = 86_400_000_000_000
_COLUMNS: Final = (
    Column("as_of", "as of (UTC)", "time"),
    Column("action", "action", "action"),
    Column("confidence", "confidence", "number"),
    Column("price", "price", "price"),
    Column("entry_time", "entry (UTC)", "time"),
    Column("entry", "entry", "price"),
    Column("exit_time", "exit (UTC)", "time"),
    Column("exit", "exit", "price"),
    Column("net", "net", "points"),
    Column("outcome", "outcome"),
)


def price_chart(context: Context, symbol: str, entries: Sequence[Entry], *, others: int) -> Panel:
    """Return the panel of one symbol; `others` says how many other symbols the filters leave too."""
    shown = entries[-_MOST_MARKS:]
    series = next((prices for name, prices in context.prices.items() if same_symbol(name, symbol)), None)
    bars, steps = _bars(series, shown) if series is not None else ([], 1)
    notes = []
    if series is None:
        notes.append("The line joins the prices that the ledger has; `moondev dashboard --csv FILE` draws the market.")
    elif not bars:
        notes.append(f"The prices of {series.source} do not reach the time of these decisions.")
    if steps > 1:
        notes.append(f"Each bar drawn is {steps} bars of the file together.")
    if others:
        notes.append(f"{others} more symbols are among these decisions: the filter Symbol draws another one.")
    if len(shown) < len(entries):
        notes.append(f"The newest {len(shown):,} of {len(entries):,} decisions are drawn; the CSV has all.")
    data: dict[str, Any] = {"marks": [mark for entry in shown if (mark := _mark(context, entry)) is not None]}
    if bars:
        data["bars"] = bars
    else:
        data["line"] = _line(context, shown)
    has_points = bool(bars or data["line"])
    return Panel(
        slug="prices",
        title=f"{symbol}: decisions on the price",
        table=Table(_COLUMNS, [_row(context, entry) for entry in reversed(entries)]),
        chart=Chart(kind="decisions", data=data, label=f"Price of {symbol} with decisions") if has_points else None,
        notes=tuple(notes),
    )


def _row(context: Context, entry: Entry) -> tuple[Any, ...]:
    decision, outcome = entry.decision, outcome_of(entry, context.filters.horizon)
    return (
        decision.as_of_ns,
        trace_link(decision.action, context, decision.trace_id),
        decision.confidence,
        decision.price,
        None if outcome is None else outcome.entry_ns,
        None if outcome is None else outcome.entry,
        None if outcome is None else outcome.exit_ns,
        None if outcome is None else outcome.exit,
        None if outcome is None else outcome.net,
        result_of(entry, context.filters.horizon),
    )


def _price(entry: Entry, horizon: str | None) -> float | None:
    outcome = outcome_of(entry, horizon)
    return outcome.entry if outcome is not None else entry.decision.price


def _mark(context: Context, entry: Entry) -> dict[str, Any] | None:
    decision, outcome = entry.decision, outcome_of(entry, context.filters.horizon)
    price = _price(entry, context.filters.horizon)
    if price is None:
        return None
    return {
        "t": (decision.as_of_ns if outcome is None else outcome.entry_ns) // 1_000_000,
        "price": price,
        "action": decision.action,
        "result": result_of(entry, context.filters.horizon) or "none",
        "net": None if outcome is None else outcome.net,
        "confidence": decision.confidence,
        "href": None if decision.trace_id is None else trace_address(context, decision.trace_id),
    }


def _line(context: Context, entries: Sequence[Entry]) -> list[list[float]]:
    """Return the prices that the ledger has: of decisions, entries and exits, by time."""
    points: dict[int, float] = {}
    for entry in entries:
        outcome = outcome_of(entry, context.filters.horizon)
        if entry.decision.price is not None:
            points[entry.decision.as_of_ns // 1_000_000] = entry.decision.price
        if outcome is not None:
            points[outcome.entry_ns // 1_000_000] = outcome.entry
            points[outcome.exit_ns // 1_000_000] = outcome.exit
    return [[time_ms, points[time_ms]] for time_ms in sorted(points)]


def _bars(series: PriceSeries, entries: Sequence[Entry]) -> tuple[list[list[float]], int]:
    """Return bars around the decisions as [time in ms, open, close, low, high], and how many make one of them."""
    first, last = entries[0].decision.as_of_ns, max(entry.decision.as_of_ns for entry in entries)
    margin = max(int((last - first) * _MARGIN), _SMALLEST_MARGIN_NS)
    start = series.first_at_or_after(first - margin)
    end = series.first_at_or_after(last + margin)
    count = end - start
    steps = max(1, -(-count // _MOST_BARS))
    bars = []
    for place in range(start, end, steps):
        upto = min(place + steps, end)
        bars.append([
            int(series.open_ns[place]) // 1_000_000,
            float(series.open[place]),
            float(series.close[upto - 1]),
            float(series.low[place:upto].min()),
            float(series.high[place:upto].max()),
        ])  # fmt: skip
    return bars, steps
