"""Read what a server that speaks Chat Completions replies, however loosely it does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from src.models import buckets, classify
from src.models.adapters.openai_compatible import turns
from src.models.errors import MalformedResponse, ServerFailed
from src.models.reading import count, field, text
from src.models.types import UNNUMBERED, Chunk, Completion, ToolCall, ToolDelta, Usage

# What imitating servers say instead of the protocol's own words.
_FINISH = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter",
    "end_turn": "stop", "eos": "stop", "stop_sequence": "stop", "completed": "stop", "max_tokens": "length",
    "model_length": "length", "max_output_tokens": "length", "tool_use": "tool_calls", "function_call": "tool_calls",
    "safety": "content_filter",
}  # fmt: skip
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")


class Accounts(Protocol):
    """Count what a reply took, as its provider tells it."""

    def _usage(self, usage: Any) -> Usage | None: ...
    def _reported_cost(self, usage: Any) -> float | None: ...


def reply(raw: Any, accounts: Accounts, model: str) -> Completion:
    """Return what a whole reply of `model` says."""
    choice = _first_choice(raw)
    message = field(choice, "message")
    if message is None and not isinstance(field(choice, "text"), str):
        raise MalformedResponse("the reply's first choice has no message")
    content = _text(field(message, "content")) or text(choice, "text")
    refusal, told = text(message, "refusal"), field(raw, "usage")
    calls = _tool_calls(message, model)
    used = accounts._usage(told)
    return Completion(
        content=content,
        model=text(raw, "model") or None,
        finish_reason="content_filter" if refusal and not content else _finish_of(choice, called=bool(calls)),
        reasoning=reasoning_of(message),
        usage=used,
        tool_calls=calls,
        response_id=text(raw, "id") or None,
        reported_cost_usd=accounts._reported_cost(told),
        service_tier=text(raw, "service_tier") or None,
        notes={**_notes(raw, choice, refusal), **buckets.mismatch(used, count(told, "total_tokens"))},
        raw=raw,
    )


def event(told: Any, accounts: Accounts, model: str) -> Iterator[Chunk]:
    """Return the chunk that one event of a stream brings."""
    inner = field(told, "data")
    if inner is not None and field(told, "event"):  # how Groq's SDK hands over an event that has a name
        told = inner
    _raise_error(told)
    choices = field(told, "choices")
    choice = choices[0] if choices and isinstance(choices, list) else None
    _raise_error(choice)
    delta = field(choice, "delta") or field(choice, "message")
    # Groq tells the usage twice, at the top and in x_groq: console.groq.com/docs/api-reference#chat-create
    usage = field(told, "usage") or field(field(told, "x_groq"), "usage")
    used = accounts._usage(usage)
    notes = {**_notes(told, choice, ""), **buckets.mismatch(used, count(usage, "total_tokens"))} if usage else {}
    yield Chunk(
        content=_text(field(delta, "content")) or text(choice, "text"),
        reasoning=reasoning_of(delta) or "",
        finish_reason=_finish_of(choice, called=False),
        model=text(told, "model") or None,
        usage=used,
        tool_deltas=tuple(_tool_deltas(delta, model)),
        response_id=text(told, "id") or None,
        reported_cost_usd=accounts._reported_cost(usage),
        service_tier=text(told, "service_tier") or None,
        notes=notes,
    )


def usage(told: Any) -> Usage | None:
    """Return the tokens in exclusive buckets: DeepSeek names its cache hits otherwise."""
    details = field(told, "prompt_tokens_details")
    cached = count(details, "cached_tokens")
    return buckets.exclusive(
        count(told, "prompt_tokens"),
        count(told, "completion_tokens"),
        cached=count(told, "prompt_cache_hit_tokens") if cached is None else cached,
        written=count(details, "cache_write_tokens"),
        thought=count(field(told, "completion_tokens_details"), "reasoning_tokens"),
        total=count(told, "total_tokens"),
    )


def reasoning_of(message: Any) -> str | None:
    """Return the reasoning text under the name that this provider gives it, or from among the parts of the content."""
    for name in _THOUGHTS:
        found = _thoughts(field(message, name))
        if found:
            return found
    content = field(message, "content")
    parts = content if isinstance(content, list) else []
    return "".join(_thoughts(field(part, "thinking")) or _thoughts(field(part, "reasoning")) for part in parts) or None


def _thoughts(told: Any) -> str:
    """Return thoughts that are told as a text, or as a list of parts: openrouter.ai/docs/use-cases/reasoning-tokens."""
    if isinstance(told, str):
        return told
    if isinstance(told, Mapping):
        told = [told]
    if not isinstance(told, list):
        return ""
    return "".join(text(part, "text") or text(part, "summary") or text(part, "content") for part in told)


def _finish_of(choice: Any, *, called: bool) -> str | None:
    """Return the finish reason in the protocol's own words; some servers say `stop` beside tool calls."""
    reason = field(choice, "finish_reason")
    if not isinstance(reason, str) or not reason:
        return "tool_calls" if called else None
    found = _FINISH.get(reason.lower(), reason)
    if found == "error":  # openrouter.ai/docs/api-reference/overview#finish-reason
        raise ServerFailed(f"the model behind failed ({text(choice, 'native_finish_reason') or 'no reason told'})")
    return "tool_calls" if called and found == "stop" else found


