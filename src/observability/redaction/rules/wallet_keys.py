"""Find private keys of wallets (Bitcoin, Ethereum, Solana) by their checksums, else by the words before them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import checks, context

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan

_HEX = re.compile(r"[0-9a-fA-F]+\Z")
_LIST_GAP = 8  # the most characters between the items of a list
_HIGHEST_OF_SIGNATURES = 16
_CHECKED_SIGNATURES = 12  # of a text
_CALLED_SIGNATURE = re.compile(r"(?:signature|transaction|tx)(?:_?(?:id|hash))?[^A-Za-z0-9]{1,16}\Z", re.IGNORECASE)
_CALL_REACH = 36
_BLANK = r"(?:\s|\\+[nrt]){0,64}"
_ARRAY = re.compile(rf"[\[({{]{_BLANK}(?:\d{{1,3}}{_BLANK},{_BLANK}){{31,63}}(?:\d{{1,3}}{_BLANK})?[\])}}]")
_PRINTED = re.compile(r"\[\s{0,3}(?:\d{1,3}\s{1,8}){31,63}\d{1,3}\s{0,3}\]")  # as numpy prints an array
_INTEGER = re.compile(r"\d{1,3}")
_JSON_NAME = re.compile(r"(\\{0,64}[\"']|\\{1,64}u0022)\s{0,8}:\s{0,8}\Z")


def may_be_pair(scan: Scan, run: bytes, digits: bytes, start: int) -> bool:
    """Return whether a run, of these digits in base58, can be a key pair and no signature.

    A signature ends with a number below the order of the curve's group (RFC 8032, 5.1.7), so that its last byte is at
    most 16; of key pairs 15 in 16 have a higher one. Those with a low one, and those that are called signatures, are
    checked until the text has shown itself to be a list of signatures.
    """
    if checks.NO_DIGIT58 in digits:
        return False
    if checks.base58_last_byte(digits) > _HIGHEST_OF_SIGNATURES and not _CALLED_SIGNATURE.search(
        scan.text, max(0, start - _CALL_REACH), start
    ):
        return True
    pairs = scan.pairs
    if len(pairs) < _CHECKED_SIGNATURES and run not in pairs:
        data = checks.base58_decode(run.decode())
        pairs[run] = data is not None and bool(checks.is_ed25519_pair(data))
    return pairs.get(run, False)


def kind_of(scan: Scan, run: str, start: int, stop: int) -> str | None:
    """Return the kind of private key that a run of letters and digits is, or None."""
    digits = run[2:] if run[:2] in {"0x", "0X"} else run
    size = len(digits)
    if size in {64, 128} and _HEX.match(digits):
        return _hex_kind(scan, digits, start, stop)
    if size in {51, 52}:
        return "bitcoin_private_key" if checks.is_wif(run) else None
    if size == 58 and run.startswith("6P"):
        return "bitcoin_private_key" if checks.is_bip38(run) else None
    if 80 <= size <= 88:
        data = run.encode()
        is_open = may_be_pair(scan, data, checks.base58_digits(data), start)
        if not is_open and not context.has_strong_word(scan.text, start, scan.hint):
            return None
        return _pair_kind(scan, checks.base58_decode(run), start)
    if 43 <= size <= 44:
        is_key = (
            context.has_strong_word(scan.text, start, scan.hint, 24) and len(checks.base58_decode(run) or b"") == 32
        )
        return "solana_private_key" if is_key else None
    return None


def _hex_kind(scan: Scan, digits: str, start: int, stop: int) -> str | None:
    """Return the kind of key that 64 or 128 hex digits are, or None."""
    if len(digits) == 128:
        return _pair_kind(scan, bytes.fromhex(digits), start)
    is_secret = context.is_named_secret(scan.text, start, stop, scan.hint)
    if is_secret is None:  # no word decides: the next key of a list, or the strict mode
        is_secret = scan.strict or (scan.hex_end > 0 and start - scan.hex_end <= _LIST_GAP)
    if not is_secret:
        return None
    scan.hex_end = stop
    return "private_key"


def _pair_kind(scan: Scan, data: bytes | None, start: int) -> str | None:
    """Return the kind of a Solana key pair; a transaction's signature, also 64 bytes, is none."""
    if data is None or len(data) != 64:
        return None
    scan.spend_check(start)
    pair = checks.is_ed25519_pair(data)
    if pair is None:
        pair = context.has_strong_word(scan.text, start, scan.hint)
    return "solana_private_key" if pair else None


def find_bytes(scan: Scan, end: int) -> None:
    """Find a key in an array of 32 or 64 bytes: a pair by its checksum, a seed by the words before it."""
    text = scan.text
    start = max(text.rfind(opener, max(0, end - 4_096), end) for opener in "[({")
    match = _ARRAY.match(text, start) or _PRINTED.match(text, start) if start >= 0 else None
    if match:
        judge_bytes(scan, match, [int(digits) for digits in _INTEGER.findall(match.group())])


def judge_bytes(scan: Scan, match: re.Match[str], numbers: list[int]) -> None:
    """Record an array of these numbers, if they are a key."""
    text, start = scan.text, match.start()
    if len(numbers) not in {32, 64} or max(numbers) > 255:
        return
    kind = None
    if len(numbers) == 64:
        kind = _pair_kind(scan, bytes(numbers), start)
    if kind or context.has_strong_word(text, start, scan.hint, 64):
        name = _JSON_NAME.search(text, max(0, start - 32), start)
        scan.add(match.start(), match.end(), "solana_private_key", quote=name.group(1) if name else "")
