"""Look at sequences of BIP-39 words: a phrase by its checksum, or by a name before it.

A right checksum always decides, whatever the words say: a phrase is as likely to hold `that`, `this` and `there` as any
other words. Sentences pay for it: twelve listed words in a row carry a right checksum by chance once in 16, and longer
runs more often. Such runs are rare, since the English list has no `the`, `a`, `of`, `and`, `to`, `in` or `is`: the 3.8
million words of six collections of English prose (Brown, inaugural, state_union, webtext, movie_reviews and abc, as
github.com/nltk/nltk_data has them) hold three runs of twelve or more, all of them refrains such as `thank you` six
times, and nothing in them was replaced.
"""

from __future__ import annotations

import bisect
import itertools
import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import checks, context
from src.observability.redaction.judging.scan import TAG, Scan, TooManyError, in_ascii
from src.observability.redaction.rules.gates import PHRASE_GAP

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

_REACH = 1320  # the longest that twelve words with their separators can be
# Latin words end where those of other scripts begin: an English phrase can stand in Chinese text.
_LATIN = "A-Za-z\\u00c0-\\u024f"
_WORD = re.compile(rf"[{_LATIN}][{_LATIN}\u0300-\u036f]*|(?:(?![{_LATIN}])[^\W\d_]|[\u0306\u0308\u3099\u309a])+")
_ITEM = re.compile(rf"[\W\d_]{{0,8}}(?:{_WORD.pattern})[\W_]{{0,4}}\Z")  # of a list that spells a phrase: 2. word
_ITEM_LONGEST = 32
_NOT_A_WORD = re.compile(rf"\\[nrt]|{TAG}")
_ASCII_WORD = re.compile(r"[a-z]+")
_LABEL = re.compile(r"[ _#-]?\d")  # of word1, word 2
_GAP = re.compile(rf"(?:{PHRASE_GAP.replace('+[', '++[')})\Z")  # possessive: there is one way to read it
_GAP_LONGEST = 96
_NAME = re.compile(r"seed|mnemonic|recovery|phrase|backup|wallet|bip-?39|secret|words", re.IGNORECASE)
_FEWEST = checks.BIP39_SIZES[0]
_TWELVE = b"\1" * _FEWEST
# Words of the list that hold sentences together: a mistyped phrase has few of them, a sentence about phrases has many.
_COMMON_TEXT = (
    "that this they then there have will can you only just more most about above again all also another any because "
    "before between once over still such very what when where much must one own same under until use into like now "
    "first other off "
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
    matches = [(checks.plain_word(match.group()), *match.span()) for match in _WORD.finditer(text)]
    if matches and matches[0][1] == 0 and start > 0:  # a word that the stretch cuts does not count
        matches = matches[1:]
    if matches and matches[-1][2] == len(text) and end < len(scan.text):
        matches = matches[:-1]
    words = [(word, start + left, start + right) for word, left, right in matches]
    for listed in _runs(words, checks.bip39_words()):
        for chain in _chains(scan.text, listed):
            _find_checksummed(scan, chain)
            for part in (chain, *_parts(chain)):
                _find_named(scan, part)


def find_in_items(items: Sequence[object], hint: str = "") -> set[int]:
    """Return the places of the items that spell a phrase, each of them one word of it."""
    places: set[int] = set()
    first = 0
    for is_word, group in itertools.groupby(items, key=_is_word):
        words = [str(item) for item in group]
        if is_word and len(words) >= _FEWEST:
            places.update(first + place for place in _places_in(words, hint))
        first += len(words)
    return places


def _is_word(item: object) -> bool:
    return isinstance(item, str) and len(item) <= _ITEM_LONGEST and bool(_ITEM.match(item))


def _places_in(words: list[str], hint: str) -> Iterator[int]:
    text = "\n".join(words)
    scan = Scan(text, hint)
    spans: list[tuple[int, int]] = []
    try:
        find(scan, 0, len(text))
    except TooManyError as error:
        spans.append((error.position, len(text)))
    spans += [(finding.start, finding.end) for finding in scan.findings]
    starts = [0, *itertools.accumulate(len(word) + 1 for word in words[:-1])]
    for start, end in spans:
        yield from range(bisect.bisect_right(starts, start) - 1, bisect.bisect_left(starts, end))


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


def _chains(text: str, run: list[Word]) -> Iterator[list[Word]]:
    """Yield the sequences of twelve or more words with nothing but separators between them.

    Where words are labelled (word1, word 2), yield them without the labels too: `word` is itself a word of the list.
    """
    borders = [place for place in range(1, len(run)) if not _is_gap(text[run[place - 1][2] : run[place][1]])]
    for first, last in itertools.pairwise([0, *borders, len(run)]):
        chain = run[first:last]
        unlabelled = [word for word in chain if word[0] != "word" or not _LABEL.match(text, word[2])]
        if len(chain) >= _FEWEST:
            yield chain
        if _FEWEST <= len(unlabelled) < len(chain):
            yield unlabelled


def _parts(chain: list[Word]) -> list[list[Word]]:
    """Return what stands between separators longer than most: of phrases in a row, each."""
    gaps = [right[1] - left[2] for left, right in itertools.pairwise(chain)]
    most = sorted(gaps)[len(gaps) // 2] + 1  # a number can have a digit more
    borders = [place for place, gap in enumerate(gaps, 1) if gap > most]
    parts = [chain[first:last] for first, last in itertools.pairwise([0, *borders, len(chain)])]
    return [part for part in parts if _FEWEST <= len(part) < len(chain)]


def _is_gap(gap: str) -> bool:
    return 0 < len(gap) <= _GAP_LONGEST and bool(_GAP.match(in_ascii(gap).decode().lower()))


def _find_checksummed(scan: Scan, chain: list[Word]) -> None:
    """Note every phrase of a chain whose checksum is right, whatever its words say and whatever stands around it."""
    for language in checks.LANGUAGES:
        for run in _runs(chain, checks.bip39_index(language)):
            scan.spend_phrase_words(len(run), run[0][1])
            for first, end in checks.bip39_phrases([word for word, _, _ in run], language):
                scan.add(run[first][1], run[end - 1][2], "seed_phrase")


def _find_named(scan: Scan, chain: list[Word]) -> None:
    """Note a chain that a name introduces and that is as long as a phrase: one with a word mistyped is secret too."""
    for language in checks.LANGUAGES:
        for run in _runs(chain, checks.bip39_index(language)):
            has_size = len(run) in checks.BIP39_SIZES and not _is_sentence(run)
            if has_size and _NAME.search(context.before(scan.text, run[0][1], scan.hint)):
                scan.add(run[0][1], run[-1][2], "seed_phrase")


def _is_sentence(words: list[Word]) -> bool:
    return sum(word in _COMMON for word, _, _ in words) > len(words) // 5
