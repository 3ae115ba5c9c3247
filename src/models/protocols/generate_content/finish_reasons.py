"""Replace the numbers of finish and block reasons by their names: Google's servers send `enum-encoding=int`."""

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


def with_names(body: bytes) -> bytes:
    """Return a reply with its reasons by name, and without other fields that hold numbers for names."""
    if not NUMBERED.search(body):
        return body
    try:
        reply = json.loads(body)
    except ValueError:  # one line of several
        return body
    if not isinstance(reply, dict):
        return body
    candidates = reply.get("candidates")
    for holder in (reply.get("promptFeedback"), *(candidates if isinstance(candidates, list) else ())):
        if isinstance(holder, dict):
            holder.pop("safetyRatings", None)
            holder.update({name: _name(words, holder[name]) for name, words in _REASONS.items() if name in holder})
    usage = reply.get("usageMetadata")
    if isinstance(usage, dict):
        reply["usageMetadata"] = {name: value for name, value in usage.items() if name.endswith("Count")}
    return json.dumps(reply).encode()


def _name(words: tuple[str, ...], number: Any) -> Any:
    if type(number) is not int:
        return number
    return words[number] if 0 <= number < len(words) else "OTHER"
