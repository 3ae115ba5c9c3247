"""Find where twelve words of the BIP-39 lists follow one another: few texts have such a place beside a phrase's.

Every twelfth word is looked up, and those before it as long as they are listed. In very long texts, and in
long ones with characters beyond ASCII, every sixth word is looked up with numpy, by its first letters and its
length, and those between only where two of them may be listed. Either may report a place too many, but none too few.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from src.observability.redaction.engine import blanks, characters, word_columns
from src.observability.redaction.engine.characters import LETTER_BITS, MARK, PADDING, Characters
from src.observability.redaction.judging import checks
from src.observability.redaction.judging.scan import without_separators, without_tags
from src.observability.redaction.rules import phrase_layouts, seed_phrases

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

_FEWEST: Final = checks.BIP39_SIZES[0]
_TWELVE: Final = b"\1" * _FEWEST
_SHORTEST: Final = 2 * _FEWEST - 1  # characters of twelve words with something between them
_IN_LOWER_CASE: Final = bytes(
    ord(chr(code).lower()) if chr(code).isascii() and chr(code).isalpha() else word_columns.BLANKS.get(code, ord(" "))
    for code in range(256)
)
_OR_UNKNOWN: Final = _IN_LOWER_CASE[: ord("?")] + b"?" + _IN_LOWER_CASE[ord("?") + 1 :]
_MOST_WORDS: Final = 3  # that a `?` and the letters of a charset around it count for
_ANY_LETTER: Final = b"abcdefghijklmnopqrstuvwxyz" + bytes(range(0x80, 0x100))
_RARE: Final = 20  # characters to one beyond ASCII
_ASCII_LETTER: Final = re.compile(rb"[a-z]")
_LATIN_CHARSET: Final = "latin-1"
_CHARSETS: Final = ((_LATIN_CHARSET, checks.LANGUAGES[:7]), ("cp1251", ("russian",)))
# Letters beyond ASCII on pages of Unicode that have signs of Chinese texts too: Latin, kana, full-width.
_OTHER_LETTERS: Final = re.compile("[\u00c0-\u00ff\u3041-\u30ff\uff21-\uff3a\uff41-\uff9f]")
_CHINESE, _OTHER_PAGE = b"c", b"o"
# What stands for the characters of each page: a blank for those without letters, but for the ones above.
_SIGNS_OF_PAGES: Final = bytes(
    _CHINESE[0]
    if 0x4E <= page <= 0x9F
    else ord(" ")
    if page in {0x00, 0x30, 0xFE, 0xFF} or 0x20 <= page <= 0x27 or 0xD8 <= page <= 0xF8
    else _OTHER_PAGE[0]
    for page in range(256)
)
_SAMPLE: Final = _FEWEST // 2  # words of which one is looked up first
_BETWEEN: Final = ((3,), (1, 2, 4, 5))  # how far before the second of two such the words between them stand
_READ: Final = 4  # letters of a word by which it is looked up
_TABLE_BITS: Final = 19
_LOWER_CASE: Final = 0x20202020
_PRIME, _GOLDEN = 0x01000193, 0x9E3779B1  # of a multiplicative hash

Text = TypeVar("Text", str, bytes)

Place = tuple[int, int]
"""The start of the first and the end of the last of twelve or more words."""


class Words(NamedTuple):
    """Where twelve or more words that may be listed follow one another, and where they stand in columns."""

    places: list[Place]
    columns: list[word_columns.Spans]


NONE: Final = Words(places=[], columns=[])


def search(text: str, chars: Characters) -> Words:
    """Return where words that may be listed follow one another, whatever stands between them, or stand in columns."""
    if len(text) < _SHORTEST:
        return NONE
    if chars.letters is not None or chars.codes is not None:
        places, columns = _search_all(chars)
        return Words(places=places, columns=columns) if places or columns else NONE
    if text.isascii():
        letters = blanks.without_escapes(chars.data).translate(_IN_LOWER_CASE)
        has_unknown = False
    else:
        letters = blanks.without_signs(text, blanks.without_escapes(chars.data).translate(_OR_UNKNOWN))
        has_unknown = b"?" in letters
    if not has_unknown:
        listed = _in_ascii()
        places = _places_of_words(text) if _has_twelve(letters.split(), listed) else []
        columns = [*word_columns.columns_in_ascii(letters, listed)]
    else:
        places = _places_of_words(text) if _may_have_twelve(text, letters) else []
        columns = [*word_columns.columns_of_short(text, letters)]
    return Words(places=places, columns=columns) if places or columns else NONE


@functools.cache
def _in_ascii() -> frozenset[bytes]:
    return checks.bip39_ascii() | {filler.encode() for filler in phrase_layouts.FILLERS}


@functools.cache
def _in_ascii_or_unknown() -> frozenset[bytes]:
    return _in_ascii() | {b"?"}


def _has_twelve(words: list[Text], listed: Container[Text]) -> bool:
    """Return whether twelve listed words follow one another."""
    last, count = _FEWEST - 1, len(words)
    while last < count:
        first = last - _FEWEST
        place = last
        while place > first and words[place] in listed:
            place -= 1
        if place == first:
            return True
        last = place + _FEWEST
    return False


class _OfAnyLanguage:
    """The listed words of all languages, however they are written, and the fillers."""

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and (seed_phrases.is_listed(word) or word.lower() in phrase_layouts.FILLERS)


def _may_have_twelve(text: str, letters: bytes) -> bool:
    """Return whether a text with letters beyond ASCII, here `?`, may have twelve listed words in a row.

    A text with many of them is read as bytes that have them too.
    """
    if letters.count(b"?") * _RARE <= len(letters):
        return _has_twelve_or_unknown(letters, _in_ascii_or_unknown())
    separated = without_separators(text)
    for charset, languages in _CHARSETS:
        in_bytes = separated.encode(charset, "replace")
        if in_bytes.count(b"?") * _RARE <= len(in_bytes):
            in_charset = blanks.without_escapes(without_tags(in_bytes)).translate(_letters_of(charset))
            return _has_twelve_or_unknown(in_charset, _InCharset(charset, languages))
    return _may_have_signs(text, letters)


def _has_twelve_or_unknown(letters: bytes, listed: Container[bytes]) -> bool:
    """Return whether a text may have twelve listed words in a row.

    A `?` is a word at most, and so are the letters of ASCII on each side, since a word ends at another script.
    """
    first, *others = letters.split(b"?")
    pieces, is_ascii = [first], letters.isascii()
    for piece in others:
        before, behind = pieces[-1].rstrip(_ANY_LETTER), piece.lstrip(_ANY_LETTER)
        words = 1 + (len(before) < len(pieces[-1])) + (len(behind) < len(piece))
        pieces[-1] = before
        pieces += (b" ?" * (words if is_ascii or words == 1 else _MOST_WORDS), b" ", behind)
    return _has_twelve(b"".join(pieces).split(), listed)


def _may_have_signs(text: str, letters: bytes) -> bool:
    """Return whether a text with many letters beyond ASCII, here `?`, may have twelve signs of Chinese apart.

    Where it has letters of other scripts, of which words may be listed, it may.
    """
    if _OTHER_LETTERS.search(text):
        return True
    pages = text.encode("utf-16-be", "surrogatepass")[::2].translate(_SIGNS_OF_PAGES)
    if _OTHER_PAGE in pages or pages.split().count(_CHINESE) >= _FEWEST:
        return True
    return _has_twelve(letters.replace(b"?", b" ").split(), _in_ascii())


@functools.cache
def _letters_of(charset: str) -> bytes:
    """Return a table for a text in a charset: letters in lower case, those of Latin without marks, blanks for the rest.

    `?` stays, which stands for what the charset lacks.
    """
    table = bytearray(_OR_UNKNOWN)
    for code in range(characters.FIRST_BEYOND_ASCII, len(table)):
        char = bytes([code]).decode(charset, "replace")
        base = checks.plain_word(char)[0]
        if char.isalpha() and (base.isascii() or charset != _LATIN_CHARSET):
            table[code] = char.lower().encode(charset, "replace")[0] if not base.isascii() else ord(base)
        elif char.isalpha():
            table[code] = ord("?")
    return bytes(table)


class _InCharset:
    """The listed words of languages as a text in a charset has them, fillers, and what may be several words."""

    __slots__ = ("_listed",)

    def __init__(self, charset: str, languages: tuple[str, ...]) -> None:
        self._listed = _listed_in(charset, languages)

    def __contains__(self, word: object) -> bool:
        return word in self._listed or (
            isinstance(word, bytes) and not word.isascii() and bool(_ASCII_LETTER.search(word))
        )


@functools.cache
def _listed_in(charset: str, languages: tuple[str, ...]) -> frozenset[bytes]:
    words = (unicodedata.normalize("NFC", word) for language in languages for word in checks.bip39_index(language))
    table = _letters_of(charset)
    return _in_ascii_or_unknown() | {word.encode(charset, "replace").translate(table) for word in words}


def _places_of_words(text: str) -> list[Place]:
    """Return the places of a text whose words are looked up one by one."""
    if not _has_twelve(seed_phrases.spelled_words_of(text), _OfAnyLanguage()):
        return []
    words = [*seed_phrases.words_of(text)]
    flags = bytes([match[0] in _OfAnyLanguage() for match in words])
    return [(words[first].start(), words[end - 1].end()) for first, end in _runs(flags)]


def _runs(flags: bytes) -> Iterator[tuple[int, int]]:
    """Yield the first and the last place, plus one, of twelve ones or more in a row."""
    first = flags.find(_TWELVE)
    while first >= 0:
        end = flags.find(b"\0", first)
        end = len(flags) if end < 0 else end
        yield first, end
        first = flags.find(_TWELVE, end)


def _search_all(chars: Characters) -> Words:
    """Return the places and the columns of a text whose words are looked up by sample."""
    import numpy

    positions = None
    scripts = _letters_in_ascii(chars.data)
    letters, codes = chars.letters, chars.codes
    if chars.kinds is not None:
        numpy.maximum(scripts, chars.kinds >> numpy.uint8(LETTER_BITS), out=scripts)
        if MARK in chars.beyond:
            positions = numpy.flatnonzero(chars.kinds != MARK)
            scripts = scripts.take(positions)
            letters, codes = (None if each is None else each.take(positions) for each in (letters, codes))
    starts, ends = _edges(scripts)
    keys = _keys_by_place(codes) if letters is None else _keys_at_once(letters)

    def is_listed(numbers: Any) -> Any:
        return _table().take(keys(starts[numbers], ends[numbers]))

    in_text = (starts, ends) if positions is None else (positions.take(starts), positions.take(ends))
    columns = word_columns.columns(chars, *in_text, lambda numbers: bytes(is_listed(numbers).tobytes()))
    places = [(int(in_text[0][first]), int(in_text[1][end - 1])) for first, end in _twelves(len(starts), is_listed)]
    return Words(places=places, columns=[*columns])


def _twelves(count: int, is_listed: Callable[[Any], Any]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last number, plus one, of twelve words or more in a row that may be listed.

    Every sixth word is looked up first: two of them, and so all between them, are among any twelve in a row.
    """
    import numpy

    samples = numpy.arange(_SAMPLE - 1, count, _SAMPLE)
    flags = is_listed(samples)
    lasts = samples[1:][(flags[1:] & flags[:-1]).view(numpy.bool_)]
    for between in _BETWEEN if len(lasts) else ():
        flags = is_listed((lasts[:, None] - numpy.array(between)).ravel())
        lasts = lasts[flags.reshape(-1, len(between)).all(axis=1)]
        if not len(lasts):
            return
    near = numpy.zeros(count + 1, numpy.uint8)
    numbers = (lasts[:, None] + numpy.arange(1 - _FEWEST, _SAMPLE)).ravel()
    numbers = numbers[(numbers >= 0) & (numbers < count)]
    near[numbers] = is_listed(numbers)
    yield from _runs(near.tobytes())


