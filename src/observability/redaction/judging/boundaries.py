"""Tell where a value can begin in a text that holds escape sequences."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"u[0-9a-fA-F]{4}")
_COLOUR = re.compile(r"(?:\x1b|\\u001b|\\x1b|\\033|\\e)\[[0-9;]{0,12}m\Z")  # a terminal's escape sequence
_COLOUR_END = re.compile(r"\d{0,3}m")
_HEX = re.compile(r"[0-9a-fA-F]+\Z")


def is_boundary(text: str, start: int) -> bool:
    """Return whether a value can begin here: not inside a word, but possibly right after an escape's letters."""
    if start == 0:
        return True
    previous = text[start - 1]
    if not previous.isascii() or not (previous.isalnum() or previous in "_-"):
        return True
    if text[start - 2 : start - 1] == "\\" and previous in "nrtbf":
        return True
    if previous == "m" and _COLOUR.search(text, max(0, start - 24), start):
        return True
    if text[start - 3 : start - 2] == "%" and _HEX.match(text[start - 2 : start]):
        return True
    return text[start - 6 : start - 5] == "\\" and bool(_ESCAPE.match(text[start - 5 : start]))


def escape_length(text: str, start: int) -> int:
    """Return how many characters at the start of a run belong to an escape before it."""
    previous = text[start - 1 : start]
    colour = _COLOUR_END.match(text, start)
    if colour and _COLOUR.search(text, max(0, start - 24), colour.end()):
        return colour.end() - start
    if previous == "\\":
        return 5 if _ESCAPE.match(text, start) else int(text[start] in "nrtbf")
    if previous == "%" and _HEX.match(text[start : start + 2]):
        return 2
    return 0
