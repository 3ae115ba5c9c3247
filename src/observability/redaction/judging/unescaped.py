"""Decode the escapes of URLs and of JSON in a text, and map positions in the decoded text back to the original."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Finding

# Escaped once or several times, as in %252F. Only ASCII: secrets in URLs hold nothing else.
_PERCENT = re.compile(r"%(?:25){0,4}(0[9adAD]|[2-7][0-9a-fA-F])")
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_BOTH = re.compile(f"{_PERCENT.pattern}|{_UNICODE.pattern}")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text without its escapes: where each decoded character stands, and how many characters were removed so far."""

    text: str
    decoded_at: list[int]
    removed: list[int]

    def in_original(self, findings: list[Finding]) -> list[Finding]:
        """Return findings of the decoded text with their positions in the original."""
        return [
            replace(finding, start=self._original(finding.start), end=self._original(finding.end))
            for finding in findings
        ]

    def _original(self, position: int) -> int:
        before = bisect.bisect_left(self.decoded_at, position)
        return position + (self.removed[before - 1] if before else 0)


def decode(text: str) -> Decoded | None:
    """Return the text with its escapes decoded, or None where it has none."""
    # A pattern that begins with one fixed character is searched for quickly.
    has_unicode = "\\u" in text
    pattern = _PERCENT if not has_unicode else _BOTH if "%" in text else _UNICODE
    pieces: list[str] = []
    decoded_at: list[int] = []
    removed: list[int] = []
    position = removed_so_far = 0
    # One by one: a list of millions of matches would hold the interpreter for seconds, and so all other threads.
    for match in pattern.finditer(text):
        start, end = match.span()
        char = chr(int(match[match.lastindex or 1], 16))
        if not char.isascii() and not "\u3400" <= char <= "\u9fff":  # a letter; backslashes left would split its word
            start -= _added_backslashes(text, position, start)
        pieces += (text[position:start], char)
        decoded_at.append(start - removed_so_far)
        removed_so_far += end - start - 1
        removed.append(removed_so_far)
        position = end
    if not pieces:
        return None
    pieces.append(text[position:])
    return Decoded(text="".join(pieces), decoded_at=decoded_at, removed=removed)


def _added_backslashes(text: str, position: int, start: int) -> int:
    """Return how many backslashes before an escape come from encoding JSON in JSON, which doubles them each time."""
    first = start
    while first > position and text[first - 1] == "\\":
        first -= 1
    count = start - first + 1
    return (count & -count) - 1  # the others are backslashes of the text itself
