"""Write JSON that is safe to print on a terminal."""

from __future__ import annotations

import json
import re

# What JSON leaves as it is: delete, C1 controls, marks of direction, line separators, half characters.
_CONTROLS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def dump(value: object) -> str:
    """Return a value as JSON in which control characters and marks of direction are escaped."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, indent=2, ensure_ascii=False))
