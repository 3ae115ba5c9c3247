"""The budgets: limits, what is spent and reserved, and what was spent in earlier windows."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Final

from src.dashboard.pages.kinds import PageKind
from src.dashboard.view.formats import shown
from src.dashboard.view.panels import Chart, Column, Figure, Page, Panel, Table
from src.models.limits import budgets
from src.models.limits.budget_status import status_data
from src.observability.store.budgets import BudgetStore

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from src.dashboard.pages.kinds import Context
    from src.models.limits.budgets import Budget

_NANO: Final = 1_000_000_000
_WINDOWS: Final = 62  # earlier windows that are shown
_HISTORY: Final = "SELECT start_s, amount FROM budget_spent WHERE key = ? ORDER BY start_s DESC LIMIT ?"
_COLUMNS: Final = (
    Column("window", "window"),
    Column("match", "for"),
    Column("kind", "kind"),
    Column("limit_usd", "limit", "money"),
    Column("spent_usd", "spent", "money"),
    Column("reserved_usd", "reserved", "money"),
    Column("left_usd", "left", "money"),
    Column("used", "used", "share"),
    Column("projected_usd", "at this rate", "money"),
    Column("ends", "ends"),
    Column("source", "set by"),
)
NONE_SET: Final = "No budget is set where the dashboard was started; MOONDEV_BUDGET_DAY_USD=5 would set one of a day."


def _build(context: Context) -> Page:
    chosen = budgets.current()
    store = _budget_store(context.store.path)
    rows = [status_data(item, store, context.now_ns / _NANO) for item in chosen]
    panels = [
        Panel(
            slug="budgets",
            title="Budgets",
            table=Table(_COLUMNS, [_row(row) for row in rows]),
            notes=("What calls under way may cost is reserved until they end.",) if rows else (),
            empty=NONE_SET,
        )
    ]
    figures = [
        Figure(
            key=f"{row['window']}_{number}",
            label=f"{row['window']}: {_match(row['match'])}",
            value=row["spent_usd"],
            kind="money",
            n=None,
            of="",
            note=f"of {shown(row['limit_usd'], 'money')} ({row['kind']})",
        )
        for number, row in enumerate(rows, start=1)
    ]
    for number, item in enumerate(chosen, start=1):
        if item.window != "run":
            panels.append(_history(context, item, number))
    return Page(figures=tuple(figures), panels=tuple(panels), empty=None if rows else NONE_SET)


@cache
def _budget_store(path: Path) -> BudgetStore:
    """Return the budgets of a store, once for each: it watches for forks and for the interpreter's end."""
    return BudgetStore(path)


def _match(match: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(match.items())) or "everything"


def _row(row: dict[str, object]) -> tuple[object, ...]:
    limit, spent, reserved = (float(str(row[name])) for name in ("limit_usd", "spent_usd", "reserved_usd"))
    match = row["match"]
    return (
        row["window"] if row["run"] is None else f"run {row['run']}",
        _match(match if isinstance(match, dict) else {}),
        row["kind"],
        limit,
        spent,
        reserved,
        row["left_usd"],
        (spent + reserved) / limit if limit else None,
        row["projected_usd"],
        row["ends"],
        row["source"],
    )


def _history(context: Context, item: Budget, number: int) -> Panel:
    question = partial(_spent, key=item.key)
    spent = context.store.ask(question, [], context.limits)[::-1]
    rows = [(start_s * _NANO, amount / _NANO, item.limit_usd) for start_s, amount in spent]
    columns = (Column("start", "window from", "time"), Column("spent_usd", "spent", "money"),
               Column("limit_usd", "limit now", "money"))  # fmt: skip
    title = f"By {item.window}: {_match(dict(item.match))}"
    chart = Chart(
        kind="bars",
        label=f"{title}: what was spent, beside the present limit",
        data={
            "x": [row[0] // 1_000_000 for row in rows],
            "time": True,
            "daily": item.window != "hour",
            "kind": "money",
            "series": [{"name": "spent", "data": [row[1] for row in rows]}],
            "line": {"name": "limit", "value": item.limit_usd},
        },
    )
    return Panel(
        slug=f"by-{item.window}-{number}",
        title=title,
        table=Table(columns, rows),
        chart=chart if rows else None,
        notes=(f"The newest {_WINDOWS} windows in which anything was spent.",),
        empty="Nothing was spent yet.",
    )


def _spent(connection: sqlite3.Connection, key: str) -> Sequence[tuple[int, int]]:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'budget_spent'").fetchone():
        return []
    return connection.execute(_HISTORY, (key, _WINDOWS)).fetchall()


KIND: Final = PageKind(
    slug="budget", title="Budget", build=_build, intro="What is spent and left of the limits that you set."
)
