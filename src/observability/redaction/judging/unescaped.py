"""Read a text in another way, with escapes decoded or broken lines joined, and map positions back to the original."""

from __future__ import annotations

import binascii
import bisect
import contextlib
import json
import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.observability.redaction.judging.scan import Finding

# Escaped once or several times, as in %252F: ASCII, and letters beyond it, which are two to four bytes.
_BEYOND_ASCII = r"(?:%(?:25){0,4}[c-fC-F][0-9a-fA-F](?:%(?:25){0,4}[89abAB][0-9a-fA-F]){1,3})"
_PERCENT_SIGN = re.compile(r"%(?:25)*")
_LETTER = re.compile(_BEYOND_ASCII)
_PERCENT = re.compile(rf"({_BEYOND_ASCII})|%(?:25){{0,4}}(0[9adAD]|[2-7][0-9a-fA-F])")
_MOST_ESCAPED = 5  # how often an escape may have been escaped again
_SIGNS = ("%", "\\u")  # with which an escape begins
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_BOTH = re.compile(f"{_PERCENT.pattern}|{_UNICODE.pattern}")
# A line break, real or escaped, with the next line's indentation; what a token may hold.
LINE_BREAK = r"(?:[ \t]*\\{0,16}\r?\n|\\{1,16}r?\\{0,16}n)[ \t]{0,120}"
PIECE = r"[\w+/=.~:?&@%$!#\-]"
_PLUS = r"(?:[+.&]|\.\.|[ \t])"  # what joins two texts on a line, in one language or another
# A value that is broken over lines inside its quotes, or over quoted pieces that stand below one another: each line
# holds nothing but a token's characters.
# Every quantifier is possessive: there is one way to match a value.
_NEXT_LINE = (
    rf"(?>\\{{0,15}}(?P=quote)[ \t]{{0,4}}[+.]?{LINE_BREAK}(?:[+.][ \t]{{0,4}})?\\{{0,15}}(?P=quote)"
    rf"|\\{{0,15}}(?P=quote)[ \t]{{0,4}}{_PLUS}[ \t]{{0,4}}\\{{0,15}}(?P=quote)|{LINE_BREAK})"
)
_BROKEN = re.compile(
    rf"(?P<quote>[\"'`])(?P<value>{PIECE}{{6,4096}}+(?:{_NEXT_LINE}{PIECE}{{2,4096}}+){{1,60}}+)\\{{0,15}}(?P=quote)",
    re.ASCII,
)
_QUOTES = ("'", '"', "`")
_QUOTES_OF_GATE = 3
_LONGEST_BROKEN = 8_600  # characters of two of its lines
_BREAK = re.compile(
    rf"\\{{0,15}}[\"'`][ \t]{{0,4}}{_PLUS}[ \t]{{0,4}}\\{{0,15}}[\"'`]|"
    rf"(?:\\{{0,15}}[\"'`][ \t]{{0,4}}[+.]?)?{LINE_BREAK}(?:(?:[+.][ \t]{{0,4}})?\\{{0,15}}[\"'`])?"
)


Text = TypeVar("Text", str, bytes)
Replacement = tuple[int, int, str]
"""The start and the end of a part of a text, and what stands for it."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text without its escapes: where each decoded character stands, and how many characters were removed so far."""

    text: str
    decoded_at: list[int]
    removed: list[int]
    joined: bool = False  # whether nothing stands where something was removed

    def in_original(self, findings: list[Finding]) -> list[Finding]:
        """Return findings of the decoded text with their positions in the original."""
        return [
            replace(finding, start=self._original(finding.start, start=True), end=self._original(finding.end))
            for finding in findings
        ]

    def _original(self, position: int, *, start: bool = False) -> int:
        side = bisect.bisect_right if start and self.joined else bisect.bisect_left
        before = side(self.decoded_at, position)
        return position + (self.removed[before - 1] if before else 0)


def decode_without_positions(text: str) -> str:
    """Return the text with its escapes decoded as `decode` does, in a tenth of its time where none is nested deeply."""
    if "\\\\\\u" not in text:
        decoded = _decode_unicode(_decode_percent(text))
        if "%" not in decoded or not _LETTER.search(decoded):
            return decoded
    # Letters with percent signs, or JSON in JSON in JSON, whose backslashes would split words.
    whole = decode(text)
    return whole.text if whole else text


_PERCENT_ONCE = re.compile(r"%(0[9adAD]|[2-7][0-9a-fA-F])")
_FEW = 64  # escapes; up to so many are replaced one by one
# What `%` begins and quoted-printable must not decode: letters beyond ASCII, control characters, percentages.
_OTHER = re.compile(rb"=(?!0[9aAdD]|[2-7][0-9a-fA-F])")


def _decode_percent(text: str) -> str:
    for _ in range(_MOST_ESCAPED):
        if "%25" not in text:
            break
        text = text.replace("%25", "%")
    if "%" not in text:
        return text
    if text.count("%") <= _FEW:
        return _PERCENT_ONCE.sub(lambda match: chr(int(match[1], 16)), text)
    # Quoted-printable is decoded in C.
    data = text.encode(errors="surrogatepass").replace(b"=", b"=3D").replace(b"%", b"=")
    return binascii.a2b_qp(_OTHER.sub(b"=25", data)).decode(errors="surrogatepass")


# Escapes that JSON in JSON has with two backslashes, of which one stays: ASCII and Chinese.
_BACKSLASH_STAYS = re.compile(r"\\{4}u(?=00[0-7]|3[4-9a-fA-F]|[4-9])")
_LONGEST_UNICODE = 6
_MARK = "\ue000u"  # of an escape that is decoded; a character that no text has by right


