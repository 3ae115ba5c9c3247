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
    from collections.abc import Callable, Iterator

_FEWEST: Final = checks.BIP39_SIZES[0]
_SEPARATORS: Final = (b"\n", b"}", b">", b")")  # of lines, of objects, of items in HTML, of calls
_LEAST_ALIKE: Final = _FEWEST - 3  # pairs of rows of one size: other words may stand in the first row and the last
_LEAST_CHANGES: Final = 4  # of a word's first letter, from row to row
_MOST_WORDS: Final = 8  # of a row
_MOST_ROWS: Final = 72  # of a column; more listed words are a vocabulary

Spans = list[tuple[int, int]]
"""The start and the end of each word of a column."""


def columns(data: bytes, starts: Any, ends: Any, is_listed: Callable[[Any], bytes]) -> Iterator[Spans]:
    """Yield the columns of a text whose words begin and end at these places, as arrays of numpy.

    `is_listed` tells for the numbers of words, by a byte each, whether they may be on a list.
    """
    import numpy

    signs = numpy.frombuffer(data, numpy.uint8)
    for separator in _separators(data) if len(starts) >= _FEWEST else ():
        bounds = numpy.searchsorted(starts, numpy.flatnonzero(signs == separator[0]))
        bounds = numpy.concatenate([[0], bounds, [len(starts)]])
        sizes = numpy.diff(bounds)
        is_alike = ((sizes[1:] == sizes[:-1]) & (sizes[1:] > 0) & (sizes[1:] <= _MOST_WORDS)).tobytes()
        for first, count in _runs(is_alike, _LEAST_ALIKE):
            size = int(sizes[first])
            before, behind = max(0, int(bounds[first]) - size), min(len(starts), int(bounds[first + count + 1]) + size)
            for place in range(size):
                numbers = numpy.arange(before + place, behind, size)
                letters = signs.take(starts.take(numbers))
                if numpy.count_nonzero(letters[1:] != letters[:-1]) < _LEAST_CHANGES:
                    continue  # the same word in each row
                for row, rows in _runs(is_listed(numbers), _FEWEST):
                    chosen = numbers[row : row + rows]
                    if rows <= _MOST_ROWS:
                        yield [*zip(starts.take(chosen).tolist(), ends.take(chosen).tolist(), strict=True)]


def columns_of_short(text: str, data: bytes) -> Iterator[Spans]:
    """Yield the columns of a short text, whose words are looked up one by one."""
    for separator in _separators(data):
        words = list(seed_phrases.words_of(text))
        places = [place for place, sign in enumerate(data) if sign == separator[0]]
        bounds = [0, *(bisect.bisect_left(words, place, key=re.Match.start) for place in places), len(words)]
        sizes = [right - left for left, right in itertools.pairwise(bounds)]
        is_alike = bytes(0 < left == right <= _MOST_WORDS for left, right in itertools.pairwise(sizes))
        for first, count in _runs(is_alike, _LEAST_ALIKE):
            size = sizes[first]
            part = words[max(0, bounds[first] - size) : bounds[first + count + 1] + size]
            for column in (part[place::size] for place in range(size)):
                flags = bytes(seed_phrases.is_listed(word[0]) for word in column)
                for row, rows in _runs(flags, _FEWEST):
                    if rows <= _MOST_ROWS:
                        yield [word.span() for word in column[row : row + rows]]


def _separators(data: bytes) -> list[bytes]:
    return [separator for separator in _SEPARATORS if data.count(separator) >= _FEWEST - 1]


def _runs(flags: bytes, least: int) -> Iterator[tuple[int, int]]:
    """Yield the place and the length of each run of so many ones."""
    row = b"\1" * least
    first = flags.find(row)
    while first >= 0:
        end = flags.find(b"\0", first)
        end = len(flags) if end < 0 else end
        yield first, end - first
        first = flags.find(row, end)
