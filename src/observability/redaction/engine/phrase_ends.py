"""Tell where a recovery phrase may end: before it stand words of the BIP-39 lists alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import checks
from src.observability.redaction.rules.gates import AND, HTML_SIGN

if TYPE_CHECKING:
    from collections.abc import Iterator

_LETTERS = bytes(
    ord(chr(code).lower()) if chr(code).isascii() and (chr(code).isalpha() or code == ord("?")) else ord(" ")
    for code in range(256)
)
_LAST_LETTERS = 3  # of a phrase's last word; the phrase gate's match ends with them
_NEAR, _FAR = 20, 96  # characters before the last word, which usually hold the word before it, or most of the phrase
_FEWEST = 12
_CLOSEST = 4 * (_FEWEST - 1)  # the fewest characters of the eleven words before the last, each with a separator
_TWELVE = b"\1" * _FEWEST
_AND = AND.encode()
_HTML_SIGN = re.compile(HTML_SIGN.encode())
_PART = re.compile(rb"[a-z]+|\?+")
_ESCAPED_BLANK = re.compile(rb"\\[nrt]")


def after_listed_words(data: bytes, ends: list[int]) -> Iterator[int]:
    """Yield the ends before which every word is on a BIP-39 list; few ends in ordinary text are."""
    known = checks.bip39_bytes()
    has_escapes = b"\\" in data
    first_possible = 0  # the earliest start of a phrase, behind the last word that is on no list
    yielded = -_NEAR
    for end in ends:
        word_start = end - _LAST_LETTERS
        if word_start - first_possible < _CLOSEST:
            continue
        if end - yielded < _NEAR:  # in the region around the previous end anyway
            yield end
            continue
        near = data[max(0, word_start - _NEAR) : word_start]
        if near.endswith(b"? "):  # the letters beyond ASCII decide
            yield end
            continue
        words = (_letters(near) if has_escapes else near.translate(_LETTERS)).split()
        if words[-1:] == [_AND]:
            words.pop()
        if len(words) > 1 and words[-1] not in known and b"?" not in words[-1]:
            first_possible = word_start
        elif b"?" in near:
            yield end
        elif not (len(words) > 2 and words[-2] not in known) and not _has_unlisted(data, word_start):
            yielded = end
            yield end


def _has_unlisted(data: bytes, end: int) -> bool:
    """Return whether one of the eleven words before a position is on no list."""
    known = checks.bip39_bytes()
    words = _letters(data[max(0, end - _FAR) : end]).split()
    if words[-1:] == [_AND]:
        words.pop()
    return any(word not in known and b"?" not in word for word in words[max(1, len(words) - _FEWEST + 1) :])


def _letters(data: bytes) -> bytes:
    """Return a text in lower case with blanks for all but its letters; an escaped line end is a blank too."""
    if b"\\" in data:
        data = _ESCAPED_BLANK.sub(b"  ", data)
    return data.translate(_LETTERS)


def without_html(data: bytes) -> bytes:
    """Return a text of the same length with blanks for the signs that HTML names."""
    return _HTML_SIGN.sub(lambda sign: b" " * len(sign[0]), data) if b"&" in data else data


def may_hold(data: bytes) -> bool:
    """Return whether twelve words of BIP-39 lists follow one another, so far as a text in ASCII tells."""
    words = _letters(data).replace(b" %s " % _AND, b" ").split()
    if len(words) < _FEWEST:
        return False
    known = checks.bip39_ascii()
    flags = b"".join(map(_Flags().__getitem__, words)) if b"?" in data else bytes(map(known.__contains__, words))
    return _TWELVE in flags


class _Flags(dict[bytes, bytes]):
    """For each word, whether it may be on a list; for a word that counts as several words, whether each of them may.

    `?` stands for a letter beyond ASCII. A word with such letters that is not a listed word with accents counts as
    several words, since scripts can meet without a blank.
    """

    def __missing__(self, word: bytes) -> bytes:
        known = checks.bip39_bytes()
        if b"?" not in word or word.replace(b"?", b"") in known:
            flags = bytes([word.replace(b"?", b"") in known])
        else:
            flags = bytes([part[:1] == b"?" or part in known for part in _PART.findall(word)])
        self[word] = flags
        return flags
