"""Look at sequences of BIP-39 words: a phrase by its checksum, or by a name before it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src.observability._redaction import checks, context
from src.observability._redaction.gates import PHRASE_GAP

if TYPE_CHECKING:
    from src.observability._redaction.scan import Scan

_REACH = 1200  # the longest that twelve words with their separators can be
_WORD = re.compile(r"[A-Za-z]+")
_ESCAPED_BLANK = re.compile(r"\\[nrt]")
_GAP = re.compile(rf"(?:{PHRASE_GAP.replace('+[', '++[')})\Z")  # possessive: there is one way to read it
_GAP_LONGEST = 96
_NAMED = re.compile(r"seed|mnemonic|recovery|phrase|backup|wallet|bip-?39|secret|words", re.IGNORECASE)
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
    text = _ESCAPED_BLANK.sub("  ", scan.text[start:end])
    for chain in _chains(text, start, end, len(scan.text)):
        named = bool(_NAMED.search(context.before(scan.text, chain[0][1], scan.hint)))
        _find_in(scan, chain, named=named)


def _chains(text: str, start: int, end: int, length: int) -> list[list[Word]]:
    """Return maximal sequences of twelve or more listed words; a word that the stretch cuts does not count."""
    index = checks.bip39_index()
    chains: list[list[Word]] = []
    chain: list[Word] = []
    for match in _WORD.finditer(text):
        left, right = match.span()
        cut = (left == 0 and start > 0) or (right == len(text) and end < length)
        word = match.group().lower()
        joined = bool(chain) and _is_gap(text[chain[-1][2] - start : left])
        if cut or word not in index or not joined:
            chains.append(chain)
            chain = []
        if not cut and word in index:
            chain.append((word, start + left, start + right))
    chains.append(chain)
    return [each for each in chains if len(each) >= 12]


def _is_gap(gap: str) -> bool:
    return 0 < len(gap) <= _GAP_LONGEST and bool(_GAP.match(gap))


def _find_in(scan: Scan, chain: list[Word], *, named: bool) -> None:
    """Note the phrases of one chain. Sentences can be built of these words too, so a chain must fit closely."""
    words = [word for word, _, _ in chain]
    for size in _SIZES:
        slack = len(words) - size
        if slack < 0 or (slack > 3 and not named):
            continue
        for first in range(min(slack, 24) + 1):
            part = words[first : first + size]
            if (named or not _is_sentence(part)) and checks.is_bip39(part):
                scan.add(chain[first][1], chain[first + size - 1][2], "seed_phrase")
                return
    if named and len(words) in _SIZES and not _is_sentence(words):
        scan.add(chain[0][1], chain[-1][2], "seed_phrase")


def _is_sentence(words: list[str]) -> bool:
    return sum(word in _COMMON for word in words) > len(words) // 5
