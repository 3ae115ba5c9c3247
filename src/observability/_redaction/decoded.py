"""Show a text as it reads once the escapes of addresses and of JSON are undone, and where each character stood."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.observability._redaction.scan import Finding

# Escaped once or again and again, as in %252F: of ASCII, since nothing else holds a secret in an address together.
_PERCENT = re.compile(r"%(?:25){0,4}(0[9adAD]|[2-7][0-9a-fA-F])")
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")


def decode(text: str) -> tuple[str, list[int]] | None:
    """Return the text without such escapes and each character's place, or None where it has none."""
    # Each pattern begins with one character, which makes looking for it cheap.
    found = list(_PERCENT.finditer(text))
    if "\\u" in text:
        found += _UNICODE.finditer(text)
    if not found:
        return None
    pieces: list[str] = []
    places: list[int] = []
    position = 0
    for match in sorted(found, key=re.Match.start):
        pieces += (text[position : match.start()], chr(int(match.group(1), 16)))
        places += (*range(position, match.start()), match.start())
        position = match.end()
    pieces.append(text[position:])
    places += range(position, len(text) + 1)
    return "".join(pieces), places


def in_places(findings: list[Finding], places: list[int]) -> list[Finding]:
    """Return findings of the decoded text as they stand in the text itself."""
    return [replace(finding, start=places[finding.start], end=places[finding.end]) for finding in findings]
