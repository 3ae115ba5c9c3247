"""Find Ed25519 key pairs in base64, as Coinbase issues them: 64 bytes, of which the last 32 follow from the first."""

from __future__ import annotations

import binascii
import string
from typing import TYPE_CHECKING, Final

from src.observability.redaction.judging import checks

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan

_DIGITS: Final = 86  # of 64 bytes, before the padding
_PADDING: Final = b"=="
_BASE64: Final = (string.ascii_letters + string.digits + "+/-_").encode()
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")
_MOST: Final = 24  # values of a text that are checked; one with more is a list of digests or signatures


def find_all(scan: Scan, data: bytes) -> None:
    """Find the key pairs of a text; digests and signatures, which are as long, are none."""
    left = _MOST
    place = data.find(_PADDING, _DIGITS)
    while place >= 0 and left:
        start = place - _DIGITS
        digits = data[start:place]
        # An operator of code has a blank before it, so that most places are told by one character.
        if digits[-1] in _BASE64 and not digits.translate(None, _BASE64) and not _goes_on(data, start, place):
            left -= 1
            if checks.is_ed25519_pair(binascii.a2b_base64(digits.translate(_URL_SAFE) + _PADDING)):
                scan.add(start, place + len(_PADDING), "ed25519_private_key")
        place = data.find(_PADDING, place + len(_PADDING))


def _goes_on(data: bytes, start: int, place: int) -> bool:
    """Return whether more digits stand before those or more padding behind: `sha512-` for instance names a digest."""
    return (start > 0 and data[start - 1] in _BASE64) or data.startswith(b"=", place + len(_PADDING))
