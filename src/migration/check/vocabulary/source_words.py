"""Read the words of a source file fast, without parsing it: identifiers, and the words inside its texts."""

from __future__ import annotations

import re
import unicodedata

_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_ONLY_WORDS = bytes(byte if byte in _LETTERS else 32 for byte in range(256)).lower()
# `\n`, `\t` and the like: the letter after the backslash is no part of the word that follows.
_CONTROL_ESCAPE = re.compile(rb"\\[abfnrtv](?=\w)")
_CODED_ESCAPE = re.compile(
    rb"\\(?:x([0-9a-fA-F]{2})|u00([0-9a-fA-F]{2})|U000000([0-9a-fA-F]{2})|([0-7]{1,3})|N\{([^}\n]{1,40})\})"
)
_CONTINUATION = re.compile(rb"\\\r?\n")
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.MULTILINE)
_UTF_8 = re.compile(rb"(?:utf[-_]?8(?:[-_](?:sig|unix|dos|mac))?|(?:us[-_]?)?ascii|u8)$", re.IGNORECASE)
_ASCII_SUPERSET = re.compile(
    rb"(?:latin[-_]?\d+|iso[-_]?8859[-_]?\w+|l1|cp\d+|windows[-_]?\d+|koi8[-_]?\w+|mac[-_]?\w+|euc[-_]?\w+|shift[-_]?jis"
    rb"|gbk|gb\d+|big5)$",
    re.IGNORECASE,
)


def has_foreign_encoding(source: bytes) -> bool:
    """Tell whether a file declares an encoding in which its bytes may spell other words than they show."""
    end = source.find(b"\n", source.find(b"\n") + 1)
    head = source[: end if end >= 0 else None]
    if b"coding" not in head:
        return False
    match = _COOKIE.search(head)
    if match is None or _UTF_8.match(match[1]):
        return False
    return not (source.isascii() and _ASCII_SUPERSET.match(match[1]))


def spelled_out(source: bytes) -> bytes:
    """Return a source with its escapes and compatibility characters decoded, after or in place of them."""
    text = source
    if b"\\" in source:
        text = _CONTROL_ESCAPE.sub(b" ", source)
        if _CODED_ESCAPE.search(source):
            text += b"\n" + _CODED_ESCAPE.sub(_decoded, source)
        if _CONTINUATION.search(source):
            text += b"\n" + _CONTINUATION.sub(b"", source)
    if not source.isascii():
        characters = source.decode("utf-8", "replace")
        if not unicodedata.is_normalized("NFKC", characters):  # as Python reads identifiers
            text += b"\n" + unicodedata.normalize("NFKC", characters).encode("utf-8", "replace")
    return text


def words_of(text: bytes) -> set[bytes]:
    """Return the words of a text in lower case: its longest runs of ASCII letters, digits and underscores."""
    return set(text.translate(_ONLY_WORDS).split())


def _decoded(match: re.Match[bytes]) -> bytes:
    if match[5] is not None:
        try:
            return unicodedata.lookup(match[5].decode("ascii", "replace")).encode()
        except KeyError:
            return match[0]
    digits = match[1] or match[2] or match[3]
    code = int(digits, 16) if digits else int(match[4], 8)
    return bytes([code]) if 32 < code < 127 else b" "
