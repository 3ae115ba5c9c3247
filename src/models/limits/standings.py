"""Say how the budgets stand: what is spent and left of each, and where it ends at this rate."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from src.models.limits import budgets

if TYPE_CHECKING:
    from src.models.limits.budgets import Budget
    from src.observability.store.budgets import BudgetStore, Standing


def standing_data(budget: Budget, store: BudgetStore, now: float) -> dict[str, Any]:
    """Return one budget as plain data; of one for each run, the run that was spent on last.

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
    (standing,) = store.standings([window])
    return {
        "window": budget.window,
        "match": dict(budget.match),
        "limit_usd": budget.limit_usd,
        "spent_usd": standing.spent_usd,
        "reserved_usd": standing.reserved_usd,
        "left_usd": max(budget.limit_usd - standing.taken_usd, 0.0),
        "kind": "hard" if budget.is_hard else "soft",
        "run": run,
        "ends": None if budget.window == "run" else _time(budgets.end_of(budget.window, now)),
        "projected_usd": _projected(budget, standing, now),
        "source": budget.source,
    }


def _projected(budget: Budget, standing: Standing, now: float) -> float | None:
    """Return what is spent at the window's end at the rate until now; None for a run, and too early to tell."""
    if budget.window == "run":
        return None
    start, end = budgets.start_of(budget.window, now), budgets.end_of(budget.window, now)
    share = (now - start) / (end - start)
    return standing.spent_usd / share if share > 0.02 else None


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
