"""Say what is traded for what: BTCUSDT, BTC-USDT-SWAP, XXBTZUSD and BTC/USDT:USDT are BTC for dollars."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Currencies that are counted as dollars. That a stablecoin is one is an assumption, which results state by its name.
DOLLARS: Final = frozenset({"USD", "USDT", "USDC", "BUSD", "FDUSD"})
_QUOTES: Final = (
    "USDT", "USDC", "FDUSD", "BUSD", "USD", "EUR", "GBP", "TRY", "BRL", "JPY", "AUD", "CAD", "CHF", "BTC",
    "XBT", "ETH", "BNB", "SOL",
)  # fmt: skip
_COINS: Final = frozenset({"BTC", "ETH", "BNB", "SOL"})
_FIAT: Final = (frozenset(_QUOTES) - DOLLARS - _COINS - {"XBT"}) | {
    "CNH", "CNY", "CZK", "DKK", "HKD", "HUF", "IDR", "ILS", "INR", "KRW", "MXN", "NOK", "NZD", "PLN", "RUB", "SEK",
    "SGD", "THB", "TWD", "UAH", "VND", "ZAR",
}  # fmt: skip
_ALIASES: Final = {"XBT": "BTC", "XXBT": "BTC", "XDG": "DOGE", "XETH": "ETH"}
_LEGACY_KRAKEN: Final = re.compile(r"X([A-Z]{3})Z([A-Z]{3})")
_EXPIRY: Final = re.compile(r"\d{6}(?:\d{2})?|\d{1,2}[A-Z]{3}\d{2}")
_ADDRESS: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}|0x[0-9a-fA-F]{40}")
# Solana's usual quote tokens by their mints.
MINTS: Final = {
    "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v": "USDC",
    "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB": "USDT",
    "So11111111111111111111111111111111111111112": "SOL",
    "So11111111111111111111111111111111111111111": "SOL",
}


@dataclass(frozen=True, slots=True)
class Market:
    """What is traded (`base`) for what (`quote`, None where that is not said)."""

    base: str
    quote: str | None

    @property
    def name(self) -> str:
        """Return it as a symbol."""
        return self.base if self.quote is None else f"{self.base}-{self.quote}"

    @property
    def in_dollars(self) -> bool:
        """Tell whether its prices count as dollars."""
        return self.quote in DOLLARS


def market_of(symbol: str) -> Market:
    """Return the market that a symbol names."""
    text = symbol.strip()
    if _ADDRESS.fullmatch(text):
        return Market(base=MINTS.get(text, text), quote=None)
    text = text.upper().partition(":")[0] if "/" in text else text.upper().rpartition(":")[2]
    parts = [part for part in re.split(r"[-/_ ]", text) if part]
    if len(parts) > 1 and _EXPIRY.fullmatch(parts[-1]):  # a future: BTCUSDT_240329, BTC-USD-240329, BTC-27DEC24
        parts.pop()
        text = parts[0] if len(parts) == 1 else text
    if len(parts) > 1:
        if parts[1] not in ("PERP", "SWAP"):
            return Market(base=_plain(parts[0]), quote=_plain(parts[1]))
        market = market_of(parts[0])  # BTC-PERP, BTCUSDT-PERP
        return market if market.quote is not None else Market(base=market.base, quote="USD")
    legacy = _LEGACY_KRAKEN.fullmatch(text)
    if legacy:
        return Market(base=_plain(legacy[1]), quote=legacy[2])
    for quote in _QUOTES:
        if text.endswith(quote) and len(text) > len(quote) + 1:
            return Market(base=_plain(text.removesuffix(quote)), quote=_plain(quote))
    return Market(base=_plain(text), quote=None)


def expiry_of(symbol: str) -> str | None:
    """Return when a future is delivered, as its name says it; None for any other market."""
    last = re.split(r"[-/_ ]", symbol.strip().upper())[-1]
    return last if _EXPIRY.fullmatch(last) else None


def other_currency(symbol: str) -> str | None:
    """Return the currency in which a market is priced, where it is known and no dollar; None otherwise."""
    market = market_of(symbol)
    if market.base in _FIAT and market.quote not in _FIAT | DOLLARS | {None}:
        return market.base  # Upbit's KRW-BTC
    return market.quote if market.quote in _FIAT | _COINS else None


def _plain(currency: str) -> str:
    return _ALIASES.get(currency, currency)


def is_same_market(decided: Market, traded: Market) -> bool:
    """Tell whether fills of a market can be those of a decision on another spelling of it."""
    if decided.base != traded.base:
        return False
    if decided.quote is None:
        return traded.in_dollars or traded.quote is None or len(decided.base) >= 32
    return decided.quote == traded.quote or (decided.in_dollars and (traded.in_dollars or traded.quote is None))
