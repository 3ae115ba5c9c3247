"""Put blanks for what is no word of a text, so that words stay where they are: escapes, signs of HTML, other signs."""

from __future__ import annotations

import re
from typing import Final

from src.observability.redaction.judging import unescaped
from src.observability.redaction.judging.scan import blanked
from src.observability.redaction.rules.gates import HTML_SIGN

_HTML_SIGN: Final = re.compile(f"({HTML_SIGN})".encode())
_ESCAPED_BLANKS: Final = (b"\\n", b"\\r", b"\\t")
_FEW, _FEWEST, _RARE = 64, 4, 100  # signs of a text at most, of a short one, and characters to one sign
# Words hold these besides letters: marks, and the few signs among the letters of Latin.
_FIRST_MARKED, _LAST_MARK, _MARKS_OF_KANA = "\u00c0", "\u036f", "\u3099\u309a"


def without_html(data: bytes) -> bytes:
    """Return a text of the same length with blanks for the signs that HTML names."""
    if b";" not in data:  # addresses have parameters alone
        return data
    return blanked(data, _HTML_SIGN)


def without_signs(text: str, letters: bytes) -> bytes:
    """Return the letters of a text with blanks for those `?` that stand for no letter beyond ASCII, if they are few."""
    if letters.count(b"?") > min(_FEW, _FEWEST + len(letters) // _RARE):
        return letters
    blanks = bytearray(letters)
    for place in unescaped.places_of(letters, b"?"):
        char = text[place]
        if not char.isalnum() and not _FIRST_MARKED <= char <= _LAST_MARK and char not in _MARKS_OF_KANA:
            blanks[place] = ord(" ")
    return bytes(blanks)


def without_escapes(data: bytes) -> bytes:
    """Return a text of the same length with blanks for escaped blanks and for the signs that HTML names."""
    if b"&" in data:
        data = without_html(data)
    if b"\\" in data:
        for blank in _ESCAPED_BLANKS:
            data = data.replace(blank, b"  ")
    return data
