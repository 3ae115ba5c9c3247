"""Read what Anthropic's Messages API replies, whole or event by event."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src.models.errors import InvalidRequest, ModelError
from src.models.failures import classify
from src.models.fields import count, decode_json, field, text
from src.models.protocols.messages import conversation
from src.models.types import Chunk, Completion, ToolCall, ToolDelta, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

# platform.claude.com/docs/en/build-with-claude/handling-stop-reasons. pause_turn keeps its name: that turn is not over.
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_NAMED = re.compile(r"\A[`'\"]?([a-z_]\w*(?:\.\w+)*)(?:[`'\"]|:\s)")


def reply(raw: Any, model: str) -> Completion:
    """Return what a reply of `model` says."""
    raw = decode_json(raw)
    blocks = _blocks(raw)
    if not blocks and field(raw, "error"):  # of a gateway: an error that says 200
        raise named(classify.from_status(None, {"error": field(raw, "error")}), raw)
    if blocks is None:
        raise named(classify.incomplete_reply(raw, "content blocks"), raw)
    finish = _finish(field(raw, "stop_reason"))
    usage, calls = field(raw, "usage"), _calls(blocks, model)
    return Completion(
        content="".join(text(block, "text") for block in blocks if field(block, "type") == "text"),
        model=text(raw, "model") or None,
        finish_reason="tool_calls" if calls and finish in (None, "stop") else finish,
        reasoning="".join(text(block, "thinking") for block in blocks) or None,
        usage=_usage(usage),
        tool_calls=calls,
        response_id=text(raw, "id") or None,
        service_tier=text(usage, "service_tier") or None,
        notes=_notes(raw),
        raw=raw,
    )


def _blocks(raw: Any) -> list[Any] | None:
    """Return the blocks of a content, as loosely as imitating servers tell them; None where there is none."""
    content = field(raw, "content")
    if isinstance(content, str | Mapping):
        content = [content]
    if not isinstance(content, list):
        return None
    blocks = ({"type": "text", "text": block} if isinstance(block, str) else block for block in content)
    return [{**block, "type": "text"} if _is_bare(block) else block for block in blocks]


def _is_bare(block: Any) -> bool:
    return isinstance(block, Mapping) and "text" in block and not block.get("type")


def event(told: Any) -> Iterator[Chunk]:
    """Return the chunks that one event of a stream brings."""
    kind, at = field(told, "type"), count(told, "index") or 0
    if kind == "message_start":
        message = field(told, "message")
        usage = field(message, "usage")
        # Its output_tokens counts the first piece alone; message_delta tells them all.
        yield Chunk(
            model=text(message, "model") or None,
            response_id=text(message, "id") or None,
            usage=replace(begun, output=None, output_reasoning_tokens=None) if (begun := _usage(usage)) else None,
            service_tier=text(usage, "service_tier") or None,
        )
    elif kind == "content_block_start":
        block = field(told, "content_block")
        if field(block, "type") == "tool_use":
            given = field(block, "input")  # empty, but for servers that imitate this one
            delta = ToolDelta(at, text(block, "id"), text(block, "name"), json.dumps(given) if given else "")
            yield Chunk(tool_deltas=(replace(delta, replay=text(told, "replay")),))
        else:
            yield Chunk(content=text(block, "text"), reasoning=text(block, "thinking"))
    elif kind == "content_block_delta":
        delta = field(told, "delta")
        told_piece = field(delta, "partial_json")
        piece = json.dumps(told_piece) if isinstance(told_piece, Mapping) else text(delta, "partial_json")
        yield Chunk(
            content=text(delta, "text"),
            reasoning=text(delta, "thinking"),
            tool_deltas=(ToolDelta(at, arguments=piece),) if piece else (),
        )
    elif kind == "message":  # of a server that answers a request for a stream with a whole reply
        whole = reply(told, text(told, "model"))
        yield Chunk(
            content=whole.content,
            reasoning=whole.reasoning or "",
            finish_reason=whole.finish_reason,
            model=whole.model,
            usage=whole.usage,
            tool_deltas=tuple(ToolDelta(-1, call.id, call.name, call.arguments) for call in whole.tool_calls),
            response_id=whole.response_id,
            notes=whole.notes,
        )
    elif kind == "message_delta":
        delta = field(told, "delta")
        yield Chunk(
            finish_reason=_finish(field(delta, "stop_reason")),
            usage=_later(_usage(field(told, "usage"))),
            notes=_notes(delta),
        )


def named(error: ModelError, body: Any) -> ModelError:
    """Return an error with the request's id, which its body has too, and the parameter that its message begins with."""
    error.request_id = error.request_id or text(body, "request_id") or None
    found = _NAMED.match(error.message) if type(error) is InvalidRequest else None
    error.parameter = found.group(1) if found else error.parameter
    return error


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _finish(reason: Any) -> str | None:
    return _FINISH.get(reason, reason) if isinstance(reason, str) else None


def _notes(told: Any) -> dict[str, object]:
    """Return which rule a refusal was for: platform.claude.com/docs/en/build-with-claude/handling-stop-reasons."""
    return _given({"block_reason": field(field(told, "stop_details"), "category")})


def _usage(usage: Any) -> Usage | None:
    """Return the tokens: input_tokens excludes what was read from or written to the cache, output holds thinking.

    platform.claude.com/docs/en/build-with-claude/prompt-caching#tracking-cache-performance
    """
    if usage is None:
        return None
    output, thought = count(usage, "output_tokens"), count(field(usage, "output_tokens_details"), "thinking_tokens")
    if output is not None and thought is not None:
        thought = min(thought, output)
    return Usage(
        input=count(usage, "input_tokens"),
        input_cached_tokens=count(usage, "cache_read_input_tokens"),
        input_cache_creation=_written(usage),
        output=None if output is None else output - (thought or 0),
        output_reasoning_tokens=thought,
    )


def _written(usage: Any) -> int | None:
    """Return what was written to the cache: the whole, or by how long it is kept."""
    whole, parts = count(usage, "cache_creation_input_tokens"), field(usage, "cache_creation")
    told = [count(parts, f"ephemeral_{kept}_input_tokens") for kept in ("5m", "1h")]
    return sum(part or 0 for part in told) if whole is None and any(told) else whole


def _later(usage: Usage | None) -> Usage | None:
    """Return what a stream's end tells anew: some servers repeat the input there as zeros."""
    if usage is None or usage.input_tokens:
        return usage
    return replace(usage, input=None, input_cached_tokens=None, input_cache_creation=None)


def _calls(blocks: list[Any], model: str) -> tuple[ToolCall, ...]:
    """Return the calls of tools, each with the thoughts that led to it."""
    calls, thoughts = [], []
    for at, block in enumerate(blocks):
        kind = field(block, "type")
        if kind in ("thinking", "redacted_thinking"):
            thoughts.append(thought(block))
        elif kind == "tool_use":
            told = field(block, "input")
            arguments = told if isinstance(told, str) else json.dumps(told or {}, ensure_ascii=False)
            replay = conversation.replay(thoughts, model)
            calls.append(ToolCall(text(block, "id") or f"toolu_{at}", text(block, "name"), arguments, replay))
            thoughts = []
    return tuple(calls)


def thought(block: Any) -> dict[str, str]:
    """Return a block of thoughts as it is sent back."""
    names = ("type", "data") if field(block, "type") == "redacted_thinking" else ("type", "thinking", "signature")
    return {name: text(block, name) for name in names}
