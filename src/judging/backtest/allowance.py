"""Bound what a back-test spends, all of its markets together."""

from __future__ import annotations

from dataclasses import dataclass

from src.models.limits import amounts


class BudgetSpentError(Exception):
    """The next decision may cost more than is left of the budget."""


@dataclass(slots=True)
class Allowance:
    """What a back-test may spend, in US dollars.

    Attributes:
        limit_usd: The most, earlier parts of the runs included; None for no bound.
        spent_usd: What is spent until now, as far as known.
        dearest_usd: The cost of the most expensive decision until now.
    """

    limit_usd: float | None = None
    spent_usd: float = 0.0
    dearest_usd: float = 0.0

    def spend(self, cost_usd: float) -> None:
        """Count a decision's cost."""
        self.spent_usd += cost_usd
        self.dearest_usd = max(self.dearest_usd, cost_usd)

    def refuse_beyond(self, at_once: int) -> None:
        """Raise where decisions at the price of the most expensive one until now would pass the limit.

        Args:
            at_once: How many decisions are under way, the next one included.

        Raises:
            BudgetSpentError: it would be passed.
        """
        if self.limit_usd is None:
            return
        if self.spent_usd + at_once * self.dearest_usd > self.limit_usd or self.spent_usd >= self.limit_usd:
            raise BudgetSpentError(
                f"{amounts.usd(self.spent_usd)} of the budget of {amounts.limit(self.limit_usd)} are spent, and the "
                f"next decision may cost {amounts.usd(self.dearest_usd)}."
            )
