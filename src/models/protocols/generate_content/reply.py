"""Read what Gemini's API replies, whole or event by event, from either SDK."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src.models.errors import (
    AuthenticationFailed,
    ContentBlocked,
    InvalidRequest,
    MalformedResponse,
    ModelError,
    QuotaExhausted,
    RateLimited,
)
from src.models.failures import classify
from src.models.fields import count, field
from src.models.pricing import token_buckets
from src.models.protocols.generate_content import conversation, usage
from src.models.request import tool_ids
from src.models.transport import http_hooks
from src.models.types import Chunk, Completion, ToolCall, ToolDelta, Usage, unread_choices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# ai.google.dev/api/generate-content#FinishReason
_FINISH = {"STOP": "stop", "MAX_TOKENS": "length"}
_BLOCKED = frozenset(
    {
        "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR",
    }
)  # fmt: skip
_UNREADABLE = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE"})


def read(raw: Any, model: str) -> Completion:
    """Read a whole reply of `model`, from either SDK."""
    candidates = field(raw, "candidates")
    tokens = _used(raw, model)
    if not candidates:
        raise _with_usage(_no_candidates(raw), tokens)
    candidate = candidates[0]
    parts = _parts(candidate)
    calls = _calls(parts, model)
    _raise_unusable(candidate, parts, tokens)
    return Completion(
        content=_text(parts, thought=False),
        model=field(raw, "model_version") or model,
        finish_reason="tool_calls" if calls else _finish(candidate),
        reasoning=_text(parts, thought=True) or None,
        usage=tokens,
        tool_calls=tuple(replace(call, id=call.id or tool_ids.new()) for call in calls),
        response_id=field(raw, "response_id"),
        service_tier=usage.tier(raw),
        notes={**_notes(candidate), **_mismatch(raw, tokens), **unread_choices(len(candidates) - 1)},
        raw=raw,
    )


def read_event(body: Any, model: str) -> Iterator[Chunk]:
    """Yield the chunk of one event of a stream."""
    candidates = field(body, "candidates") or ()
    tokens = _used(body, model)
    if not candidates and field(field(body, "prompt_feedback"), "block_reason"):
        raise _with_usage(_no_candidates(body), tokens)
    candidate = candidates[0] if candidates else None
    parts = _parts(candidate)
    calls = _calls(parts, model)
    _raise_unusable(candidate, parts, tokens)
    yield Chunk(
        content=_text(parts, thought=False),
        reasoning=_text(parts, thought=True),
        finish_reason="tool_calls" if calls else _finish(candidate),
        model=field(body, "model_version"),
        usage=tokens,
        service_tier=usage.tier(body),
        tool_deltas=tuple(
            ToolDelta(index=-1, id=call.id, name=call.name, arguments=call.arguments, replay=call.replay)
            for call in calls
        ),
        response_id=field(body, "response_id"),
        choice=None if candidate is None else count(candidate, "index") or 0,
        notes={
            **_notes(candidate),
            **(_mismatch(body, tokens) if _finish(candidate) else {}),
            **unread_choices(len(candidates) - 1),
        },
    )


def from_exception(error: BaseException, status: int) -> ModelError:
    """Return the error for an SDK's exception about an error response."""
    details = getattr(error, "details", None)
    body = details if isinstance(details, Mapping) else {"message": getattr(error, "message", str(error))}
    headers = getattr(getattr(error, "response", None), "headers", None) or http_hooks.refusal_headers()
    return refusal(status, body, headers)


