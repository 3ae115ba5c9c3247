"""Sort the characters of a text: what stays of each in ASCII, and which may be letters of a listed word.

Long texts are sorted with numpy, all characters at once; short ones in plain Python, and so are long ones until the
program has imported numpy, or so much has been read that importing it here pays.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from src.observability.redaction.judging.scan import SEPARATORS, in_ascii, without_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# The kinds of characters; those that may be letters of words are told by their upper bits.
SIGN, BLANK, UNSEEN, SOFT_HYPHEN, MARK = range(5)
LETTER_BITS: Final = 3
LATIN, LETTER, WIDE = (script << LETTER_BITS for script in (1, 2, 3))
PADDING: Final = 4  # characters behind the last, so that those behind a word's start can be asked for
FIRST_BEYOND_ASCII: Final = 0x80
_UNSEEN_SIGNS: Final = "\u200b\u200c\u200d\u2060\ufeff"
_WIDE_SIGNS: Final = ((0xFF10, 0xFF19), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A))
_MARKS: Final = ((0x0300, 0x036F), (0x1160, 0x11FF), (0x3099, 0x309A))  # with the vowels and finals of Hangul
_CIRCLED: Final = ((0x2460, 0x249B), (0x24EA, 0x24FF), (0x2776, 0x2793))  # numbers in circles
_LATIN_LETTERS: Final = (0x00C0, 0x024F)
_WITH_BASES: Final = ((0x00C0, 0x024F), (0x0400, 0x04FF), (0x1E00, 0x1EFF), (0x3040, 0x30FF), (0xFF10, 0xFF5A))
_HANGUL: Final = (0xAC00, 0xD7A3)
_FIRST_CONSONANT: Final = 0x1100
_SYLLABLES_OF_A_CONSONANT: Final = 588
_PLANE: Final = 0x10000
# The beginnings and ends of ranges of nothing but letters: Cyrillic, kana, Chinese, Hangul.
_LETTERS_ALONE: Final = (0x0400, 0x0482, 0x3041, 0x3097, 0x30A1, 0x30FB, 0x4E00, 0xA000, _HANGUL[0], _HANGUL[1] + 1)
_SAMPLES: Final = 200
_SHORTEST: Final = 2_048  # characters; shorter texts are read faster without numpy
_LONG: Final = 16_000  # and of those that are mostly, or all, ASCII
_STEP: Final = 37  # characters of which one is looked at first
_ENOUGH: Final = 1_000_000  # characters that are read without numpy before it is imported
_RARE: Final = 8  # where fewer characters than one in so many are beyond ASCII, they are looked up one by one
_VERY_RARE: Final = 100
_SHORT: Final = 30_000  # characters; of longer texts only the letters that are looked at are sought in a table
_FEW: Final = 200
_ANY_LETTERS: Final = re.compile(r"[^\W\d_]+")


class _Read:
    """How many characters of long texts were read without numpy."""

    characters = 0


class Characters(NamedTuple):
    """A text in ASCII, one byte for each character, and with numpy what tells its words.

    `letters` has a byte for each character, the same for a letter with marks and without; where many characters are
    beyond ASCII, `codes` has their codes, and `letters` may be None; both have zeros behind the last character.
    `kinds` is None where all is ASCII. `beyond` holds the kinds that occur of the characters beyond ASCII, plain
    letters aside; `signs` is the set of these characters, empty where no value of a name can stand beside them, None
    where it is not known.
    """

    data: bytes
    letters: Any = None
    codes: Any = None
    kinds: Any = None
    beyond: bytes = b""
    signs: frozenset[str] | None = None


def read(text: str) -> Characters:
    """Return the characters of a text, sorted as far as that pays."""
    is_ascii = text.isascii()
    if len(text) < _SHORTEST or (len(text) < _LONG and (is_ascii or _is_mostly_ascii(text))):
        return Characters(data=in_ascii(text))
    if not _uses_numpy(len(text)):
        return Characters(data=in_ascii(text))
    import numpy

    if is_ascii:
        data = without_tags(text.encode())
        return Characters(data=data, letters=numpy.frombuffer(data + bytes(PADDING), numpy.uint8))
    codes = _codes(text)
    is_beyond = codes >= FIRST_BEYOND_ASCII
    is_rare = numpy.count_nonzero(is_beyond) * _RARE < len(codes)
    return _with_few_beyond(codes, is_beyond) if is_rare else _with_many_beyond(codes, is_beyond)


def _codes(text: str) -> Any:
    """Return the code of each character, in a byte where that holds all."""
    import numpy

    with contextlib.suppress(UnicodeEncodeError):
        return numpy.frombuffer(text.encode("latin-1"), numpy.uint8)
    return numpy.array(text).reshape(1).view(numpy.uint32)


def _with_few_beyond(codes: Any, is_beyond: Any) -> Characters:
    """Return the characters of a text of which few are beyond ASCII: these are looked up one by one."""
    import numpy

    places = numpy.flatnonzero(is_beyond)
    codes_beyond = codes.take(places) if codes.itemsize == 1 else numpy.minimum(codes.take(places), _PLANE - 1)
    kinds_beyond = kind_table().take(codes_beyond)
    kinds = numpy.zeros(len(codes) + PADDING, numpy.uint8)
    kinds[places] = kinds_beyond
    letters = numpy.zeros(len(codes) + PADDING, numpy.uint8)
    letters[:-PADDING] = codes
    in_bytes = letters[:-PADDING].copy()
    letters[places] = letter_table().take(codes_beyond)
    in_bytes[places] = _in_bytes(kinds_beyond)
    return Characters(
        data=without_tags(in_bytes.tobytes()),
        letters=letters,
        kinds=kinds,
        beyond=kinds_beyond.tobytes(),
        signs=_signs(codes_beyond),
    )


def _with_many_beyond(wide: Any, is_beyond: Any) -> Characters:
    """Return the characters of a text in another script."""
    import numpy

    codes = numpy.zeros(len(wide) + PADDING, numpy.uint16)
    codes[:-PADDING] = wide if wide.itemsize == 1 or wide.max() < _PLANE else numpy.minimum(wide, _PLANE - 1)
    is_short = len(codes) < _SHORT
    kinds, others = (kind_table().take(codes), slice(-PADDING)) if is_short else _kinds(codes, is_beyond)
    kinds_of_others = kinds[others]
    beyond = is_beyond.view(numpy.uint8)
    in_bytes = codes[:-PADDING].astype(numpy.uint8)
    if is_short:
        numpy.copyto(in_bytes, _in_bytes(kinds_of_others), where=is_beyond)
    else:
        in_bytes &= beyond - numpy.uint8(1)
        in_bytes |= beyond * numpy.uint8(ord("?"))
        in_bytes[others] = _in_bytes(kinds_of_others)
    return Characters(
        data=without_tags(in_bytes.tobytes()),
        letters=letter_table().take(codes) if is_short else None,
        codes=codes,
        kinds=kinds,
        beyond=kinds_of_others.tobytes(),
        signs=_signs(codes) if _may_hold_values(codes[:-PADDING], is_beyond) else frozenset(),
    )


def _kinds(codes: Any, is_beyond: Any) -> tuple[Any, Any]:
    """Return the kinds of characters, and the places of those beyond ASCII that are no plain letters.

    Plain letters, which are most, are told by ranges in a third of the time that a table takes.
    """
    import numpy

    is_letter = numpy.zeros(len(codes), numpy.bool_)
    sample = codes[:: len(codes) // _SAMPLES + 1]
    for place in {*numpy.searchsorted(_LETTERS_ALONE, sample, side="right").tolist()}:
        if place % 2:  # between the first letter of a range and its end
            first, end = _LETTERS_ALONE[place - 1 : place + 1]
            is_letter |= codes - numpy.uint16(first) < end - first
    kinds = is_letter.view(numpy.uint8) * numpy.uint8(LETTER)
    others = numpy.flatnonzero(is_beyond > is_letter[:-PADDING])
    kinds[others] = kind_table().take(codes.take(others))
    return kinds, others


def _signs(codes: Any) -> frozenset[str]:
    """Return each character that occurs, once."""
    import numpy

    if len(codes) < _FEW:
        return frozenset(map(chr, codes.tolist()))
    occurs = numpy.zeros(1 << 8 * codes.itemsize if codes.itemsize < 4 else _PLANE, numpy.bool_)
    occurs[codes] = True
    return frozenset(map(chr, numpy.flatnonzero(occurs).tolist()))


def _may_hold_values(codes: Any, is_beyond: Any) -> bool:
    """Return whether six signs of ASCII follow one another without a blank, as those of the shortest secret do."""
    is_sign = (codes > ord(" ")) & ~is_beyond
    pairs = is_sign[1:] & is_sign[:-1]
    return bool((pairs[4:] & pairs[2:-2] & pairs[:-4]).any())


def _is_mostly_ascii(text: str) -> bool:
    sample = text[::_STEP]
    return (len(sample) - len(sample.encode("ascii", "ignore"))) * _VERY_RARE < len(sample)


def _in_bytes(kinds: Any) -> Any:
    """Return the sign of ASCII that stands for a character of each of these kinds."""
    import numpy

    is_blank = ((kinds == BLANK) | (kinds == UNSEEN)).view(numpy.uint8)
    return numpy.uint8(ord("?")) - is_blank * numpy.uint8(ord("?") - ord(" "))


def _uses_numpy(size: int) -> bool:
    """Return whether numpy is loaded, or worth its import, which takes as long as reading dozens of long texts."""
    if "numpy" in sys.modules:
        return _has_numpy()
    _Read.characters += size
    return _Read.characters > _ENOUGH and _has_numpy()


@functools.cache
def _has_numpy() -> bool:
    try:
        import numpy  # noqa: F401 - whether it can be
    except ImportError:
        return False
    return True


@functools.cache
def kind_table() -> Any:
    """Return the kind of each character of Unicode's first plane beyond ASCII; those of ASCII are SIGN."""
    import numpy

    kinds = numpy.full(_PLANE, SIGN, numpy.uint8)
    for letters in _ANY_LETTERS.finditer("".join(map(chr, range(_PLANE)))):
        kinds[letters.start() : letters.end()] = LETTER
    kinds[:FIRST_BEYOND_ASCII] = SIGN
    for ranges, kind in ((_CIRCLED, SIGN), (_WIDE_SIGNS, WIDE), (_MARKS, MARK), ((_LATIN_LETTERS,), LATIN)):
        for first, last in ranges:
            kinds[first : last + 1] = kind
    for signs, kind in ((SEPARATORS, BLANK), (_UNSEEN_SIGNS, UNSEEN), ("\u00ad", SOFT_HYPHEN)):
        for sign in signs:
            kinds[ord(sign)] = kind
    kinds[_PLANE - 1] = SIGN  # stands for those of the other planes
    return kinds


