"""Judge a portfolio against limits, by rules alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class RiskAction(StrEnum):
    """What to do with the positions."""

    WITHIN_LIMITS = "WITHIN_LIMITS"
    REDUCE = "REDUCE"
    CLOSE_ALL = "CLOSE_ALL"


class RiskInputError(ValueError):
    """A portfolio or limit cannot be judged; the message names the field and what it must be."""


@dataclass(frozen=True, slots=True)
class Position:
    """One position; `value_usd` is its size at the current price, negative for a short one."""

    symbol: str
    value_usd: float
    pnl_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A portfolio: its equity now and at the start of the period, and its positions."""

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
        _refuse_unknown("the portfolio", data, {"equity_usd", "start_equity_usd", "positions"})
        rows = data.get("positions") or []
        if not isinstance(rows, list):
            raise RiskInputError("positions must be a list of {symbol, value_usd, pnl_usd}.")
        return cls(
            equity_usd=_amount(data, "equity_usd", "the portfolio"),
            start_equity_usd=_amount(data, "start_equity_usd", "the portfolio"),
            positions=tuple(_position(row, place) for place, row in enumerate(rows)),
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits; None switches one off. Loss and gain are those of the period, in US dollars.

    `max_position_share` is a share of equity, 0 to 1. A breach of `min_equity_usd` can never be overridden.
    """

    max_loss_usd: float | None = None
    max_gain_usd: float | None = None
    min_equity_usd: float | None = None
    max_position_share: float | None = 0.3


@dataclass(frozen=True, slots=True)
class Breach:
    """A breach of one limit; a `final` one cannot be overridden."""

    limit: str
    detail: str
    demands: RiskAction
    final: bool = False


@dataclass(frozen=True, slots=True)
class Reduction:
    """A position that must shrink, and to what size."""

    symbol: str
    from_usd: float
    to_usd: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the limits demand, with the breaches and reductions."""

    demanded: RiskAction
    breaches: tuple[Breach, ...] = ()
    reductions: tuple[Reduction, ...] = ()


def judge(portfolio: Portfolio, limits: Limits) -> Judgement:
    """Return what the limits demand of a portfolio.

    Raises:
        RiskInputError: a number is not finite, or a limit makes no sense.
    """
    _check(portfolio, limits)
    breaches = [*_account_breaches(portfolio, limits), *_position_breaches(portfolio, limits)]
    if not breaches:
        return Judgement(demanded=RiskAction.WITHIN_LIMITS)
    if any(breach.demands is RiskAction.CLOSE_ALL for breach in breaches):
        demanded, reductions = RiskAction.CLOSE_ALL, _closings(portfolio)
    else:
        demanded, reductions = RiskAction.REDUCE, _reductions(portfolio, limits)
    return Judgement(demanded=demanded, breaches=tuple(breaches), reductions=tuple(reductions))


def _account_breaches(portfolio: Portfolio, limits: Limits) -> list[Breach]:
    breaches = []
    pnl, equity = portfolio.pnl_usd, portfolio.equity_usd
    if limits.min_equity_usd is not None and equity < limits.min_equity_usd:
        detail = f"equity {equity:,.2f} USD is below the minimum of {limits.min_equity_usd:,.2f} USD"
        breaches.append(_closing_breach("min_equity_usd", detail, final=True))
    if limits.max_loss_usd is not None and pnl <= -limits.max_loss_usd:
        detail = f"the loss of {-pnl:,.2f} USD has reached the limit of {limits.max_loss_usd:,.2f} USD"
        breaches.append(_closing_breach("max_loss_usd", detail))
    if limits.max_gain_usd is not None and pnl >= limits.max_gain_usd:
        detail = f"the gain of {pnl:,.2f} USD has reached the target of {limits.max_gain_usd:,.2f} USD"
        breaches.append(_closing_breach("max_gain_usd", detail))
    return breaches


def _closing_breach(limit: str, detail: str, *, final: bool = False) -> Breach:
    return Breach(limit=limit, detail=detail, demands=RiskAction.CLOSE_ALL, final=final)


def _position_breaches(portfolio: Portfolio, limits: Limits) -> list[Breach]:
    if limits.max_position_share is None:
        return []
    largest = _largest_position(portfolio, limits)
    return [
        Breach(
            limit="max_position_share",
            detail=f"{item.symbol} at {abs(item.value_usd):,.2f} USD is above {limits.max_position_share:.0%} of "
            f"equity ({largest:,.2f} USD)",
            demands=RiskAction.REDUCE,
        )
        for item in portfolio.positions
        if abs(item.value_usd) > largest
    ]


def _largest_position(portfolio: Portfolio, limits: Limits) -> float:
    """Return the largest size of a position, in US dollars."""
    return (limits.max_position_share or 0.0) * max(portfolio.equity_usd, 0.0)


def _closings(portfolio: Portfolio) -> list[Reduction]:
    return [Reduction(symbol=item.symbol, from_usd=item.value_usd, to_usd=0.0) for item in portfolio.positions]


def _reductions(portfolio: Portfolio, limits: Limits) -> list[Reduction]:
    largest = _largest_position(portfolio, limits)
    return [
        Reduction(
            symbol=item.symbol,
            from_usd=item.value_usd,
            to_usd=round(math.copysign(largest, item.value_usd), 2),
        )
        for item in portfolio.positions
        if abs(item.value_usd) > largest
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
    _refuse_unknown(where, row, {"symbol", "value_usd", "pnl_usd"})
    return Position(
        symbol=row["symbol"],
        value_usd=_amount(row, "value_usd", where),
        pnl_usd=_amount(row, "pnl_usd", where, 0.0),
    )


def _refuse_unknown(where: str, data: Mapping[str, Any], known: set[str]) -> None:
    others = sorted(set(data) - known)
    if others:
        raise RiskInputError(f"{where} has unknown fields: {', '.join(others)}. Known: {', '.join(sorted(known))}.")
