"""Refuse a market's name that looks like another one, as BTC-USD in Cyrillic letters does."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Characters that show nothing, beside those of the category Cf.
_INVISIBLE: Final = re.compile("[\u034f\u115f\u1160\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_SLASHES: Final = str.maketrans({"\u2044": "/", "\u2215": "/", "\u29f8": "/", "\u2212": "-", "\u2043": "-"})
# Scripts in which coins are named, and whose letters look like no Latin one.
_SCRIPTS: Final = ("CJK ", "HIRAGANA", "KATAKANA", "HANGUL SYLLABLE")


def plain_name(symbol: object) -> str:
    """Return a market's name with wide letters, dashes and slashes as ASCII has them, without invisible characters.

    Raises:
        ValueError: it names nothing, or a letter, digit or mark is neither ASCII nor Chinese, Japanese or Korean: such
            as Cyrillic, Greek and accented Latin letters, which look like others. The message names each.
    """
    if not isinstance(symbol, str) or not symbol.strip():
        raise ValueError(f"the symbol is {symbol!r:.40}: give the market's name, such as BTC-USD.")
    if symbol.isascii():
        return symbol.strip()
    wide = unicodedata.normalize("NFKC", _INVISIBLE.sub("", symbol)).translate(_SLASHES)
    name = "".join(_dash(sign) for sign in wide if unicodedata.category(sign) != "Cf").strip()
    strange = list(dict.fromkeys(sign for sign in name if _misleads(sign)))
    if strange:
        names = ", ".join(f"{sign!r} is {unicodedata.name(sign, f'U+{ord(sign):04X}')}" for sign in strange[:6])
        raise ValueError(
            f"the symbol {symbol!r:.60} has characters that look like others: {names}. Write it in the letters A to Z."
        )
    return name


def misleading(symbol: object) -> str | None:
    """Return why a market's name is not what it looks like; None where it is."""
    try:
        plain_name(symbol)
    except ValueError as error:
        return str(error)
    return None


def market_name(symbol: object) -> str:
    """Return a decision's symbol as it is written, without spaces around it.

    Raises:
        ValueError: it names nothing, has control characters, or is not what it looks like.
    """
    plain_name(symbol)
    name = str(symbol).strip()
    if any(unicodedata.category(sign) == "Cc" for sign in name):
        raise ValueError(f"the symbol {name!r:.60} has control characters in it: give the market's name alone.")
    return name


def _dash(sign: str) -> str:
    return "-" if unicodedata.category(sign) == "Pd" else sign


def _misleads(sign: str) -> bool:
    if sign.isascii() or unicodedata.category(sign)[0] not in "LMN":
        return False
    return not unicodedata.name(sign, "").startswith(_SCRIPTS)
