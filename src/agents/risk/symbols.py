"""Tell which symbols are the same exposure, however they are spelled.

The same exposure is the same asset in the same currency: BTC-USD, BTC/USD, btc_usd, BTCUSD, XBT/USD, $BTC and BTC. US
dollars and their stablecoins count as one, and so do spot, perpetual swaps, futures and options on one asset:
BTC/USDC:USDC, BTCUSDT.P, BTC-PERP, BTC/USD:BTC-261225, BINANCE:BTCUSDT, KuCoin's XBTUSDTM, Bitfinex' tBTCUSD and
BTCF0:USTF0, Bybit's BTCUSDH26, TradingView's BTC1!, NautilusTrader's BTCUSDT-PERP.BINANCE, CoinAPI's
BINANCE_SPOT_BTC_USDT. The currency may stand first (USDT_BTC), a broker's letters last (EURUSD.m, BTCUSD.raw). A
quantity in the name (1000PEPE, kPEPE) is the coin itself. Another currency is another exposure (BTC-EUR), and so is a
wrapped or staked coin (WBTC, STETH).
"""

from __future__ import annotations

import re
from typing import Final

from src.agents.risk.spellings import usual_name
from src.observability.ledger import plain_name

_DOLLARS: Final = frozenset(
    {"USD", "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "PYUSD", "RLUSD", "GUSD", "USDE", "USDP", "USDS", "USD1", "USDD",
     "USDH", "DAI", "UST", "ZUSD", "USDT0", "USDBC", "USDCE"}
)  # fmt: skip
# Those that end a name without a separator: others would cut names short (DOTUSD is DOT, not DO in TUSD).
_ENDINGS: Final = ("FDUSD", "USDT", "USDC", "USD1", "USD")
# Of these the longer endings too: BTCTUSD and ETHBUSD are no coins BTCT and ETHB.
_MAJORS: Final = frozenset(
    {"BTC", "XBT", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "TRX", "LTC", "BCH", "LINK", "AVAX", "DOT", "MATIC",
     "SHIB"}
)  # fmt: skip
# Kraken writes XDG for DOGE, and exchanges that follow ISO 4217 XBT for BTC.
_ALIASES: Final = {"XBT": "BTC", "XDG": "DOGE"}
_CURRENCIES: Final = frozenset(
    {"AUD", "BRL", "CAD", "CHF", "CNH", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR", "JPY",
     "KRW", "MXN", "MYR", "NGN", "NOK", "NZD", "PHP", "PLN", "RON", "RUB", "SEK", "SGD", "THB", "TRY", "TWD", "UAH",
     "USD", "VND", "XAG", "XAU", "XPD", "XPT", "ZAR"}
)  # fmt: skip
# What brokers add to a pair for a kind of account: EURUSD.m, EURUSDm, EURUSD.pro, EURUSD_i, EURUSD#.
_BROKERS_PAIR: Final = re.compile(r"([A-Z]{3})([A-Z]{3})(?:[._-]?[a-z]{1,4}|[._-][A-Za-z]{1,4}|[#+!])")
# The same behind a pair with dollars, and behind an index: BTCUSD.raw, BTCUSDT#, US30.cash.
_BROKERS_MARKET: Final = re.compile(
    r"([A-Z0-9]{2,10}USD[TC]?|[A-Z]{2,4}\d{2,3})(?:[._-]?[a-z]{1,4}|[._-][A-Za-z]{1,4}|[#+!])"
)
_BITFINEX: Final = re.compile(r"t(?=[A-Z0-9]{6,}|[A-Z0-9]+:)")  # tBTCUSD, tDOGE:USD
_BITFINEX_SWAP: Final = re.compile(r"([A-Z0-9]+)F0:(?:UST|BTC|EUR)F0")
_CONTINUOUS: Final = re.compile(r"\d!$")  # TradingView's nearest future
# The month and the year of a future: BTCUSDH26, XBTZ25, BTCH2026.
_DELIVERY: Final = re.compile(r"(?<=[A-Z0-9]{2})(?<!\d[A-Z]{2})[FGHJKMNQUVXZ](?:20)?\d{2}$")
_KUCOIN: Final = re.compile(r"(?<=[A-Z0-9]USD[TC])M$|(?<=[A-Z0-9]USD)M$")
_KINDS: Final = frozenset(
    {"PERP", "PERPETUAL", "SWAP", "SPOT", "FUT", "FTS", "FUTURES", "INTX", "LINEAR", "INVERSE", "MARGIN", "OPT", "UM",
     "CM", "UMCBL", "CMCBL", "DMCBL", "SPBL", "CC", "FOREX"}
)  # fmt: skip
# Exchanges as names of markets end with them, behind a dot or an @, and as three words or more begin with them.
_EXCHANGES: Final = frozenset(
    {"BINANCE", "BINANCEFTS", "BINANCEFTSC", "BINANCEUS", "BITFINEX", "BITGET", "BITMEX", "BITSTAMP", "BYBIT",
     "BYBITSPOT", "COINBASE", "CRYPTOCOM", "DERIBIT", "GATEIO", "GEMINI", "HUOBI", "HYPERLIQUID", "KRAKEN",
     "KRAKENFTS", "KUCOIN", "MEXC", "OKEX", "OKX", "PHEMEX", "POLONIEX", "UPBIT"}
)  # fmt: skip
_PLACES: Final = _EXCHANGES | {"BINANCE_US", "COINBASE_INTX", "DYDX", "HTX", "ARCA", "BATS", "CME", "GLBX", "LSE",
                               "NASDAQ", "NYSE", "SIM", "XNAS", "XNYS"}  # fmt: skip
