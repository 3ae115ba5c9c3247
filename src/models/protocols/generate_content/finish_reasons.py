"""Say in words the reasons that a reply tells by number, as Google's servers do for `enum-encoding=int`."""

from __future__ import annotations

import json
import re
from typing import Any, Final

NUMBERED: Final = re.compile(rb'"(?:finishReason|blockReason)"\s*:\s*\d')
# ai.google.dev/api/generate-content, in the order of its numbers.
_REASONS: Final = {
    "finishReason": (
        "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "LANGUAGE", "BLOCKLIST",
        "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY",
    ),
    "blockReason": ("BLOCK_REASON_UNSPECIFIED", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"),
}  # fmt: skip


def worded(body: bytes) -> bytes:
    """Return a reply with the reasons that it tells by number in words, and without what else it would tell so."""
    if not NUMBERED.search(body):
        return body
    try:
        told = json.loads(body)
    except ValueError:  # one line of several
        return body
    if not isinstance(told, dict):
        return body
    candidates = told.get("candidates")
    for place in (told.get("promptFeedback"), *(candidates if isinstance(candidates, list) else ())):
        if isinstance(place, dict):
            place.pop("safetyRatings", None)
            place.update({name: _word(words, place[name]) for name, words in _REASONS.items() if name in place})
    usage = told.get("usageMetadata")
    if isinstance(usage, dict):
        told["usageMetadata"] = {name: value for name, value in usage.items() if name.endswith("Count")}
    return json.dumps(told).encode()


def _word(words: tuple[str, ...], told: Any) -> Any:
    if type(told) is not int:
        return told
    return words[told] if 0 <= told < len(words) else "OTHER"
