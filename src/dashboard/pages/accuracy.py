"""How right decisions were: by what you choose, and whether their confidence can be believed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.pages.kinds import PageKind, by_of
from src.dashboard.pages.ledger_filters import FILTERS, NONE_YET, decisions_of, notes, suggestions, version
from src.dashboard.view.panels import AtLeast, Chart, Column, Figure, Link, Page, Panel, Table
from src.judging.accuracy import accuracy_of, with_discoveries
from src.judging.report import verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.dashboard.pages.kinds import Context
    from src.insight.ledger.chosen import Chosen
    from src.judging.accuracy import Accuracy

BY: Final = ("agent", "model", "member", "prompt", "symbol", "confidence", "day")
_LINKED: Final = frozenset({"agent", "model", "member", "prompt", "symbol"})
COLUMNS: Final = (
    Column("decisions", "decisions", "count"),
    Column("n", "judged n", "count"),
    Column("open", "open", "count"),
    Column("hit_rate", "hit rate (95%)", "interval"),
    Column("baseline_hit_rate", "majority", "share"),
    Column("skill", "skill (95%)", "points_interval"),
    Column("brier", "Brier", "number"),
    Column("net_return", "mean net (95%)", "points_interval"),
    Column("net_total", "sum of net", "points"),
    Column("max_drawdown", "deepest fall", "share"),
    Column("cost_usd", "cost", "money", is_bound=True),
    Column("cost_per_hit", "cost per hit", "money", is_bound=True),
    Column("verdict", "verdict"),
)


def accuracy_row(row: Accuracy) -> tuple[Any, ...]:
    """Return the figures of a group, in the order of `COLUMNS`."""
    least = _known_part if row.cost_unknown else _same
    return (
        row.decisions,
        row.n,
        row.open,
        row.hit_rate,
        row.baseline_hit_rate,
        row.skill,
        row.brier,
        row.net_return,
        row.net_total if row.n else None,
        row.max_drawdown if row.n else None,
        least(row.cost_usd),
        least(row.cost_per_hit) if row.cost_per_hit is not None else None,
        verdict(row) + (", stands out" if row.stands_out else ""),
    )


def _known_part(value: float | None) -> AtLeast:
    return AtLeast(value or None)  # where 0 is known, nothing is


def _same(value: Any) -> Any:
    return value


def _build(context: Context) -> Page:
    columns = context.ledger()
    if not len(columns):
        return Page(empty=NONE_YET)
    by, decisions = by_of(context, BY), decisions_of(context)
    total = accuracy_of("all", decisions.judged())
    rows = with_discoveries(accuracy_of(key, items) for key, items in context.limits.each(decisions.grouped(by), 1))
    return Page(
        figures=_figures(total),
        panels=(_groups(context, by, rows), calibration(total), _by_group_calibration(by, rows)),
        notes=(*notes(columns), *_notes(rows, decisions)),
    )


def _figures(total: Accuracy) -> tuple[Figure, ...]:
    return (
        Figure("decisions", "Decisions", total.decisions, "count", total.decisions, "decisions"),
        Figure("hit_rate", "Went their way", total.hit_rate, "interval", total.n, "judged trades"),
        Figure("skill", "Above chance", total.skill, "points_interval", total.n, "judged trades"),
        Figure("brier", "Brier score", total.brier, "number", sum(item.n for item in total.reliability),
               "judged trades with a confidence", "0 is perfect, 0.25 a coin"),
        Figure("agreed", "Right when all agreed", total.agreed, "interval", total.n_agreed, "judged trades"),
        Figure("split", "Right when they did not", total.split, "interval", total.n_split, "judged trades"),
    )  # fmt: skip


def _groups(context: Context, by: str, rows: Sequence[Accuracy]) -> Panel:
    table_rows = [(_key(context, by, row.key), *accuracy_row(row)) for row in rows]
    shown = [row for row in rows if row.hit_rate.value is not None][:40]
    chart = Chart(
        kind="intervals",
        label=f"Hit rate by {by}, with its interval",
        data={
            "x": [row.key for row in shown],
            "kind": "share",
            "values": [[row.hit_rate.value, row.hit_rate.low, row.hit_rate.high] for row in shown],
            "n": [row.n for row in shown],
            "base": 0.5,
        },
    )
    return Panel(slug="groups", title=f"By {by}", table=Table((Column("key", by), *COLUMNS), table_rows),
                 chart=chart if shown else None)  # fmt: skip


def _key(context: Context, by: str, key: str) -> Any:
    if by not in _LINKED or key == "unknown":
        return key
    query = replace(context.filters, by=None).query(**{by: key, "store": context.options.get("store")})
    return Link(key, f"/decisions{query}")


_CLASS_COLUMNS: Final = (
    Column("confidence", "confidence"),
    Column("n", "n", "count"),
    Column("mean_confidence", "mean confidence", "share"),
    Column("hit_rate", "went their way (95%)", "interval"),
)


def calibration(total: Accuracy) -> Panel:
    """Return how often decisions of each confidence were right."""
    rows = [(f"{item.low}-{item.high}%", item.n, item.mean_confidence, item.hit_rate) for item in total.reliability]
    chart = Chart(
        kind="calibration",
        label="Share that went their way by stated confidence",
        data={"points": [[item.mean_confidence, item.hit_rate.value, item.hit_rate.low, item.hit_rate.high, item.n]
                         for item in total.reliability]},
    )  # fmt: skip
    return Panel(
        slug="calibration",
        title="Calibration",
        table=Table(_CLASS_COLUMNS, rows),
        chart=chart if rows else None,
        notes=("On the diagonal, decisions of 70% confidence are right seven times in ten.",),
        empty="No judged trade states a confidence.",
    )


def _by_group_calibration(by: str, rows: Sequence[Accuracy]) -> Panel:
    lines = [
        (row.key, f"{item.low}-{item.high}%", item.n, item.mean_confidence, item.hit_rate)
        for row in rows[:60]
        for item in row.reliability
    ]
    return Panel(slug="calibration-by", title=f"Calibration by {by}",
                 table=Table((Column("key", by), *_CLASS_COLUMNS), lines),
                 empty="No judged trade states a confidence.")  # fmt: skip


def _notes(rows: Sequence[Accuracy], decisions: Chosen) -> tuple[str, ...]:
    lines = []
    columns = decisions.columns
    if (columns.decisions.book[decisions.places] == columns.number("inside")).any():
        lines.append("Decisions of the book `inside` may have been in the models' training: they show no skill.")
    compared = sum(row.is_enough for row in rows)
    if compared > 1:
        lines.append(
            f"{compared} groups are compared: `stands out` holds at a false-discovery rate of 5% over them. "
            "Under 50 judged trades there is no verdict."
        )
    return tuple(lines)


KIND: Final = PageKind(
    slug="accuracy",
    title="Accuracy",
    build=_build,
    filters=("by", *FILTERS),
    by=BY,
    intro="How often decisions went their way, with what uncertainty, and whether their confidence can be believed.",
    suggestions=suggestions,
    version=version,
)
