"""Define one fill, and the numbers of exports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from src.judging.fills.markets import Market

# A number with a decimal point; commas only where each separates three digits.
_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?(?:[eE][+-]?\d{1,3})?")
_AMOUNT: Final = re.compile(r"(?P<number>[+-]?[0-9.,]+(?:[eE][+-]?\d{1,3})?)\s*(?P<unit>[A-Za-z][A-Za-z0-9]{0,19})?")
_MONEY: Final = "$€£¥"


class FillsError(ValueError):
    """A file of fills cannot be used; the message names the file, the place, the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Fee:
    """A fee that was paid, or got back where it is below 0; the currency is None where nothing says it."""

    amount: Decimal
    currency: str | None


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution.

    Attributes:
        venue: The exchange.
        market: What was traded.
        side: 1 for a buy, -1 for a sell.
        price: The price of one unit.
        amount: How many units of the base.
        time_ns: When, in nanoseconds since 1970.
        fees: What was paid for it; None where the file does not say.
        effect: `open` or `close`, where the exchange says so; `net` where it says that the account holds one position
            of a market.
        is_spot: Whether it moved the coins themselves.
        trade_id: The exchange's id of it.
        order_id: The exchange's id of the order.
        realized: What the exchange says that it realized.
        place: The file and the line.
        expiry: When the contract is delivered, of futures alone: their positions are apart from perpetual ones.
        closed: How much of the amount closed a position, where the exchange says so; the rest opened one.
        excludes: What is not in it, such as funding.
        resolution_ns: How exact its time is: it may be later by less than this.
    """

    venue: str
    market: Market
    side: int
    price: Decimal
    amount: Decimal
    time_ns: int
    fees: tuple[Fee, ...] | None
    effect: str | None
    is_spot: bool
    trade_id: str | None
    order_id: str | None
    realized: Decimal | None
    place: str
    closed: Decimal | None = None
    expiry: str | None = None
    excludes: tuple[str, ...] = ()
    resolution_ns: int = 1


def number(text: str) -> Decimal | None:
    """Return a number, money signs apart; None where it is none."""
    plain = text.strip().lstrip(_MONEY)
    for sign in _MONEY:
        plain = plain.replace(f"-{sign}", "-", 1)
    if not any(letter.isdigit() for letter in plain) or not _NUMBER.fullmatch(plain):
        return None
    try:
        value = Decimal(plain.replace(",", ""))
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value) < Decimal("1e30") else None


def with_unit(text: str) -> tuple[Decimal | None, str | None]:
    """Return a number with the unit behind it, as in `0.0012BTC`."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        return number(text), None
    unit = match["unit"]
    return number(match["number"]), None if unit is None else unit.upper()