def _letters_in_ascii(data: bytes) -> Any:
    """Return for each character of a text, and of its padding, 1 where it is a letter of ASCII that no escape has."""
    import numpy

    if b"&" in data:
        data = blanks.without_html(data)
    signs = numpy.frombuffer(data + bytes(PADDING), numpy.uint8)
    letters = ((signs | 32) - numpy.uint8(ord("a")) < 26).view(numpy.uint8)
    if b"\\" in data:
        behind = numpy.flatnonzero(signs[:-1] == ord("\\")) + 1
        escaped = signs.take(behind)
        letters[behind[(escaped == ord("n")) | (escaped == ord("r")) | (escaped == ord("t"))]] = 0
    return letters


def _edges(scripts: Any) -> tuple[Any, Any]:
    """Return where each word begins and where it ends; the last character is of none.

    `scripts` is 0 for what is no letter; a word ends where another script begins.
    """
    import numpy

    changes = scripts[1:] != scripts[:-1]
    edges = numpy.flatnonzero(changes)
    edges += 1
    if scripts[0]:
        edges = numpy.append(0, edges)
    if scripts.max() > 1:
        is_word = scripts > 0
        meeting = numpy.flatnonzero(changes & is_word[1:] & is_word[:-1]) + 1
        if len(meeting):
            edges = numpy.insert(edges, numpy.searchsorted(edges, meeting), meeting)
    return edges[::2], edges[1::2]


