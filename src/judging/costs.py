"""Define what a trade costs beside its price: fees, half spreads and slippage, in basis points (hundredths of 1%)."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Final

# Taker fees of the lowest tier, as ccxt 4.5.90 states them: spot, but Hyperliquid's, which are of perpetuals. Tiers,
# tokens and promotions change them: state your own. Where a venue is not listed, Binance's hold.
TAKER_FEES_BPS: Final = {
    "binance": 10.0, "bybit": 7.5, "okx": 15.0, "kucoin": 10.0, "gate": 20.0, "htx": 20.0, "kraken": 26.0,
    "coinbase": 120.0, "bitstamp": 40.0, "bitget": 20.0, "mexc": 5.0, "hyperliquid": 4.5,
}  # fmt: skip
DEFAULT_FEE_BPS: Final = 10.0


@dataclass(frozen=True, slots=True)
class TradingCosts:
    """What one trade, in and out, costs; each in basis points of the price.

    Attributes:
        fee_bps: The fee for each of the two fills.
        spread_bps: The whole spread, of which each fill pays one half.
        slippage_bps: How much worse each fill is.
    """

    fee_bps: float = DEFAULT_FEE_BPS
    spread_bps: float = 0.0
    slippage_bps: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no cost.

        Raises:
            ValueError: a number is below 0 or not finite; the message names it.
        """
        for name, value in asdict(self).items():
            if not (math.isfinite(value) and 0 <= value < 10_000):
                raise ValueError(f"{name} is {value!r}: give basis points from 0 to below 10,000; 10 is 0.1%.")

    @property
    def of_round_trip(self) -> float:
        """Return the costs of entry and exit together, as a fraction of the price."""
        return (2 * self.fee_bps + self.spread_bps + 2 * self.slippage_bps) / 10_000

    def to_json(self) -> str:
        """Return the costs as JSON, as an outcome states them."""
        return json.dumps(asdict(self))


def costs_of_venue(
    venue: str | None,
    *,
    fee_bps: float | None = None,
    spread_bps: float | None = None,
    slippage_bps: float | None = None,
) -> TradingCosts:
    """Return the costs at a venue; what is given explicitly holds."""
    usual_bps = TAKER_FEES_BPS.get((venue or "").strip().lower(), DEFAULT_FEE_BPS)
    return TradingCosts(
        fee_bps=usual_bps if fee_bps is None else fee_bps,
        spread_bps=0.0 if spread_bps is None else spread_bps,
        slippage_bps=0.0 if slippage_bps is None else slippage_bps,
    )
