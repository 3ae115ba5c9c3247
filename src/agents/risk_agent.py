"""Judge a portfolio against its limits: the rules decide, a model comments and may argue for an override."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

from src.agents.base_agent import BaseAgent
from src.agents.prompts import prompt
from src.models.errors import ModelError

if TYPE_CHECKING:
    from src.models.base_model import BaseModel
    from src.observability.tracing.observation import Observation


class RiskAction(StrEnum):
    """What the limits demand."""

    WITHIN_LIMITS = "WITHIN_LIMITS"
    REDUCE = "REDUCE"
    CLOSE_ALL = "CLOSE_ALL"


class RiskInputError(ValueError):
    """A portfolio or limit cannot be judged; the message names the field and what it must be."""


@dataclass(frozen=True, slots=True)
class Position:
    """Hold one position; `value_usd` is its size at today's price, negative for a short one."""

    symbol: str
    value_usd: float
    pnl_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Hold a portfolio: what it is worth now, what it was worth at the start of the period, and its positions."""

    equity_usd: float
    start_equity_usd: float
    positions: tuple[Position, ...] = ()

    @property
    def pnl_usd(self) -> float:
        """Return the gain or loss of the period."""
        return self.equity_usd - self.start_equity_usd

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Portfolio:
        """Read a portfolio from plain data.

        Raises:
            RiskInputError: a field is missing, unknown or not a number.
        """
        known = {"equity_usd", "start_equity_usd", "positions"}
        _no_others("the portfolio", data, known)
        rows = data.get("positions") or []
        if not isinstance(rows, list):
            raise RiskInputError("positions must be a list of {symbol, value_usd, pnl_usd}.")
        return cls(
            _amount(data, "equity_usd", "the portfolio"),
            _amount(data, "start_equity_usd", "the portfolio"),
            tuple(_position(row, place) for place, row in enumerate(rows)),
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """Hold the limits; None switches one off. Loss and gain are of the period, in US dollars.

    `max_position_share` is of equity, 0 to 1. Falling below `min_equity_usd` can never be overridden.
    """

    max_loss_usd: float | None = None
    max_gain_usd: float | None = None
    min_equity_usd: float | None = None
    max_position_share: float | None = 0.3


@dataclass(frozen=True, slots=True)
class Breach:
    """Hold one limit that is broken: its name, how, and what it demands."""

    limit: str
    detail: str
    demands: RiskAction
    final: bool = False


@dataclass(frozen=True, slots=True)
class Reduction:
    """Hold how far a position must shrink."""

    symbol: str
    from_usd: float
    to_usd: float


@dataclass(frozen=True, slots=True)
class RiskVerdict:
    """Hold the verdict. `overridden` tells that a model argued the rules away, which must have been allowed."""

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
    """Hold what the model says of a verdict."""

    model_config = pydantic.ConfigDict(frozen=True, title="risk_opinion")

    override: bool
    confidence: int = pydantic.Field(ge=0, le=100)
    comment: str = pydantic.Field(max_length=400)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Hold what the rules say, before any model is asked."""

    demanded: RiskAction
    breaches: tuple[Breach, ...] = ()
    reductions: tuple[Reduction, ...] = field(default=())


def judge(portfolio: Portfolio, limits: Limits) -> Judgement:
    """Return what the limits demand of a portfolio. No model is asked.

    Raises:
        RiskInputError: a number is not finite, or a limit makes no sense.
    """
    _check(portfolio, limits)
    breaches = [*_account_breaches(portfolio, limits), *_position_breaches(portfolio, limits)]
    if not breaches:
        return Judgement(RiskAction.WITHIN_LIMITS)
    if any(breach.demands is RiskAction.CLOSE_ALL for breach in breaches):
        closing = tuple(Reduction(item.symbol, item.value_usd, 0.0) for item in portfolio.positions)
        return Judgement(RiskAction.CLOSE_ALL, tuple(breaches), closing)
    return Judgement(RiskAction.REDUCE, tuple(breaches), tuple(_reductions(portfolio, limits)))


def _account_breaches(portfolio: Portfolio, limits: Limits) -> list[Breach]:
    found = []
    pnl, equity = portfolio.pnl_usd, portfolio.equity_usd
    if limits.min_equity_usd is not None and equity < limits.min_equity_usd:
        detail = f"equity {equity:,.2f} USD is below the minimum of {limits.min_equity_usd:,.2f} USD"
        found.append(Breach("min_equity_usd", detail, RiskAction.CLOSE_ALL, final=True))
    if limits.max_loss_usd is not None and pnl <= -limits.max_loss_usd:
        detail = f"the loss of {-pnl:,.2f} USD has reached the limit of {limits.max_loss_usd:,.2f} USD"
        found.append(Breach("max_loss_usd", detail, RiskAction.CLOSE_ALL))
    if limits.max_gain_usd is not None and pnl >= limits.max_gain_usd:
        detail = f"the gain of {pnl:,.2f} USD has reached the target of {limits.max_gain_usd:,.2f} USD"
        found.append(Breach("max_gain_usd", detail, RiskAction.CLOSE_ALL))
    return found


