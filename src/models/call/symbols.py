"""Read out of a request which market it is about, where it says so without a doubt.

A wrong symbol is worse than none. So a symbol counts only in the metadata of a call, or as the whole value of a line
such as `Symbol: BTC-USD` that the user's messages have once, with no other market anywhere in the request, and not
where the prompt shows the form of an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from src.observability.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.models.types import ModelRequest

_LONGEST_TEXT: Final = 32_768  # characters of a request that are read; of a longer one nothing is
_KEYS: Final = ("symbol", "trading_pair", "ticker", "pair", "token")
# How a line begins that may state a symbol; this is searched for first, after a newline, which is faster than by `^`.
_BEGINNING: Final = r"[ \t>*•#-]*(?:symbol|ticker|trading|pair|token|contract)"
_FIRST_LINE: Final = re.compile(_BEGINNING, re.IGNORECASE)
_LATER_LINE: Final = re.compile("\n" + _BEGINNING, re.IGNORECASE)
_LINE: Final = re.compile(
    r"^[ \t>*•#-]*(?:symbol|ticker|trading[ _]pair|pair|token(?:[ _](?:address|symbol))?|contract(?:[ _]address)?)"
    r"(?:\*\*)?[ \t]{0,20}[:=](?:\*\*)?(?P<value>[^\n]*)$",
    re.IGNORECASE | re.MULTILINE,
)
_PAIR: Final = r"[A-Z][A-Z0-9]{1,14}[-/_](?:USD[TC]?|EUR|GBP|JPY|BTC|ETH|SOL|BNB|PERP)(?:[-:](?:SWAP|PERP|USD[TC]?))?"
_JOINED: Final = r"[A-Z0-9]{2,10}(?:USDT|USDC|USD|PERP)"
_SOLANA: Final = r"[1-9A-HJ-NP-Za-km-z]{32,44}"
_EVM: Final = r"0x[0-9a-fA-F]{40}"
_SYMBOL: Final = re.compile(rf"\$?(?:{_PAIR}|{_JOINED}|[A-Z][A-Z0-9]{{1,9}}|{_EVM}|{_SOLANA})")
_SHORTEST_ADDRESS: Final = 32
_MAJORS: Final = (
    "BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "AVAX", "LINK", "DOT", "LTC", "TRX", "SHIB", "PEPE", "WIF",
    "BONK", "SUI", "APT", "ARB", "HYPE", "FARTCOIN", "TON", "NEAR", "ATOM", "UNI",
)  # fmt: skip
_NAMES: Final = {"BITCOIN": "BTC", "ETHEREUM": "ETH", "SOLANA": "SOL", "RIPPLE": "XRP", "DOGECOIN": "DOGE"}
_MARKET: Final = re.compile(
    rf"(?<![A-Za-z0-9])(?:{_PAIR}|{_JOINED}|{_EVM}|{_SOLANA}|\$[A-Z][A-Z0-9]{{1,9}}|{'|'.join(_MAJORS)}"
    r"|[Bb]itcoin|[Ee]thereum|[Ss]olana|[Rr]ipple|[Dd]ogecoin)(?![A-Za-z0-9])"
)
_NO_SYMBOLS: Final = frozenset(
    {"ALL", "AND", "ANY", "BUY", "COIN", "FALSE", "HOLD", "LONG", "NAN", "NO", "NONE", "NOTHING", "NULL", "OR", "PAIR",
     "SELL", "SHORT", "SYMBOL", "TBD", "THE", "TICKER", "TOKEN", "TRUE", "UNKNOWN", "USD", "USDC", "USDT", "XXX", "YES"}
)  # fmt: skip
_FORM: Final = re.compile(
    r"\b(?:answer|e\.g|example|format|output|outputs|reply|respond|response|return|schema|template)\b|```",
    re.IGNORECASE,
)
_QUOTES: Final = re.compile(r"[-/_:](?:USD[TC]?|PERP|SWAP|EUR|GBP|JPY|BTC|ETH|SOL|BNB)|(?:USDT|USDC|USD|PERP)$")


def symbol_of(request: ModelRequest) -> str | None:
    """Return the market that a request is about, None where that is not certain."""
    stated = _of_metadata(request.options.get("metadata"))
    if stated is not None:
        return stated
    texts = list(_texts(request, "user"))
    if sum(map(len, texts)) > _LONGEST_TEXT or not any(map(_may_state_one, texts)):
        return None
    lines = [(text, match) for text in texts for match in _LINE.finditer(text)]
    values = {match["value"].strip() for _, match in lines}
    if len(values) != 1 or any(_FORM.search(text, 0, match.start()) for text, match in lines):
        return None
    symbol = _symbol(values.pop())
    everything = [*texts, *_texts(request, "system"), *_texts(request, "assistant")]
    if symbol is None or sum(map(len, everything)) > _LONGEST_TEXT:
        return None
    markets = {_base(match[0]) for text in everything for match in _MARKET.finditer(text)}
    return symbol if markets <= {_base(symbol)} else None


def _may_state_one(text: str) -> bool:
    return _FIRST_LINE.match(text) is not None or _LATER_LINE.search(text) is not None


def _of_metadata(metadata: object) -> str | None:
    """Return the symbol that the caller's own metadata name, where all of its keys for one agree."""
    if metadata is None or not isinstance(metadata, Mapping):
        return None
    values = {metadata[key] for key in _KEYS if isinstance(metadata.get(key), str)}
    return _symbol(values.pop()) if len(values) == 1 else None


def _texts(request: ModelRequest, role: str) -> Iterator[str]:
    return (message.text for message in request.messages if message.role == role)


def _symbol(text: str) -> str | None:
    if not _SYMBOL.fullmatch(text) or text.lstrip("$") in _NO_SYMBOLS:
        return None
    if len(text) >= _SHORTEST_ADDRESS and redact_text(f"token={text}") != f"token={text}":
        return None  # a key in place of a token's address
    return text.lstrip("$")


def _base(market: str) -> str:
    """Return what is traded on a market: BTC for BTC-USD, BTCUSDT, $BTC and Bitcoin."""
    name = market.lstrip("$")
    name = _NAMES.get(name.upper(), name)
    base = _QUOTES.split(name, maxsplit=1)[0]
    return base or name
