"""Read amounts exactly, and round and show them."""

from __future__ import annotations

import math
import numbers
import re
from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

# What an amount may be given as: a float is read as it is written (0.1 is one tenth), a text is a plain number.
Amount: TypeAlias = int | float | str | Decimal

_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_HIGHEST_POWER: Final = 300  # of ten: sums and products of such amounts are still floats
_LOWEST_POWER: Final = -400
# Nothing is rounded but where a rule says so: the digits of a product of two amounts fit many times.
_EXACT: Final = Context(
    prec=8000, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[DivisionByZero, Inexact, InvalidOperation, Overflow]
)


class RiskInputError(ValueError):
    """A portfolio or limit cannot be judged; the message names the field and what it must be."""


def exact() -> AbstractContextManager[Context]:
    """Return a context manager in which decimal arithmetic is exact."""
    return localcontext(_EXACT)


def amount(value: object, name: str, remedy: str = "a risk verdict needs a real number, such as 1234.56") -> Decimal:
    """Return an amount exactly as it was given.

    Args:
        value: The amount.
        name: What it is, for the error.
        remedy: What to give instead, where it is no finite number.

    Raises:
        RiskInputError: it is no finite number, or beyond 1e300 or 400 decimal places.
    """
    number = _decimal(value)
    if number is None or not number.is_finite():
        raise RiskInputError(f"{name} is {shown(value)}: {remedy}.")
    if number.is_zero():
        return Decimal(0)
    exponent = number.as_tuple().exponent
    if number.adjusted() > _HIGHEST_POWER or (isinstance(exponent, int) and exponent < _LOWEST_POWER):
        raise RiskInputError(
            f"{name} is {shown(value)}: give a number from -1e{_HIGHEST_POWER} to 1e{_HIGHEST_POWER} with at most "
            f"{-_LOWEST_POWER} decimal places."
        )
    return number


def amount_from_zero(value: object, name: str) -> Decimal:
    """Return an amount of at least 0.

    Raises:
        RiskInputError: it is none.
    """
    remedy = "give an amount of at least 0 US dollars, such as 1234.56"
    number = amount(value, name, remedy)
    if number < 0:
        raise RiskInputError(f"{name} is {shown(value)}: {remedy}.")
    return number


def share(value: object, name: str) -> Decimal:
    """Return a share of equity.

    Raises:
        RiskInputError: it is not from 0 to 1.
    """
    remedy = "give a share of equity from 0 to 1, such as 0.3 for 30%"
    number = amount(value, name, remedy)
    if not 0 <= number <= 1:
        raise RiskInputError(f"{name} is {shown(value)}: {remedy}.")
    return number


def _decimal(value: object) -> Decimal | None:
    """Return a number exactly, a float by its shortest notation; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal):
        return value
    if isinstance(value, numbers.Integral):
        return Decimal(int(value))
    if isinstance(value, float):
        return Decimal(float.__repr__(value))
    # str() of numpy's narrow floats is their shortest notation too.
    text = value if isinstance(value, str) else str(value) if isinstance(value, numbers.Real) else ""
    return Decimal(text.strip()) if _NUMBER.fullmatch(text.strip()) else None


def shown(value: object) -> str:
    """Return what was given, in a length for one line."""
    try:
        return f"{str(value) if isinstance(value, Decimal) else repr(value):.60}"
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"


def rounded_down(number: Decimal, tick: Decimal) -> Decimal:
    """Return a size of at least 0 in whole ticks, rounded towards zero."""
    return number // tick * tick


def rounded_up(number: Decimal, tick: Decimal) -> Decimal:
    """Return a size of at least 0 in whole ticks, rounded away from zero."""
    ticks = number // tick
    return (ticks if ticks * tick == number else ticks + 1) * tick


def float_towards_zero(number: Decimal) -> float:
    """Return the float nearest to an amount whose notation is not above it in size."""
    nearest = float(number)
    return math.nextafter(nearest, 0.0) if abs(Decimal(float.__repr__(nearest))) > abs(number) else nearest


def usd(number: Decimal) -> str:
    """Return an amount for people: to the cent, or to the digits below it that tell it from another."""
    if number and not -8 <= number.adjusted() < 18:
        return f"{number:.6E} USD"
    exponent = number.normalize(_EXACT).as_tuple().exponent
    places = min(max(-exponent, 2), 12) if isinstance(exponent, int) else 2
    return f"{number:,.{places}f} USD"


def percent(number: Decimal) -> str:
    """Return a share in percent, with all its digits."""
    return f"{number.scaleb(2, _EXACT).normalize(_EXACT):f}%"
