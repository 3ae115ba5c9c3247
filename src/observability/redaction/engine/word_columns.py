"""Find listed words that stand in a column: one in each of twelve lines or rows with the same number of words.

A phrase is written like this with a letter or an ordinal before each word, in a table with other columns, in items of
HTML or of JSON, or as a program logs it.
"""

from __future__ import annotations

import bisect
import itertools
import re
from typing import TYPE_CHECKING, Any, Final

from src.observability.redaction.judging import checks
from src.observability.redaction.rules import seed_phrases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from src.observability.redaction.engine.characters import Characters

_FEWEST: Final = checks.BIP39_SIZES[0]
_SEPARATORS: Final = (b"\n", b"}", b">", b")")  # of lines, of objects, of items in HTML, of calls
BLANKS: Final = dict(zip(map(ord, _SEPARATORS), b"\n\r\v\f", strict=True))
"""What stands for each separator in letters of ASCII: blanks, at which words end too."""
_LEAST_ALIKE: Final = _FEWEST - 3  # pairs of rows of one size: other words may stand in the first row and the last
_LEAST_CHANGES: Final = 4  # of a word's first letter, from row to row
_MOST_WORDS: Final = 8  # of a row
_BLANKS: Final = tuple(bytes([blank]) for blank in BLANKS.values())
_MOST_ROWS: Final = 72  # of a column; more listed words are a vocabulary
_LONGEST_ROW: Final = 400  # characters
_STEP: Final = 5  # of as many rows as must be alike, two in any place are this far apart
_LETTERS: Final = re.compile(rb"[a-z]+")

Spans = list[tuple[int, int]]
"""The start and the end of each word of a column."""


def columns(chars: Characters, starts: Any, ends: Any, is_listed: Callable[[Any], bytes]) -> Iterator[Spans]:
    """Yield the columns of a text whose words begin and end at these places, as arrays of numpy.

    `is_listed` tells for the numbers of words, by a byte each, whether they may be on a list.
    """
    import numpy

    if len(starts) < _FEWEST:
        return
    signs = numpy.frombuffer(chars.data, numpy.uint8)
    codes = chars.letters if chars.codes is None else chars.codes
    for places in _places_of_separators(signs):
        if not _has_alike(starts, places):
            continue
        bounds = numpy.concatenate([[0], numpy.searchsorted(starts, places), [len(starts)]])
        sizes = numpy.diff(bounds)
        is_alike = ((sizes[1:] == sizes[:-1]) & (sizes[1:] > 0) & (sizes[1:] <= _MOST_WORDS)).tobytes()
        for first, count in _runs(is_alike, _LEAST_ALIKE):
            size = int(sizes[first])
            before, behind = max(0, int(bounds[first]) - size), min(len(starts), int(bounds[first + count + 1]) + size)
            for place in range(size):
                numbers = numpy.arange(before + place, behind, size)
                letters = codes.take(starts.take(numbers))
                if numpy.count_nonzero(letters[1:] != letters[:-1]) < _LEAST_CHANGES:
                    continue  # the same word in each row
                for row, rows in _runs(is_listed(numbers), _FEWEST):
                    chosen = numbers[row : row + rows]
                    if rows <= _MOST_ROWS:
                        yield [*zip(starts.take(chosen).tolist(), ends.take(chosen).tolist(), strict=True)]


def _places_of_separators(signs: Any) -> Iterator[Any]:
    """Yield where each separator stands that may end the rows of a column."""
    import numpy

    is_separator = signs == _SEPARATORS[0][0]
    for separator in _SEPARATORS[1:]:
        is_separator |= signs == separator[0]
    places = numpy.flatnonzero(is_separator)
    kinds = signs.take(places)
    for separator in _SEPARATORS:
        of_kind = places[kinds == separator[0]]
        if len(of_kind) >= _FEWEST - 1:
            yield of_kind


def _has_alike(starts: Any, places: Any) -> bool:
    """Return whether two rows as far apart as alike ones must be have as many words: a cheap first check.

    `places` are those of the separators; a row ends at each.
    """
    import numpy

    bounds = numpy.searchsorted(starts, numpy.stack([places[_STEP - 1 : -1 : _STEP], places[_STEP::_STEP]]))
    sizes = bounds[1] - bounds[0]
    is_alike = (sizes[1:] == sizes[:-1]) & (sizes[1:] > 0) & (sizes[1:] <= _MOST_WORDS)
    return bool(is_alike.any())


