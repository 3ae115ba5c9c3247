"""The state of one text's scan: its findings, its budgets, and the text with the findings replaced."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field, replace

# Several texts are scanned in one pass as `PART name: text`; nothing in one part decides about another.
PART = "\x7f\n"  # not all of it is white space, so that a phrase ends at it
MARKER = re.compile(r"\[REDACTED:[a-z0-9_]{1,40}\]")
FAILED = "[REDACTED:redaction_failed]"
_CHECKS = 1_000
_FEW = 32  # characters; up to so many are looked at one by one
_PHRASE_WORDS = 20_000  # words in sequences of twelve or more listed words; prose has almost none


# Characters beyond ASCII that separate words.
SEPARATORS = (
    "\u00a0\u3000\u200b\u200c\u200d\u2060\ufeff\u2192\u2022\u00b7\u2013\u2014\u201c\u201d\u2026\u3001\uff0c\uff1a"
)


# Tags between the words of a list or a table.
TAG = r"</?(?:br|li|td|tr|th|p|b|i|em|ol|ul|div|span|code|strong)[ /]{0,2}>"
_TAG = re.compile(f"({TAG})".encode())


def in_ascii(text: str) -> bytes:
    """Return a text in ASCII, one byte for each character: separators as blanks, all else beyond ASCII as `?`."""
    return without_tags(text.encode() if text.isascii() else _without_letters(text))


def without_tags(data: bytes) -> bytes:
    """Return a text with blanks for its tags."""
    return blanked(data, _TAG) if b"<" in data else data


def blanked(data: bytes, signs: re.Pattern[bytes]) -> bytes:
    """Return a text with blanks for what a pattern with one group, which holds all of it, matches."""
    pieces = signs.split(data)
    if len(pieces) == 1:
        return data
    pieces[1::2] = [b" " * len(piece) for piece in pieces[1::2]]
    return b"".join(pieces)


def _without_letters(text: str) -> bytes:
    """Return a text with `?` for what is beyond ASCII, but blanks for separators."""
    data = text.encode("ascii", "replace")
    if data.count(b"?") > _FEW:
        return without_separators(text).encode("ascii", "replace")
    blanks = bytearray(data)
    position = data.find(b"?")
    while position >= 0:
        if text[position] in SEPARATORS:
            blanks[position] = ord(" ")
        position = data.find(b"?", position + 1)
    return bytes(blanks)


def without_separators(text: str) -> str:
    """Return a text with blanks for the characters beyond ASCII that separate words."""
    for char in SEPARATORS:
        if char in text:  # a search takes a tenth of a replacement
            text = text.replace(char, " ")
    return text


class TooManyError(Exception):
    """A text has more candidates than the budget allows; everything from `position` on must be replaced."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A secret in a text; the quote is what its replacement needs around it for the text to stay JSON."""

    start: int
    end: int
    kind: str
    general: bool = False  # found by its name alone; a finding by shape, where both overlap, decides the kind
    quote: str = ""


@dataclass(slots=True)
class Scan:
    """The findings and budgets of one text; the hint is the mapping key under which the text stands."""

    text: str
    hint: str = ""
    strict: bool = False
    findings: list[Finding] = field(default_factory=list)
    checks_left: int = _CHECKS
    phrase_words_left: int = _PHRASE_WORDS
    token_end: int = 0  # the end of the last secret found by its shape; a match that begins before it is part of it
    value_end: int = 0  # the same for secrets found by their names
    table_end: int = 0  # the same for rows of tables
    object_end: int = 0  # the same for keys that are objects in JSON
    pem_end: int = 0  # the same for PEM blocks
    reads_on: bool = False  # whether a value may end, or be explained, behind the end of the text
    pairs: dict[bytes, bool] = field(default_factory=dict)  # whether what may be a signature is a key pair
    hex_end: int = 0  # the end of the last private key of 64 hex digits; the next in a list is one too

    def add(self, start: int, end: int, kind: str, *, general: bool = False, quote: str = "") -> None:
        """Record a secret."""
        if end > start:
            self.findings.append(Finding(start=start, end=end, kind=kind, general=general, quote=quote))

    def spend_check(self, position: int) -> None:
        """Spend one costly check.

        Raises:
            TooManyError: the budget is spent.
        """
        self.checks_left -= 1
        if self.checks_left < 0:
            raise TooManyError(position)

    def spend_phrase_words(self, count: int, position: int) -> None:
        """Spend the words of a sequence that is checked for phrases.

        Raises:
            TooManyError: the budget is spent.
        """
        self.phrase_words_left -= count
        if self.phrase_words_left < 0:
            raise TooManyError(position)


def regions(places: list[int], reach: int, length: int) -> list[tuple[int, int]]:
    """Return the parts of a text, as start and end, within reach of these places, which are in order."""
    parts: list[tuple[int, int]] = []
    for place in places:
        start, end = max(0, place - reach), min(length, place + reach)
        if parts and start <= parts[-1][1]:
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((start, end))
    return parts


def apply(text: str, findings: list[Finding]) -> str:
    """Return the text with each finding replaced, except those inside earlier replacements."""
    if "[REDACTED:" in text and MARKER.search(text):
        findings = _outside_markers(text, findings)
    if not findings:
        return text
    pieces: list[str] = []
    position = 0
    for merged in _merge(sorted(findings)):
        pieces += (text[position : merged.start], merged.quote, f"[REDACTED:{merged.kind}]", merged.quote)
        position = merged.end
    pieces.append(text[position:])
    return "".join(pieces)


def _merge(findings: list[Finding]) -> list[Finding]:
    merged: list[Finding] = []
    for finding in findings:
        if not merged or finding.start >= merged[-1].end:
            merged.append(finding)
            continue
        last = merged[-1]
        specific = last if last.general <= finding.general else finding
        is_last_outer = last.end - last.start >= finding.end - finding.start
        merged[-1] = Finding(
            start=last.start,
            end=max(last.end, finding.end),
            kind=specific.kind,
            general=specific.general,
            quote=last.quote if is_last_outer else "",
        )
    return merged


def _outside_markers(text: str, findings: list[Finding]) -> list[Finding]:
    """Return the findings without those that hold nothing but a marker; widen those that cut one."""
    markers = [match.span() for match in MARKER.finditer(text)]
    starts = [start for start, _ in markers]
    remaining = []
    for finding in findings:
        start, end = finding.start, finding.end
        first = max(0, bisect.bisect_right(starts, start) - 1)
        last = bisect.bisect_left(starts, end)
        touching = [
            span for span in (markers[first], markers[max(first, last - 1)]) if span[0] < end and start < span[1]
        ]
        if any(left <= start and end <= right for left, right in touching):
            continue
        start = min([start, *(left for left, _ in touching)])
        end = max([end, *(right for _, right in touching)])
        if not touching or any(char.isalnum() for char in MARKER.sub("", text[start:end])):
            remaining.append(replace(finding, start=start, end=end))
    return remaining
