"""What the pages on calls share: their questions to the facts, figures of totals, and charts over time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.data import facts
from src.dashboard.view.filters import ANY_CATEGORY, stamp
from src.dashboard.view.lazy_rows import LazyRows
from src.dashboard.view.panels import AtLeast, Chart, Column, Figure, Link, Panel, Table, plain
from src.insight.facts.filters import EVALUATION, is_daily
from src.judging.statistics import wilson
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from src.dashboard.data.limits import Limits
    from src.dashboard.pages.kinds import Context
    from src.dashboard.view.lazy_rows import Row
    from src.insight.facts.filters import Filter
    from src.insight.facts.reader import FactsReader
    from src.insight.facts.records import Point, Totals

FILTERS: Final = facts.FILTERS
NO_CALLS: Final = "No model call is recorded yet: `moondev trade EURUSD --swarm` makes some, without any key."
NONE: Final = "(none)"
# What rows of calls can be grouped by, and the dimensions of that.
BY: Final[dict[str, tuple[str, ...]]] = {
    "model": ("model",),
    "agent": ("agent",),
    "agent and model": ("agent", "model"),
    "provider": ("provider",),
    "symbol": ("symbol",),
    "prompt": ("prompt_name", "prompt_version"),
    "environment": ("environment",),
}
_LINKED: Final = {"category": "category", "model": "model", "agent": "agent", "provider": "provider",
                  "symbol": "symbol", "environment": "environment", "prompt_name": "prompt"}  # fmt: skip
_MOST_SERIES: Final = 7
_DAY_NS: Final = 86_400_000_000_000
_MOST_DAYS: Final = 4_000  # of a chart that has a place for each day


def chosen(context: Context) -> Filter:
    """Return the facts' filter for this page's address."""
    return facts.facts_filter(context.filters, context.now_ns)


def suggestions(context: Context) -> Mapping[str, list[str]]:
    """Return the values that filters are offered."""
    return facts.ask(context.store, facts.offered, context.limits)


def notes(reader: FactsReader, filter_: Filter, context: Context, *, is_kept: bool | None = None) -> tuple[str, ...]:
    """Return what a reader must know of the figures: what they lack, and which times they really cover.

    Args:
        reader: Of the facts.
        filter_: Which calls.
        context: Of the page.
        is_kept: Whether the figures can count observations that the store has deleted; as sums by day can, where not
            set.
    """
    state = reader.freshness()
    lines = []
    if problem := context.problems.get(context.store.name):
        lines.append(f"These figures are not up to date: {problem}")
    if state.behind:
        lines.append(
            f"Up to {counted(state.behind, 'observations')} of the store are not in these figures yet: reload soon."
        )
    lost = sum(gap.n for gap in state.gaps if gap.kind == "observation")
    if lost:
        lines.append(
            counted(
                lost,
                "observations were deleted from the store before these figures had them.",
                "observation was deleted from the store before these figures had it.",
            )
        )
    if (filter_.since_ns or filter_.until_ns) and reader.effective_range(filter_) != (
        filter_.since_ns,
        filter_.until_ns,
    ):
        lines.append(
            "Of days whose observations retention has deleted only whole days are known: these are counted whole."
        )
    if context.filters.environment is None and context.filters.agent is None and filter_.without_environment is None:
        trials = reader.totals(replace(filter_, environment=EVALUATION)).n
        if trials:
            lines.append(
                f"{trials:,} of these calls {'is' if trials == 1 else 'are'} of judges and of trials of prompts "
                f"(environment {EVALUATION}), which "
                "`moondev report` and `moondev quality` leave out."
            )
    expired = 0 if (is_daily(filter_) if is_kept is None else is_kept) else reader.expired_in(filter_)
    if expired:
        lines.append(
            f"Retention has deleted {counted(expired, 'observations')} of these days: of them "
            "sums are kept that these filters or groups cannot be asked of, so that these figures lack them."
        )
    return tuple(lines)


def empty_text(reader: FactsReader, context: Context, text: str = "") -> str:
    """Return what a page says that has no figures: that nothing is recorded, or that it is not read yet."""
    if context.problems.get(context.store.name):
        return "There are no figures of this store's calls; the reason stands below."
    if reader.freshness().behind:
        return "The figures of this store's calls are being made: reload in a moment."
    return text or NO_CALLS


def money(totals: Totals) -> Any:
    """Return the cost of totals, which says whether a part of it is unknown, or all of it."""
    return at_least(totals.cost_usd, totals.unpriced)


def tokens(totals: Totals, name: str) -> Any:
    """Return tokens of totals by the name of the sum, which says whether those of some calls are unknown."""
    known = getattr(totals, name)
    return AtLeast(known if totals.unmeasured < totals.n else None) if totals.unmeasured else known


def at_least(known: float, unknown: int) -> Any:
    """Return a sum, to which so many things add what is not known; nothing of it is known where it is 0 then."""
    return AtLeast(known or None) if unknown else known


def errors_link(n: int, context: Context, dimensions: Sequence[str] = (), key: Sequence[str | None] = ()) -> Any:
    """Return a number of failed calls that leads to the traces of these very calls."""
    address = errors_address(n, context, dimensions, key)
    return n if address is None else Link(n, address)


def errors_address(
    n: int, context: Context, dimensions: Sequence[str] = (), key: Sequence[str | None] = ()
) -> str | None:
    """Return the address of the traces of a group's calls that failed; None where none did."""
    return traces_of(context, dimensions, key, status=None, category=_category_of(context)) if n else None


