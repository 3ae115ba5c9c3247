"""Judge a portfolio against limits, by rules alone, in exact decimal arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from src.agents.risk import money
from src.agents.risk.money import Amount, RiskInputError
from src.agents.risk.reductions import Caps, Lot, reduced, sides, total
from src.agents.risk.symbols import exposure_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "Amount",
    "Breach",
    "Judgement",
    "Limits",
    "Portfolio",
    "Position",
    "Reduction",
    "RiskAction",
    "RiskInputError",
    "judge",
]

_CENT: Final = Decimal("0.01")
_POSITION_FORM: Final = "{symbol, value_usd, pnl_usd}"


class RiskAction(StrEnum):
    """What to do with the positions."""

    WITHIN_LIMITS = "WITHIN_LIMITS"
    REDUCE = "REDUCE"
    CLOSE_ALL = "CLOSE_ALL"


@dataclass(frozen=True, slots=True)
class Position:
    """One position; `value_usd` is its size at the current price, negative for a short one."""

    symbol: str
    value_usd: Amount
    pnl_usd: Amount = 0


@dataclass(frozen=True, slots=True)
class Portfolio:
    """A portfolio: its equity now and at the start of the period, and its positions. Amounts are read exactly."""

    equity_usd: Amount
    start_equity_usd: Amount
    positions: tuple[Position, ...] = ()

    @property
    def pnl_usd(self) -> Decimal:
        """Return the gain or loss of the period.

        Raises:
            RiskInputError: the equity is no finite number.
        """
        with money.exact():
            return money.amount(self.equity_usd, "equity_usd") - money.amount(self.start_equity_usd, "start_equity_usd")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Portfolio:
        """Read a portfolio from plain data; amounts are numbers, or texts that hold one.

        Raises:
            RiskInputError: a field is missing, unknown or not a number.
        """
        if not isinstance(data, Mapping):
            raise RiskInputError(f"the portfolio is {data!r:.80}: give equity_usd, start_equity_usd and positions.")
        _refuse_unknown("the portfolio", data, {"equity_usd", "start_equity_usd", "positions"})
        rows = data.get("positions")
        if not isinstance(rows, list | tuple | None):
            raise RiskInputError(f"positions must be a list of {_POSITION_FORM}.")
        return cls(
            equity_usd=_amount(data, "equity_usd", "the portfolio"),
            start_equity_usd=_amount(data, "start_equity_usd", "the portfolio"),
            positions=tuple(_position(row, place) for place, row in enumerate(rows or ())),
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits; None switches one off.

    A loss or gain that reaches its limit, and an equity below the minimum, demand CLOSE_ALL; exposures above theirs
    demand REDUCE. A breach of `min_equity_usd`, and an equity of 0 or less, can never be overridden.

    Attributes:
        max_loss_usd: The loss of the period, in US dollars; it counts in whole ticks, rounded up.
        max_gain_usd: The gain of the period, counted likewise.
        min_equity_usd: The least equity.
        max_position_share: The largest share of equity in one exposure, 0 to 1: all lots of a symbol in any spelling,
            the long ones together, and the short ones together.
        max_gross_usd: The long and the short positions of the account, added up.
        max_net_usd: Their difference, whichever is larger.
        max_long_usd: The long positions.
        max_short_usd: The short positions.
        tick_usd: Demanded sizes are multiples of this, rounded towards zero.
    """

    max_loss_usd: Amount | None = None
    max_gain_usd: Amount | None = None
    min_equity_usd: Amount | None = None
    max_position_share: Amount | None = 0.3
    max_gross_usd: Amount | None = None
    max_net_usd: Amount | None = None
    max_long_usd: Amount | None = None
    max_short_usd: Amount | None = None
    tick_usd: Amount = _CENT


@dataclass(frozen=True, slots=True)
class Breach:
    """A breach of one limit; a `final` one cannot be overridden."""

    limit: str
    detail: str
    demands: RiskAction
    final: bool = False