def _first_choice(raw: Any) -> Any:
    _raise_error(raw)
    choices = field(raw, "choices")
    if not choices or not isinstance(choices, list):
        raise _without_choices(raw)
    _raise_error(choices[0])
    return choices[0]


def _without_choices(raw: Any) -> Exception:
    """Return what a reply means that has no choices: an error where it has the words of one."""
    known = {name: field(raw, name) for name in ("detail", "message", "msg", "code", "status_code", "errors")}
    told = {name: value for name, value in known.items() if value}
    meant = classify.from_status(None, told) if told else None
    if meant is None or type(meant) is ServerFailed:
        said = f": {meant.message}" if meant else ""
        return MalformedResponse(f"the reply has no choices{said}")
    return meant


def _raise_error(part: Any) -> None:
    """Raise an error that came inside a 200: openrouter.ai/docs/api-reference/errors; vLLM says `object: error`."""
    error = field(part, "error") or field(field(part, "x_groq"), "error")
    if not error and "error" in (field(part, "object"), field(part, "type")):
        error = part
    if error:
        detail = error if isinstance(error, Mapping) else getattr(error, "model_dump", lambda: {"message": error})()
        raise classify.from_status(None, {"error": detail})


def _notes(raw: Any, choice: Any, refusal: str) -> dict[str, object]:
    """Return what a trace shows besides: who served the reply where a router chose, and the words of a refusal."""
    told = {
        "upstream_provider": field(raw, "provider"),
        "native_finish_reason": field(choice, "native_finish_reason"),
        "system_fingerprint": field(raw, "system_fingerprint"),
        "refusal": refusal or None,
    }
    return {name: value for name, value in told.items() if isinstance(value, str)}


def _text(content: Any) -> str:
    """Return content as text; some servers send it in parts, thoughts among them."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(
        part if isinstance(part, str) else text(part, "text")
        for part in content
        if isinstance(part, str) or field(part, "type") in (None, "text", "output_text")
    )


def _tool_calls(message: Any, model: str) -> tuple[ToolCall, ...]:
    """Return the calls of tools; one that names none is none."""
    thoughts = field(message, "reasoning_details")
    calls = field(message, "tool_calls")
    found = [
        ToolCall(
            text(call, "id") or f"call_{at}",
            text(function, "name"),
            _arguments(function) or "{}",
            turns.replay(model, field(call, "extra_content"), thoughts if at == 0 else None),
        )
        for at, call in enumerate(calls if isinstance(calls, list) else ())
        if (function := field(call, "function")) is not None and text(function, "name")
    ]
    old = field(message, "function_call")  # what the protocol had before tools
    if not found and text(old, "name"):
        found = [ToolCall("call_0", text(old, "name"), _arguments(old) or "{}")]
    return tuple(found)


def _tool_deltas(delta: Any, model: str) -> Iterator[ToolDelta]:
    calls = field(delta, "tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function, index = field(call, "function"), count(call, "index")
        at = UNNUMBERED if index is None else index
        kept = turns.replay(model, field(call, "extra_content"), field(call, "reasoning_details"))
        yield ToolDelta(at, text(call, "id"), text(function, "name"), _arguments(function), kept)
    old = field(delta, "function_call")
    if old is not None:
        yield ToolDelta(0, "", text(old, "name"), _arguments(old))


def _arguments(function: Any) -> str:
    """Return a call's arguments as JSON text; some servers send them decoded."""
    arguments = field(function, "arguments")
    return json.dumps(arguments) if isinstance(arguments, Mapping) else text(function, "arguments")
