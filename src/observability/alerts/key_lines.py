"""Find the line of each key in an alerts file, for error messages."""

from __future__ import annotations

import re
from typing import Final

_HEADER: Final = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?")


def line_of(text: str, table: str, key: str, number: int = 1) -> int | None:
    """Return the line of a key, counted from 1: that of its table's header where the key is not in it.

    Args:
        text: The file.
        table: The table, such as `rule` or `destination.team`; empty for the keys above all tables.
        key: The key.
        number: Which table of that name, counted from 1.

    Returns:
        None where there is neither.
    """
    header: int | None = None
    seen, is_here = 0, not table
    for line_number, line in enumerate(text.splitlines(), start=1):
        match = _HEADER.fullmatch(line)
        if match is not None:
            if is_here and table:
                break
            seen += match[1] == table
            is_here = match[1] == table and seen == number
            header = line_number if is_here else header
        elif is_here and key and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[.=]""", line):
            return line_number
    return header
