"""Bring the words of a recovery phrase into its order: dictated, numbered in columns, separated alike, written as one.

Each function takes listed words as they stand in a text, and yields those that may be a phrase in its order.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

from src.observability.redaction.judging import checks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Word = tuple[str, int, int]
"""A word as the lists have it, its start and its end in the text."""

AND: Final = "and"  # may stand before the last word of a phrase, as before the last item of a list
# Words that a person says between those of a phrase; the shorter ones of other languages are in too many sentences.
FILLERS: Final = frozenset({AND, "then", "comma", "und", "komma", "virgule", "coma", "virgola"})
_FEWEST: Final = checks.BIP39_SIZES[0]
_LONGEST_PHRASE: Final = checks.BIP39_SIZES[-1]
_VOCABULARY: Final = b"\1" * (3 * _LONGEST_PHRASE)
_LONGEST_GAP: Final = 120  # characters between two words that are separated like all others
_DIGITS: Final = re.compile(r"\d+")
CIRCLED: Final = "\\u2460-\\u249b\\u24ea-\\u24ff\\u2776-\\u2793"  # numbers in circles
_ANY_DIGITS: Final = re.compile(rf"[\d{CIRCLED}]+")
_NUMBER_REACH: Final = 12  # characters before the first word that hold its number
SHORTEST_JOINED: Final = 36  # characters of twelve words without a blank
_CAPITALISED: Final = re.compile(r"[A-Z][a-z]+")
_LONGEST_WORD: Final = 9  # letters of the longest word of the lists in ASCII that are joined
_MOST_READINGS: Final = 256  # of letters as words
_JOINED_LISTS: Final = ("english", "italian", "spanish", "french", "portuguese", "czech")
# Values in lists and tables that are listed words: no phrase has such words alone, by chance less than once in 10^20.
_VALUES_TEXT: Final = (
    "true false long short open close high hold sell call put spot cross market limit neutral wait exit enter flat "
    "order day month trade strong good win profit side cancel add reduce"
)
_VALUES: Final = frozenset(_VALUES_TEXT.split())


def may_be_generated(words: Sequence[str], language: str) -> bool:
    """Return whether words may be a phrase: not if they are values of a column, or in the order of their list."""
    if _VALUES.issuperset(words):
        return False
    index = checks.bip39_index(language)
    steps = [index[right] - index[left] for left, right in itertools.pairwise(words)]
    return min(steps) <= 0 <= max(steps)


def is_varied(words: Sequence[str]) -> bool:
    """Return whether nearly all words differ, as those of nearly all phrases do; values of a column do not."""
    return len(set(words)) >= len(words) - len(words) // 4


def spoken(words: list[Word]) -> Iterator[list[Word]]:
    """Yield the words between which one filler stands each time: `abandon and ability and able ...`."""
    place = 1
    while place < len(words) - 2 * (_FEWEST - 1) + 1:
        filler, first = words[place][0], place - 1
        if filler not in FILLERS:
            place += 1
            continue
        while place < len(words) and words[place][0] == filler:
            place += 2
        sequence = words[first : place - 1 + (place <= len(words)) : 2]
        if len(sequence) >= _FEWEST:
            yield sequence
        place = max(first + 2, place - 1)


def without_vocabulary(run: list[Word], language: str) -> Iterator[list[Word]]:
    """Yield a sequence of words without the inner parts of long stretches in the order of the language's list."""
    index = checks.bip39_index(language)
    numbers = [index[word] for word, _, _ in run]
    is_rising = bytes(left < right for left, right in itertools.pairwise(numbers))
    first = 0
    stretch = is_rising.find(_VOCABULARY)
    while stretch >= 0:
        end = is_rising.find(b"\0", stretch)
        end = len(run) if end < 0 else end + 1
        yield run[first : stretch + _LONGEST_PHRASE]
        first = end - _LONGEST_PHRASE
        stretch = is_rising.find(_VOCABULARY, end)
    yield run[first:]


def separated_alike(text: str, run: list[Word]) -> Iterator[list[Word]]:
    """Yield the longest sequences of words with the same signs, digits aside, between each two."""
    shapes = [_ANY_DIGITS.sub("0", text[left[2] : right[1]]) for left, right in itertools.pairwise(run)]
    first = 0
    for shape, group in itertools.groupby(shapes):
        size = len([*group]) + 1
        if size >= _FEWEST and len(shape) <= _LONGEST_GAP and "\x7f" not in shape:
            yield run[first : first + size]
        first += size - 1


def numbered(text: str, chain: list[Word]) -> list[Word]:
    """Return the words in the order of the numbers before them, if that is another than they stand in; else none."""
    if len(chain) not in checks.BIP39_SIZES:
        return []
    starts = [max(0, chain[0][1] - _NUMBER_REACH), *(word[2] for word in chain[:-1])]
    digits = [_DIGITS.findall(text, start, word[1]) for start, word in zip(starts, chain, strict=True)]
    numbers = [int(each[-1]) if each and len(each[-1]) < 3 else 0 for each in digits]
    least = min(numbers)
    if sorted(numbers) != [*range(least, least + len(chain))] or numbers == sorted(numbers):
        return []
    return [word for _, word in sorted(zip(numbers, chain, strict=True))]


def is_joined(run: str) -> bool:
    """Return whether letters without a blank, `LikeThis` or `likethis`, are the words of one phrase."""
    if len(run) < SHORTEST_JOINED or not run.isalpha() or not run.isascii():
        return False
    capitalised = [word.lower() for word in _CAPITALISED.findall(run)] if run[0].isupper() else []
    return any(
        may_be_generated(words, language) and (0, len(words)) in checks.bip39_phrases(words, language)
        for language in _JOINED_LISTS
        for words in itertools.chain(_listed(capitalised, language), _readings(run.lower(), language))
    )


def _listed(words: list[str], language: str) -> list[list[str]]:
    return [words] if len(words) >= _FEWEST and checks.bip39_index(language).keys() >= set(words) else []


def _readings(letters: str, language: str) -> Iterator[list[str]]:
    """Yield the sequences of listed words, as long as a phrase, that letters spell; a few have several."""
    index, left = checks.bip39_index(language), _MOST_READINGS
    open_readings: list[tuple[int, list[str]]] = [(0, [])]
    while open_readings and left:
        start, words = open_readings.pop()
        left -= 1
        if start == len(letters):
            if len(words) in checks.BIP39_SIZES:
                yield words
            continue
        open_readings += [
            (end, [*words, letters[start:end]])
            for end in range(start + 3, min(len(letters), start + _LONGEST_WORD) + 1)
            if letters[start:end] in index
        ]