def refusal(status: int, body: object, headers: Mapping[str, str] | None) -> ModelError:
    """Return the error for an error response: Google says quota both for a minute's limit and for a spent account."""
    error = classify.from_status(status, body, headers)
    words = json.dumps(body, default=str)
    if status == 429:
        kind = QuotaExhausted if re.search(r"per.?day|PerDay|billing.?not|credits", words) else RateLimited
        error = kind(error.message, status=status, request_id=error.request_id)
        delay = re.search(r'"retryDelay": ?"(\d+(?:\.\d+)?)s"', words)
        if kind is RateLimited:
            header_wait = classify.retry_after(headers) if headers else None
            error.retry_after_s = float(delay[1]) if header_wait is None and delay else header_wait
    if status == 400 and "API_KEY_INVALID" in words:
        error = AuthenticationFailed(error.message, status=status, request_id=error.request_id)
    return error


def _name(value: Any) -> str:
    return str(getattr(value, "value", value) or "")


def _finish(candidate: Any) -> str | None:
    reason = _name(field(candidate, "finish_reason"))
    if not reason or reason == "FINISH_REASON_UNSPECIFIED":
        return None
    return "content_filter" if reason in _BLOCKED else _FINISH.get(reason, reason.lower())


def _with_usage(error: ModelError, tokens: Usage | None) -> ModelError:
    error.usage = tokens
    return error


def _raise_unusable(candidate: Any, parts: list[Any], tokens: Usage | None) -> None:
    """Raise where the model wrote what cannot be parsed, or a call came back without its signature."""
    reason = _name(field(candidate, "finish_reason"))
    if reason in _UNREADABLE and not any(field(part, "text") or field(part, "function_call") for part in parts):
        error = MalformedResponse(f"the model wrote a tool call or text that cannot be read ({reason})")
        raise _with_usage(error, tokens)
    if reason == "MISSING_THOUGHT_SIGNATURE":
        raise InvalidRequest(
            "A tool call went back without the signature of the thoughts that led to it: give the ToolCall records of "
            "the reply back as they came.",
            parameter="messages",
        )


def _notes(candidate: Any) -> dict[str, object]:
    """Return why a reply was withheld: the reason, and the categories of harm that were blocked."""
    reason = _name(field(candidate, "finish_reason"))
    if reason not in _BLOCKED:
        return {}
    kinds = [_name(field(rating, "category")) for rating in field(candidate, "safety_ratings") or ()
             if field(rating, "blocked")]  # fmt: skip
    return {"block_reason": ", ".join([reason, *kinds])}


def _parts(candidate: Any) -> list[Any]:
    return list(field(field(candidate, "content"), "parts") or ())


def _text(parts: Iterable[Any], *, thought: bool) -> str:
    return "".join(field(part, "text") or "" for part in parts if bool(field(part, "thought")) is thought)


def _calls(parts: Iterable[Any], model: str) -> list[ToolCall]:
    """Return the tool calls, each under its own id where it has one."""
    calls = []
    for part in parts:
        call = field(part, "function_call")
        if not call or not field(call, "name"):
            continue
        call_id, signature = field(call, "id") or None, field(part, "thought_signature")
        arguments = json.dumps(dict(field(call, "args") or {}), ensure_ascii=False, default=str)
        replay = conversation.replay_text(model, signature if isinstance(signature, bytes) else None, call_id)
        calls.append(ToolCall(id=call_id or "", name=field(call, "name"), arguments=arguments, replay=replay))
    return calls


def _used(raw: Any, model: str) -> Usage | None:
    """Return what a reply, or an event of a stream, used."""
    candidates = field(raw, "candidates") or ()
    searches = usage.grounding(candidates, field(raw, "model_version") or model)
    return token_buckets.with_units(usage.usage(raw), searches)


def _mismatch(raw: Any, tokens: Usage | None) -> dict[str, object]:
    return token_buckets.total_note(tokens, count(field(raw, "usage_metadata"), "total_token_count"))


def _no_candidates(raw: Any) -> ModelError:
    feedback = field(raw, "prompt_feedback")
    reason = _name(field(feedback, "block_reason"))
    if reason:
        message = field(feedback, "block_reason_message")
        return ContentBlocked(f"the prompt was blocked ({reason}{f': {message}' if message else ''})")
    return MalformedResponse("the reply has no candidates")