def _position_breaches(portfolio: Portfolio, limits: Limits) -> list[Breach]:
    if limits.max_position_share is None:
        return []
    most = limits.max_position_share * max(portfolio.equity_usd, 0.0)
    return [
        Breach(
            "max_position_share",
            f"{item.symbol} at {abs(item.value_usd):,.2f} USD is above {limits.max_position_share:.0%} of equity "
            f"({most:,.2f} USD)",
            RiskAction.REDUCE,
        )
        for item in portfolio.positions
        if abs(item.value_usd) > most
    ]


def _reductions(portfolio: Portfolio, limits: Limits) -> list[Reduction]:
    most = (limits.max_position_share or 0.0) * max(portfolio.equity_usd, 0.0)
    return [
        Reduction(item.symbol, item.value_usd, round(math.copysign(most, item.value_usd), 2))
        for item in portfolio.positions
        if abs(item.value_usd) > most
    ]


class RiskAgent(BaseAgent):
    """Judge a portfolio. The rules decide; the model comments on each verdict.

    Args:
        model: The model that comments; `rules_only` asks none.
        allow_override: Let the model argue a breach away. Off by default.
        override_confidence: How sure it must be for that, 0 to 100.
        rules_only: Ask no model at all.
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
        judgement = judge(portfolio, limits or Limits())
        told = _told(portfolio, limits or Limits(), judgement)
        with self.observed(input=told, metadata={"pnl": portfolio.pnl_usd}) as run:
            verdict = self._verdict(judgement, told, run)
            run.update(
                output=verdict.to_dict(),
                metadata={"decision": str(verdict.action), "overridden": verdict.overridden},
            )
            run.score("risk_verdict", str(verdict.action), comment=verdict.comment)
        return verdict

    def _verdict(self, judgement: Judgement, told: str, run: Observation) -> RiskVerdict:
        opinion, cost, failure = (None, None, None) if self.rules_only else self._ask(told)
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

    def _ask(self, told: str) -> tuple[RiskOpinion | None, float | None, str | None]:
        try:
            reply = self.model.generate_response(
                prompt("risk"), told, temperature=0.2, response_format=RiskOpinion, timeout=self.timeout_s
            )
        except ModelError as error:
            return None, None, str(error)
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


def _told(portfolio: Portfolio, limits: Limits, judgement: Judgement) -> str:
    """Return the case in words, the same bytes for the same case."""
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


def _check(portfolio: Portfolio, limits: Limits) -> None:
    numbers = {"equity_usd": portfolio.equity_usd, "start_equity_usd": portfolio.start_equity_usd}
    for place, item in enumerate(portfolio.positions):
        numbers[f"positions[{place}].value_usd"] = item.value_usd
        numbers[f"positions[{place}].pnl_usd"] = item.pnl_usd
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise RiskInputError(f"{name} is {value!r}: a risk verdict needs a real number.")
    for name in ("max_loss_usd", "max_gain_usd", "min_equity_usd", "max_position_share"):
        value = getattr(limits, name)
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise RiskInputError(f"{name} is {value!r}: give a number of at least 0, or none.")


def _amount(data: Mapping[str, Any], name: str, where: str, default: float | None = None) -> float:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RiskInputError(f"{name} of {where} is {value!r}: give a number in US dollars.")
    return float(value)


def _position(row: object, place: int) -> Position:
    where = f"positions[{place}]"
    if not isinstance(row, Mapping) or not isinstance(row.get("symbol"), str) or not row["symbol"]:
        raise RiskInputError(f"{where} is {row!r:.80}: give {{symbol, value_usd, pnl_usd}}.")
    _no_others(where, row, {"symbol", "value_usd", "pnl_usd"})
    return Position(row["symbol"], _amount(row, "value_usd", where), _amount(row, "pnl_usd", where, 0.0))


def _no_others(where: str, data: Mapping[str, Any], known: set[str]) -> None:
    others = sorted(set(data) - known)
    if others:
        raise RiskInputError(f"{where} has unknown fields: {', '.join(others)}. Known: {', '.join(sorted(known))}.")
