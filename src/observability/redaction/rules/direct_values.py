"""Read values without quotes right behind their name: passwords that are words, keys that go on in the next line."""

from __future__ import annotations

import re
from typing import Final

from src.observability.redaction.judging import checks, names

# A shell's line that ends with a backslash, and a quoted mail's next line: each with nothing but the rest of a value.
_REST: Final = r"(?P<rest>\w[\w+/.~\-]{5,511}={0,2})(?=[ \t]*(?:[\r\n]|\Z))"
_CONTINUED: Final = re.compile(rf"\\\r?\n{_REST}", re.ASCII)
_QUOTED_LINE: Final = re.compile(rf"\r?\n(?:> ?){{1,8}}{_REST}", re.ASCII)
_SHORTEST_REST: Final = 10

_NAME: Final = re.compile(r"(?:password|passwd|passwort|kennwort)\Z", re.IGNORECASE)
_WORD: Final = re.compile(r"[a-z]{6,24}\Z")
# How variables and types are called, and what a page says of a password.
_NO_PASSWORD: Final = re.compile(
    r"(?:pass|pw|pwd|word|secret|string|char|value|config|args?|cred|creds|prompt|input|hash|hashed|plain|text|bytes|"
    r"authentication|required|optional|default|empty|missing|nullable|invalid|incorrect|expired|disabled|enabled|"
    r"locked|masked|hidden|redacted|changed|encrypted|encoded|object|boolean|number|anything|something|unknown)\Z"
)
# What may follow; an argument of a call goes on with a comma or ends with a bracket.
_END: Final = re.compile(r"(?:\Z|[;&\"'|\\]|[ \t]+(?![=.(\[])|[ \t]*\r?\n(?!\s*[),]))")


def is_password(text: str, name: str, start: int, end: int, *, is_line: bool) -> bool:
    """Return whether a word right behind `password=`, or alone behind `passwd:` in its line, is a password.

    Args:
        text: The text.
        name: The name of the value.
        start: Where the value begins.
        end: Where it ends.
        is_line: Whether a line holds nothing but the two.
    """
    is_direct = text[start - 1 : start] == "=" or (is_line and text[max(0, start - 2) : start].strip(" ") == ":")
    word = text[start:end]
    if not is_direct or not _NAME.match(name) or not _WORD.match(word) or _NO_PASSWORD.search(word):
        return False
    return names.judge(word) is None and bool(_END.match(text, end))


def end_in_further_line(text: str, end: int) -> int:
    """Return the end of a value: of its rest, where the next line has one."""
    match = _CONTINUED.match(text, end) or _QUOTED_LINE.match(text, end)
    return match.end() if match and checks.looks_random(match["rest"], _SHORTEST_REST) else end
