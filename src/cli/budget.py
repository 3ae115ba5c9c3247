"""Show what is spent of the budgets: `moondev budget`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from src.observability.commands.console import escape, note, print_json
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from src.models.limits.budgets import Budget
    from src.observability.store.budgets import BudgetStore, Standing

_COLUMNS = (
    Column("window"),
    Column("for", least=10),
    Column("limit", right=True),
    Column("spent", right=True),
    Column("reserved", rank=2, right=True),
    Column("left", right=True),
    Column("kind", rank=1),
    Column("at this rate", rank=3, right=True),
)


def budget(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """Show what is spent of each budget, what calls under way have reserved, and where it ends at this rate.

    MOONDEV_BUDGET_RUN_USD, _HOUR_USD, _DAY_USD and _MONTH_USD set hard limits; a file that MOONDEV_BUDGETS names sets
    others, by agent, model, provider or environment.
    """
    from src.models.limits import budgets
    from src.observability.settings import Settings, load_dotenv_once
    from src.observability.store.budgets import BudgetStore

    load_dotenv_once()
    chosen = budgets.current()
    store, now = BudgetStore(Settings.read().trace_db), time.time()
    rows = [_row(item, store, now) for item in chosen]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(_COLUMNS, [_cells(row) for row in rows])
    else:
        note("No budget is set: MOONDEV_BUDGET_DAY_USD=5 refuses calls beyond five dollars a day.")


def _row(item: Budget, store: BudgetStore, now: float) -> dict[str, Any]:
    """Return one budget as plain data; of one for each run, the run that was spent on last."""
    from src.models.limits import budgets

    run = None
    if item.window == "run":
        keys = store.runs(f"{item.key}|")
        run = keys[0].rpartition("|")[2] if keys else None
    window = item.window_at(now, run)
    (standing,) = store.standings([window])
    return {
        "window": item.window,
        "match": dict(item.match),
        "limit_usd": item.limit_usd,
        "spent_usd": standing.spent_usd,
        "reserved_usd": standing.reserved_usd,
        "left_usd": max(item.limit_usd - standing.taken_usd, 0.0),
        "kind": "hard" if item.is_hard else "soft",
        "run": run,
        "ends": None if item.window == "run" else _time(budgets.end_of(item.window, now)),
        "projected_usd": _projected(item, standing, now),
        "source": item.source,
    }


def _projected(item: Budget, standing: Standing, now: float) -> float | None:
    """Return what is spent at the window's end at the rate until now; None for a run, and too early to tell."""
    from src.models.limits import budgets

    if item.window == "run":
        return None
    start, end = budgets.start_of(item.window, now), budgets.end_of(item.window, now)
    share = (now - start) / (end - start)
    return standing.spent_usd / share if share > 0.02 else None


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    match = ", ".join(f"{name} {value}" for name, value in sorted(row["match"].items())) or "everything"
    left = f"${row['left_usd']:.4f}"
    return (
        row["window"] if row["run"] is None else f"run {escape(row['run'][:12])}",
        escape(match),
        f"${row['limit_usd']:g}",
        f"${row['spent_usd']:.4f}",
        f"${row['reserved_usd']:.4f}",
        left if row["left_usd"] > 0 else f"[bold red]{left}[/]",
        row["kind"],
        "-" if row["projected_usd"] is None else f"${row['projected_usd']:.2f}",
    )