def columns_of_short(text: str, letters: bytes) -> Iterator[Spans]:
    """Yield the columns of a text with characters beyond ASCII, whose words are looked up one by one.

    `letters` are those of ASCII as in `columns_in_ascii`, with `?` for what may be a letter beyond.
    """
    for blank in _BLANKS:
        rows: list[str | bytes] = [*letters.split(blank)] if blank in letters else []
        if len(rows) < _FEWEST:
            continue
        ends = [*itertools.accumulate(map(len, rows))]
        for row in [row for row, part in enumerate(rows) if b"?" in part]:
            rows[row] = text[ends[row - 1] + row if row else 0 : ends[row] + row]
        if not any(_alike_rows(rows)):
            continue
        places = [end + row for row, end in enumerate(ends[:-1])]
        words = list(seed_phrases.words_of(text))
        bounds = [0, *(bisect.bisect_left(words, place, key=re.Match.start) for place in places), len(words)]
        sizes = [right - left for left, right in itertools.pairwise(bounds)]
        is_alike = bytes(0 < left == right <= _MOST_WORDS for left, right in itertools.pairwise(sizes))
        for first, count in _runs(is_alike, _LEAST_ALIKE):
            size = sizes[first]
            part = words[max(0, bounds[first] - size) : bounds[first + count + 1] + size]
            for column in (part[place::size] for place in range(size)):
                flags = bytes(seed_phrases.is_listed(word[0]) for word in column)
                for row, rows_in_column in _runs(flags, _FEWEST):
                    if rows_in_column <= _MOST_ROWS:
                        yield [word.span() for word in column[row : row + rows_in_column]]


def _count_words(row: str | bytes) -> int:
    return len(row.split() if isinstance(row, bytes) else seed_phrases.spelled_words_of(row))


def columns_in_ascii(letters: bytes, listed: frozenset[bytes]) -> Iterator[Spans]:
    """Yield the columns of a text in ASCII: its letters in lower case, `BLANKS` for separators, blanks for all else."""
    for blank in _BLANKS:
        if blank not in letters:
            continue
        rows = letters.split(blank)
        if len(rows) >= _FEWEST:
            for first, end, size in _alike_rows(rows):
                yield from _columns_of_rows(letters, rows, (first, end), size, listed)


def _alike_rows(rows: Sequence[str | bytes]) -> Iterator[tuple[int, int, int]]:
    """Yield the first row, the last one, plus one, and the number of words of each sequence of rows with as many."""
    sizes = [_count_words(row) if len(row) <= _LONGEST_ROW else 0 for row in rows[_STEP - 1 :: _STEP]]
    end = 0
    for place, (size, following) in enumerate(itertools.pairwise(sizes), 1):
        row = _STEP * place - 1
        if size != following or not 0 < size <= _MOST_WORDS or row < end:
            continue
        first = end = row
        while first > 0 and _count_words(rows[first - 1]) == size:
            first -= 1
        while end < len(rows) and _count_words(rows[end]) == size:
            end += 1
        if end - first > _LEAST_ALIKE:
            yield first, end, size


def _columns_of_rows(
    letters: bytes, rows: list[bytes], part: tuple[int, int], size: int, listed: frozenset[bytes]
) -> Iterator[Spans]:
    """Yield the columns of listed words in these rows and in the words before and behind them."""
    first, end = part
    before, behind = _reaching(rows, first, -1, size), _reaching(rows, end - 1, 1, size)
    words = b" ".join(rows[before : behind + 1]).split()
    skipped = sum(len(row.split()) for row in rows[before:first]) - size
    stop = len(words) - sum(len(row.split()) for row in rows[end : behind + 1]) + size
    start = max(0, skipped)
    spans: Spans = []
    for place in range(start, start + size):
        flags = bytes(map(listed.__contains__, words[place:stop:size]))
        for row, count in _runs(flags, _FEWEST):
            if count <= _MOST_ROWS:
                spans = spans or _spans(letters, rows, before, behind)
                yield spans[place:stop:size][row : row + count]


def _reaching(rows: list[bytes], row: int, step: int, size: int) -> int:
    """Return the row from this one on in which so many words beside this row's have been passed, or the last one."""
    passed = 0
    while passed < size and 0 <= row + step < len(rows):
        row += step
        passed += len(rows[row].split())
    return row


def _spans(letters: bytes, rows: list[bytes], first: int, last: int) -> Spans:
    """Return where each word of these rows begins and ends."""
    start = sum(map(len, rows[:first])) + first
    end = start + sum(map(len, rows[first : last + 1])) + last - first
    return [word.span() for word in _LETTERS.finditer(letters, start, end)]


def _runs(flags: bytes, least: int) -> Iterator[tuple[int, int]]:
    """Yield the place and the length of each run of so many ones."""
    row = b"\1" * least
    first = flags.find(row)
    while first >= 0:
        end = flags.find(b"\0", first)
        end = len(flags) if end < 0 else end
        yield first, end - first
        first = flags.find(row, end)
