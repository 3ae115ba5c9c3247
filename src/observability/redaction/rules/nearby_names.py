"""Find values near the name of a secret, whatever separates the two: a table's border, a line break, a remark."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import boundaries, checks, names
from src.observability.redaction.judging.names import Rule, Verdict
from src.observability.redaction.judging.scan import MARKER, PART
from src.observability.redaction.rules import unnamed_keys

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan

_LEFT = 112  # characters before a value that are searched for its name
_SHORTEST = 6
_RIGHT = 96  # characters between a value and its name at most
_VALUE = re.compile(r"[A-Za-z0-9!#$%&*+\-./:=?@^_~]{1,512}")
_BEGINS = re.compile(r"[A-Za-z0-9_+/]{0,24}[A-Za-z0-9_+/\-!@#$%^&*]\Z")
_LONGEST_BEGINNING = 25  # characters of a value up to where the gate ends
_ESCAPES = frozenset("\\%")
_WORD_AND_NUMBER = re.compile(
    r"(?:[A-Z]{3,12}|[A-Z]?[a-z]{3,24}|[A-Z][a-z]{2,12}[A-Z][a-z]{2,12})\d{1,8}[A-Za-z]{0,12}\Z"
)
# Words that have a number of their own in texts about passwords.
_ALGORITHM = re.compile(
    r"(?:sha|md|aes|rsa|des|utf|utf_|oauth|base|ipv|http|https|tls|ssl|python|pbkdf|argon|pkcs|crypt|bcrypt|scrypt|scram|"
    r"curve|ed|win|windows|level|step|line|page|figure|table|item|node|version|ver|test|user|username|admin|host|var|arg|"
    r"param|field|col|column|row|str|int|uint|float|value|example|section|chapter|part|type|mode|phase|case|option|"
    r"password|passwd|pass|passphrase|secret|key|token|db|id|log|file|server|client|account|web|app|api|grade|day|year|"
    r"week|hour|hours|min|length|size|max|top|figures|number|num|no|nr|round|rounds|hash|salt|bits?|char|chars|mysql)\d",
    re.IGNORECASE,
)
_TO_FILL_IN = re.compile(r"your[-_]", re.IGNORECASE)
_SPECIALS = frozenset("!@#$%^&*")
# Words between a name and its value that belong to neither: `API key provided: ...`, `<add key="X" value="..."`.
FILLERS = (
    "provided",
    "supplied",
    "given",
    "used",
    "value",
    "val",
    "is",
    "was",
    "are",
    "es",
    "est",
    "ist",
    "to",
    "as",
    "lautet",
)
# Read backwards from the value: a separator, a filler and another separator, then a name of at most three words.
_NAME_BACK = re.compile(
    rf"[^\w+/]{{1,12}}(?:{'(?:' + '|'.join(word[::-1] for word in FILLERS) + ')'}[^\w+/]{{1,12}})?"
    r"(?P<name>[\w.\-]{1,64}(?: [\w\-]{1,40}){0,2})",
    re.ASCII | re.IGNORECASE,
)
_VERB = re.compile(r"(?P<before>.*) (?:is|was|as|[(\"]?that's|a valid) ", re.DOTALL)
_VALUE_BACK = re.compile(r"[ \t]{0,2}[\"'`)\]*.,]{0,4}(?P<value>[^\s\"'`(\[]{6,512})")  # backwards from the verb
_NAME_AFTER = re.compile(
    r"(?:(?:my|the|our|your|his|her|their|an|a) )?(?P<name>(?:[\w.\-]{1,40} ?){1,4}?)"
    r"(?=[.,;:!?)\"'\n]|\Z| (?:and|for|on|so|but|which|that|of|to|in)\b)",
    re.ASCII,
)


def find(scan: Scan, end: int) -> None:
    """Find a value that mixes letters and digits, as it has by `end`, and that has a secret's name before it."""
    text = scan.text
    begins = _BEGINS.search(text, max(0, end - _LONGEST_BEGINNING), end)
    start = begins.start() if begins else end
    if text[start - 1 : start] in _ESCAPES:
        start += boundaries.escape_length(text, start)
    if start < max(scan.token_end, scan.value_end):
        return
    match = _VALUE.match(text, start)
    value = match.group().rstrip(".:!?*_~") if match else ""
    if len(value) < _SHORTEST or checks.is_number(value) or _TO_FILL_IN.match(value):
        return
    lead = text[max(0, start - _LEFT) : start].rpartition(PART)[2]
    if "[REDACTED:" in lead:  # what stands before a replaced secret does not name the next value
        lead = MARKER.split(lead)[-1]
    name = _NAME_BACK.match(lead[::-1])
    verdict = names.judge(name.group("name")[::-1]) if name else None
    if verdict and is_secret(verdict, value) and not unnamed_keys.is_in_lines(text, start, start + len(value)):
        scan.value_end = start + len(value)
        scan.add(start, start + len(value), verdict.kind, general=True)


def find_before_name(scan: Scan, end: int) -> None:
    """Find a value before its name, as in `... is my api key`; the words between the two end at `end`."""
    text = scan.text
    left = max(0, end - _RIGHT)
    verb = _VERB.match(text[left:end])
    after = _NAME_AFTER.match(text, left + verb.end()) if verb else None
    verdict = names.judge(after.group("name").strip()) if after else None
    if not verb or not verdict:
        return
    stop = left + verb.end("before")
    start = max(0, stop - 520)
    match = _VALUE_BACK.match(text[start:stop].rpartition(PART)[2][::-1])
    if match and is_secret(verdict, match["value"][::-1]):
        scan.add(stop - match.end(), stop - match.start("value"), verdict.kind, general=True)


def reads_as_password(value: str) -> bool:
    """Return whether a value is a word with a number, as `hunter2`, and no algorithm, version or name in code."""
    return bool(_WORD_AND_NUMBER.match(value)) and not _ALGORITHM.match(value)


def is_secret(verdict: Verdict, value: str) -> bool:
    """Return whether a value has the shape of a secret; its name is less certain here than before an equals sign."""
    if verdict.rule is Rule.URL or checks.is_number(value) or checks.is_symbol(value) or checks.is_address(value):
        return False
    if verdict.rule is not Rule.ALWAYS:
        return checks.looks_random(value, 20) and not checks.is_uuid(value)
    if verdict.kind == "password":
        mixed = any(char.isalpha() for char in value) and any(
            char.isdigit() or char in _SPECIALS for char in value[:-1]
        )
        if len(value) < _SHORTEST:
            return False
        return reads_as_password(value) or (mixed and (not _SPECIALS.isdisjoint(value) or not checks.is_wordy(value)))
    return checks.is_uuid(value) or checks.looks_random(value, 12)
