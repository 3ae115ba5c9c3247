"""Read a text whose characters are spelled out: as hex escapes, as HTML's references, full-width, with unseen signs."""

from __future__ import annotations

import functools
import html
import itertools
import operator
import re
from typing import TYPE_CHECKING, Final

from src.observability.redaction.judging import checks
from src.observability.redaction.judging.unescaped import Decoded, places_of, without

if TYPE_CHECKING:
    from collections.abc import Iterator

# A byte of ASCII with any number of backslashes, a reference of HTML.
_REFERENCE: Final = re.compile(r"(&(?:#(?:[xX][0-9a-fA-F]{1,6}|[0-9]{1,7})|nbsp|quot|apos|amp|lt|gt);)")
_SPELLED: Final = re.compile(rf"(\\{{1,16}}x(?:0[9aAdD]|[2-7][0-9a-fA-F])|{_REFERENCE.pattern[1:-1]})")
_WIDE: Final = re.compile(r"[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]{3}")
_WIDE_BYTE: Final = b"\xff"  # the upper of the two bytes of a full-width sign in UTF-16
_TO_ASCII: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
# Signs that are not seen: they split a word where it may be broken over lines, or come with what is copied from a page.
_UNSEEN: Final = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")
_INVISIBLE: Final = re.compile(r"[\u00ad\u200b-\u200d\u2060\ufeff]+(?=[\w+/=.\-])", re.ASCII)
_BEFORE_INVISIBLE: Final = re.compile(r"[\w+/=.\-]", re.ASCII)
_TWELVE: Final = b"\1" * 12  # words of the lists, one after the other
_WORD_VALUE: Final = re.compile(r"\"word\\{0,15}\"\s{0,8}:\s{0,8}\\{0,15}\"([^\W\d_]{1,32})")
# The keys, and the positions, of a list of words in JSON: `{"index": 0, "word": "..."}`.
_WORD_KEYS: Final = re.compile(
    r"(?:[\s,]{0,8}\}[\s,]{0,8}\{\s{0,8})?\\{0,15}\"(?:word|index|idx|position|pos|order|number|no|id|i|n)"
    r"\\{0,15}\"\s{0,8}:\s{0,8}(?:\d{1,2}(?!\d)\s{0,8},?)?"
)


def spelled(text: str) -> Decoded | None:
    """Return the text with its characters that are spelled out; None where none are."""
    # A pattern that begins with one fixed character is searched for quickly.
    pieces = (_SPELLED if "\\x" in text else _REFERENCE).split(text)
    if len(pieces) == 1:
        return None
    written = pieces[1::2]
    pieces[1::2] = map(_meaning, written)
    ends = [*itertools.accumulate(map(len, pieces))]
    removed = itertools.accumulate(map(operator.sub, map(len, written), map(len, pieces[1::2])))
    return Decoded(text="".join(pieces), decoded_at=ends[:-1:2], removed=[*removed])


def word_list(text: str, *, has_runs: bool) -> Decoded | None:
    """Return the text without the keys of a list of words in JSON, if its words can be a phrase; else None.

    Where it has long runs of letters and digits too, the keys must not be read as what the runs are called.
    """
    if has_runs and text.count('"word') >= len(_TWELVE):
        return without(text, _WORD_KEYS.finditer(text))
    listed = bytes(checks.plain_word(match[1]) in checks.bip39_words() for match in _WORD_VALUE.finditer(text))
    return without(text, _WORD_KEYS.finditer(text)) if _TWELVE in listed else None


def beyond_ascii(text: str, *, has_wide: bool | None, has_unseen: bool | None) -> list[Decoded]:
    """Return the readings of a text that has characters beyond ASCII; what is known of them need not be searched."""
    views: list[Decoded | None] = []
    if (_has_wide(text) if has_wide is None else has_wide) and _WIDE.search(text):  # each sign stays where it is
        views.append(Decoded(text=text.translate(_TO_ASCII), decoded_at=[], removed=[]))
    if any(sign in text for sign in _UNSEEN) if has_unseen is None else has_unseen:
        views.append(without(text, _invisible(text)))
    return [view for view in views if view is not None]


def _invisible(text: str) -> Iterator[re.Match[str]]:
    """Yield the signs that are not seen, between characters of a key or a word; each is searched for by itself."""
    end = 0
    for place in sorted(place for sign in _UNSEEN for place in places_of(text, sign)):
        match = _INVISIBLE.match(text, place) if place >= max(end, 1) else None
        if match and _BEFORE_INVISIBLE.match(text, place - 1):
            yield match
            end = match.end()


def _has_wide(text: str) -> bool:
    """Tell whether three full-width signs may follow one another: a cheap first check."""
    codes = text.encode("utf-16-le", "surrogatepass")
    return _WIDE_BYTE in codes and 3 * _WIDE_BYTE in codes[1::2]


@functools.lru_cache(maxsize=512)
def _meaning(written: str) -> str:
    """Return the character that is spelled out, or what is written where it spells none."""
    if written[0] == "\\":
        return chr(int(written[-2:], 16))
    char = html.unescape(written) if written != "&nbsp;" else " "  # a blank, whether lines break at it or not
    return char if len(char) == 1 else written
