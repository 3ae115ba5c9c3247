"""Let rules ask for the status of budgets, which the layer of models sets and counts, and hands down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The status of one budget.

    Attributes:
        window: run, hour, day or month.
        limit_usd: Its limit in US dollars.
        spent_usd: What is spent.
        reserved_usd: What calls under way may cost.
        match: What it is of: agent, provider, model, environment.
    """

    window: str
    limit_usd: float
    spent_usd: float
    reserved_usd: float
    match: Mapping[str, str] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Return which part of the limit is taken; 1 of a limit of nothing."""
        return (self.spent_usd + self.reserved_usd) / self.limit_usd if self.limit_usd > 0 else 1.0


_source: Callable[[Path, float], Sequence[BudgetState]] | None = None


def use(source: Callable[[Path, float], Sequence[BudgetState]]) -> None:
    """Let rules ask `source`, which takes a store's file and a time and returns the status of the budgets."""
    global _source  # noqa: PLW0603 - one for a process
    _source = source


def states(store: Path, now_s: float) -> Sequence[BudgetState] | None:
    """Return the status of the budgets; None where this process has loaded nothing that knows budgets."""
    return None if _source is None else _source(store, now_s)
