"""Read a text with the pieces of a value put together: a list that code joins, a phrase with labels in between."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from src.observability.redaction.judging import checks
from src.observability.redaction.judging.unescaped import Decoded, replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.observability.redaction.judging.unescaped import Replacement

_QUOTE: Final = r"\\{0,15}[\"'`]"
_LONGEST_LIST: Final = 8_192
# `''.join(['ab', 'cd'])` as Python writes it, and `["ab", "cd"].join("")` as JavaScript does.
JOIN_GATE: Final = r"\.join\((?:[\[(]|\\{0,15}[\"'`]{2}|\\{1,15}[\"']\\{1,15}[\"'])"
_JOIN: Final = re.compile(rf"(?:{_QUOTE}){{2}}\.join\([\[(]\s{{0,80}}\Z")
_ITEM: Final = r"[^\s\"'`\\]{1,512}"
_BETWEEN: Final = rf"(?:{_QUOTE})\s{{0,4}},(?:\s|\\n){{0,80}}(?:{_QUOTE})"
_LIST: Final = re.compile(rf"(?:{_QUOTE})(?:{_ITEM}{_BETWEEN}){{1,400}}{_ITEM}{_QUOTE}")
_GAP: Final = re.compile(_BETWEEN)
_LIST_BACK: Final = re.compile(rf"\[\s{{0,80}}(?P<list>{_LIST.pattern})\s{{0,4}},?\s{{0,80}}\]\Z")

# Labels between the parts of a phrase: `second half:`, `part 2:`, `words 7-12:`, in a message of its own too.
_ORDINAL: Final = "(?:second|2nd|third|3rd|fourth|4th|other|last|next)"
_PART: Final = "(?:half|part|row|line|words?)"
_NUMBER: Final = r"(?:[0-9]{1,2}(?: ?(?:-|to) ?[0-9]{1,2})?|two|three|four|ii|iii|iv|b|c|d)"
_LABEL: Final = rf"(?:{_ORDINAL} {_PART}|{_PART} ?#?{_NUMBER})(?: (?:is|are|words?|goes))?"
_LIKE_WORDS: Final = r"[a-z?]{1,10}[ ,]{1,2}[a-z?]{1,10}[ ,]{1,2}[a-z?]{1,10}[ ,]"
LABEL_GATE: Final = rf"{_LABEL}[^\w?]{{1,12}}{_LIKE_WORDS}"
LABEL_LITERALS: Final = (
    "second", "2nd", "third", "3rd", "fourth", "4th", "other", "last", "next", "half", "part", "row", "line", "word",
)  # fmt: skip
_LAST_WORDS: Final = 40  # characters that hold three words
_REACH: Final = 320  # characters before the place where the gate's match ends
_GLUE: Final = (
    r"(?:\\{0,15}[\"']\s{0,4}\},?\s{0,40}\{\s{0,40}\\{0,15}[\"']role\\{0,15}[\"']\s?:\s?\\{0,15}[\"']\w{2,12}"
    r"\\{0,15}[\"']\s?,\s{0,40}\\{0,15}[\"']content\\{0,15}[\"']\s?:\s?\\{0,15}[\"'])?"
)
_LABELS: Final = re.compile(
    rf"{_GLUE}(?:\\+[nrt]|[^\w\\]){{0,12}}(?:\b(?:and|the|my) ){{0,2}}"
    rf"(?:(?<![a-z])|(?<=\\[nrt])){_LABEL}[^\w?]{{1,12}}",
    re.IGNORECASE,
)


def joined(text: str, ends: Iterable[int]) -> Decoded | None:
    """Return the text with the lists put together that code joins with nothing between; gates end at these places."""
    return replaced(text, _joined(text, ends), joined=True)


def _joined(text: str, ends: Iterable[int]) -> Iterator[Replacement]:
    stop = 0
    for end in ends:
        opened = _JOIN.search(text, max(stop, end - 40), end)
        items = _LIST.match(text, end) if opened else None
        first = opened.start() if opened else 0
        if not items:
            call = text.rfind(".join(", stop, end)
            listed = _LIST_BACK.search(text, max(stop, call - _LONGEST_LIST), call) if call >= 0 else None
            if not listed:
                continue
            first, items = listed.start(), _LIST.match(text, listed.start("list"))
        if items:
            yield first, items.start(), ""
            yield from ((*gap.span(), "") for gap in _GAP.finditer(text, items.start(), items.end()))
            stop = items.end()


def without_labels(text: str, ends: Iterable[int]) -> Decoded | None:
    """Return the text with a blank for each label of a part of a phrase; the gate of labels ends at these places."""
    return replaced(text, _labels(text, ends))


def _labels(text: str, ends: Iterable[int]) -> Iterator[Replacement]:
    stop = 0
    for end in ends:
        words = text[max(0, end - _LAST_WORDS) : end].replace(",", " ").split()[-3:]
        if not all(checks.plain_word(word) in checks.bip39_words() for word in words):
            continue  # most labels are those of ordinary texts
        for label in _LABELS.finditer(text, max(stop, end - _REACH), end):
            yield *label.span(), " "
            stop = label.end()
