"""Give alert rules, which lie in a layer below, the status of the budgets."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from src.models.limits import budgets
from src.models.limits.budget_status import status_data
from src.observability.alerts import budgets as alert_budgets
from src.observability.alerts.budgets import BudgetState
from src.observability.store.budgets import BudgetStore

if TYPE_CHECKING:
    from pathlib import Path


def register() -> None:
    """Register the budgets of this process with the alert rules."""
    alert_budgets.use(budget_states)


def budget_states(store: Path, now_s: float) -> list[BudgetState]:
    """Return the status of each configured budget in a store.

    Raises:
        InvalidRequest: the budgets are set wrongly; the message names the variable.
    """
    rows = [status_data(item, _budget_store(store), now_s) for item in budgets.current()]
    return [
        BudgetState(
            window=row["window"],
            limit_usd=row["limit_usd"],
            spent_usd=row["spent_usd"],
            reserved_usd=row["reserved_usd"],
            match=row["match"],
        )
        for row in rows
    ]


@lru_cache(maxsize=4)
def _budget_store(store: Path) -> BudgetStore:
    """Return the budgets of a store, once for each: it watches for forks and for the interpreter's end."""
    return BudgetStore(store)
