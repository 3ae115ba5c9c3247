"""Read what a server that speaks Chat Completions replies, however loosely it does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from src.models.errors import MalformedResponse, ServerFailed
from src.models.failures import classify
from src.models.fields import count, field, text
from src.models.pricing import token_buckets
from src.models.protocols.chat_completions import conversation
from src.models.types import UNNUMBERED, Chunk, Completion, ToolCall, ToolDelta, Usage

# What imitating servers say instead of the protocol's own words.
_FINISH = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter",
    "end_turn": "stop", "eos": "stop", "stop_sequence": "stop", "completed": "stop", "max_tokens": "length",
    "model_length": "length", "max_output_tokens": "length", "tool_use": "tool_calls", "function_call": "tool_calls",
    "safety": "content_filter", "eos_token": "stop", "complete": "stop", "finished": "stop", "done": "stop",
}  # fmt: skip
# The last two are of GitHub's Copilot and of LiteLLM: docs.litellm.ai/docs/reasoning_content
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "reasoning_text", "thinking_blocks")


class Accounts(Protocol):
    """Count what a reply took, as its provider tells it."""

    def _usage(self, usage: Any) -> Usage | None: ...
    def _reported_cost(self, usage: Any) -> float | None: ...


def reply(raw: Any, accounts: Accounts, model: str) -> Completion:
    """Return what a whole reply of `model` says."""
    choice = _first_choice(raw)
    message = field(choice, "message")
    calls = _tool_calls(message, model)
    reason = _finish_of(choice, called=bool(calls))
    # Azure leaves the message out where it has withheld the reply.
    if message is None and not isinstance(field(choice, "text"), str) and reason != "content_filter":
        raise MalformedResponse("the reply's first choice has no message")
    content = _text(field(message, "content")) or text(choice, "text")
    refusal, told = text(message, "refusal"), field(raw, "usage")
    used = accounts._usage(told)
    return Completion(
        content=content,
        model=text(raw, "model") or None,
        finish_reason="content_filter" if refusal and not (content or calls) else reason,
        reasoning=reasoning_of(message),
        usage=used,
        tool_calls=calls,
        response_id=text(raw, "id") or None,
        reported_cost_usd=accounts._reported_cost(told),
        service_tier=text(raw, "service_tier") or None,
        notes={**_notes(raw, choice, refusal), **token_buckets.mismatch(used, count(told, "total_tokens"))},
        raw=raw,
    )


def event(told: Any, accounts: Accounts, model: str) -> Iterator[Chunk]:
    """Return the chunks that one event of a stream brings: one for each choice, and what is told of all of them."""
    inner = field(told, "data")
    if inner is not None and field(told, "event"):  # how Groq's SDK hands over an event that has a name
        told = inner
    _raise_error(told)
    choices = field(told, "choices")
    choices = choices if isinstance(choices, list) else []
    # Groq tells the usage twice, at the top and in x_groq: console.groq.com/docs/api-reference#chat-create
    usage = field(told, "usage") or field(field(told, "x_groq"), "usage")
    used = accounts._usage(usage)
    first = choices[0] if choices else None
    yield _piece(
        first,
        model,
        model=text(told, "model") or None,
        usage=used,
        response_id=text(told, "id") or None,
        reported_cost_usd=accounts._reported_cost(usage),
        service_tier=text(told, "service_tier") or None,
        notes={**_notes(told, first, ""), **token_buckets.mismatch(used, count(usage, "total_tokens"))}
        if usage
        else {},
    )
    for choice in choices[1:]:
        yield _piece(choice, model)


def _piece(choice: Any, asked: str, **of_all: Any) -> Chunk:
    """Return what an event tells of one choice, and what it tells of all of them."""
    _raise_error(choice)
    delta = field(choice, "delta") or field(choice, "message")
    return Chunk(
        content=_text(field(delta, "content")) or text(choice, "text"),
        reasoning=reasoning_of(delta) or "",
        refusal=text(delta, "refusal"),
        finish_reason=_finish_of(choice, called=False),
        tool_deltas=tuple(_tool_deltas(delta, asked)),
        choice=count(choice, "index"),
        **of_all,
    )


def usage(told: Any) -> Usage | None:
    """Return the tokens in exclusive buckets.

    DeepSeek names its cache hits otherwise, and gateways to Anthropic its own words; Moonshot and Perplexity tell parts
    beside the whole, and Mistral counts sound beside the prompt: docs.mistral.ai/capabilities/audio
    """
    details, prompt = field(told, "prompt_tokens_details"), _either(told, "prompt_tokens", "input_tokens")
    output, total = _either(told, "completion_tokens", "output_tokens"), count(told, "total_tokens")
    sound = count(details, "audio_tokens")
    if sound and prompt is not None and total == prompt + (output or 0) + sound:
        prompt += sound
    cached = count(details, "cached_tokens")
    written = count(details, "cache_write_tokens")
    thought = count(field(told, "completion_tokens_details"), "reasoning_tokens")
    others = ("prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens")
    return token_buckets.exclusive(
        prompt,
        output,
        cached=_either(told, *others) if cached is None else cached,
        written=count(told, "cache_creation_input_tokens") if written is None else written,
        reasoning=count(told, "reasoning_tokens") if thought is None else thought,
        total=total,
    )


def _either(told: Any, *names: str) -> int | None:
    """Return the first count that is told under one of these names."""
    return next((found for name in names if (found := count(told, name)) is not None), None)


def reasoning_of(message: Any) -> str | None:
    """Return the reasoning text under the name that this provider gives it, or from among the parts of the content."""
    for name in _THOUGHTS:
        found = _thoughts(field(message, name))
        if found:
            return found
    content = field(message, "content")
    parts = content if isinstance(content, list) else []
    return "".join(map(_thought, parts)) or None


def _thought(part: Any) -> str:
    """Return the thoughts of one part of a content."""
    found = _thoughts(field(part, "thinking")) or _thoughts(field(part, "reasoning"))
    return found or (text(part, "text") if field(part, "type") in ("reasoning", "thinking") else "")


def _thoughts(told: Any) -> str:
    """Return thoughts that are told as a text, or as a list of parts: openrouter.ai/docs/use-cases/reasoning-tokens."""
    if isinstance(told, str):
        return told
    if isinstance(told, Mapping):
        told = [told]
    if not isinstance(told, list):
        return ""
    names = ("text", "summary", "content", "thinking")
    return "".join(next((said for name in names if (said := text(part, name))), "") for part in told)


def _finish_of(choice: Any, *, called: bool) -> str | None:
    """Return the finish reason in the protocol's own words; some servers say `stop` beside tool calls."""
    reason = field(choice, "finish_reason")
    if not isinstance(reason, str) or not reason:
        return "tool_calls" if called else None
    found = _FINISH.get(reason.lower().removeprefix("finishreason."), reason)
    if found == "error":  # openrouter.ai/docs/api-reference/overview#finish-reason
        raise ServerFailed(f"the model behind failed ({text(choice, 'native_finish_reason') or 'no reason told'})")
    return "tool_calls" if called and found == "stop" else found


