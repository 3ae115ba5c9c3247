"""Read the replies of servers that speak Chat Completions, strictly or loosely."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from src.models.errors import MalformedResponse, ModelError, ServerFailed
from src.models.failures import classify
from src.models.fields import count, field, text
from src.models.pricing import token_buckets
from src.models.protocols.chat_completions import conversation
from src.models.protocols.chat_completions.usage import hosted_tools
from src.models.request import tool_ids
from src.models.types import UNNUMBERED, Chunk, Completion, Cost, ToolCall, ToolDelta, Usage, unread_choices

# The protocol's own finish reasons, and those that compatible servers send in their place.
_FINISH = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter",
    "end_turn": "stop", "eos": "stop", "stop_sequence": "stop", "completed": "stop", "max_tokens": "length",
    "model_length": "length", "max_output_tokens": "length", "tool_use": "tool_calls", "function_call": "tool_calls",
    "safety": "content_filter", "eos_token": "stop", "complete": "stop", "finished": "stop", "done": "stop",
}  # fmt: skip
# The last two are of GitHub's Copilot and of LiteLLM: docs.litellm.ai/docs/reasoning_content
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "reasoning_text", "thinking_blocks")
# Without these fields a part of a reply holds no error unless its `object` says so, and a message calls no tool.
_ERRORS = frozenset({"error", "x_groq", "type"})
_CALLS = frozenset({"tool_calls", "function_call"})
_THOUGHT_FIELDS = frozenset(_THOUGHTS)


class ProviderRules(Protocol):
    """How a provider's own reports of usage and cost are read."""

    def _usage(self, usage: Any) -> Usage | None: ...
    def _reported_cost(self, usage: Any) -> Cost | None: ...


def read(raw: Any, rules: ProviderRules, model: str) -> Completion:
    """Read a whole reply of `model`.

    Raises:
        ModelError: it is an error inside a 200, or is incomplete.
    """
    try:
        return _read(raw, rules, model)
    except ModelError as error:
        _add_usage(error, raw, rules)
        raise


def _add_usage(error: ModelError, body: Any, rules: ProviderRules) -> None:
    """Add what a reply or event says that it used to the error that it is: such a request is billed all the same."""
    usage = field(body, "usage")
    error.usage, error.reported_cost = rules._usage(usage), rules._reported_cost(usage)


def _read(raw: Any, rules: ProviderRules, model: str) -> Completion:
    choice = _first_choice(raw)
    message = field(choice, "message")
    calls = _tool_calls(message, model)
    reason = _finish_of(choice, has_calls=bool(calls))
    # Azure leaves the message out where it has withheld the reply.
    if message is None and not isinstance(field(choice, "text"), str) and reason != "content_filter":
        raise MalformedResponse("the reply's first choice has no message")
    content = _text(field(message, "content")) or text(choice, "text")
    refusal, usage_body = text(message, "refusal"), field(raw, "usage")
    tokens = token_buckets.with_units(rules._usage(usage_body), hosted_tools(message, model))
    return Completion(
        content=content,
        model=text(raw, "model") or None,
        finish_reason="content_filter" if refusal and not (content or calls) else reason,
        reasoning=reasoning_of(message),
        usage=tokens,
        tool_calls=calls,
        response_id=text(raw, "id") or None,
        reported_cost=rules._reported_cost(usage_body),
        service_tier=text(raw, "service_tier") or None,
        notes={
            **_notes(raw, choice, refusal),
            **token_buckets.total_note(tokens, count(usage_body, "total_tokens")),
            **unread_choices(len(field(raw, "choices")) - 1),
        },
        raw=raw,
    )


def read_event(body: Any, rules: ProviderRules, model: str) -> Iterator[Chunk]:
    """Yield the chunks of one event of a stream: one for each choice, the first with what holds for all of them."""
    inner = field(body, "data")
    if inner is not None and field(body, "event"):  # how Groq's SDK hands over an event that has a name
        body = inner
    try:
        _raise_error(body)
    except ModelError as error:
        _add_usage(error, body, rules)
        raise
    choices = field(body, "choices")
    choices = choices if isinstance(choices, list) else []
    # Groq reports the usage twice, at the top and in x_groq: console.groq.com/docs/api-reference#chat-create
    usage = field(body, "usage") or field(field(body, "x_groq"), "usage")
    first = choices[0] if choices else None
    delta = field(first, "delta") or field(first, "message")
    tokens = token_buckets.with_units(rules._usage(usage), hosted_tools(delta, model if usage else ""))
    yield _chunk(
        first,
        model,
        model=text(body, "model") or None,
        usage=tokens,
        response_id=text(body, "id") or None,
        reported_cost=rules._reported_cost(usage),
        service_tier=text(body, "service_tier") or None,
        notes={**_notes(body, first, ""), **token_buckets.total_note(tokens, count(usage, "total_tokens"))}
        if usage
        else {},
    )
    for choice in choices[1:]:
        yield _chunk(choice, model)


def _chunk(choice: Any, requested_model: str, **common: Any) -> Chunk:
    """Return the chunk of one choice, with the fields that hold for all choices."""
    _raise_error(choice)
    delta = field(choice, "delta") or field(choice, "message")
    return Chunk(
        content=_text(field(delta, "content")) or text(choice, "text"),
        reasoning=reasoning_of(delta) or "",
        refusal=text(delta, "refusal"),
        finish_reason=_finish_of(choice, has_calls=False),
        tool_deltas=tuple(_tool_deltas(delta, requested_model)),
        choice=count(choice, "index"),
        **common,
    )