@functools.cache
def letter_table() -> Any:
    """Return a byte for each character of Unicode's first plane: that of its letter without marks, in lower case.

    Those beyond ASCII have the bytes from 128 on, several the same.
    """
    import numpy

    letters = numpy.arange(_PLANE, dtype=numpy.uint16)
    letters[ord("A") : ord("Z") + 1] += ord("a") - ord("A")
    for first, last in _WITH_BASES:
        for code in range(first, last + 1):
            letters[code] = ord(unicodedata.normalize("NFKD", chr(code).lower())[0]) % _PLANE
    first, last = _HANGUL
    syllables = numpy.arange(last - first + 1) // _SYLLABLES_OF_A_CONSONANT
    letters[first : last + 1] = _FIRST_CONSONANT + syllables
    is_beyond = letters >= FIRST_BEYOND_ASCII
    folded = (letters ^ (letters >> 8)) | FIRST_BEYOND_ASCII
    return numpy.where(is_beyond, folded, letters).astype(numpy.uint8)


_ALNUM: Final = bytes(
    ord("a") if code < FIRST_BEYOND_ASCII and chr(code).isalnum() else ord(" ") for code in range(256)
)


_OCTET: Final = bytes(8)
_FULL: Final = 0xFF


def long_runs(data: bytes, first: int, length: int) -> Iterable[tuple[int, int]]:
    """Return the start and the end of each run of so many letters and digits; none begins before `first`."""
    if len(data) < _SHORTEST or "numpy" not in sys.modules:
        return _long_runs_by_search(data, first, length)
    import numpy

    signs = numpy.frombuffer(b"%b%b%b" % (_OCTET, data[first:], _OCTET), numpy.uint8)
    is_alnum = ((signs | 32) - numpy.uint8(ord("a")) < 26) | (signs - numpy.uint8(ord("0")) < 10)
    octets = numpy.packbits(is_alnum)  # a long run fills one of these at least
    is_full = octets == _FULL
    edges = numpy.flatnonzero(is_full[1:] != is_full[:-1])
    before, last = edges[::2], edges[1::2]
    starts = before * 8 - _ones(last=True).take(octets.take(before)) + first
    stops = last * 8 + _ones(last=False).take(octets.take(last + 1)) + first
    is_long = stops - starts >= length
    return zip(starts[is_long].tolist(), stops[is_long].tolist(), strict=True)


@functools.cache
def _ones(*, last: bool) -> Any:
    """Return for each octet how many ones it begins with or, where `last`, ends with."""
    import numpy

    octets = [f"{octet:08b}" for octet in range(256)]
    return numpy.array([len(bits) - len(bits.rstrip("1") if last else bits.lstrip("1")) for bits in octets])


def _long_runs_by_search(data: bytes, first: int, length: int) -> Iterator[tuple[int, int]]:
    shape, long_run = data[first:].translate(_ALNUM), b"a" * length
    start = shape.find(long_run)
    while start >= 0:
        stop = shape.find(b" ", start)
        stop = len(shape) if stop < 0 else stop
        yield start + first, stop + first
        start = shape.find(long_run, stop)