def _category_of(context: Context) -> str:
    return context.filters.category or ANY_CATEGORY


def traces_of(
    context: Context, dimensions: Sequence[str] = (), key: Sequence[str | None] = (), **changes: str | None
) -> str:
    """Return the address of the traces of a group of this page, with further filters set or (None) removed."""
    named = {_LINKED[name]: value for name, value in zip(dimensions, key, strict=True) if name in _LINKED}
    own = {name: value for name, value in named.items() if value is not None}
    return "/traces" + context.filters.query(FILTERS, **{**own, **changes, "store": context.options.get("store")})


def _day_address(context: Context, dimensions: Sequence[str], key: Sequence[str | None], day_ns: int) -> str:
    """Return the address of a group's traces on one day, within the times of the page."""
    since, until = context.filters.times(context.now_ns)
    begin, end = max(day_ns, since or 0), min(day_ns + _DAY_NS, until or day_ns + _DAY_NS)
    return traces_of(context, dimensions, key, since=stamp(begin), until=stamp(end), **_of_category(dimensions, key))


def _of_category(dimensions: Sequence[str], key: Sequence[str | None]) -> dict[str, str | None]:
    """Return the filters that leave the failed calls of a category, where groups are categories."""
    if "category" not in dimensions:
        return {}
    return {"status": None, "category": key[list(dimensions).index("category")] or ANY_CATEGORY}


def total_figures(totals: Totals, context: Context) -> tuple[Figure, ...]:
    """Return the headline figures of calls."""
    n = totals.n
    return (
        Figure("calls", "Model calls", n, "count", n, "calls"),
        Figure("cost_usd", "Cost", money(totals), "money", n, "calls",
               f"{totals.unpriced:,} without a full price" if totals.unpriced else ""),
        Figure("errors", "Ended in an error", wilson(totals.errors, n), "interval", n, "calls",
               counted(totals.errors, "errors"), errors_address(totals.errors, context)),
        Figure("input_tokens", "Tokens in", tokens(totals, "input_tokens"), "count", n - totals.unmeasured,
               "calls that told"),
        Figure("output_tokens", "Tokens out", tokens(totals, "output_tokens"), "count", n - totals.unmeasured,
               "calls that told"),
        Figure("cached_share", "Read from caches",
               totals.cached_tokens / totals.input_tokens if totals.input_tokens else None, "share",
               n - totals.unmeasured, "calls that told"),
    )  # fmt: skip


def key_columns(dimensions: Sequence[str]) -> tuple[Column, ...]:
    """Return a column for each dimension that rows are grouped by."""
    return tuple(Column(name, name.replace("_", " ")) for name in dimensions)


def key_cells(context: Context, dimensions: Sequence[str], key: Sequence[str | None], page: str) -> tuple[Any, ...]:
    """Return the cells of a row's key; each that is a filter leads to a page with that filter set."""
    cells: list[Any] = []
    for name, value in zip(dimensions, key, strict=True):
        if value is None or name not in _LINKED:
            cells.append(value if value is not None else NONE)
            continue
        filters = replace(context.filters, by=None)
        query = filters.query(**{_LINKED[name]: value, "store": context.options.get("store")})
        cells.append(Link(value, f"/{page}{query}"))
    return tuple(cells)