def reasoning_of(message: Any) -> str | None:
    """Return the reasoning text, under any of the names that providers give it or from the parts of the content."""
    if type(message) is dict and type(message.get("content")) is str and _THOUGHT_FIELDS.isdisjoint(message):
        return None
    for name in _THOUGHTS:
        value = field(message, name)
        thoughts = _thoughts(value) if value else ""
        if thoughts:
            return thoughts
    content = field(message, "content")
    return "".join(map(_thought, content)) or None if isinstance(content, list) else None


def _thought(part: Any) -> str:
    """Return the thoughts of one part of a content."""
    thoughts = _thoughts(field(part, "thinking")) or _thoughts(field(part, "reasoning"))
    return thoughts or (text(part, "text") if field(part, "type") in ("reasoning", "thinking") else "")


def _thoughts(value: Any) -> str:
    """Return thoughts that are a text or a list of parts: openrouter.ai/docs/use-cases/reasoning-tokens."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list):
        return ""
    names = ("text", "summary", "content", "thinking")
    return "".join(next((words for name in names if (words := text(part, name))), "") for part in value)


def _finish_of(choice: Any, *, has_calls: bool) -> str | None:
    """Return the finish reason in the protocol's own words; some servers say `stop` beside tool calls."""
    reason = field(choice, "finish_reason")
    if not isinstance(reason, str) or not reason:
        return "tool_calls" if has_calls else None
    reason_word = _FINISH.get(reason.lower().removeprefix("finishreason."), reason)
    if reason_word == "error":  # openrouter.ai/docs/api-reference/overview#finish-reason
        raise ServerFailed(f"the model behind failed ({text(choice, 'native_finish_reason') or 'no reason told'})")
    return "tool_calls" if has_calls and reason_word == "stop" else reason_word


def _first_choice(raw: Any) -> Any:
    _raise_error(raw)
    choices = field(raw, "choices")
    if not choices or not isinstance(choices, list):
        raise classify.incomplete_reply(raw, "choices")
    _raise_error(choices[0])
    return choices[0]


def _raise_error(part: Any) -> None:
    """Raise an error that came inside a 200: openrouter.ai/docs/api-reference/errors; vLLM says `object: error`."""
    if type(part) is dict and _ERRORS.isdisjoint(part) and part.get("object") != "error":
        return
    part = part[0] if isinstance(part, list) and part else part
    error = field(part, "error") or field(field(part, "x_groq"), "error")
    error = part if error is True else error
    if not error and "error" in (field(part, "object"), field(part, "type")):
        error = part
    if error:
        detail = error if isinstance(error, Mapping) else getattr(error, "model_dump", lambda: {"message": error})()
        raise classify.from_status(None, {"error": detail})


def _notes(raw: Any, choice: Any, refusal: str) -> dict[str, object]:
    """Return what a trace shows in addition: the upstream provider that a router chose, and the words of a refusal."""
    notes = {
        "upstream_provider": field(raw, "provider"),
        "native_finish_reason": field(choice, "native_finish_reason"),
        "system_fingerprint": field(raw, "system_fingerprint"),
        "refusal": refusal or None,
    }
    return {name: value for name, value in notes.items() if isinstance(value, str)}


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
    """Return the tool calls; a call without a name is left out."""
    if type(message) is dict and _CALLS.isdisjoint(message):
        return ()
    thoughts = field(message, "reasoning_details")
    calls = [
        ToolCall(
            id=text(call, "id") or tool_ids.new(),
            name=text(function, "name"),
            arguments=_arguments(function) or "{}",
            replay=conversation.replay_text(model, field(call, "extra_content"), thoughts if at == 0 else None),
        )
        for at, call in enumerate(_call_list(message))
        if text(function := _function(call), "name")
    ]
    legacy_call = field(message, "function_call")  # what the protocol had before tools
    if not calls and text(legacy_call, "name"):
        arguments = _arguments(legacy_call) or "{}"
        calls = [ToolCall(id=tool_ids.new(), name=text(legacy_call, "name"), arguments=arguments)]
    return tuple(calls)


def _tool_deltas(delta: Any, model: str) -> Iterator[ToolDelta]:
    for call in _call_list(delta):
        function, index = _function(call), count(call, "index")
        yield ToolDelta(
            index=UNNUMBERED if index is None else index,
            id=text(call, "id"),
            name=text(function, "name"),
            arguments=_arguments(function),
            replay=conversation.replay_text(model, field(call, "extra_content"), field(call, "reasoning_details")),
        )
    legacy_call = field(delta, "function_call")
    if legacy_call is not None:
        yield ToolDelta(index=0, name=text(legacy_call, "name"), arguments=_arguments(legacy_call))


def _call_list(message: Any) -> list[Any]:
    """Return the tool calls of a message as a list; some servers send a single call without one."""
    calls = field(message, "tool_calls")
    return calls if isinstance(calls, list) else [calls] if isinstance(calls, Mapping) and calls else []


def _function(call: Any) -> Any:
    """Return what is called, a function or a custom tool; some servers leave out the object around it.

    platform.openai.com/docs/guides/function-calling#custom-tools
    """
    return field(call, "function") or field(call, "custom") or call


def _arguments(function: Any) -> str:
    """Return a call's arguments as JSON text; some servers send them decoded. A tool that takes a text has an input."""
    arguments = field(function, "arguments")
    if isinstance(arguments, Mapping | list):
        return json.dumps(arguments, ensure_ascii=False)
    return text(function, "arguments") or text(function, "input")