def _decode_unicode(text: str) -> str:
    if "\\u" not in text:
        return text
    if text.count("\\u") > _FEW and _MARK[0] not in text:
        cut = text.rfind("\\", len(text) - _LONGEST_UNICODE + 1)  # the text may be cut within an escape
        whole, rest = (text, "") if cut < 0 else (text[:cut], text[cut:])
        escaped = whole.replace('"', '\\"') if whole.count("\\") == whole.count("\\u") else _escaped(whole)
        with contextlib.suppress(ValueError):  # an escape without four digits
            return str(json.loads(f'"{escaped}"', strict=False)) + rest
    decoded = decode(text, _UNICODE)
    return decoded.text if decoded else text


def _escaped(text: str) -> str:
    """Return a text as JSON that decodes to it, but for the escapes, which it decodes too."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if "\\" * 4 + "u" in escaped:
        escaped = _BACKSLASH_STAYS.sub(lambda _: "\\\\" + _MARK, escaped).replace("\\" * 4 + "u", _MARK)
    return escaped.replace("\\\\u", _MARK).replace(_MARK, "\\u")


def decode(text: str, escape: re.Pattern[str] | None = None) -> Decoded | None:
    """Return the text with its escapes decoded, or those of one kind alone, or None where it has none."""
    # A pattern that begins with one fixed character is searched for quickly.
    has_unicode = "\\u" in text
    pattern = escape or (_PERCENT if not has_unicode else _BOTH if "%" in text else _UNICODE)
    return replaced(text, _escapes(text, pattern))


def _escapes(text: str, pattern: re.Pattern[str]) -> Iterator[Replacement]:
    """Yield the escapes, one by one: a list of millions would hold the interpreter for seconds, and all threads."""
    position = 0
    for match in _matches(text, pattern):
        start, end = match.span()
        char = _char(match[match.lastindex or 1])
        if char is None:
            continue
        if not char.isascii() and not "\u3400" <= char <= "\u9fff":  # a letter; backslashes left would split its word
            start -= _added_backslashes(text, position, start)
        yield start, end, char
        position = end


def _matches(text: str, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """Yield the matches of a pattern of escapes; where few signs can begin one, only there is it tried."""
    places = [place for sign in _SIGNS for place in islice(places_of(text, sign), _FEW + 1)]
    if len(places) > _FEW:
        yield from pattern.finditer(text)
        return
    end = 0
    for place in sorted(places):
        match = pattern.match(text, place) if place >= end else None
        if match:
            yield match
            end = match.end()


def places_of(text: Text, sign: Text) -> Iterator[int]:
    """Yield where a sign stands in a text."""
    place = text.find(sign)
    while place >= 0:
        yield place
        place = text.find(sign, place + 1)


def _char(digits: str) -> str | None:
    """Return the character that hex digits, or bytes with percent signs, spell; None where they spell none."""
    if "%" not in digits:
        return chr(int(digits, 16))
    with contextlib.suppress(ValueError):
        return bytes.fromhex(
            _PERCENT_SIGN.sub("", digits)
        ).decode()  # one character: its first byte says how many follow
    return None


# A line break with all that a quotation, a comment or quoted-printable adds to it.
_ANY_BREAK = re.compile(rf"(?:=|\\)?(?:{LINE_BREAK})(?:\\{{1,16}}t){{0,16}}(?:(?:>|#|//|\*|\|)[ \t]{{0,4}}){{0,4}}")


def join_all_lines(text: str) -> Decoded | None:
    """Return the text without any line break; None where it has none."""
    return without(text, _ANY_BREAK.finditer(text))


def join_lines(text: str, ends: Iterable[int]) -> Decoded | None:
    """Return the text without the line breaks inside quoted values that are broken over lines; None where none are.

    The gate of such values matches from a value's first quote on, and ends at these places, which are in order: in the
    second of its lines, so that two quotes may stand between, and one at the end.
    """
    return without(text, _breaks(text, ends))


def _breaks(text: str, ends: Iterable[int]) -> Iterator[re.Match[str]]:
    stop = 0
    for end in ends:
        first = max(stop, end - _LONGEST_BROKEN)
        quotes = [end - 1]
        while len(quotes) <= _QUOTES_OF_GATE and quotes[-1] >= first:
            quotes.append(max(text.rfind(quote, first, quotes[-1]) for quote in _QUOTES))
        for quote in reversed(quotes[1:]):
            match = _BROKEN.match(text, quote) if quote >= first else None
            if match:
                yield from _BREAK.finditer(text, match.start("value"), match.end("value"))
                stop = match.end()
                break


def without(text: str, matches: Iterable[re.Match[str]]) -> Decoded | None:
    """Return the text without these parts, which are in order; None where there are none."""
    return replaced(text, ((*match.span(), "") for match in matches), joined=True)


def replaced(text: str, replacements: Iterable[Replacement], *, joined: bool = False) -> Decoded | None:
    """Return the text with these parts, which are in order, replaced; None where there are none.

    Where `joined`, nothing stands where something was.
    """
    pieces: list[str] = []
    replaced_at: list[int] = []
    removed: list[int] = []
    position = removed_so_far = 0
    for start, end, new in replacements:
        pieces += (text[position:start], new)
        replaced_at.append(start - removed_so_far)
        removed_so_far += end - start - len(new)
        removed.append(removed_so_far)
        position = end
    if not pieces:
        return None
    pieces.append(text[position:])
    return Decoded(text="".join(pieces), decoded_at=replaced_at, removed=removed, joined=joined)


def _added_backslashes(text: str, position: int, start: int) -> int:
    """Return how many backslashes before an escape come from encoding JSON in JSON, which doubles them each time."""
    first = start
    while first > position and text[first - 1] == "\\":
        first -= 1
    count = start - first + 1
    return (count & -count) - 1  # the others are backslashes of the text itself
