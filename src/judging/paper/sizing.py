"""Tell how large a new position may be: within the risk agent's limits, and never with borrowed money."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from src.agents.risk import money
from src.agents.risk.reductions import sides, total
from src.agents.risk.symbols import exposure_of
from src.agents.risk_rules import Portfolio, RiskAction, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.agents.risk.reductions import Lot
    from src.agents.risk_rules import Limits

STEP: Final = Decimal("1E-8")  # of a quantity
_WHOLE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class Wish:
    """A position that is to be opened.

    Attributes:
        symbol: The market.
        direction: 1 for long, -1 for short.
        price: The price of one.
        cost: What the fill costs, as a fraction of its value.
    """

    symbol: str
    direction: int
    price: Decimal
    cost: Decimal


def is_closed_by_account_limits(equity: Decimal, start: Decimal, limits: Limits) -> bool:
    """Tell whether the account's loss, gain or equity demands that everything is closed."""
    if equity <= 0:
        return True
    if limits.max_loss_usd is None and limits.max_gain_usd is None and limits.min_equity_usd is None:
        return False
    return judge(Portfolio(equity_usd=equity, start_equity_usd=start), limits).demanded is RiskAction.CLOSE_ALL


def largest_quantity(wish: Wish, equity: Decimal, others: Sequence[Lot], limits: Limits) -> Decimal:
    """Return the largest quantity at which all limits hold after the fill and its costs; 0 where there is no room.

    The position takes the whole share of the equity that one exposure may have.

    Args:
        wish: The position.
        equity: The account's equity before the fill, with all positions at their present prices.
        others: The positions that are open besides it.
        limits: The limits.
    """
    if wish.price <= 0:
        return Decimal(0)
    with money.exact():
        exposure, is_long = exposure_of(wish.symbol), wish.direction > 0
        same = total(abs(lot.size) for lot in others if lot.exposure == exposure and (lot.size > 0) is is_long)
        long, short = sides(others)
        own_side, other_side = (long, short) if is_long else (short, long)
        share = _WHOLE if limits.max_position_share is None else money.share(limits.max_position_share, "share")
        # Each bound as numerator and denominator: the fill's costs lower the equity of which the share is counted.
        bounds = [
            (share * equity - same, _WHOLE + share * wish.cost),
            (equity - long - short, _WHOLE + wish.cost),
        ]
        for limit, taken in (
            (limits.max_gross_usd, long + short),
            (limits.max_net_usd, own_side - other_side),
            (limits.max_long_usd if is_long else limits.max_short_usd, own_side),
        ):
            if limit is not None:
                bounds.append((money.amount(limit, "limit") - taken, _WHOLE))
        quantities = [top // (bottom * wish.price * STEP) * STEP if top > 0 else Decimal(0) for top, bottom in bounds]
        return min(quantities)
