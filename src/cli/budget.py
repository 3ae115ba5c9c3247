"""Show what is spent of the budgets: `moondev budget`."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from src.observability.commands.console import escape, note, print_json
from src.observability.commands.tables import Column, print_table

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
    from src.models.limits.budget_status import status_data
    from src.observability.settings import Settings, load_dotenv_once
    from src.observability.store.budgets import BudgetStore

    load_dotenv_once()
    chosen = budgets.current()
    store, now = BudgetStore(Settings.read().trace_db), time.time()
    rows = [status_data(item, store, now) for item in chosen]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(_COLUMNS, [_cells(row) for row in rows])
    else:
        note("No budget is set: MOONDEV_BUDGET_DAY_USD=5 refuses calls beyond five dollars a day.")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    match = ", ".join(f"{name} {value}" for name, value in sorted(row["match"].items())) or "everything"
    from src.models.limits import amounts

    left = amounts.usd(row["left_usd"])
    return (
        row["window"] if row["run"] is None else f"run {escape(row['run'][:12])}",
        escape(match),
        amounts.limit(row["limit_usd"]),
        amounts.usd(row["spent_usd"]),
        amounts.usd(row["reserved_usd"]),
        left if row["left_usd"] > 0 else f"[bold red]{left}[/]",
        row["kind"],
        "-" if row["projected_usd"] is None else amounts.usd(row["projected_usd"]),
    )
