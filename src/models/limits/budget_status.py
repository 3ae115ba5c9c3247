"""Report the status of budgets: what is spent, reserved and left, and a projection to the end of the window."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from src.models.limits import budgets

if TYPE_CHECKING:
    from src.models.limits.budgets import Budget
    from src.observability.store.budgets import BudgetStore, WindowBalance


def status_data(budget: Budget, store: BudgetStore, now: float) -> dict[str, Any]:
    """Return a budget's status as plain data; for a budget of runs, that of the run with the latest spending.

    Args:
        budget: The budget.
        store: Where it is counted.
        now: Seconds since 1970.
    """
    run = None
    if budget.window == "run":
        keys = store.runs(f"{budget.key}|")
        run = keys[0].rpartition("|")[2] if keys else None
    window = budget.window_at(now, run)
    (balance,) = store.balances([window])
    return {
        "window": budget.window,
        "match": dict(budget.match),
        "limit_usd": budget.limit_usd,
        "spent_usd": balance.spent_usd,
        "reserved_usd": balance.reserved_usd,
        "left_usd": max(budget.limit_usd - balance.taken_usd, 0.0),
        "kind": "hard" if budget.is_hard else "soft",
        "run": run,
        "ends": None if budget.window == "run" else _time(budgets.end_of(budget.window, now)),
        "projected_usd": _projected(budget, balance, now),
        "source": budget.source,
    }


def _projected(budget: Budget, balance: WindowBalance, now: float) -> float | None:
    """Project the spending to the window's end; None for a run, and in the first 2% of a window."""
    if budget.window == "run":
        return None
    start, end = budgets.start_of(budget.window, now), budgets.end_of(budget.window, now)
    share = (now - start) / (end - start)
    return balance.spent_usd / share if share > 0.02 else None


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