@dataclass(frozen=True, slots=True)
class Reduction:
    """A position that must shrink, and to what size; `position` is its place in the portfolio, from 0."""

    symbol: str
    from_usd: Decimal
    to_usd: Decimal
    position: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the limits demand, with the breaches and reductions."""

    demanded: RiskAction
    breaches: tuple[Breach, ...] = ()
    reductions: tuple[Reduction, ...] = ()


@dataclass(frozen=True, slots=True)
class _Numbers:
    """A portfolio and limits, read and checked."""

    equity: Decimal
    start: Decimal
    lots: tuple[Lot, ...]
    names: tuple[str, ...]
    max_loss: Decimal | None
    max_gain: Decimal | None
    min_equity: Decimal | None
    share: Decimal | None
    caps: Caps
    tick: Decimal


def judge(portfolio: Portfolio, limits: Limits) -> Judgement:
    """Return what the limits demand of a portfolio: once the reductions are made, it is within its exposure limits.

    Raises:
        RiskInputError: a number is not finite, or a limit makes no sense.
    """
    with money.exact():
        numbers = _numbers(portfolio, limits)
        breaches = [*_account_breaches(numbers), *_exposure_breaches(numbers), *_side_breaches(numbers)]
        if not breaches:
            return Judgement(demanded=RiskAction.WITHIN_LIMITS)
        if any(breach.demands is RiskAction.CLOSE_ALL for breach in breaches):
            demanded, targets = RiskAction.CLOSE_ALL, [Decimal(0)] * len(numbers.lots)
        else:
            demanded, targets = RiskAction.REDUCE, reduced(numbers.lots, numbers.caps, numbers.tick)
        return Judgement(demanded=demanded, breaches=tuple(breaches), reductions=tuple(_reductions(numbers, targets)))


def _account_breaches(numbers: _Numbers) -> Iterator[Breach]:
    equity = numbers.equity
    loss = numbers.start - equity
    if equity <= 0:
        yield _closing_breach("equity", f"equity is {money.usd(equity)}: nothing is left to lose", final=True)
    if numbers.min_equity is not None and equity < numbers.min_equity:
        detail = f"equity {money.usd(equity)} is below the minimum of {money.usd(numbers.min_equity)}"
        yield _closing_breach("min_equity_usd", detail, final=True)
    if numbers.max_loss is not None and loss >= 0 and money.rounded_up(loss, numbers.tick) >= numbers.max_loss:
        detail = f"the loss of {money.usd(loss)} has reached the limit of {money.usd(numbers.max_loss)}"
        yield _closing_breach("max_loss_usd", detail)
    if numbers.max_gain is not None and loss <= 0 and money.rounded_up(-loss, numbers.tick) >= numbers.max_gain:
        detail = f"the gain of {money.usd(-loss)} has reached the target of {money.usd(numbers.max_gain)}"
        yield _closing_breach("max_gain_usd", detail)


def _closing_breach(limit: str, detail: str, *, final: bool = False) -> Breach:
    return Breach(limit=limit, detail=detail, demands=RiskAction.CLOSE_ALL, final=final)


def _exposure_breaches(numbers: _Numbers) -> Iterator[Breach]:
    """Hold all lots of each exposure together, in whatever spelling, against the share of equity."""
    cap = numbers.caps.exposure
    if cap is None or numbers.share is None:
        return
    groups: dict[tuple[str, bool], list[int]] = {}
    for place, lot in enumerate(numbers.lots):
        if lot.size:
            groups.setdefault((lot.exposure, lot.size > 0), []).append(place)
    for places in groups.values():
        size = total(abs(numbers.lots[place].size) for place in places)
        if size > cap:
            detail = (
                f"{_name(numbers.names, places)} at {money.usd(size)} is above {money.percent(numbers.share)} of "
                f"equity ({money.usd(cap)})"
            )
            yield Breach(limit="max_position_share", detail=detail, demands=RiskAction.REDUCE)


def _name(names: Sequence[str], places: Sequence[int]) -> str:
    """Return the name of an exposure, with the number of its lots and their spellings."""
    spellings = list(dict.fromkeys(names[place] for place in places))
    name = ", ".join(spellings[:4]) + (", ..." if len(spellings) > 4 else "")
    return f"{name} in {len(places)} lots" if len(places) > 1 else name


def _side_breaches(numbers: _Numbers) -> Iterator[Breach]:
    """Hold the positions of the account together against its limits."""
    long, short = sides(numbers.lots)
    caps = numbers.caps
    for limit, what, size, cap in (
        ("max_gross_usd", "all positions together", long + short, caps.gross),
        ("max_net_usd", "long and short positions together", abs(long - short), caps.net),
        ("max_long_usd", "the long positions", long, caps.long),
        ("max_short_usd", "the short positions", short, caps.short),
    ):
        if cap is not None and size > cap:
            detail = f"{what} are at {money.usd(size)}, above the limit of {money.usd(cap)}"
            yield Breach(limit=limit, detail=detail, demands=RiskAction.REDUCE)


def _reductions(numbers: _Numbers, targets: Sequence[Decimal]) -> Iterator[Reduction]:
    for place, (lot, target) in enumerate(zip(numbers.lots, targets, strict=True)):
        if target != lot.size:
            yield Reduction(symbol=numbers.names[place], from_usd=lot.size, to_usd=target, position=place)


def _numbers(portfolio: Portfolio, limits: Limits) -> _Numbers:
    """Read and check a portfolio and limits."""
    equity = money.amount(portfolio.equity_usd, "equity_usd")
    share = None if limits.max_position_share is None else money.share(limits.max_position_share, "max_position_share")
    tick = money.amount(limits.tick_usd, "tick_usd")
    if tick <= 0:
        raise RiskInputError(f"tick_usd is {money.shown(limits.tick_usd)}: give a number above 0, such as 0.01.")
    caps = Caps(
        exposure=None if share is None else share * max(equity, Decimal(0)),
        gross=_limit(limits, "max_gross_usd"),
        net=_limit(limits, "max_net_usd"),
        long=_limit(limits, "max_long_usd"),
        short=_limit(limits, "max_short_usd"),
    )
    return _Numbers(
        equity=equity,
        start=money.amount(portfolio.start_equity_usd, "start_equity_usd"),
        lots=tuple(_lot(position, place) for place, position in enumerate(portfolio.positions)),
        names=tuple(position.symbol for position in portfolio.positions),
        max_loss=_limit(limits, "max_loss_usd"),
        max_gain=_limit(limits, "max_gain_usd"),
        min_equity=_limit(limits, "min_equity_usd"),
        share=share,
        caps=caps,
        tick=tick,
    )


def _limit(limits: Limits, name: str) -> Decimal | None:
    value = getattr(limits, name)
    return None if value is None else money.amount_from_zero(value, name)


def _lot(position: Position, place: int) -> Lot:
    symbol: object = position.symbol
    if not isinstance(symbol, str) or not symbol.strip():
        raise RiskInputError(f"positions[{place}].symbol is {symbol!r:.60}: give a name such as BTC-USD.")
    money.amount(position.pnl_usd, f"positions[{place}].pnl_usd")
    size = money.amount(position.value_usd, f"positions[{place}].value_usd")
    try:
        exposure = exposure_of(symbol)
    except ValueError as error:
        raise RiskInputError(f"positions[{place}]: {error}") from error
    return Lot(exposure=exposure, size=size)


def _amount(data: Mapping[str, Any], name: str, where: str, default: object = None) -> Decimal:
    return money.amount(data.get(name, default), f"{name} of {where}")


def _position(row: object, place: int) -> Position:
    where = f"positions[{place}]"
    if not isinstance(row, Mapping) or not isinstance(row.get("symbol"), str) or not row["symbol"].strip():
        raise RiskInputError(f"{where} is {row!r:.80}: give {_POSITION_FORM}.")
    _refuse_unknown(where, row, {"symbol", "value_usd", "pnl_usd"})
    return Position(
        symbol=row["symbol"],
        value_usd=_amount(row, "value_usd", where),
        pnl_usd=_amount(row, "pnl_usd", where, 0),
    )


def _refuse_unknown(where: str, data: Mapping[str, Any], known: set[str]) -> None:
    others = sorted(str(name) for name in set(data) - known)
    if others:
        raise RiskInputError(f"{where} has unknown fields: {', '.join(others)}. Known: {', '.join(sorted(known))}.")
