"""Decide ambiguous values by the words that stand near them."""

from __future__ import annotations

import re

from src.observability._redaction import checks

_BEFORE = 80
_AFTER = 40

# Alternatives that speak for a public value stand first, so that `public key` is not read as `key`.
_DECIDING = re.compile(
    r"(?P<public>pub(?:lic)?[ _-]?key|key[ _-]?hash|public|tx|hash|trans(?:action|fer)|block|sha-?\d|signature|digest|"
    r"checksum|merkle|root|commit|topic|receipt|order|event|address|proof|\bid\b|_id\b|etherscan|contract|calldata|"
    r"selector|position|request|trace|session|swap|proposal|salt|nonce|market[ _-]?id|condition|token[ _-]?id)"
    r"|(?P<secret>priv|secret|sign(?:ing|er)|\bseed|mnemonic|key|\bpk\b|\bsk\b|passw|passphrase|credential|keystore|"
    r"wallet\s*(?:is|:|=))",
    re.IGNORECASE,
)
_STRONG = re.compile(r"priv|secret|seed|sign(?:ing|er)|key ?pair|wallet[ _-]?key|\bkey", re.IGNORECASE)
_PROSE = re.compile(
    r"(?P<public>pub(?:lic)?[ _-]?key|tx|hash|transaction|signature|address|mint|block|order|\bid\b|[_-]id\b|uuid|"
    r"public|commit|sha-?\d|contract|account|program|pool|model|file|branch|version|token[ _-]?(?:mint|address)|image|url)"
    r"|(?P<secret>api[ _-]?key|secret|passw(?:or)?d|passphrase|token|priv(?:ate)?|signing|credential|\bauth\b|bearer|"
    r"\bkey|[ _-]key)",
    re.IGNORECASE,
)


def _nearest(pattern: re.Pattern[str], text: str) -> str | None:
    last = None
    for match in pattern.finditer(text):
        last = match.lastgroup
    return last


def before(text: str, start: int, hint: str, width: int = _BEFORE) -> str:
    """Return the text that leads up to a value; the hint, a mapping key, stands before all of it."""
    lead = text[max(0, start - width) : start]
    return f"{hint}: {lead}" if hint and start < width else lead


def is_named_secret(text: str, start: int, end: int, hint: str) -> bool | None:
    """Say whether the nearest deciding word calls a 64-hex value secret or public; None where no word decides."""
    verdict = _nearest(_DECIDING, before(text, start, hint))
    if verdict is None:
        match = _DECIDING.search(text, end, min(len(text), end + _AFTER))
        verdict = match.lastgroup if match else None
    return None if verdict is None else verdict == "secret"


def has_strong_word(text: str, start: int, hint: str, width: int = 48) -> bool:
    """Say whether a word such as `private` or `seed` leads up to a value and no public word stands between."""
    lead = before(text, start, hint, width)
    return _nearest(_DECIDING, lead) == "secret" and bool(_STRONG.search(lead))


def is_introduced(text: str, start: int, value: str, hint: str) -> bool:
    """Say whether prose introduces a random value as a key, a secret, a password or a token."""
    if not checks.looks_random(value, 20) or checks.is_address(value) or checks.is_uuid(value):
        return False
    lead = before(text, start, hint, 32)
    cut = max(lead.rfind("\n"), lead.rfind(". "), lead.rfind(", "), lead.rfind("; "))
    return _nearest(_PROSE, lead[cut + 1 :]) == "secret"
