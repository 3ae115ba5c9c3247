"""Tell whether a word that may call a value secret stands near a place of a text."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable

# Each word of `context` that means a secret holds one of these.
STEMS = (
    b"priv", b"secret", b"sign", b"seed", b"mnemonic", b"key", b"passw", b"passphrase", b"credential", b"wallet",
    b"import", b"token", b"auth", b"bearer", b"pk", b"sk", b"localaccount", b"hardhat",
)  # fmt: skip
_STRONG = frozenset(STEMS.index(stem) for stem in (b"priv", b"secret", b"sign", b"seed", b"key"))
_MARGIN = 32  # characters that tell whether a stem is a word
_BLOCK, _LONGEST_BLOCK = 2_048, 16_384  # characters searched at a time, at first and in a text that is full of runs


Search = Callable[[bytes], Iterable[tuple[int, int]]]
"""Returns where each stem of a text ends, with the stem's number."""


def search(data: bytes) -> Iterable[tuple[int, int]]:
    """Yield where each stem of a text ends, with the stem's number."""
    data = data.lower()
    for number, stem in enumerate(STEMS):
        position = data.find(stem)
        while position >= 0:
            yield position + len(stem), number
            position = data.find(stem, position + 1)


class NearbyWords:
    """The places of the words that may call a value secret; the text is searched only as far as it is asked for.

    Questions are asked in the order of their positions.
    """

    __slots__ = ("_block", "_data", "_positions", "_search", "_searched_end", "_strong")

    def __init__(self, data: bytes, search: Search) -> None:
        self._data = data
        self._search = search
        self._positions: list[int] = []
        self._strong: list[int] = []  # of words that `context` calls strong
        self._searched_end = 0
        self._block = _BLOCK

    def first(self, start: int, end: int) -> int:
        """Return where the first such word from `start` on begins; a position after `end` if there is none before."""
        self._searched_end = max(self._searched_end, start)
        while self._searched_end <= end and self._searched_end < len(self._data):
            self._search_block()
        place = bisect.bisect_left(self._positions, start)
        return self._positions[place] if place < len(self._positions) else max(end + 1, self._searched_end)

    def has_strong(self, start: int, end: int) -> bool:
        """Return whether a strong word, as `private` or `seed`, begins in a part of the text that was asked for."""
        place = bisect.bisect_left(self._strong, start)
        return place < len(self._strong) and self._strong[place] < end

    def _search_block(self) -> None:
        start, end = self._searched_end, self._searched_end + self._block
        self._block = min(2 * self._block, _LONGEST_BLOCK)
        data = self._data[max(0, start - 1) : end + _MARGIN]
        offset = max(0, start - 1)
        for stem_end, number in self._search(data):
            position = stem_end - len(STEMS[number])
            if start <= position + offset < end and _is_word(data, STEMS[number], position):
                self._positions.append(position + offset)
                if number in _STRONG:
                    self._strong.append(position + offset)
        self._positions.sort()
        self._strong.sort()
        self._searched_end = end


def _is_word(data: bytes, stem: bytes, position: int) -> bool:
    """Return whether a stem is more than a part of an unrelated word."""
    if stem == b"sign":  # signing, signer, sign with; a signature is public
        rest = data[position + 4 : position + 7].lower()
        return rest.startswith((b"ing", b"er")) or not rest[:1].isalpha()
    if stem == b"wallet":  # the wallet is ...; an address is public
        return data[position + 6 : position + 7] == b"(" or b"is" in data[position + 6 : position + 16].lower()
    if len(stem) > 2:
        return True
    return not (data[max(0, position - 1) : position].isalnum() or data[position + 2 : position + 3].isalnum())
