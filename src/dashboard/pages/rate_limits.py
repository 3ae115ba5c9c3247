"""How near providers' rate limits are: the share that was left over time, and the newest numbers of each model."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.data import traces
from src.dashboard.pages import calls
from src.dashboard.pages.ledger_filters import trace_link
from src.dashboard.view.formats import shown
from src.dashboard.view.panels import Chart, Column, Panel, Table
from src.insight.facts.headroom import RECENT_DAYS
from src.observability import attributes as names
from src.observability.spans import otlp
from src.observability.store.compression import DamagedSpan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.dashboard.pages.kinds import Context
    from src.insight.facts.filters import Filter
    from src.insight.facts.headroom import HeadroomFigures, NewestLimits
    from src.insight.facts.reader import FactsReader

_MOST_SERIES: Final = 8
_MOST_READ: Final = 30  # models whose newest limits are read out of their calls
_ATTRIBUTE: Final = names.METADATA + "rate_limits"
_EMPTY: Final = "No provider told its rate limits in these calls."


def limit_panels(context: Context, reader: FactsReader, filter_: Filter) -> tuple[Panel, Panel]:
    """Return the panel of what was left over time, and that of the newest numbers."""
    figures = reader.headroom(filter_)
    return _over_time(context, figures), _newest(context, figures)


def _over_time(context: Context, figures: HeadroomFigures) -> Panel:
    counts: defaultdict[str, int] = defaultdict(int)
    cells: dict[tuple[str, int], float] = {}
    for point in figures.points:
        label = calls.label((point.provider, point.model))
        counts[label] += point.n
        cells[label, point.start_ns] = point.least
    labels = sorted(sorted(counts, key=lambda label: -counts[label])[:_MOST_SERIES])
    moments = sorted({point.start_ns for point in figures.points})
    chart = Chart(
        kind="lines",
        label=f"Least share of a rate limit that was left, by {figures.step} and model",
        data={
            "x": [moment // 1_000_000 for moment in moments],
            "time": True,
            "daily": figures.step == "day",
            "kind": "share",
            "zero": True,
            "series": [{"name": label, "data": [cells.get((label, moment)) for moment in moments]} for label in labels],
        },
    )
    columns = (
        Column("start", f"{figures.step} (UTC)", "day" if figures.step == "day" else "time"),
        Column("provider", "provider"), Column("model", "model"),
        Column("n", "calls n", "count"), Column("least", "least that was left", "share"),
        Column("mean", "mean that was left", "share"),
    )  # fmt: skip
    rows = [
        (point.start_ns, *_key(point.provider, point.model), point.n, point.least, point.mean)
        for point in reversed(figures.points)
    ]
    notes = ["Of each call's limits (requests, tokens) the one counts of which least was left. At 0% the next request "
             "is refused."]  # fmt: skip
    if context.filters.since is None and figures.since_ns is not None:
        notes.append(f"The newest {RECENT_DAYS} days, from {shown(figures.since_ns, 'time')} on; Since shows others.")
    if len(counts) > len(labels):
        notes.append(f"The chart draws the {len(labels)} models of {len(counts)} with most calls; the table has all.")
    return Panel(slug="headroom", title="What was left of rate limits", table=Table(columns, rows),
                 chart=chart if rows else None, notes=tuple(notes), empty=_EMPTY)  # fmt: skip


def _newest(context: Context, figures: HeadroomFigures) -> Panel:
    columns = (
        Column("provider", "provider"), Column("model", "model"), Column("n", "calls n", "count"),
        Column("kind", "limit on"), Column("remaining", "left", "count"), Column("limit", "of", "count"),
        Column("share", "share left", "share"), Column("reset_s", "reset after s", "number"),
        Column("at", "told (UTC)", "time"),
    )  # fmt: skip
    rows = [row for item in figures.newest[:_MOST_READ] for row in _rows(context, item)]
    notes = []
    if len(figures.newest) > _MOST_READ:
        notes.append(f"The first {_MOST_READ} of {len(figures.newest)} models; the filter Model shows others.")
    return Panel(slug="limits", title="Rate limits as they were told last", table=Table(columns, rows),
                 notes=tuple(notes), empty=_EMPTY)  # fmt: skip


def _rows(context: Context, item: NewestLimits) -> Iterator[tuple[Any, ...]]:
    for kind, limit in _reported_limits(context, item).items():
        if not isinstance(limit, dict):
            continue
        most, left = _amount(limit.get("limit")), _amount(limit.get("remaining"))
        share = None if most is None or left is None or most <= 0 else left / most
        yield (
            *_key(item.provider, item.model), item.n,
            trace_link(str(kind).replace("_", " "), context, item.trace_id, item.span_id), left, most, share,
            _amount(limit.get("reset_s")), item.start_ns,
        )  # fmt: skip


def _reported_limits(context: Context, item: NewestLimits) -> dict[str, Any]:
    """Return the rate limits that a call was told; nothing where its text is gone or damaged."""
    question = partial(traces.span, trace_id=item.trace_id, span_id=item.span_id)
    answer = context.store.ask(question, None, context.limits)
    if answer is None or answer[1] is not None:
        return {}
    try:
        limits = json.loads(str(otlp.decode_span(answer[0].span).attributes.get(_ATTRIBUTE, "{}")))
    except (DamagedSpan, ValueError, TypeError):
        return {}
    return limits if isinstance(limits, dict) else {}


def _amount(value: object) -> float | int | None:
    """Return a number that is finite, whole where it is; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else value


def _key(provider: str | None, model: str | None) -> tuple[str, str]:
    return provider or calls.NONE, model or calls.NONE
