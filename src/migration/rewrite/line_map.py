"""The lines of a rewritten text in the text that it was made from."""

from __future__ import annotations

import difflib


def lines_before(before: str, after: str) -> dict[int, int]:
    """Return the line of the old text for each line of the new one; the nearest above it where it is new."""
    if before == after:
        return {}
    old, new = before.splitlines(), after.splitlines()
    lines: dict[int, int] = {}
    for _, first, last, new_first, new_last in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        for number in range(new_first, new_last):
            lines[number + 1] = min(first + number - new_first, max(last - 1, 0)) + 1
    return lines
