"""Show a text as it reads once the escapes of addresses and of JSON are undone, and where its characters stood."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Finding

# Escaped once or again and again, as in %252F: of ASCII, since nothing else holds a secret in an address together.
_PERCENT = re.compile(r"%(?:25){0,4}(0[9adAD]|[2-7][0-9a-fA-F])")
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Hold a text without its escapes: where each escaped character stands, how much shorter it is there."""

    text: str
    escaped: list[int]
    shorter: list[int]

    def in_places(self, findings: list[Finding]) -> list[Finding]:
        """Return findings of this text as they stand in the text with the escapes."""
        return [replace(found, start=self._place(found.start), end=self._place(found.end)) for found in findings]

    def _place(self, position: int) -> int:
        before = bisect.bisect_left(self.escaped, position)
        return position + (self.shorter[before - 1] if before else 0)


def decode(text: str) -> Decoded | None:
    """Return the text without such escapes, or None where it has none."""
    # Each pattern begins with one character, which makes looking for it cheap.
    found = list(_PERCENT.finditer(text))
    if "\\" in text:
        found += _UNICODE.finditer(text)
    if not found:
        return None
    pieces: list[str] = []
    escaped: list[int] = []
    shorter: list[int] = []
    position = gone = 0
    for match in sorted(found, key=re.Match.start):
        start, end = match.span()
        char = chr(int(match.group(1), 16))
        if not char.isascii() and not "\u3400" <= char <= "\u9fff":  # a letter of a word, which `\\` would cut
            start -= _more(text, position, start)
        pieces += (text[position:start], char)
        escaped.append(start - gone)
        gone += end - start - 1
        shorter.append(gone)
        position = end
    pieces.append(text[position:])
    return Decoded("".join(pieces), escaped, shorter)


def _more(text: str, position: int, start: int) -> int:
    """Return how many backslashes JSON in JSON has put before that of an escape: their number is doubled each time."""
    first = start
    while first > position and text[first - 1] == "\\":
        first -= 1
    count = start - first + 1
    return (count & -count) - 1  # others stand for themselves
