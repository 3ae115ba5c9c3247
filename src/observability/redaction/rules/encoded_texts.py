"""Read what is written in base64 or in hex where it is text: a secret in it is one in any clear text."""

from __future__ import annotations

import binascii
import contextlib
import re
import string
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# A run of base64 in either alphabet; lines of the same length, as mail and PEM have them, are one.
_ENCODED = re.compile(r"(?:[A-Za-z0-9+/]{60,76}+(?:\r?\n|\\r\\n|\\n)(?=[A-Za-z0-9+/]{4}))*+[A-Za-z0-9+/_\-]++={0,2}")
_BACK = re.compile(r"[A-Za-z0-9+/]*")
_LONGEST_BACK = 128
_NO_DIGIT = re.compile(r"\\[nr]|[\r\n]")
_URL_SAFE = str.maketrans("-_", "+/")
SHORTEST = 24
# The first digit of three bytes whose first is a printable character of ASCII.
ASCII_DIGITS = b"IJKLMNOPQRSTUVWXYZabcdef"
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_TEXT_BYTES = bytes(code for code in range(256) if not _CONTROLS.match(chr(code)))
_BACK_SIGNS = frozenset("+/" + string.ascii_letters + string.digits)
_HEX_DIGITS = b"0123456789abcdefABCDEF"
_HEX_RUN = re.compile(rb"[0-9a-fA-F]++")
SHORTEST_HEX = 2 * SHORTEST
_PRINTABLE_DIGITS = b"234567"  # the first of the two digits of a character of ASCII
_IS_PRINTABLE = bytes(ord("p") if code in _PRINTABLE_DIGITS else ord(" ") for code in range(256))
# One byte of so many is looked at first, at odd and at even positions: in the shortest text in hex so many of either
# are the first digits of characters, wherever it begins.
_STRIDE = 8
_SAMPLES = b"p" * ((SHORTEST_HEX - _STRIDE + 1) // _STRIDE)
_SAMPLED = (len(_SAMPLES) - 1) * _STRIDE + 1  # from the first of them to the last


class Encoded(NamedTuple):
    """A text in base64 or in hex: where it stands, and what it says."""

    start: int
    end: int
    text: str


def may_be_text(data: bytes, start: int, stop: int) -> bool:
    """Return whether a run of letters and digits can be base64 of a text that begins in ASCII: a cheap first check."""
    first_digits = data[start : start + SHORTEST : 4]
    return stop - start >= SHORTEST and not first_digits.translate(None, ASCII_DIGITS)


def in_hex(data: bytes) -> Iterator[Encoded]:
    """Yield the texts in ASCII that are written as runs of hex digits; a hash is none, but one in 10^13 of them."""
    seen: set[int] = set()
    for offset in (0, 1):
        samples, at = data[offset::_STRIDE].translate(_IS_PRINTABLE), 0
        while (at := samples.find(_SAMPLES, at)) >= 0:
            middle = at * _STRIDE + offset
            at += 1
            if data[middle : middle + _SAMPLED].translate(None, _HEX_DIGITS):
                continue
            start, stop = _hex_run(data, middle)
            at = max(at, (stop - offset) // _STRIDE)
            if start not in seen and stop - start >= SHORTEST_HEX:
                seen.add(start)
                yield from _text_of_run(data, start, stop)


def _hex_run(data: bytes, middle: int) -> tuple[int, int]:
    """Return where the run of hex digits around a position begins and ends."""
    match = _HEX_RUN.match(data, middle)
    start, width = middle, _STRIDE
    while start > 0:
        before = data[max(0, start - width) : start]
        digits = len(before) - len(before.rstrip(_HEX_DIGITS))
        start -= digits
        if digits < len(before):
            break
        width *= 2
    return start, match.end() if match else middle


def _text_of_run(data: bytes, start: int, stop: int) -> Iterator[Encoded]:
    for first in (start, start + 1):  # a letter before it, as in `\\n`, may be a digit
        if not data[first : first + SHORTEST_HEX : 2].translate(None, _PRINTABLE_DIGITS):
            last = stop - (stop - first) % 2
            text = bytes.fromhex(data[first:last].decode()).decode("ascii", "replace")
            yield Encoded(start=first, end=last, text=_CONTROLS.split(text, maxsplit=1)[0])
            return


def read(text: str, start: int) -> Encoded | None:
    """Return the text that the base64 around a position holds, or begins with; None where it holds none.

    What it holds is decoded only where its beginning is text, and is then not to be read again from a later position:
    an image of megabytes has thousands of runs of letters and digits.
    """
    first = start
    if text[start - 1 : start] in _BACK_SIGNS:
        lead = _BACK.match(text[max(0, start - _LONGEST_BACK) : start][::-1])
        first = start - (lead.end() if lead else 0)
    for begin in (first, start) if first < start else (start,):
        digits = text[begin : begin + SHORTEST]
        is_text = _may_begin_text(digits) and len(_decoded(digits)) > SHORTEST // 2
        match = _ENCODED.match(text, begin) if is_text else None
        if match:
            return Encoded(start=begin, end=match.end(), text=_decoded(match[0]))
    return None


def _may_begin_text(digits: str) -> bool:
    """Return whether digits of base64 may spell a text: not if one of the first bytes is of none."""
    if len(digits) < SHORTEST or not digits.isalnum() or not digits.isascii():
        return True
    data = binascii.a2b_base64(digits)
    return not data[: SHORTEST // 2 + 1].translate(None, _TEXT_BYTES)


def _decoded(digits: str) -> str:
    """Return the text that digits of base64 spell, up to the first byte that is of no text."""
    digits = _NO_DIGIT.sub("", digits).rstrip("=").translate(_URL_SAFE)
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]  # a text may be cut anywhere
    with contextlib.suppress(ValueError):  # not base64
        data = binascii.a2b_base64(digits + "=" * (-len(digits) % 4))
        try:
            plain = data.decode()
        except UnicodeDecodeError as error:
            plain = data[: error.start].decode()
        return _CONTROLS.split(plain, maxsplit=1)[0]
    return ""
