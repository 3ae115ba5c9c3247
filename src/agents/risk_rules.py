"""Judge a portfolio against limits: breaches, and the reductions that they demand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


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
