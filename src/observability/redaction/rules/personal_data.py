"""Find personal data of the kinds that are switched on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.observability.redaction.judging.scan import Scan

_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}(?![\w-])", re.ASCII)
_PHONE = re.compile(
    r"(?<![\w.+$])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}|"
    r"\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4})(?![\w%])",
    re.ASCII,
)
_CARD = re.compile(
    r"(?<![\w.])[2-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\w.]\d)(?!\d)|"
    r"(?<![\w.])3[47]\d{2}[ -]?\d{6}[ -]?\d{5}(?!\w)",
    re.ASCII,
)
_WALLET = re.compile(
    r"(?<![A-Za-z0-9])(?:0x[0-9a-fA-F]{40}|(?:bc1|tb1|ltc1)[a-z0-9]{25,62}|T[1-9A-HJ-NP-Za-km-z]{33}|[1-9A-HJ-NP-Za-km-z]{26,44})"
    r"(?![A-Za-z0-9])"
)


def find(scan: Scan, kinds: frozenset[str]) -> None:
    """Record personal data of these kinds."""
    for kind, pattern, is_valid in _ROWS:
        if kind in kinds:
            for match in pattern.finditer(scan.text):
                if is_valid(match.group()):
                    scan.add(*match.span(), kind, general=True)


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())


def _is_email(text: str) -> bool:
    return "@" in text


def _is_phone(text: str) -> bool:
    return 7 <= len(_digits(text)) <= 15


def _is_card(text: str) -> bool:
    digits = _digits(text)
    return 13 <= len(digits) <= 19 and checks.is_luhn(digits)


def _is_wallet(text: str) -> bool:
    if text.startswith(("0x", "bc1", "tb1", "ltc1")) or checks.is_address(text):
        return True
    payload = checks.base58check(text)
    return payload is not None and len(payload) == 21


_ROWS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("email", _EMAIL, _is_email),
    ("phone", _PHONE, _is_phone),
    ("card", _CARD, _is_card),
    ("wallet", _WALLET, _is_wallet),
)
