"""Compare symbols as platforms spell them: BTC-USD, BTC/USD, btcusd, XBTUSD, BINANCE:BTCUSD, AAPL.US."""

from __future__ import annotations

import re

_ALIASES = (("XXBTZ", "BTC"), ("XBT", "BTC"), ("XXDG", "DOGE"), ("XDG", "DOGE"))


def plain_symbol(symbol: str) -> str:
    """Return a symbol as letters and digits alone, in upper case."""
    name = symbol.strip().upper()
    name = name.rpartition(":")[2] if re.fullmatch(r"[A-Z]+:[\w./-]+", name) else name
    text = re.sub(r"[\W_]+", "", name)
    for alias, plain in _ALIASES:
        if text.startswith(alias):
            return plain + text[len(alias) :]
    return text


def same_symbol(first: str, second: str) -> bool:
    """Tell whether two spellings name one market; a country behind a share's dot may be missing."""
    if plain_symbol(first) == plain_symbol(second):
        return True
    shares = [re.fullmatch(r"([A-Z0-9-]+)\.([A-Z]{2,3})", name.strip().upper()) for name in (first, second)]
    with_country = [match for match in shares if match is not None]
    if len(with_country) != 1:
        return False
    other = second if shares[0] is not None else first
    return plain_symbol(with_country[0][1]) == plain_symbol(other)
