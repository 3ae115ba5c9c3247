"""Follow positions through fills: what opens one, what closes it, and what each of its parts earned.

Each fill closes what stands against it, the oldest first, and opens a position with the rest. A spot market has no
short positions: coins that are sold and were not bought in the file came from before it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from src.judging.fills.markets import Market
    from src.judging.fills.records import Fee, Fill

# A decision, an exchange and a market.
Key: TypeAlias = tuple[str, str, "Market"]
_ZERO: Final = Decimal(0)
# Less than this share of a fill is what rounding leaves, and no position.
_DUST: Final = Decimal("1e-9")
# What an exchange that realized less writes as 0.
_ROUNDING: Final = Decimal("1e-6")


@dataclass(slots=True)
class Parts:
    """What the fills of one decision opened, and what came of it, in the quote currency.

    Attributes:
        market: The market.
        opened: How much was opened.
        entry_value: What that was worth.
        closed: How much of it was closed.
        closed_value: What that part was worth when it was opened.
        gross: What the closed part earned before fees.
        fees: The fees of the closed part, as far as they are known.
        unknown_fees: The currencies of fees whose price is unknown; an empty text where the currency is unknown, too.
        exit_value: What it was worth when it was closed.
        fills: How many fills opened it.
        first_ns: When the first one did.
        last_ns: When the last one closed.
        excludes: What is not in it.
    """

    market: Market
    opened: Decimal = _ZERO
    entry_value: Decimal = _ZERO
    closed: Decimal = _ZERO
    closed_value: Decimal = _ZERO
    exit_value: Decimal = _ZERO
    gross: Decimal = _ZERO
    fees: Decimal = _ZERO
    unknown_fees: set[str] = field(default_factory=set)
    fills: int = 0
    first_ns: int = 0
    last_ns: int = 0
    excludes: set[str] = field(default_factory=set)

    @property
    def net(self) -> Decimal:
        """Return what the closed part earned after the fees that are known."""
        return self.gross - self.fees

    @property
    def closed_share(self) -> Decimal:
        """Return how much of it is closed, from 0 to 1."""
        return self.closed / self.opened if self.opened else _ZERO


@dataclass(slots=True)
class _Lot:
    """A part of a position: `fee` is what opening all of it cost, `amount` what is still open of `opened`."""

    tag: str | None
    side: int
    amount: Decimal
    opened: Decimal
    price: Decimal
    fee: Decimal
    unknown: frozenset[str]


@dataclass(slots=True)
class Followed:
    """What came of all fills.

    Attributes:
        parts: What they opened and what came of it, by decision, exchange and market.
        untagged: The places of fills that opened something for no decision.
        unclear: Exchanges and markets with a fill that may belong to either of two open positions.
        closing: How many fills only closed.
        from_before: How many closed something that the file does not show opened.
    """

    parts: dict[Key, Parts] = field(default_factory=dict)
    untagged: list[str] = field(default_factory=list)
    unclear: set[tuple[str, Market]] = field(default_factory=set)
    closing: int = 0
    from_before: int = 0


def follow(fills: Iterable[Fill], tag_of: Callable[[Fill], str | None], prices: Mapping[str, Decimal]) -> Followed:
    """Follow all positions.

    Args:
        fills: The fills, oldest first.
        tag_of: Returns the decision that a fill belongs to, None where there is none.
        prices: What fees in other currencies are worth in dollars.
    """
    result = Followed()
    books: defaultdict[tuple[object, ...], deque[_Lot]] = defaultdict(deque)
    for fill in fills:
        own, opposite = (
            books[fill.venue, fill.market, fill.expiry, fill.is_spot, side] for side in (fill.side, -fill.side)
        )
        for part in _in_parts(fill):
            if own and opposite and not _is_position_known(part, opposite):
                result.unclear.add((part.venue, part.market))
            _take(part, own, opposite, tag_of(part), prices, result)
    return result


def _in_parts(fill: Fill) -> Iterator[Fill]:
    """Return a fill in the part that closed a position and the one that opened one, where the exchange says so."""
    if fill.closed is None or fill.is_spot:
        yield fill
        return
    closed = min(abs(fill.closed), fill.amount)
    for effect, amount in (("close", closed), ("open", fill.amount - closed)):
        if amount:
            share = amount / fill.amount
            fees = fill.fees if fill.fees is None else tuple(
                replace(fee, amount=fee.amount * share) for fee in fill.fees
            )  # fmt: skip
            yield replace(fill, amount=amount, effect=effect, fees=fees, closed=None)


def _is_position_known(fill: Fill, opposite: deque[_Lot]) -> bool:
    """Tell whether it is known which of two positions, one long and one short, a fill belongs to."""
    if fill.is_spot or fill.effect in ("open", "close"):
        return True
    return fill.effect is None and fill.realized is not None and (fill.realized != 0 or _opens_beside(fill, opposite))


def _take(
    fill: Fill,
    own: deque[_Lot],
    opposite: deque[_Lot],
    tag: str | None,
    prices: Mapping[str, Decimal],
    result: Followed,
) -> None:
    fee, unknown = _cost_of(fill, prices)
    opens = fill.effect == "open" or _opens_beside(fill, opposite)
    rest = fill.amount if opens else _close(fill, opposite, fee, unknown, result)
    if rest <= fill.amount * _DUST:
        result.closing += 1
        return
    if _was_open_before(fill, rest, is_hedged=bool(own)):
        result.from_before += 1
        return
    share = rest / fill.amount
    # On a spot market a fee in what was bought leaves less of it to sell.
    remaining = _net_amount(fill) * share if fill.is_spot else rest
    price = fill.price * rest / remaining
    own_fee = (fee - (fill.amount - _net_amount(fill)) * fill.price if fill.is_spot else fee) * share
    own.append(
        _Lot(tag=tag, side=fill.side, amount=remaining, opened=remaining, price=price, fee=own_fee, unknown=unknown)
    )
    if tag is None:
        result.untagged.append(fill.place)
        return
    part = result.parts.setdefault((tag, fill.venue, fill.market), Parts(market=fill.market, first_ns=fill.time_ns))
    part.opened += remaining
    part.entry_value += price * remaining
    part.fills += 1
    part.unknown_fees |= unknown
    part.excludes.update(fill.excludes)


def _opens_beside(fill: Fill, opposite: deque[_Lot]) -> bool:
    """Tell whether a fill opens a position beside one of the other side, as accounts in hedge mode do.

    The exchange says that it realized nothing; against what is open it would have, unless its price is the mean one.
    """
    if fill.is_spot or fill.effect is not None or fill.realized != 0 or not opposite:
        return False
    amount = sum((lot.amount for lot in opposite), _ZERO)
    mean = sum((lot.price * lot.amount for lot in opposite), _ZERO) / amount
    return abs(fill.price - mean) * min(fill.amount, amount) > _ROUNDING


def _was_open_before(fill: Fill, rest: Decimal, *, is_hedged: bool) -> bool:
    """Tell whether what is left of a fill closes something from before the file, rather than opening a position.

    Args:
        fill: The fill.
        rest: What is left of its amount.
        is_hedged: Whether there is a position of its own side already, so that it closed one beside that.
    """
    if fill.is_spot:
        return fill.side < 0
    return fill.effect == "close" or (
        fill.effect in (None, "net") and bool(fill.realized) and (rest == fill.amount or is_hedged)
    )


def _net_amount(fill: Fill) -> Decimal:
    """Return how much of what was bought is left after fees in it."""
    own = sum((fee.amount for fee in fill.fees or () if fee.currency == fill.market.base), _ZERO)
    remaining = fill.amount - own if fill.side > 0 else fill.amount
    return remaining if remaining > 0 else fill.amount


def _close(fill: Fill, lots: deque[_Lot], fee: Decimal, unknown: frozenset[str], result: Followed) -> Decimal:
    """Close what stands against a fill, the oldest first; return how much of the fill is left."""
    rest = fill.amount
    while lots and rest > 0:
        lot = lots[0]
        amount = min(lot.amount, rest)
        if lot.tag is not None:
            part = result.parts[lot.tag, fill.venue, fill.market]
            part.closed += amount
            part.closed_value += lot.price * amount
            part.exit_value += fill.price * amount
            part.gross += lot.side * (fill.price - lot.price) * amount
            part.fees += lot.fee * amount / lot.opened + fee * amount / fill.amount
            part.unknown_fees |= lot.unknown | unknown
            part.last_ns = fill.time_ns
            part.excludes.update(fill.excludes)
        rest -= amount
        lot.amount -= amount
        if lot.amount <= 0:
            lots.popleft()
    return rest


def _cost_of(fill: Fill, prices: Mapping[str, Decimal]) -> tuple[Decimal, frozenset[str]]:
    """Return what a fill's fees cost in its quote, and the currencies of those that have no known price."""
    if fill.fees is None:
        return _ZERO, frozenset({""})
    known, unknown = _ZERO, set()
    for fee in fill.fees:
        value = _value(fee, fill, prices)
        if value is None:
            unknown.add(fee.currency or "")
        else:
            known += value
    return known, frozenset(unknown)


def _value(fee: Fee, fill: Fill, prices: Mapping[str, Decimal]) -> Decimal | None:
    if not fee.amount:
        return _ZERO
    if fee.currency is None:
        return None
    if fee.currency == fill.market.quote:
        return fee.amount
    if fee.currency == fill.market.base:
        return fee.amount * fill.price
    price = prices.get(fee.currency)
    return fee.amount * price if price is not None and fill.market.in_dollars else None