def label(key: Sequence[str | None]) -> str:
    """Return a row's key in one text."""
    return " ".join(NONE if part is None else part for part in key) or "all"


def by_day(
    points: Sequence[Point],
    context: Context,
    dimensions: Sequence[str],
    *,
    title: str,
    slug: str,
    kind: str,
    figure: Callable[[Totals], Any],
    unit: str,
) -> Panel:
    """Return a panel of one figure by day and group; the chart stacks the largest groups, and the rest together.

    Where the figure is known in part, the table says so, and the chart has the known part.
    """
    chart = _day_chart(points, context, dimensions, title=title, kind=kind, figure=figure)
    columns = [Column("day", "day (UTC)", "day"), Column("key", "group"), Column("calls", "calls", "count")]
    if unit != "calls":
        is_money = kind == "money"
        columns.append(
            Column(unit, title.partition(" by ")[0].lower(), "money" if is_money else "count", is_bound=is_money)
        )

    def make(part: Sequence[Point], _: Limits) -> list[Row]:
        return [
            (Link(point.start_ns, _day_address(context, dimensions, point.key, point.start_ns)), label(point.key),
             point.totals.n, figure(point.totals))[: len(columns)]
            for point in part
        ]  # fmt: skip

    rows = LazyRows(list(reversed(points)), make, context.limits)
    unpriced = sum(point.totals.unpriced for point in points) if kind == "money" else 0
    remarks = [f"The price of {unpriced:,} of these calls is not known in whole: the chart has the known part."]
    remarks = remarks if unpriced else []
    if points and points[-1].start_ns - points[0].start_ns > _MOST_DAYS * _DAY_NS:
        remarks.append("These days are many years apart, as where a clock was wrong: Since and Until leave some out.")
    return Panel(slug=slug, title=title, table=Table(tuple(columns), rows), chart=chart if rows else None,
                 notes=tuple(remarks))  # fmt: skip


def _day_chart(
    points: Sequence[Point],
    context: Context,
    dimensions: Sequence[str],
    *,
    title: str,
    kind: str,
    figure: Callable[[Totals], Any],
) -> Chart:
    sums: defaultdict[str, float] = defaultdict(float)
    cells: dict[tuple[str, int], float] = {}
    for point in points:
        name, amount = label(point.key), plain(figure(point.totals)) or 0
        cells[name, point.start_ns] = cells.get((name, point.start_ns), 0) + amount
        sums[name] += amount
    names = sorted(sums, key=lambda name: -sums[name])
    names = sorted(names[:_MOST_SERIES]) + names[_MOST_SERIES:]  # so that a group has one colour in all charts
    days = _days(points)
    keys = {label(point.key): point.key for point in points}
    series: list[dict[str, Any]] = [
        {"name": name, "data": [cells.get((name, day), 0) for day in days],
         "href": traces_of(context, dimensions, keys[name], **_of_category(dimensions, keys[name]))}
        for name in names[:_MOST_SERIES]
    ]  # fmt: skip
    if rest := names[_MOST_SERIES:]:
        others = [sum(cells.get((name, day), 0) for name in rest) for day in days]
        series.append({"name": counted(len(rest), "others"), "data": others})
    since, until = context.filters.times(context.now_ns)
    return Chart(
        kind="bars",
        label=title,
        data={
            "x": [day // 1_000_000 for day in days],
            "time": True,
            "daily": True,
            "kind": kind,
            "stacked": True,
            "series": series,
            "bounds": [None if bound is None else bound // 1_000_000 for bound in (since, until)],
        },
    )


def _days(points: Sequence[Point]) -> list[int]:
    """Return all days from the first to the last one, also those on which nothing happened.

    Where a clock has jumped, these would be a hundred thousand: then the days on which something happened.
    """
    if not points:
        return []
    first, last = points[0].start_ns, points[-1].start_ns
    if last - first > _MOST_DAYS * _DAY_NS:
        return sorted({point.start_ns for point in points})
    return list(range(first, last + 1, _DAY_NS))
