"""Write a text-only call as google-genai would send it, and read a text-only reply as it would.

The SDK checks and converts every field of a request and of a reply. For texts the result is the same fields under other
names, which are listed here; whatever is not plain text is left to the SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONFIG: Final = {
    "temperature": "temperature", "top_p": "topP", "max_output_tokens": "maxOutputTokens", "seed": "seed",
    "stop_sequences": "stopSequences", "response_mime_type": "responseMimeType",
    "response_json_schema": "responseJsonSchema", "thinking_config": "thinkingConfig",
}  # fmt: skip
_COUNTS: Final = {
    "promptTokenCount": "prompt_token_count", "candidatesTokenCount": "candidates_token_count",
    "totalTokenCount": "total_token_count", "thoughtsTokenCount": "thoughts_token_count",
    "cachedContentTokenCount": "cached_content_token_count", "toolUsePromptTokenCount": "tool_use_prompt_token_count",
}  # fmt: skip
# Counts by the kind of content, and what the prices depend on.
_DETAILS: Final = {
    "promptTokensDetails": "prompt_tokens_details", "candidatesTokensDetails": "candidates_tokens_details",
    "cacheTokensDetails": "cache_tokens_details", "toolUsePromptTokensDetails": "tool_use_prompt_tokens_details",
}  # fmt: skip
_TERMS: Final = {"trafficType": "traffic_type", "serviceTier": "service_tier"}
_PART: Final = frozenset({"text", "thought", "thoughtSignature"})
# The finish reasons of a reply that is its text alone; the SDK continues after CONTINUATION.
_ENDS: Final = frozenset({"STOP", "MAX_TOKENS"})


def shape(payload: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what tells kinds of calls apart; the body of the first call of a kind is compared with the SDK's own."""
    return (payload["model"], payload["system"] is None, *payload["config"])


def body(payload: Mapping[str, Any]) -> bytes | None:
    """Return a call's body; None where it holds more than texts and known options."""
    config = payload["config"]
    if payload["tools"] or payload["tool_choice"] or not config.keys() <= _CONFIG.keys():
        return None
    if any(part.keys() != {"text"} for turn in payload["contents"] for part in turn["parts"]):
        return None
    content: dict[str, Any] = {"contents": payload["contents"]}
    if payload["system"] is not None:
        content["systemInstruction"] = {"parts": [{"text": payload["system"]}], "role": "user"}
    content["generationConfig"] = {_CONFIG[name]: value for name, value in config.items()}
    try:
        return orjson.dumps(content)
    except TypeError:
        return None


def read(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a reply under the names that the SDK gives its fields; None where it holds more than text."""
    candidates = content.get("candidates")
    if not isinstance(candidates, list) or len(candidates) != 1 or content.get("promptFeedback"):
        return None
    candidate, usage = candidates[0], content.get("usageMetadata")
    parts = _parts(candidate)
    names = (content.get("modelVersion"), content.get("responseId"))
    if parts is None or not isinstance(usage, dict) or not all(name is None or type(name) is str for name in names):
        return None
    counts = {name: usage[key] for key, name in _COUNTS.items() if key in usage}
    if any(type(value) is not int for value in counts.values()):
        return None
    details = {name: _modalities(usage[key]) for key, name in _DETAILS.items() if key in usage}
    terms = {name: usage[key] for key, name in _TERMS.items() if key in usage}
    return {
        "candidates": [{"content": {"parts": parts}, "finish_reason": candidate["finishReason"]}],
        "usage_metadata": {**counts, **details, **terms},
        "model_version": names[0],
        "response_id": names[1],
    }


def _modalities(details: Any) -> list[dict[str, Any]]:
    parts = details if isinstance(details, list) else []
    return [{"modality": part.get("modality"), "token_count": part.get("tokenCount")} for part in parts
            if isinstance(part, dict)]  # fmt: skip


def _parts(candidate: Any) -> list[dict[str, Any]] | None:
    """Return the parts of a candidate that ended in the ordinary way and holds text alone; None for any other."""
    if not isinstance(candidate, dict) or candidate.get("finishReason") not in _ENDS:
        return None
    if candidate.get("groundingMetadata"):
        return None
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list):
        return None
    plain = all(
        isinstance(part, dict)
        and part.keys() <= _PART
        and type(part.get("text")) is str
        and type(part.get("thought", False)) is bool
        for part in parts
    )
    return parts if plain else None
