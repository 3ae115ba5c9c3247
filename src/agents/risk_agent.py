"""Define RiskAgent: the rules of `risk_rules` decide, a model comments and may argue for an override."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, ClassVar

from src.agents.base_agent import BaseAgent
from src.agents.ledger_entries import write_risk_decisions
from src.agents.risk import money
from src.agents.risk.contradictions import contradicts_override
from src.agents.risk.opinions import Answer, Inquiry, RiskOpinion
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
from src.agents.risk_verdict import RiskVerdict
from src.models.base_model import BaseModel
from src.models.call.readiness import make_ready
from src.models.model_factory import ModelFactory
from src.observability.store.background import beside

if TYPE_CHECKING:
    from decimal import Decimal

    from src.agents.risk_rules import Amount
    from src.observability.tracing.agent_runs import observe_agent
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


_LONGEST_TIMEOUT_S = 86_400


class RiskAgent(BaseAgent):
    """An agent that judges portfolios. The rules decide; the model comments on each verdict.

    Args:
        model: The model that comments.
        allow_override: Let the model argue a breach away. Off by default; never for an equity below its minimum or 0.
        override_confidence: The least confidence for that, 0 to 100.
        rules_only: Ask no model.
        timeout_s: When the verdict is there at the latest: without a comment where the model has given none by then,
            whatever it does. A model that fails never changes the verdict.
        name: The agent's own name.
        session_id: One run of a process or loop.

    Raises:
        UnknownProvider: the model names no known provider.
        RiskInputError: another setting makes no sense.
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
        _check_settings(allow_override, override_confidence, rules_only, timeout_s)
        if model is not None and not isinstance(model, BaseModel):
            ModelFactory.why_unavailable(model)  # raises for an unknown provider; the model is made when it is asked
        super().__init__(model, name=name, session_id=session_id)
        self.allow_override = allow_override
        self.override_confidence = override_confidence
        self.rules_only = rules_only
        self.timeout_s = timeout_s

    def assess(self, portfolio: Portfolio, limits: Limits | None = None) -> RiskVerdict:
        """Return the verdict on a portfolio.

        What is recorded of it is stored by then, but where the trace store is locked or slow: then it is stored soon
        after, and the process waits for that at its end.

        Raises:
            RiskInputError: the portfolio or a limit cannot be judged.
        """
        deadline = time.monotonic() + self.timeout_s
        judgement, case = _judged(portfolio, limits or Limits())
        with beside(deadline), self._run_on(portfolio, case) as run:
            answer = Answer(cost_usd=0.0) if self.rules_only else self._inquire(case, deadline).answer()
            return self._verdict(portfolio, judgement, answer, run)

    async def aassess(self, portfolio: Portfolio, limits: Limits | None = None) -> RiskVerdict:
        """Do what `assess` does, in asyncio; a task that is cancelled cancels the model's call."""
        deadline = time.monotonic() + self.timeout_s
        judgement, case = _judged(portfolio, limits or Limits())
        await make_ready()
        async with beside(deadline), self._run_on(portfolio, case) as run:
            answer = Answer(cost_usd=0.0) if self.rules_only else await self._inquire(case, deadline).aanswer()
            return self._verdict(portfolio, judgement, answer, run)

    def _run_on(self, portfolio: Portfolio, case: str) -> observe_agent:
        return self.observed(input=case, metadata={"pnl": float(portfolio.pnl_usd)})

    def _inquire(self, case: str, deadline: float) -> Inquiry:
        return Inquiry(lambda: self.model, case, deadline)

    def _verdict(self, portfolio: Portfolio, judgement: Judgement, answer: Answer, run: Observation) -> RiskVerdict:
        """Return the verdict, and record it on its run."""
        opinion = answer.opinion
        overridden = opinion is not None and self._may_override(judgement, opinion)
        verdict = RiskVerdict(
            action=RiskAction.WITHIN_LIMITS if overridden else judgement.demanded,
            breaches=judgement.breaches,
            reductions=() if overridden else judgement.reductions,
            demanded=judgement.demanded,
            overridden=overridden,
            comment=opinion.comment if opinion else None,
            model_error=answer.error,
            cost_usd=answer.cost_usd,
            trace_id=run.trace_id,
        )
        run.update(
            output=verdict.to_dict(),
            metadata={"decision": str(verdict.action), "overridden": verdict.overridden},
        )
        run.score("risk_verdict", str(verdict.action), comment=verdict.comment)
        write_risk_decisions(verdict, portfolio, run)
        return verdict

    def _may_override(self, judgement: Judgement, opinion: RiskOpinion) -> bool:
        return (
            self.allow_override is True
            and opinion.override is True
            and opinion.confidence >= self.override_confidence
            and not contradicts_override(opinion.comment)
            and bool(judgement.breaches)
            and not any(breach.final for breach in judgement.breaches)
        )


