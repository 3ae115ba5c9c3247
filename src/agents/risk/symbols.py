"""Tell which symbols are the same exposure, however they are spelled.

The same exposure is the same asset in the same currency: BTC-USD, BTC/USD, btc_usd, BTCUSD, XBT/USD, $BTC and BTC. US
dollars and their stablecoins count as one, and so do spot, perpetual swaps, futures and options on one asset:
BTC/USDC:USDC, BTCUSDT.P, BTC-PERP, BTC/USD:BTC-261225, BINANCE:BTCUSDT. A quantity in the name (1000PEPE, kPEPE) is the
coin itself. Another currency is another exposure (BTC-EUR), and so is a wrapped or staked coin (WBTC, STETH).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_DOLLARS: Final = frozenset(
    {"USD", "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "PYUSD", "RLUSD", "GUSD", "USDE", "USDP", "USDS", "USD1", "USDD",
     "USDH", "DAI", "UST", "ZUSD"}
)  # fmt: skip
# Those that end a name without a separator: others would cut names short (DOTUSD is DOT, not DO in TUSD).
_ENDINGS: Final = ("FDUSD", "USDT", "USDC", "USD1", "USD")
_KINDS: Final = frozenset(
    {"PERP", "PERPETUAL", "SWAP", "SPOT", "FUT", "FUTURES", "INTX", "UMCBL", "CMCBL", "DMCBL", "SPBL"}
)
_FAMILIES: Final = frozenset({"PF", "PI", "FI", "FF"})  # Kraken's futures: PF_XBTUSD
_SEPARATORS: Final = re.compile(r"[-_/.\s|]+")
_EXPIRY: Final = re.compile(r"\d{4,8}|\d{1,2}[A-Z]{3}\d{2,4}")
_QUANTITY: Final = re.compile(r"(?:10{3,6}|1M)(?=[A-Z]{2})")
_THOUSANDS: Final = re.compile(r"k(?=[A-Z]{3})")  # Hyperliquid's kPEPE
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}|[1-9A-HJ-NP-Za-km-z]{32,44}")  # of a token, on EVM chains or Solana
_KRAKEN: Final = re.compile(r"X([A-Z]{3})Z(USD|EUR|GBP|JPY|CAD)")
_MARKET_OF_A_VENUE: Final = re.compile(r"[A-Z]{2,5}-([A-Z0-9]{2,})")  # ccxt's XYZ-TSLA/USDC:USDC


def exposure_of(symbol: str) -> str:
    """Return a key that is the same for all spellings of one exposure."""
    text = unicodedata.normalize("NFKC", symbol).strip()
    if _ADDRESS.fullmatch(text):
        return text.upper()
    text, is_swap = _without_venue(_THOUSANDS.sub("", text, count=1).upper().lstrip("$^"))
    text = re.sub(r"=[XF]$", "", text)  # Yahoo's currencies and futures
    asset, slash, rest = text.partition("/")
    market = _MARKET_OF_A_VENUE.fullmatch(asset) if slash and is_swap else None
    if market:
        text = f"{market[1]}/{rest}"
    words = [word for word in _SEPARATORS.split(text) if word]
    if len(words) > 1 and words[0] in _FAMILIES:
        del words[0]
    return _key(words) if words else symbol.strip().upper()


def _without_venue(text: str) -> tuple[str, bool]:
    """Return a symbol without the exchange before it or the settlement after it, and whether it had a settlement."""
    left, colon, right = text.partition(":")
    if not colon or not left or not right:
        return text.strip(":"), False
    settlement = _SEPARATORS.split(right)[0]
    if "/" in left or settlement in _DOLLARS or left.startswith(settlement):
        return left, True
    return right, False


def _key(words: list[str]) -> str:
    asset, *rest = words
    details: list[str] = []
    for word in rest:
        if _EXPIRY.fullmatch(word):  # what follows is the strike of an option, and its kind
            break
        if word not in _KINDS and not (word in ("P", "PS") and asset.endswith(_ENDINGS)):
            details.append(word)
    if not details:
        return _coin(_without_dollars(asset))
    if details[0] in _DOLLARS:
        details = details[1:]
    return "".join([_coin(asset), *map(_coin, details)])


def _without_dollars(name: str) -> str:
    """Return a name without the dollars that end it, as in BTCUSDT; a stablecoin's own name stays."""
    kraken = _KRAKEN.fullmatch(name)
    if kraken:
        name = f"{kraken[1]}{kraken[2]}"
    if name.endswith("PERP") and name != "PERP":
        name = name.removesuffix("PERP")
    if name in _DOLLARS:
        return name
    ending = next((item for item in _ENDINGS if name.endswith(item)), "")
    return name.removesuffix(ending) or name


def _coin(name: str) -> str:
    name = _QUANTITY.sub("", name, count=1) if _QUANTITY.match(name) else name
    return f"BTC{name[3:]}" if name.startswith("XBT") else name
