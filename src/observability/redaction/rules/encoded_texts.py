"""Read what is written in base64 where it is text: a secret in it is one in any clear text."""

from __future__ import annotations

import binascii
import contextlib
import re
from typing import NamedTuple

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


class Encoded(NamedTuple):
    """A text in base64: where it stands, and what it says."""

    start: int
    end: int
    text: str


def may_be_text(data: bytes, start: int, stop: int) -> bool:
    """Return whether a run of letters and digits can be base64 of a text that begins in ASCII: a cheap first check."""
    first_digits = data[start : start + SHORTEST : 4]
    return stop - start >= SHORTEST and not first_digits.translate(None, ASCII_DIGITS)


def read(text: str, start: int) -> Encoded | None:
    """Return the text that the base64 around a position holds, or begins with; None where it holds none.

    What it holds is decoded only where its beginning is text, and is then not to be read again from a later position:
    an image of megabytes has thousands of runs of letters and digits.
    """
    lead = _BACK.match(text[max(0, start - _LONGEST_BACK) : start][::-1])
    first = start - (lead.end() if lead else 0)
    for begin in dict.fromkeys((first, start)):
        beginning = _decoded(text[begin : begin + SHORTEST])
        match = _ENCODED.match(text, begin) if len(beginning) > SHORTEST // 2 else None
        if match:
            return Encoded(start=begin, end=match.end(), text=_decoded(match[0]))
    return None


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