def _check_settings(allow_override: object, override_confidence: object, rules_only: object, timeout_s: object) -> None:
    """Refuse a setting that would loosen the rules by mistake, such as the text "false", which is true."""
    for name, value in (("allow_override", allow_override), ("rules_only", rules_only)):
        if not isinstance(value, bool):
            raise RiskInputError(f"{name} is {money.shown(value)}: give True or False.")
    is_whole = isinstance(override_confidence, int) and not isinstance(override_confidence, bool)
    if not is_whole or not 0 <= override_confidence <= 100:  # type: ignore[operator] # a whole number
        raise RiskInputError(
            f"override_confidence is {money.shown(override_confidence)}: give a whole number from 0 to 100; "
            "90 means 90 percent."
        )
    is_number = isinstance(timeout_s, int | float) and not isinstance(timeout_s, bool)
    if not is_number or not (math.isfinite(timeout_s) and 0 < timeout_s <= _LONGEST_TIMEOUT_S):  # type: ignore[arg-type, operator] # a number
        raise RiskInputError(
            f"timeout_s is {money.shown(timeout_s)}: give seconds above 0, up to {_LONGEST_TIMEOUT_S:,}."
        )


def _judged(portfolio: Portfolio, limits: Limits) -> tuple[Judgement, str]:
    """Return the judgement, and the case as text; equal cases give equal bytes."""
    judgement = judge(portfolio, limits)
    with money.exact():
        return judgement, "\n".join(_lines(portfolio, limits, judgement))


def _lines(portfolio: Portfolio, limits: Limits, judgement: Judgement) -> list[str]:
    amounts = (
        ("max loss", limits.max_loss_usd),
        ("max gain", limits.max_gain_usd),
        ("min equity", limits.min_equity_usd),
        ("max gross", limits.max_gross_usd),
        ("max net", limits.max_net_usd),
        ("max long", limits.max_long_usd),
        ("max short", limits.max_short_usd),
    )
    share = limits.max_position_share
    bounds = [
        *(f"{name} {_usd(limit)}" for name, limit in amounts),
        f"max position share {'none' if share is None else money.percent(_exact(share))}",
    ]
    return [
        f"Equity: {_usd(portfolio.equity_usd)} (start {_usd(portfolio.start_equity_usd)}, "
        f"PnL {_signed(portfolio.pnl_usd)})",
        "Positions:",
        *(
            f"- {_one_line(item.symbol)}: {_usd(item.value_usd)}, PnL {_signed(_exact(item.pnl_usd))}"
            for item in portfolio.positions
        ),
        f"Limits: {', '.join(bounds)}",
        f"The rules demand: {judgement.demanded}",
        *(f"- {_one_line(breach.detail)}" for breach in judgement.breaches),
    ]


def _exact(value: Amount) -> Decimal:
    return money.amount(value, "amount")


def _usd(value: Amount | None) -> str:
    return "none" if value is None else money.usd(_exact(value))


def _signed(number: Decimal) -> str:
    return f"{'+' if number >= 0 else ''}{money.usd(number)}"


def _one_line(text: str) -> str:
    """Return a text without line ends and other control characters, with which a symbol could add lines of its own."""
    return "".join(character if character.isprintable() else " " for character in text)
