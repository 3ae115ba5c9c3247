"""Compare symbols as platforms spell them: BTC-USD, BTC/USD, btcusd, XBTUSD, BINANCE:BTCUSD, AAPL.US."""

from __future__ import annotations

import re

# Kraken's old names: an X before a coin, a Z before a currency.
_OF_KRAKEN = re.compile(r"X([A-Z]{3})(?:Z(USD|EUR|GBP|CAD|JPY|AUD|CHF)|X(XBT|ETH))")
_DOLLARS = ("USD", "USDT", "USDC")
_ALIASES = (("XXBTZ", "BTC"), ("XBT", "BTC"), ("XXDG", "DOGE"), ("XDG", "DOGE"))


def plain_symbol(symbol: str) -> str:
    """Return a symbol as letters and digits alone, in upper case."""
    name = symbol.strip().upper()
    name = name.rpartition(":")[2] if re.fullmatch(r"[A-Z]+:[\w./-]+", name) else name
    text = re.sub(r"[\W_]+", "", name)
    old = _OF_KRAKEN.fullmatch(text)
    if old:
        text = old[1] + (old[2] or ("BTC" if old[3] == "XBT" else "ETH"))
    for alias, plain in _ALIASES:
        if text.startswith(alias):
            return plain + text[len(alias) :]
    return text


def same_symbol(first: str, second: str) -> bool:
    """Tell whether two spellings name one market; of a share on US exchanges the country may be missing.

    That of another country names another market, with prices in another currency: SAP.DE is not SAP in New York.
    """
    return plain_symbol(_without_us(first)) == plain_symbol(_without_us(second))


def may_be(stated: str, asked: str) -> bool:
    """Tell whether a source's symbol can be the asked one: the same, or the coin alone of a pair with dollars."""
    plain = plain_symbol(stated)
    return same_symbol(stated, asked) or plain_symbol(asked) in {f"{plain}{dollars}" for dollars in _DOLLARS}


def _without_us(symbol: str) -> str:
    return re.sub(r"(?<=[A-Z0-9])\.US$", "", symbol.strip(), flags=re.IGNORECASE)
