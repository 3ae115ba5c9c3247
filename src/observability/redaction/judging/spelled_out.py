"""Read a text whose characters are spelled out: as hex escapes, as HTML's references, full-width, with unseen signs."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

from src.observability.redaction.judging.unescaped import Decoded, replaced, without

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.observability.redaction.judging.unescaped import Replacement

# A byte of ASCII with any number of backslashes, a reference of HTML.
_SPELLED: Final = re.compile(
    r"\\{1,16}x(0[9aAdD]|[2-7][0-9a-fA-F])|(&(?:#(?:[xX][0-9a-fA-F]{1,6}|[0-9]{1,7})|nbsp|quot|apos|amp|lt|gt);)"
)
# Who spells a secret out does so with many characters; single ones are in every page.
_FEWEST_SPELLED: Final = 3
# Each pattern begins with a literal, which is searched for quickly.
_MANY_BYTES: Final = re.compile(r"\\x[2-7][0-9a-fA-F](?:\\{1,16}x[2-7][0-9a-fA-F]){2}")
_MANY_REFERENCES: Final = re.compile(r"&#[xX]?[0-9a-fA-F]{1,7};(?:&#[xX]?[0-9a-fA-F]{1,7};){2}")
_BLANK_IN_TEXT: Final = re.compile(r"&nbsp;[^\W\d_]")
_WIDE: Final = re.compile(r"[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]{3}")
_TO_ASCII: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
# Signs that are not seen: they split a word where it may be broken over lines, or come with what is copied from a page.
_UNSEEN: Final = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
_INVISIBLE: Final = re.compile(r"(?<=[\w+/=.\-])[\u00ad\u200b-\u200d\u2060\ufeff]+(?=[\w+/=.\-])", re.ASCII)
_FEWEST_WORDS: Final = 12
# The keys, and the positions, of a list of words in JSON: `{"index": 0, "word": "..."}`.
_WORD_KEYS: Final = re.compile(
    r"(?:[\s,]{0,8}\}[\s,]{0,8}\{\s{0,8})?\\{0,15}\"(?:word|index|idx|position|pos|order|number|no|id|i|n)"
    r"\\{0,15}\"\s{0,8}:\s{0,8}(?:\d{1,2}(?!\d)\s{0,8},?)?"
)


def readings(text: str) -> list[Decoded]:
    """Return the other readings of a text, with the positions of their characters in it; most texts have none."""
    views: list[Decoded | None] = []
    if _is_spelled_out(text):
        views.append(replaced(text, _spelled(text)))
    if not text.isascii():
        if _may_be_wide(text) and _WIDE.search(text):  # each sign stays where it is
            views.append(Decoded(text=text.translate(_TO_ASCII), decoded_at=[], removed=[]))
        if any(sign in text for sign in _UNSEEN):
            views.append(without(text, _INVISIBLE.finditer(text)))
    if text.count('"word') >= _FEWEST_WORDS:
        views.append(without(text, _WORD_KEYS.finditer(text)))
    return [view for view in views if view is not None]


def _is_spelled_out(text: str) -> bool:
    """Tell whether many characters are spelled out; signs are searched for, then counted, which is quickest."""
    if "\\" in text and "\\x" in text and text.count("\\x") >= _FEWEST_SPELLED and _MANY_BYTES.search(text):
        return True
    return "&" in text and bool(
        ("&#" in text and text.count("&#") >= _FEWEST_SPELLED and _MANY_REFERENCES.search(text))
        or ("&nbsp;" in text and _BLANK_IN_TEXT.search(text))
    )


def _may_be_wide(text: str) -> bool:
    """Tell whether a full-width sign may be in a text: of the two bytes of its code the upper one is 0xFF."""
    return b"\xff" in text.encode("utf-16-le", "surrogatepass")


def _spelled(text: str) -> Iterator[Replacement]:
    """Yield the characters that are spelled out, each with what it spells."""
    for match in _SPELLED.finditer(text):
        byte, reference = match.groups()
        char = chr(int(byte, 16)) if byte else html.unescape(reference)
        if len(char) == 1:
            yield *match.span(), char
