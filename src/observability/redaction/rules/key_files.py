"""Find the private part of keys that files hold as JSON: JWK, encrypted keystores, bytes with their places as names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from src.observability.redaction.rules import wallet_keys

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan

_QUOTE: Final = r"\\{0,15}[\"']"
_COLON: Final = r"\s{0,4}:\s{0,4}"
# {"kty": "EC", "crv": ..., "d": ...}: up to the end of the name
JWK_GATE: Final = r"kty\\{0,15}[\"']"
JWK_LITERALS: Final = ("kty",)
# {"crypto": {"ciphertext": ...}}: up to the value
KEYSTORE_GATE: Final = r"ciphertext\\{0,15}[\"']\s{0,4}:\s{0,4}\\{0,15}[\"'][0-9a-f]"
KEYSTORE_LITERALS: Final = ("ciphertext",)
# {"0": 93, "1": 10, ...}, as JavaScript writes a Uint8Array: up to the second name
BYTES_GATE: Final = r"\"0\\{0,15}\"\s{0,4}:\s{0,4}\d{1,3}\s{0,4},\s{0,40}\\{0,15}\"1\\{0,15}\""
BYTES_LITERALS: Final = ('"0',)

_LONGEST_KEY: Final = 8_192  # characters of a JWK
_REACH: Final = 1_024  # of a keystore, on either side of its ciphertext
# Of RFC 7518, 6.2.2, 6.3.2 and 6.4.1: `k` is a key of octets, and other things elsewhere.
_PRIVATE: Final = re.compile(
    rf"{_QUOTE}(?:d|p|q|dp|dq|qi)(?P<close>{_QUOTE}){_COLON}{_QUOTE}(?P<value>[\w\-+/]{{20,2048}}={{0,2}})", re.ASCII
)
_OCTETS: Final = re.compile(rf"{_QUOTE}k{_QUOTE}{_COLON}{_QUOTE}(?P<value>[\w\-+/]{{16,2048}}={{0,2}})", re.ASCII)
_OF_OCTETS: Final = re.compile(rf"kty{_QUOTE}{_COLON}{_QUOTE}oct\b")
_CIPHERTEXT: Final = re.compile(r"[0-9a-f]{64,512}", re.IGNORECASE)
_BYTES: Final = re.compile(
    rf"\{{\s{{0,40}}(?:{_QUOTE}\d{{1,2}}{_QUOTE}{_COLON}\d{{1,3}}\s{{0,4}},(?:\s|\\n){{0,40}}){{31,63}}"
    rf"{_QUOTE}\d{{1,2}}{_QUOTE}{_COLON}\d{{1,3}}(?:\s|\\n){{0,40}}\}}"
)
_BYTE: Final = re.compile(rf"{_COLON}(\d{{1,3}})")


def find_jwk(scan: Scan, end: int) -> None:
    """Find the private members of a JSON Web Key; the name of its type ends at `end`."""
    text = scan.text
    if end <= scan.object_end:
        return
    start = max(0, text.rfind("{", max(0, end - _LONGEST_KEY), end))
    stop = text.find("}", end, end + _LONGEST_KEY)
    stop = stop if stop >= 0 else min(len(text), end + _LONGEST_KEY)
    scan.object_end = stop
    pattern = _OCTETS if _OF_OCTETS.search(text, max(start, end - 24), end + 24) else _PRIVATE
    for match in pattern.finditer(text, start, stop):
        scan.add(*match.span("value"), "private_key", general=True)


def find_keystore(scan: Scan, end: int) -> None:
    """Find the encrypted key of a keystore, which a weak password gives away; its first digit ends at `end`."""
    match = _CIPHERTEXT.match(scan.text, end - 1)
    if match and "kdf" in scan.text[max(0, end - _REACH) : match.end() + _REACH]:
        scan.add(*match.span(), "keystore", general=True)


def find_bytes(scan: Scan, end: int) -> None:
    """Find a key in an object with a byte under each place; the name of the second ends at `end`."""
    start = scan.text.rfind("{", max(0, end - 128), end)
    match = _BYTES.match(scan.text, start) if start >= 0 else None
    if match:
        wallet_keys.judge_bytes(scan, match, [int(digits) for digits in _BYTE.findall(match[0])])
