"""Say which of 1,024 rows can hold a text, in half a kilobyte a row.

A row's signature has a bit for each three bytes in a row of its text, in lower case, at one of 4,096 places that a hash
chooses. A row can hold a text only if it has all of the text's bits; whether it does is then looked up in the row
itself. A block has the signatures of 1,024 rows, turned: for each place the bits of all rows, so that a search reads
the few places that it needs, and the bits of a deleted row are cleared without its text.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

ROWS: Final = 1_024  # of a block
PLACES: Final = 4_096
GROUP: Final = 8  # places that one row of the file holds
ROW_BYTES: Final = ROWS // 8
# Of a text more than this much is not looked at: its row then counts as one that can hold anything.
MOST_BYTES: Final = 65_536
LEAST_BYTES: Final = 3


def folded(text: str) -> bytes:
    """Return a text as it is compared: in lower case, in UTF-8."""
    return text.casefold().encode("utf-8", "surrogatepass")


def _hashes(text: bytes) -> npt.NDArray[np.uint32]:
    """Return the place of each three bytes of a folded text; none of a text below three bytes."""
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.uint32)
    if len(codes) < LEAST_BYTES:
        return codes[:0]
    triples = codes[:-2] | codes[1:-1] << np.uint32(8) | codes[2:] << np.uint32(16)
    # Knuth's multiplicative hash: its upper bits are well mixed.
    places: npt.NDArray[np.uint32] = (triples * np.uint32(2_654_435_761)) >> np.uint32(20)
    return places


def places_of(text: bytes) -> list[int]:
    """Return the places of a folded text's bits."""
    return sorted({int(place) for place in _hashes(text)})


class Block:
    """The signatures of up to 1,024 rows.

    Args:
        groups: The bits as the file holds them.
    """

    def __init__(self, groups: dict[int, bytes] | None = None) -> None:
        self._marks = np.zeros((ROWS, PLACES), dtype=np.bool_)
        for number, content in (groups or {}).items():
            bits = np.frombuffer(content, dtype=np.uint8).reshape(GROUP, ROW_BYTES)
            marks = np.unpackbits(bits, axis=1, bitorder="little").astype(np.bool_)
            self._marks[:, number * GROUP : (number + 1) * GROUP] = marks.T

    def add(self, slot: int, text: bytes) -> None:
        """Set the bits of a row; all of them for a text that is too long to be looked at in whole."""
        if len(text) > MOST_BYTES:
            self._marks[slot] = True
        else:
            self._marks[slot, _hashes(text)] = True

    def clear(self, slots: list[int]) -> None:
        """Clear all bits of some rows."""
        self._marks[slots] = False

    def groups(self) -> dict[int, bytes]:
        """Return the bits as the file holds them: groups of places, those without any bit left out."""
        bits = np.packbits(self._marks.T, axis=1, bitorder="little").reshape(PLACES // GROUP, -1)
        return {number: bits[number].tobytes() for number in range(len(bits)) if bits[number].any()}


def slots_with(rows: dict[int, bytes]) -> list[int]:
    """Return the rows of a block that have a bit at each place; `rows` has the bits of all rows for each place."""
    common = np.full(ROW_BYTES, 0xFF, dtype=np.uint8)
    for content in rows.values():
        common &= np.frombuffer(content, dtype=np.uint8)
    return [int(slot) for slot in np.flatnonzero(np.unpackbits(common, bitorder="little"))]
