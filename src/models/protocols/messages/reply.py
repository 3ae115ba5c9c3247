"""Read what Anthropic's Messages API replies, whole or event by event."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src.models.errors import InvalidRequest, ModelError
from src.models.failures import classify
from src.models.fields import count, decode_json, field, miscount, text
from src.models.pricing import token_buckets
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
_COUNTS = frozenset({"input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"})
_THOUGHTS = frozenset({"thinking_tokens"})
_LIFETIMES = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
_EXECUTIONS = "code_executions"
_PARAMETER = re.compile(r"\A[`'\"]?([a-z_]\w*(?:\.\w+)*)(?:[`'\"]|:\s)")


def read(raw: Any, model: str) -> Completion:
    """Read a whole reply of `model`.

    Raises:
        ModelError: it is an error inside a 200, or is incomplete.
    """
    raw = decode_json(raw)
    blocks = _blocks(raw)
    if not blocks and field(raw, "error"):  # a gateway's error with status 200
        raise with_details(classify.from_status(None, {"error": field(raw, "error")}), raw)
    if blocks is None:
        raise with_details(classify.incomplete_reply(raw, "content blocks"), raw)
    finish = _finish(field(raw, "stop_reason"))
    usage, calls = field(raw, "usage"), _calls(blocks, model)
    executions = sum(map(_is_code_execution, blocks))
    return Completion(
        content="".join(text(block, "text") for block in blocks if field(block, "type") == "text"),
        model=text(raw, "model") or None,
        finish_reason="tool_calls" if calls and finish in (None, "stop") else finish,
        reasoning="".join(text(block, "thinking") for block in blocks) or None,
        usage=_usage(usage, executions),
        tool_calls=calls,
        response_id=text(raw, "id") or None,
        service_tier=_tier(usage),
        notes=_notes(raw),
        raw=raw,
    )


def _blocks(raw: Any) -> list[Any] | None:
    """Return the content blocks, in the forms that compatible servers send too; None where there are none."""
    content = field(raw, "content")
    if isinstance(content, str | Mapping):
        content = [content]
    if not isinstance(content, list):
        return None
    blocks = ({"type": "text", "text": block} if isinstance(block, str) else block for block in content)
    return [{**block, "type": "text"} if _is_bare(block) else block for block in blocks]


def _is_bare(block: Any) -> bool:
    return isinstance(block, Mapping) and "text" in block and not block.get("type")


def read_event(body: Any) -> Iterator[Chunk]:
    """Yield the chunk of one event of a stream."""
    kind, at = field(body, "type"), count(body, "index") or 0
    if kind == "message_start":
        message = field(body, "message")
        usage = field(message, "usage")
        # Its output_tokens counts the first piece only; message_delta has the total.
        yield Chunk(
            model=text(message, "model") or None,
            response_id=text(message, "id") or None,
            usage=_usage(usage, of_input=True),
            service_tier=_tier(usage),
        )
    elif kind == "content_block_start":
        block = field(body, "content_block")
        if field(block, "type") == "tool_use":
            arguments = field(block, "input")  # empty, but for servers that imitate this one
            delta = ToolDelta(
                index=at,
                id=text(block, "id"),
                name=text(block, "name"),
                arguments=json.dumps(arguments) if arguments else "",
                replay=text(body, "replay"),
            )
            yield Chunk(tool_deltas=(delta,))
        else:
            executions = Usage(units={_EXECUTIONS: 1}) if _is_code_execution(block) else None
            yield Chunk(content=text(block, "text"), reasoning=text(block, "thinking"), usage=executions)
    elif kind == "content_block_delta":
        delta = field(body, "delta")
        value = field(delta, "partial_json")
        piece = json.dumps(value) if isinstance(value, Mapping) else text(delta, "partial_json")
        yield Chunk(
            content=text(delta, "text"),
            reasoning=text(delta, "thinking"),
            tool_deltas=(ToolDelta(index=at, arguments=piece),) if piece else (),
        )
    elif kind == "message":  # of a server that answers a request for a stream with a whole reply
        yield _whole_reply(body)
    elif kind == "message_delta":
        delta = field(body, "delta")
        yield Chunk(
            finish_reason=_finish(field(delta, "stop_reason")),
            usage=_final_usage(field(body, "usage")),
            notes=_notes(delta),
        )


def _whole_reply(body: Any) -> Chunk:
    """Return a whole reply as the one chunk of a stream."""
    whole = read(body, text(body, "model"))
    return Chunk(
        content=whole.content,
        reasoning=whole.reasoning or "",
        finish_reason=whole.finish_reason,
        model=whole.model,
        usage=whole.usage,
        service_tier=whole.service_tier,
        tool_deltas=tuple(
            ToolDelta(index=-1, id=call.id, name=call.name, arguments=call.arguments) for call in whole.tool_calls
        ),
        response_id=whole.response_id,
        notes=whole.notes,
    )


def with_details(error: ModelError, body: Any) -> ModelError:
    """Return an error with the request's id from its body, and with the parameter that its message begins with."""
    error.request_id = error.request_id or text(body, "request_id") or None
    match = _PARAMETER.match(error.message) if type(error) is InvalidRequest else None
    error.parameter = match.group(1) if match else error.parameter
    return error


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _finish(reason: Any) -> str | None:
    return _FINISH.get(reason, reason) if isinstance(reason, str) else None