_FAMILIES: Final = frozenset({"PF", "PI", "FI", "FF"})  # Kraken's futures: PF_XBTUSD
_LOCATED: Final = re.compile(r"(.+)[.@]([A-Z_]+)")
# Brackets, quotes and the like too: BTC\USD, BTC;USD, (BTC), BTC-USD (spot).
_SEPARATORS: Final = re.compile(r"[-_/.\s|,;\\()\[\]{}<>\"'`~*?\u00b7\u2018-\u201f\u2022\u2219\u22c5\u30fb]+")
_EXPIRY: Final = re.compile(r"\d{4,8}|\d{1,2}[A-Z]{3}\d{2,4}")
_QUANTITY: Final = re.compile(r"(?:10{3,6}|1M)(?=[A-Z]{2})")
_LOT_BEHIND: Final = re.compile(r"(SHIB|PEPE|BONK|FLOKI|LUNC|SATS|CAT)10{3,6}")  # Bybit's SHIB1000USDT
_IN_CAPITALS: Final = frozenset({"KPEPE", "KSHIB", "KBONK", "KFLOKI", "KLUNC", "KNEIRO", "KDOGS"})  # ccxt's, of kPEPE
_THOUSANDS: Final = re.compile(r"k(?=[A-Z]{3})")  # Hyperliquid's kPEPE
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}|[1-9A-HJ-NP-Za-km-z]{32,44}")  # of a token, on EVM chains or Solana
_KRAKEN: Final = re.compile(r"X([A-Z]{3})Z(USD|EUR|GBP|JPY|CAD)")
_MARKET_OF_A_VENUE: Final = re.compile(r"[A-Z]{2,5}-([A-Z0-9]{2,})")  # ccxt's XYZ-TSLA/USDC:USDC


