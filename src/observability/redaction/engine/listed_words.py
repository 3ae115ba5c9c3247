"""Find where twelve words of the BIP-39 lists follow one another: few texts have such a place beside a phrase's.

Every twelfth word is looked up, and those before it as long as they are listed. In very long texts, and in
long ones with characters beyond ASCII, all words are looked up at once with numpy, by their first letters and their
lengths. Either may report a place too many, but none too few.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from src.observability.redaction.engine import characters, word_columns
from src.observability.redaction.engine.characters import LETTER, LETTER_BITS, MARK, PADDING, Characters
from src.observability.redaction.judging import checks
from src.observability.redaction.rules import phrase_layouts, seed_phrases
from src.observability.redaction.rules.gates import HTML_NAMES

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

_FEWEST: Final = checks.BIP39_SIZES[0]
_TWELVE: Final = b"\1" * _FEWEST
_SHORTEST: Final = 2 * _FEWEST - 1  # characters of twelve words with something between them
_IN_LOWER_CASE: Final = bytes(
    ord(chr(code).lower()) if chr(code).isascii() and chr(code).isalpha() else word_columns.BLANKS.get(code, ord(" "))
    for code in range(256)
)
_OR_UNKNOWN: Final = _IN_LOWER_CASE[: ord("?")] + b"?" + _IN_LOWER_CASE[ord("?") + 1 :]
_ANY_LETTER: Final = b"abcdefghijklmnopqrstuvwxyz"
_RARE: Final = 20  # characters to one beyond ASCII
_HTML_SIGNS: Final = tuple(f"&{name};".encode() for name in HTML_NAMES)
_ESCAPED_BLANKS: Final = (b"\\n", b"\\r", b"\\t")
_SHORTEST_LATIN, _LONGEST = 3, 12  # letters of a listed word, its marks not counted
_READ: Final = 4  # letters of a word by which it is looked up
_TABLE_BITS: Final = 19
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
    if chars.codes is not None:
        places, columns = _search_all(chars)
    elif text.isascii():
        letters = _without_escapes(chars.data).translate(_IN_LOWER_CASE)
        listed = _in_ascii()
        places = _places_of_words(text) if _has_twelve(letters.split(), listed) else []
        columns = [*word_columns.columns_in_ascii(letters, listed)]
    else:
        letters = _without_escapes(chars.data).translate(_OR_UNKNOWN)
        places = _places_of_words(text) if _may_have_twelve(letters) else []
        columns = [*word_columns.columns_of_short(text, letters)]
    return Words(places=places, columns=columns) if places or columns else NONE


def _without_html(data: bytes) -> bytes:
    """Return a text of the same length with blanks for the signs that HTML names."""
    for sign in _HTML_SIGNS:
        data = data.replace(sign, b" " * len(sign))
    return data


def _without_escapes(data: bytes) -> bytes:
    """Return a text of the same length with blanks for escaped blanks and for the signs that HTML names."""
    if b"&" in data:
        data = _without_html(data)
    if b"\\" in data:
        for blank in _ESCAPED_BLANKS:
            data = data.replace(blank, b"  ")
    return data


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


def _may_have_twelve(letters: bytes) -> bool:
    """Return whether a text with letters beyond ASCII, here `?`, may have twelve listed words in a row.

    What holds such a character may be several words.
    """
    if letters.count(b"?") * _RARE > len(letters):
        return True
    first, *others = letters.split(b"?")
    pieces = [first]
    for piece in others:
        pieces[-1] = pieces[-1].rstrip(_ANY_LETTER)
        pieces += (b" ? ? ? ", piece.lstrip(_ANY_LETTER))
    return _has_twelve(b"".join(pieces).split(), _in_ascii_or_unknown())


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
    """Return the places and the columns of a text whose words are looked up all at once."""
    import numpy

    codes, positions = chars.codes, None
    scripts = _letters_in_ascii(chars.data)
    if chars.kinds is not None:
        numpy.maximum(scripts, chars.kinds >> numpy.uint8(LETTER_BITS), out=scripts)
        if MARK in chars.beyond:
            positions = numpy.flatnonzero(chars.kinds != MARK)
            scripts, codes = scripts.take(positions), codes.take(positions)
    starts, ends = _edges(scripts)
    lengths = ends - starts
    is_plausible = lengths >= _SHORTEST_LATIN
    if chars.kinds is not None:
        is_plausible |= scripts.take(starts) == LETTER >> LETTER_BITS
    is_plausible &= lengths <= _LONGEST

    def spans(numbers: Any) -> tuple[Any, Any]:
        chosen = starts.take(numbers), ends.take(numbers)
        return chosen if positions is None else (positions.take(chosen[0]), positions.take(chosen[1]))

    def is_listed(numbers: Any) -> bytes:
        flags = _table().take(_keys(codes, starts.take(numbers), ends.take(numbers)))
        return bytes((flags & is_plausible.take(numbers)).tobytes())

    in_text = (starts, ends) if positions is None else (positions.take(starts), positions.take(ends))
    columns = word_columns.columns(chars.data, *in_text, is_listed)
    chosen = _in_long_runs(is_plausible)
    flags = _table().take(_keys(codes, starts.take(chosen), ends.take(chosen))).tobytes()
    places: list[Place] = []
    if _TWELVE in flags:
        firsts, lasts = spans(chosen)
        places = [(int(firsts[first]), int(lasts[end - 1])) for first, end in _runs(flags)]
    return Words(places=places, columns=[*columns])


def _letters_in_ascii(data: bytes) -> Any:
    """Return for each character of a text, and of its padding, 1 where it is a letter of ASCII that no escape has."""
    import numpy

    if b"&" in data:
        data = _without_html(data)
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
    edges = numpy.flatnonzero(changes) + 1
    if scripts[0]:
        edges = numpy.append(0, edges)
    is_word = scripts > 0
    meeting = numpy.flatnonzero(changes & is_word[1:] & is_word[:-1]) + 1
    if len(meeting):
        edges = numpy.insert(edges, numpy.searchsorted(edges, meeting), meeting)
    return edges[::2], edges[1::2]


def _in_long_runs(is_plausible: Any) -> Any:
    """Return the places of twelve words or more that are plausible in a row, each time with the word behind them."""
    import numpy

    breaks = numpy.flatnonzero(~is_plausible)
    lengths = numpy.diff(breaks, prepend=-1, append=len(is_plausible))
    return numpy.flatnonzero(numpy.repeat(lengths > _FEWEST, lengths)[: len(is_plausible)])


def _keys(codes: Any, starts: Any, ends: Any) -> Any:
    """Return a number for each word, made of its first letters and its length."""
    import numpy

    lengths = (ends - starts).astype(numpy.uint32)
    keys = lengths.copy()
    bases = characters.base_table()
    for place in range(_READ):
        letters = bases.take(codes.take(starts + place)) * (lengths > place)
        keys = keys * numpy.uint32(_PRIME) + letters
    return (keys * numpy.uint32(_GOLDEN)) >> numpy.uint32(32 - _TABLE_BITS)


@functools.cache
def _table() -> Any:
    """Return for each key whether it is that of a listed word, of any language, or of a filler."""
    import numpy

    words = "\n".join([*checks.bip39_words(), *phrase_layouts.FILLERS])
    codes = numpy.frombuffer(f"{words}\n".encode("utf-16-le"), numpy.uint16)
    codes = codes[characters.kind_table().take(codes) != MARK]
    ends = numpy.flatnonzero(codes == ord("\n"))
    starts = numpy.append(0, ends[:-1] + 1)
    table = numpy.zeros(1 << _TABLE_BITS, numpy.uint8)
    table[_keys(numpy.append(codes, [0] * PADDING), starts, ends)] = 1
    return table
