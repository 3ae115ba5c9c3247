"""Define the verdict on a portfolio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.agents.risk import money

if TYPE_CHECKING:
    from src.agents.risk_rules import Breach, Reduction, RiskAction


@dataclass(frozen=True, slots=True)
class RiskVerdict:
    """A verdict on a portfolio; `overridden` where a model, allowed to, argued for another than `demanded`."""

    action: RiskAction
    breaches: tuple[Breach, ...]
    reductions: tuple[Reduction, ...]
    demanded: RiskAction
    overridden: bool = False
    comment: str | None = None
    model_error: str | None = None
    cost_usd: float | None = None
    trace_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain data, as `moondev risk --json` prints it."""
        return {
            "action": str(self.action),
            "demanded": str(self.demanded),
            "overridden": self.overridden,
            "breaches": [{"limit": item.limit, "detail": item.detail} for item in self.breaches],
            "reductions": [
                {
                    "symbol": item.symbol,
                    "from_usd": float(item.from_usd),
                    "to_usd": money.float_towards_zero(item.to_usd),
                    "position": item.position,
                }
                for item in self.reductions
            ],
            "comment": self.comment,
            "model_error": self.model_error,
            "cost_usd": self.cost_usd,
            "trace_id": self.trace_id,
        }