def _first_choice(raw: Any) -> Any:
    _raise_error(raw)
    choices = field(raw, "choices")
    if not choices or not isinstance(choices, list):
        raise classify.incomplete_reply(raw, "choices")
    _raise_error(choices[0])
    return choices[0]


def _raise_error(part: Any) -> None:
    """Raise an error that came inside a 200: openrouter.ai/docs/api-reference/errors; vLLM says `object: error`."""
    part = part[0] if isinstance(part, list) and part else part
    error = field(part, "error") or field(field(part, "x_groq"), "error")
    error = part if error is True else error
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
    if isinstance(content, Mapping):
        content = [content]
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
    found = [
        ToolCall(
            text(call, "id") or f"call_{at}",
            text(function, "name"),
            _arguments(function) or "{}",
            conversation.replay(model, field(call, "extra_content"), thoughts if at == 0 else None),
        )
        for at, call in enumerate(_listed(message))
        if text(function := _function(call), "name")
    ]
    old = field(message, "function_call")  # what the protocol had before tools
    if not found and text(old, "name"):
        found = [ToolCall("call_0", text(old, "name"), _arguments(old) or "{}")]
    return tuple(found)


def _tool_deltas(delta: Any, model: str) -> Iterator[ToolDelta]:
    for call in _listed(delta):
        function, index = _function(call), count(call, "index")
        at = UNNUMBERED if index is None else index
        kept = conversation.replay(model, field(call, "extra_content"), field(call, "reasoning_details"))
        yield ToolDelta(at, text(call, "id"), text(function, "name"), _arguments(function), kept)
    old = field(delta, "function_call")
    if old is not None:
        yield ToolDelta(0, "", text(old, "name"), _arguments(old))


def _listed(message: Any) -> list[Any]:
    """Return the calls of a message; some servers tell one alone."""
    calls = field(message, "tool_calls")
    return calls if isinstance(calls, list) else [calls] if isinstance(calls, Mapping) and calls else []


def _function(call: Any) -> Any:
    """Return what is called: a function, or a tool that takes a text; some servers tell it without the frame.

    platform.openai.com/docs/guides/function-calling#custom-tools
    """
    return field(call, "function") or field(call, "custom") or call


def _arguments(function: Any) -> str:
    """Return a call's arguments as JSON text; some servers send them decoded. A tool that takes a text has an input."""
    arguments = field(function, "arguments")
    if isinstance(arguments, Mapping | list):
        return json.dumps(arguments, ensure_ascii=False)
    return text(function, "arguments") or text(function, "input")
