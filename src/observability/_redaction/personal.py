"""Look for personal data, each kind only where its switch is on."""

from __future__ import annotations

import re

from src.observability._redaction import checks
from src.observability._redaction.scan import Scan

KINDS = frozenset({"email", "phone", "card", "wallet"})

_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}(?![\w-])", re.ASCII)
_PHONE = re.compile(
    r"(?<![\w.+$])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}|\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4})(?![\w%])",
    re.ASCII,
)
_CARD = re.compile(
    r"(?<![\w.])[2-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\w.]\d)(?!\d)|(?<![\w.])3[47]\d{2}[ -]?\d{6}[ -]?\d{5}(?!\w)",
    re.ASCII,
)
_WALLET = re.compile(
    r"(?<![A-Za-z0-9])(?:0x[0-9a-fA-F]{40}|(?:bc1|tb1|ltc1)[a-z0-9]{25,62}|T[1-9A-HJ-NP-Za-km-z]{33}|[1-9A-HJ-NP-Za-km-z]{26,44})"
    r"(?![A-Za-z0-9])"
)


def find(scan: Scan, kinds: frozenset[str]) -> None:
    """Note personal data of the given kinds."""
    text = scan.text
    if "email" in kinds and "@" in text:
        for match in _EMAIL.finditer(text):
            scan.add(*match.span(), "email", general=True)
    if "phone" in kinds:
        for match in _PHONE.finditer(text):
            if 7 <= sum(char.isdigit() for char in match.group()) <= 15:
                scan.add(*match.span(), "phone", general=True)
    if "card" in kinds:
        for match in _CARD.finditer(text):
            digits = "".join(char for char in match.group() if char.isdigit())
            if 13 <= len(digits) <= 19 and checks.is_luhn(digits):
                scan.add(*match.span(), "card", general=True)
    if "wallet" in kinds:
        for match in _WALLET.finditer(text):
            if _is_wallet(match.group()):
                scan.add(*match.span(), "wallet", general=True)


def _is_wallet(text: str) -> bool:
    if text.startswith(("0x", "bc1", "tb1", "ltc1")) or checks.is_address(text):
        return True
    payload = checks.base58check(text)
    return payload is not None and len(payload) == 21
