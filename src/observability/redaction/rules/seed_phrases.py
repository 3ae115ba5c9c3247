"""Find recovery phrases of BIP-39 words, by their checksum or by a name before them.

Every sequence of listed words with a right checksum is replaced, whatever the words mean: a phrase is as likely to
contain `that`, `this` and `there` as any other words. The price is sentences: twelve listed words in a row pass by
chance once in 16, longer runs more often. Such runs are rare, because the English list lacks `the`, `a`, `of`, `and`,
`to`, `in` and `is`. Measured on 34 million words in 34,437 files (documentation, manual pages and texts of Python
packages, mostly English): eight files in English changed, seven by phrases forwards (tables and logs that repeat their
words: `version card`, `hidden test pass provide`) and one by a phrase backwards alone; and six manual pages in Chinese
with a blank behind every character.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import checks, context
from src.observability.redaction.judging.scan import TAG, Scan, TooManyError, in_ascii
from src.observability.redaction.rules import phrase_layouts
from src.observability.redaction.rules.gates import HTML_SIGN, PHRASE_GAP
from src.observability.redaction.rules.phrase_layouts import AND, CIRCLED, Word

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

# A Latin word ends where another script begins, since an English phrase can stand in Chinese text without blanks.
_LATIN = "A-Za-z\\u00c0-\\u024f"
_LETTERS = (
    "\\u0400-\\u0481\\u4e00-\\u9fff\\uac00-\\ud7a3"  # matched faster than what is no sign, no digit and not Latin
)
_WORD = re.compile(
    rf"[{_LATIN}][{_LATIN}\u0300-\u036f]*|"
    rf"(?:[{_LETTERS}]++|(?![{_LATIN}{CIRCLED}])[^\W\d_]|[\u0306\u0308\u3099\u309a])+"
)
_ITEM = re.compile(rf"[\W\d_]{{0,8}}(?:{_WORD.pattern})[\W_]{{0,4}}\Z")  # one word, possibly numbered: `2. word`
_ITEM_LONGEST = 32
_LONGEST_WORD = 32  # far beyond any listed one
_NOT_A_WORD = re.compile(rf"\\[nrt]|{TAG}|{HTML_SIGN}")
_BEFORE_NO_WORD = ("\\", "<", "&")  # with which one of these begins
_LABEL = re.compile(r"[ _#-]?\d")  # the number of a label such as `word1` or `word 2`
_GAP = re.compile(rf"(?:{PHRASE_GAP.replace('+[', '++[')})\Z")  # possessive, since there is one way to match it
_GAP_LONGEST = 96
_HTML_SIGN = re.compile(HTML_SIGN)
_AND_IN_GAP = re.compile(rf"(?<=[\W_]){AND}(?=[\W_])", re.IGNORECASE)
_NAME = re.compile(r"seed|mnemonic|recovery|phrase|backup|wallet|bip-?39|secret|words", re.IGNORECASE)
_FEWEST = checks.BIP39_SIZES[0]
_OF_ELECTRUM = "english"
_LONGEST_OF_ELECTRUM = _FEWEST + 1  # words in a row: a seed stands by itself, beside one listed word such as `seed`
# Words of the list that hold sentences together: a mistyped phrase has few of them, a sentence about phrases has many.
_COMMON_TEXT = (
    "that this they then there have will can you only just more most about above again all also another any because "
    "before between once over still such very what when where much must one own same under until use into like now "
    "first other off "
)
_COMMON = frozenset(_COMMON_TEXT.split())


def words_of(text: str) -> Iterator[re.Match[str]]:
    """Return the words of a text, without the letters of escapes and tags."""
    return _WORD.finditer(_blank_out(text))


def spelled_words_of(text: str) -> list[str]:
    """Return the same words without their places, in half the time."""
    return _WORD.findall(_blank_out(text))


def is_listed(word: str) -> bool:
    """Return whether a word is on a BIP-39 list, of any language."""
    if len(word) > 1 and (len(word) > _LONGEST_WORD or "\u4e00" <= word[0] <= "\u9fff"):  # a clause of Chinese
        return False
    return _is_in_lists(word)


@functools.lru_cache(maxsize=8192)
def _is_in_lists(word: str) -> bool:
    return checks.plain_word(word) in checks.bip39_words()


def _blank_out(text: str) -> str:
    """Return a text with blanks for what is no word: the letters of escapes, tags."""
    if not any(sign in text for sign in _BEFORE_NO_WORD):
        return text
    return _NOT_A_WORD.sub(lambda match: " " * len(match.group()), text)


def find(scan: Scan, start: int, end: int) -> None:
    """Find the phrases between two positions of a text, of which neither stands within a word."""
    words = [
        (checks.plain_word(match[0]), start + match.start(), start + match.end())
        for match in words_of(scan.text[start:end])
    ]
    for listed in itertools.chain(_runs(words, checks.bip39_words()), _lists(words)):
        for chain in _chains(scan.text, listed):
            _find_checksummed(scan, chain)
            for part in (chain, *_parts(chain)):
                _find_named(scan, part)
                _find_in_order(scan, phrase_layouts.numbered(scan.text, part))
        for chain in phrase_layouts.separated_alike(scan.text, listed):
            gaps = (scan.text[left[2] : right[1]] for left, right in itertools.pairwise(chain))
            if not all(map(_is_gap, gaps)):
                _find_in_order(scan, chain)
                _find_named(scan, chain)
    for chain in phrase_layouts.spoken(words):
        _find_in_order(scan, chain)
        _find_named(scan, chain)


def find_column(scan: Scan, spans: list[tuple[int, int]]) -> None:
    """Find the phrases among words that stand at these places, each in a line or a row of its own."""
    words = [(checks.plain_word(scan.text[start:end]), start, end) for start, end in spans]
    for run in _runs(words, checks.bip39_words()):
        _find_in_order(scan, run, each=True)


def find_in_items(items: Sequence[object], hint: str = "") -> set[int]:
    """Return the indexes of the items that make up phrases, one word an item."""
    indexes: set[int] = set()
    if not any(issubclass(kind, str) for kind in set(map(type, items))):  # a list of numbers can be long
        return indexes
    first = 0
    for is_word, group in itertools.groupby(items, key=_is_word):
        words = [str(item) for item in group]
        if is_word and len(words) >= _FEWEST:
            indexes.update(first + index for index in _indexes_in(words, hint))
        first += len(words)
    return indexes


def _is_word(item: object) -> bool:
    return isinstance(item, str) and len(item) <= _ITEM_LONGEST and bool(_ITEM.match(item))


def _indexes_in(words: list[str], hint: str) -> Iterator[int]:
    """Yield the indexes of the words that make up phrases, some more than once."""
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


def _runs(words: list[Word], index: Container[str]) -> Iterator[list[Word]]:
    """Yield the longest sequences of twelve or more listed words, whatever separates them."""
    first = 0
    for place, word in enumerate([*words, ("", 0, 0)]):
        if word[0] not in index:
            if place - first >= _FEWEST:
                yield words[first:place]
            first = place + 1


def _lists(words: list[Word]) -> Iterator[list[Word]]:
    """Yield the listed words up to an `and`, at most as many as a phrase has, with the listed word after it."""
    index = checks.bip39_words()
    for place in range(_FEWEST - 1, len(words) - 1):
        if words[place][0] != AND or words[place + 1][0] not in index:
            continue
        first = place
        while first > 0 and place - first < checks.BIP39_SIZES[-1] - 1 and words[first - 1][0] in index:
            first -= 1
        if place - first >= _FEWEST - 1:
            yield [*words[first:place], words[place + 1]]


def _chains(text: str, run: list[Word]) -> Iterator[list[Word]]:
    """Yield the longest sequences of twelve or more words with nothing but separators between them.

    A sequence with labels such as `word1` or `word 2` is yielded without them too, since `word` is a listed word.
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
    """Return the parts of a chain between its longer separators, which are the phrases of a list of phrases."""
    gaps = [right[1] - left[2] for left, right in itertools.pairwise(chain)]
    most = sorted(gaps)[len(gaps) // 2] + 1  # a number can have a digit more
    borders = [place for place, gap in enumerate(gaps, 1) if gap > most]
    parts = [chain[first:last] for first, last in itertools.pairwise([0, *borders, len(chain)])]
    return [part for part in parts if _FEWEST <= len(part) < len(chain)]


@functools.lru_cache(maxsize=1024)
def _is_gap(gap: str) -> bool:
    gap = _AND_IN_GAP.sub("", _HTML_SIGN.sub(" ", gap), count=1)
    return 0 < len(gap) <= _GAP_LONGEST and bool(_GAP.match(in_ascii(gap).decode().lower()))


def _find_checksummed(scan: Scan, chain: list[Word]) -> None:
    """Record every phrase of a chain whose checksum is right, whatever its words mean and whatever surrounds it."""
    for ordered, language in _orders(scan, chain):
        is_backwards = ordered[0][1] > ordered[-1][1]
        for phrase in _phrases(ordered, language, varied=is_backwards):
            _add(scan, phrase, each=False)


def _find_in_order(scan: Scan, chain: list[Word], *, each: bool = False) -> None:
    """Record every phrase of varied words with a right checksum, in this order or backwards; `each` word by itself."""
    for ordered, language in _orders(scan, chain):
        for phrase in _phrases(ordered, language, varied=True):
            _add(scan, phrase, each=each)


def _orders(scan: Scan, chain: list[Word]) -> Iterator[tuple[list[Word], str]]:
    """Yield the parts of a chain that are words of one language, forwards and backwards."""
    for language in checks.LANGUAGES if len(chain) >= _FEWEST else ():
        for run in _runs(chain, checks.bip39_index(language)):
            for part in phrase_layouts.without_vocabulary(run, language):
                scan.spend_phrase_words(len(part), min(word[1] for word in part))
                yield part, language
                yield part[::-1], language


def _phrases(words: list[Word], language: str, *, varied: bool) -> Iterator[list[Word]]:
    """Yield the phrases with a right checksum; where `varied`, those alone whose words differ."""
    spelled = [word for word, _, _ in words]
    for first, end in checks.bip39_phrases(spelled, language):
        phrase = spelled[first:end]
        if phrase_layouts.may_be_generated(phrase, language) and (not varied or phrase_layouts.is_varied(phrase)):
            yield words[first:end]
    if language == _OF_ELECTRUM and not varied and len(words) <= _LONGEST_OF_ELECTRUM:
        yield from _electrum_seeds(words, spelled)


def _electrum_seeds(words: list[Word], spelled: list[str]) -> Iterator[list[Word]]:
    """Yield the seeds of Electrum, which have words of the same list and a version in place of a checksum."""
    for first in range(len(words) - _FEWEST + 1):
        seed = spelled[first : first + _FEWEST]
        may_be_seed = phrase_layouts.is_varied(seed) and checks.is_electrum(seed)
        if may_be_seed and phrase_layouts.may_be_generated(seed, _OF_ELECTRUM):
            yield words[first : first + _FEWEST]


def _add(scan: Scan, words: list[Word], *, each: bool) -> None:
    if each:
        for _, start, end in words:
            scan.add(start, end, "seed_phrase")
    else:
        scan.add(min(word[1] for word in words), max(word[2] for word in words), "seed_phrase")


def _find_named(scan: Scan, chain: list[Word]) -> None:
    """Record a chain as long as a phrase if a name introduces it: its checksum is wrong if a word is mistyped."""
    for language in checks.LANGUAGES:
        for run in _runs(chain, checks.bip39_index(language)):
            has_size = len(run) in checks.BIP39_SIZES and not _is_sentence(run)
            if has_size and _NAME.search(context.before(scan.text, run[0][1], scan.hint)):
                scan.add(run[0][1], run[-1][2], "seed_phrase")


def _is_sentence(words: list[Word]) -> bool:
    return sum(word in _COMMON for word, _, _ in words) > len(words) // 5
