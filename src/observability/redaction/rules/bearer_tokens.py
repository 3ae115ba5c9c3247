"""Find JSON web tokens and the credentials of Authorization headers."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import checks

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan

_JWT = re.compile(r"eyJ[\w\-]{10,8192}\.[\w\-]{4,16384}(?:\.[\w\-]{0,8192}){0,4}", re.ASCII)
_CREDENTIAL = re.compile(r"[\w~+/=.\-]{8,8192}", re.ASCII)


def find_jwt(scan: Scan, start: int) -> None:
    """Find a JSON web token."""
    match = _JWT.match(scan.text, start)
    if match and start >= scan.token_end:
        scan.token_end = match.end()
        scan.add(start, match.end(), "jwt")


def find_bearer(scan: Scan, end: int) -> None:
    """Find the value of `Bearer value` or `Basic value`."""
    start = end - 8
    match = _CREDENTIAL.match(scan.text, start)
    value = match.group().rstrip(".") if match else ""
    is_basic = scan.text[max(0, start - 8) : start].lower().rstrip(" +%20").endswith("basic")
    secret = _is_basic(value) if is_basic else (
        any(char.isdigit() for char in value) and not (checks.is_wordy(value) and len(value) < 16)
    ) or checks.looks_random(value, 20)  # fmt: skip
    if secret:
        scan.add(start, start + len(value), "basic_auth" if is_basic else "bearer_token", general=True)


def _is_basic(value: str) -> bool:
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