def _keys_at_once(letters: Any) -> Callable[[Any, Any], Any]:
    """Return a function that gives, for where words begin and end, a number made of a word's letters and its length.

    The first four letters count, which are read as one number.
    """
    import numpy

    fours = numpy.ndarray(len(letters) - PADDING + 1, "<u4", buffer=letters, strides=(1,))

    def keys(starts: Any, ends: Any) -> Any:
        sizes = (ends - starts).astype(numpy.uint32)
        first = fours[starts] | numpy.uint32(_LOWER_CASE)
        first &= _letters_of_size().take(numpy.minimum(sizes, _READ))
        return _mixed(first, sizes)

    return keys


def _keys_by_place(codes: Any) -> Callable[[Any, Any], Any]:
    """Return a function that gives the same numbers for a text whose characters have these codes."""
    import numpy

    letters = characters.letter_table()

    def keys(starts: Any, ends: Any) -> Any:
        sizes = (ends - starts).astype(numpy.uint32)
        first = numpy.zeros(len(starts), numpy.uint32)
        for place in range(_READ):
            first |= letters.take(codes.take(starts + place)).astype(numpy.uint32) << numpy.uint32(8 * place)
        first |= numpy.uint32(_LOWER_CASE)
        first &= _letters_of_size().take(numpy.minimum(sizes, _READ))
        return _mixed(first, sizes)

    return keys


def _mixed(letters: Any, sizes: Any) -> Any:
    import numpy

    letters ^= sizes * numpy.uint32(_PRIME)
    letters *= numpy.uint32(_GOLDEN)
    letters >>= numpy.uint32(32 - _TABLE_BITS)
    return letters


@functools.cache
def _letters_of_size() -> Any:
    """Return for each number of letters below five the bits that they take."""
    import numpy

    return numpy.array([0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF], numpy.uint32)


@functools.cache
def _table() -> Any:
    """Return for each key whether it is that of a listed word, of any language, or of a filler."""
    import numpy

    words = "\n".join([*checks.bip39_words(), *phrase_layouts.FILLERS])
    codes = numpy.frombuffer(f"{words}\n".encode("utf-16-le"), numpy.uint16)
    codes = codes[characters.kind_table().take(codes) != MARK]
    ends = numpy.flatnonzero(codes == ord("\n"))
    starts = numpy.append(0, ends[:-1] + 1)
    keys = _keys_by_place(numpy.append(codes, [0] * PADDING))
    table = numpy.zeros(1 << _TABLE_BITS, numpy.uint8)
    table[keys(starts, ends)] = 1
    return table
