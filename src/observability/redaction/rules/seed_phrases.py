"""Look at sequences of BIP-39 words: a phrase by its checksum, or by a name before it."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import checks, context
from src.observability.redaction.judging.scan import TAG, in_ascii
from src.observability.redaction.rules.gates import PHRASE_GAP

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from src.observability.redaction.judging.scan import Scan

_REACH = 1320  # the longest that twelve words with their separators can be
# Latin words end where those of other scripts begin: an English phrase can stand in Chinese text.
_LATIN = "A-Za-z\\u00c0-\\u024f"
_WORD = re.compile(rf"[{_LATIN}][{_LATIN}\u0300-\u036f]*|(?:(?![{_LATIN}])[^\W\d_]|[\u0306\u0308\u3099\u309a])+")
_NOT_A_WORD = re.compile(rf"\\[nrt]|{TAG}")
_ASCII_WORD = re.compile(r"[a-z]+")
_LABEL = re.compile(r"[ _#-]?\d")  # of word1, word 2
_GAP = re.compile(rf"(?:{PHRASE_GAP.replace('+[', '++[')})\Z")  # possessive: there is one way to read it
_GAP_LONGEST = 96
_NAMED = re.compile(r"seed|mnemonic|recovery|phrase|backup|wallet|bip-?39|secret|words", re.IGNORECASE)
_FEWEST = 12
_TWELVE = b"\1" * _FEWEST
_SLACK = 5  # words of a sentence around a phrase that are on the list too
_SIZES = (24, 21, 18, 15, 12)
# Words of the list that hold sentences together: three of them among random words are rarer than one in five hundred.
_COMMON_TEXT = (
    "that this they then there have will can you your only just more most about above again all also another any "
    "because before between could once over still such than very what when where which while who why would much "
    "must not one own same should through under until use into like now out first last every each other off "
)
_COMMON = frozenset(_COMMON_TEXT.split())

Word = tuple[str, int, int]


def regions(ends: list[int], length: int) -> list[tuple[int, int]]:
    """Return the stretches of text in which twelve words may follow one another, given where twelve do."""
    stretches: list[tuple[int, int]] = []
    for end in sorted(ends):
        start, stop = max(0, end - _REACH), min(length, end + 16)
        if stretches and start <= stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], stop)
        else:
            stretches.append((start, stop))
    return stretches


def find(scan: Scan, start: int, end: int) -> None:
    """Look at one stretch of text."""
    text = _NOT_A_WORD.sub(lambda match: " " * len(match.group()), scan.text[start:end])
    if not _may_hold(text):
        return
    found = [(checks.plain_word(match.group()), *match.span()) for match in _WORD.finditer(text)]
    if found and found[0][1] == 0 and start > 0:  # a word that the stretch cuts does not count
        found = found[1:]
    if found and found[-1][2] == len(text) and end < len(scan.text):
        found = found[:-1]
    words = [(word, start + left, start + right) for word, left, right in found]
    for known in _runs(words, checks.bip39_words()):
        for chain in _chains(scan.text, known):
            for language in checks.LANGUAGES:
                for run in _runs(chain, checks.bip39_index(language)):
                    named = bool(_NAMED.search(context.before(scan.text, run[0][1], scan.hint)))
                    _find_in(scan, run, language, named=named)


def _may_hold(text: str) -> bool:
    """Say whether twelve listed words follow one another, whatever stands between: a cheap look first."""
    known = checks.bip39_words()
    words = _ASCII_WORD.findall(text.lower()) if text.isascii() else map(checks.plain_word, _WORD.findall(text))
    return _TWELVE in bytes([word in known for word in words])


def _runs(words: list[Word], index: Container[str]) -> Iterator[list[Word]]:
    """Yield the maximal sequences of twelve or more listed words, whatever stands between them."""
    first = 0
    for place, word in enumerate([*words, ("", 0, 0)]):
        if word[0] not in index:
            if place - first >= _FEWEST:
                yield words[first:place]
            first = place + 1


def _chains(text: str, run: list[Word]) -> list[list[Word]]:
    """Return the sequences of twelve or more words with nothing but separators between them."""
    chains: list[list[Word]] = []
    chain: list[Word] = []
    last = -1
    for word in run:
        if chain and not _is_gap(text[last : word[1]]):
            chains.append(chain)
            chain = []
        last = word[2]
        if word[0] != "word" or not _LABEL.match(text, last):
            chain.append(word)
    chains.append(chain)
    long = [each for each in chains if len(each) >= _FEWEST]
    return long + [part for each in long for part in _parts(each)]


def _parts(chain: list[Word]) -> list[list[Word]]:
    """Return what stands between separators longer than most: of phrases in a row, each."""
    gaps = [right[1] - left[2] for left, right in itertools.pairwise(chain)]
    most = sorted(gaps)[len(gaps) // 2] + 1  # a number can have a digit more
    borders = [place for place, gap in enumerate(gaps, 1) if gap > most]
    parts = [chain[first:last] for first, last in itertools.pairwise([0, *borders, len(chain)])]
    return [part for part in parts if _FEWEST <= len(part) < len(chain)]


def _is_gap(gap: str) -> bool:
    return 0 < len(gap) <= _GAP_LONGEST and bool(_GAP.match(in_ascii(gap).decode().lower()))


def _find_in(scan: Scan, chain: list[Word], language: str, *, named: bool) -> None:
    """Note the phrases of one chain. Sentences can be built of these words too, so a chain must fit closely."""
    words = [word for word, _, _ in chain]
    for size in _SIZES:
        slack = len(words) - size
        if slack < 0 or (slack > _SLACK and len(words) < 2 * size and not named):
            continue
        for first in range(min(slack, 24) + 1):
            part = words[first : first + size]
            scan.spend_phrase(chain[first][1])
            if (named or not _is_sentence(part)) and checks.is_bip39(part, language):
                scan.add(chain[first][1], chain[first + size - 1][2], "seed_phrase")
                if len(words) - first - size >= _FEWEST:
                    _find_in(scan, chain[first + size :], language, named=named)
                return
    if named and len(words) in _SIZES and not _is_sentence(words):
        scan.add(chain[0][1], chain[-1][2], "seed_phrase")


def _is_sentence(words: list[str]) -> bool:
    return sum(word in _COMMON for word in words) > len(words) // 5