def _notes(delta: Any) -> dict[str, object]:
    """Return the category of a refusal: platform.claude.com/docs/en/build-with-claude/handling-stop-reasons."""
    return _without_none({"block_reason": field(field(delta, "stop_details"), "category")})


def _tier(usage: Any) -> str | None:
    """Return the service tier, or the speed: platform.claude.com/docs/en/build-with-claude/fast-mode#pricing."""
    return "fast" if text(usage, "speed") == "fast" else text(usage, "service_tier") or None


def _usage(usage: Any, executions: int = 0, *, of_input: bool = False) -> Usage | None:
    """Return the tokens: input_tokens excludes what was read from or written to the cache, output holds thinking.

    platform.claude.com/docs/en/build-with-claude/prompt-caching#tracking-cache-performance

    Args:
        usage: The reply's usage.
        executions: How often the provider ran code for the reply.
        of_input: Whether to leave out what was written.
    """
    if usage is None:
        return None
    details, parts = field(usage, "output_tokens_details"), field(usage, "cache_creation")
    problem = miscount(usage, _COUNTS) or miscount(details, _THOUGHTS) or miscount(parts, frozenset(_LIFETIMES))
    output, thought = count(usage, "output_tokens"), count(details, "thinking_tokens")
    if of_input:
        output = thought = None
    if output is not None and thought is not None and thought > output:
        problem = problem or f"{thought} thinking tokens are more than the {output} that they are part of"
        thought = output
    whole, lifetimes = count(usage, "cache_creation_input_tokens"), [count(parts, name) for name in _LIFETIMES]
    written = sum(part or 0 for part in lifetimes) if whole is None and any(lifetimes) else whole
    known = sum(part or 0 for part in lifetimes)
    if written is not None and known and known != written:  # of another lifetime, whose price is another
        problem = problem or f"of the {written} tokens written to the cache {known} have a lifetime"
    tokens = Usage(
        input=count(usage, "input_tokens"),
        input_cached_tokens=count(usage, "cache_read_input_tokens"),
        input_cache_creation=written,
        output=None if output is None else output - (thought or 0),
        output_reasoning_tokens=thought,
    )
    units = {**_units(usage, executions), "input_cache_creation_1h": lifetimes[1] or 0}
    return token_buckets.with_units(token_buckets.with_problem(tokens, problem), units)


def _units(usage: Any, executions: int) -> dict[str, int]:
    """Return what is billed beside the tokens: searches, code, a region's surcharge, other models' iterations.

    Code is free beside searches and fetches: platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool.
    The tokens of a compaction or an advisor are in `iterations` alone: anthropic.types.beta.BetaUsage.
    """
    server_tools = field(usage, "server_tool_use")
    searches = count(server_tools, "web_search_requests") or 0
    fetches = count(server_tools, "web_fetch_requests") or 0
    region = text(usage, "inference_geo")
    iterations = field(usage, "iterations")
    kinds = [text(step, "type") for step in iterations] if isinstance(iterations, list) else []
    return {
        "web_searches": searches,
        _EXECUTIONS: 0 if searches or fetches else executions,
        f"inference_geo_{region}": int(region not in ("", "not_available", "global")),
        "other_iterations": sum(kind not in ("", "message") for kind in kinds),
    }


def _is_code_execution(block: Any) -> bool:
    return field(block, "type") == "server_tool_use" and "code_execution" in text(block, "name")


def _final_usage(body: Any) -> Usage | None:
    """Return the usage at a stream's end, without its input where that is zero, as some servers repeat it."""
    usage = _usage(body)
    if usage is None:
        return None
    tools = field(body, "server_tool_use")
    if count(tools, "web_search_requests") or count(tools, "web_fetch_requests"):
        usage = replace(usage, units={**usage.units, _EXECUTIONS: 0})
    return (
        usage if usage.input_tokens else replace(usage, input=None, input_cached_tokens=None, input_cache_creation=None)
    )


def _calls(blocks: list[Any], model: str) -> tuple[ToolCall, ...]:
    """Return the tool calls, each with the thoughts before it."""
    calls, thoughts = [], []
    for at, block in enumerate(blocks):
        kind = field(block, "type")
        if kind in ("thinking", "redacted_thinking"):
            thoughts.append(thinking_block(block))
        elif kind == "tool_use":
            value = field(block, "input")
            arguments = value if isinstance(value, str) else json.dumps(value or {}, ensure_ascii=False)
            calls.append(
                ToolCall(
                    id=text(block, "id") or f"toolu_{at}",
                    name=text(block, "name"),
                    arguments=arguments,
                    replay=conversation.replay_text(thoughts, model),
                )
            )
            thoughts = []
    return tuple(calls)


def thinking_block(block: Any) -> dict[str, str]:
    """Return a block of thoughts as it is sent back."""
    names = ("type", "data") if field(block, "type") == "redacted_thinking" else ("type", "thinking", "signature")
    return {name: text(block, name) for name in names}