def exposure_of(symbol: str) -> str:
    """Return a key that is the same for all spellings of one exposure.

    Raises:
        ValueError: the symbol has letters that look like others, such as Cyrillic ones.
    """
    text = plain_name(symbol)
    if _ADDRESS.fullmatch(text):
        return text.upper()
    pair = _BROKERS_PAIR.fullmatch(text)
    if pair and _CURRENCIES.issuperset(pair.groups()):
        text = f"{pair[1]}{pair[2]}"
    market_of_a_broker = _BROKERS_MARKET.fullmatch(text)
    if market_of_a_broker:
        text = market_of_a_broker[1]
    swap = _BITFINEX_SWAP.fullmatch(text := _BITFINEX.sub("", text, count=1))
    text = f"{swap[1]}USD" if swap else text
    text, is_swap = _without_venue(usual_name(_THOUSANDS.sub("", text, count=1).upper().lstrip("$^#")))
    text = re.sub(r"=[XF]$", "", text)  # Yahoo's currencies and futures
    text = _KUCOIN.sub("", _DELIVERY.sub("", _CONTINUOUS.sub("", text)))
    asset, slash, rest = text.partition("/")
    market = _MARKET_OF_A_VENUE.fullmatch(asset) if slash and is_swap else None
    if market:
        text = f"{market[1]}/{rest}"
    words = _words(text)
    if len(words) > 1 and words[-1] == "US":  # AAPL.US, BRK.B.US
        words.pop()
    elif len(words) == 2 and words[0] == "US":  # US.AAPL
        del words[0]
    if len(words) == 2 and _is_quoted_first(*words):
        words.reverse()
    return _key(words) if words else plain_name(symbol).upper()


def _words(text: str) -> list[str]:
    """Return the words of a name without the exchange before or after them, and without the family of futures."""
    located = _LOCATED.fullmatch(text)
    name = located[1] if located and located[2] in _PLACES else text
    words = [word for word in _SEPARATORS.split(name) if word]
    if (len(words) > 2 and words[0] in _EXCHANGES) or (len(words) > 1 and words[0] in _FAMILIES):
        del words[0]
    if len(words) > 2 and words[0] in _KINDS and words[1] not in _DOLLARS | _CURRENCIES:  # WOO's PERP_BTC_USDT
        del words[0]
    return words


def _is_quoted_first(first: str, second: str) -> bool:
    """Return whether a market is named by its currency first, as Upbit's KRW-BTC and Poloniex' USDT_BTC."""
    is_money = first in _DOLLARS or first in _CURRENCIES
    is_market = (
        second not in _DOLLARS | _CURRENCIES | _KINDS and not _EXPIRY.fullmatch(second) and second not in {"P", "PS"}
    )
    return is_money and is_market


def _without_venue(text: str) -> tuple[str, bool]:
    """Return a symbol without the exchange before it or the settlement after it, and whether it had a settlement."""
    left, colon, right = text.partition(":")
    if not colon or not left or not right:
        return text.strip(":"), False
    settlement = _SEPARATORS.split(right)[0]
    if right in _KINDS or "/" in left or settlement in _DOLLARS or left.startswith(settlement):
        return left, True
    return right, False


def _key(words: list[str]) -> str:
    asset, *rest = words
    details: list[str] = []
    for word in rest:
        if _EXPIRY.fullmatch(word):  # what follows is the strike of an option, and its kind
            break
        is_swap = word in ("P", "PS") and (asset.endswith(_ENDINGS) or (details and details[-1] in _DOLLARS))
        if word not in _KINDS and not is_swap:
            details.append(word)
    if not details:
        return _coin(_without_dollars(asset))
    if details[0] in _DOLLARS:
        details = [word for word in details[1:] if word != "E"]  # USDC.e, which came over a bridge
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
    major = next((stem for stem in _MAJORS if name.removeprefix(stem) in _DOLLARS), None)
    if major is not None:
        return major
    ending = next((item for item in _ENDINGS if name.endswith(item)), "")
    return name.removesuffix(ending) or name


def _coin(name: str) -> str:
    name = _QUANTITY.sub("", name, count=1) if _QUANTITY.match(name) else name
    lot = _LOT_BEHIND.fullmatch(name)
    name = lot[1] if lot else name[1:] if name in _IN_CAPITALS else name
    alias = _ALIASES.get(name[:3])
    return f"{alias}{name[3:]}" if alias else name
