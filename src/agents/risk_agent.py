"""Define RiskAgent: the rules of `risk_rules` decide, a model comments and may argue for an override."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

from src.agents.base_agent import BaseAgent
from src.agents.prompts import prompt
from src.agents.risk_rules import (
    Breach,
    Judgement,
    Limits,
    Portfolio,
    Position,
    Reduction,
    RiskAction,
    RiskInputError,
    judge,
)
from src.models.errors import ModelError

if TYPE_CHECKING:
    from src.models.base_model import BaseModel
    from src.observability.tracing.observation import Observation

# The rules too, for programs that import them from here.
__all__ = [
    "Breach",
    "Judgement",
    "Limits",
    "Portfolio",
    "Position",
    "Reduction",
    "RiskAction",
    "RiskAgent",
    "RiskInputError",
    "RiskOpinion",
    "RiskVerdict",
    "judge",
]


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
                {"symbol": item.symbol, "from_usd": item.from_usd, "to_usd": item.to_usd} for item in self.reductions
            ],
            "comment": self.comment,
            "model_error": self.model_error,
            "cost_usd": self.cost_usd,
            "trace_id": self.trace_id,
        }


class RiskOpinion(pydantic.BaseModel):
    """The model's opinion of a verdict."""

    model_config = pydantic.ConfigDict(frozen=True, title="risk_opinion")

    override: bool
    confidence: int = pydantic.Field(ge=0, le=100)
    comment: str = pydantic.Field(max_length=400)


class RiskAgent(BaseAgent):
    """An agent that judges portfolios. The rules decide; the model comments on each verdict.

    Args:
        model: The model that comments.
        allow_override: Let the model argue a breach away. Off by default.
        override_confidence: The least confidence for that, 0 to 100.
        rules_only: Ask no model.
        timeout_s: How long the model may take. A model that fails never changes the verdict.
        name: The agent's own name.
        session_id: One run of a process or loop.
    """

    agent_type: ClassVar[str] = "risk_agent"

    def __init__(
        self,
        model: BaseModel | str | None = None,
        *,
        allow_override: bool = False,
        override_confidence: int = 90,
        rules_only: bool = False,
        timeout_s: float = 30.0,
        name: str | None = None,
        session_id: str | None = None,
    ) -> None:
        super().__init__(model, name=name, session_id=session_id)
        self.allow_override = allow_override
        self.override_confidence = override_confidence
        self.rules_only = rules_only
        self.timeout_s = timeout_s

    def assess(self, portfolio: Portfolio, limits: Limits | None = None) -> RiskVerdict:
        """Return the verdict on a portfolio.

        Raises:
            RiskInputError: the portfolio or a limit cannot be judged.
        """
        limits = limits or Limits()
        judgement = judge(portfolio, limits)
        case = _describe(portfolio, limits, judgement)
        with self.observed(input=case, metadata={"pnl": portfolio.pnl_usd}) as run:
            verdict = self._verdict(judgement, case, run)
            run.update(
                output=verdict.to_dict(),
                metadata={"decision": str(verdict.action), "overridden": verdict.overridden},
            )
            run.score("risk_verdict", str(verdict.action), comment=verdict.comment)
        return verdict

    def _verdict(self, judgement: Judgement, case: str, run: Observation) -> RiskVerdict:
        opinion, cost, failure = (None, 0.0, None) if self.rules_only else self._ask(case)
        overridden = opinion is not None and self._may_override(judgement, opinion)
        return RiskVerdict(
            action=RiskAction.WITHIN_LIMITS if overridden else judgement.demanded,
            breaches=judgement.breaches,
            reductions=() if overridden else judgement.reductions,
            demanded=judgement.demanded,
            overridden=overridden,
            comment=opinion.comment if opinion else None,
            model_error=failure,
            cost_usd=cost,
            trace_id=run.trace_id,
        )

    def _ask(self, case: str) -> tuple[RiskOpinion | None, float | None, str | None]:
        """Return the model's opinion, its cost in US dollars, and the error where it failed."""
        try:
            reply = self.model.generate_response(
                prompt("risk"), case, temperature=0.2, response_format=RiskOpinion, timeout=self.timeout_s
            )
        except ModelError as error:
            return None, error.cost_usd, str(error)
        opinion = reply.parsed if isinstance(reply.parsed, RiskOpinion) else None
        return opinion, reply.cost_usd, None

    def _may_override(self, judgement: Judgement, opinion: RiskOpinion) -> bool:
        return (
            self.allow_override
            and opinion.override
            and opinion.confidence >= self.override_confidence
            and bool(judgement.breaches)
            and not any(breach.final for breach in judgement.breaches)
        )


def _describe(portfolio: Portfolio, limits: Limits, judgement: Judgement) -> str:
    """Return the case as text; equal cases give equal bytes."""
    lines = [
        f"Equity: {portfolio.equity_usd:,.2f} USD (start {portfolio.start_equity_usd:,.2f}, "
        f"PnL {portfolio.pnl_usd:+,.2f})",
        "Positions:",
        *(f"- {item.symbol}: {item.value_usd:,.2f} USD, PnL {item.pnl_usd:+,.2f}" for item in portfolio.positions),
        f"Limits: max loss {_usd(limits.max_loss_usd)}, max gain {_usd(limits.max_gain_usd)}, "
        f"min equity {_usd(limits.min_equity_usd)}, max position share "
        f"{'none' if limits.max_position_share is None else f'{limits.max_position_share:.0%}'}",
        f"The rules demand: {judgement.demanded}",
        *(f"- {breach.detail}" for breach in judgement.breaches),
    ]
    return "\n".join(lines)


def _usd(amount: float | None) -> str:
    return "none" if amount is None else f"{amount:,.2f} USD"
