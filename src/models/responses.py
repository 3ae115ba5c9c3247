"""Translate between our records and OpenAI's Responses API: platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.models import buckets, classify, structured, tools
from src.models.errors import MalformedResponse
from src.models.reading import count, data_url, field
from src.models.types import (
    Chunk,
    Completion,
    Message,
    ModelRequest,
    Part,
    RawPart,
    TextPart,
    ToolCall,
    ToolDelta,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from src.models.capabilities import Capabilities

LEAST_OUTPUT = 16  # a smaller max_output_tokens is refused
_REASONING = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
_ENDS = ("response.completed", "response.incomplete", "response.failed")


def build(request: ModelRequest, can: Capabilities) -> dict[str, Any]:
    """Return the request's body. Nothing is stored at the provider, as with Chat Completions."""
    payload: dict[str, Any] = {
        "model": request.model,
        "input": [item for message in request.messages for item in _items(message, can.system_role)],
        "store": False,
    }
    asked: dict[str, Any] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_output_tokens": request.max_tokens,
        "reasoning": {"effort": request.reasoning_effort} if request.reasoning_effort else None,
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice),
        "text": _format(request, can),
    }
    return payload | {name: value for name, value in asked.items() if value is not None}


def read(raw: Any) -> Completion:
    """Return what a reply says."""
    output = field(raw, "output")
    error = field(raw, "error")
    if error:
        told = {name: field(error, name) for name in ("code", "message", "type")}
        raise classify.from_status(None, {"error": error if isinstance(error, str) else told})
    if not isinstance(output, list):
        raise MalformedResponse("the reply has no output")
    parts = [part for item in output if field(item, "type") == "message" for part in field(item, "content") or ()]
    calls = [item for item in output if field(item, "type") == "function_call"]
    thoughts = [part for item in output if field(item, "type") == "reasoning" for part in field(item, "summary") or ()]
    content = "".join(field(part, "text") or "" for part in parts if field(part, "type") == "output_text")
    refused = not content and any(field(part, "type") == "refusal" for part in parts)
    return Completion(
        content=content,
        model=field(raw, "model"),
        finish_reason="content_filter" if refused else _finish(raw, bool(calls)),
        reasoning="\n\n".join(field(part, "text") or "" for part in thoughts) or None,
        usage=usage(field(raw, "usage")),
        tool_calls=tuple(
            ToolCall(field(call, "call_id") or "", field(call, "name") or "", field(call, "arguments") or "")
            for call in calls
        ),
        response_id=field(raw, "id"),
        service_tier=field(raw, "service_tier"),
        raw=raw,
    )


def read_event(event: Any) -> Iterator[Chunk]:
    """Return what one event of a stream brings."""
    kind, piece = field(event, "type"), field(event, "delta")
    at = field(event, "output_index") or 0
    if kind == "response.output_text.delta":
        yield Chunk(content=piece or "")
    elif kind in _REASONING:
        yield Chunk(reasoning=piece or "")
    elif kind == "response.output_item.added" and field(field(event, "item"), "type") == "function_call":
        item = field(event, "item")
        yield Chunk(tool_deltas=(ToolDelta(at, field(item, "call_id") or "", field(item, "name") or ""),))
    elif kind == "response.function_call_arguments.delta":
        yield Chunk(tool_deltas=(ToolDelta(at, arguments=piece or ""),))
    elif kind == "error":
        raise classify.from_status(None, {"error": {name: field(event, name) for name in ("code", "message", "param")}})
    elif kind in _ENDS:
        whole = read(field(event, "response"))
        yield Chunk(
            finish_reason=whole.finish_reason,
            model=whole.model,
            usage=whole.usage,
            response_id=whole.response_id,
            service_tier=whole.service_tier,
        )


def usage(told: Any) -> Usage | None:
    """Return the tokens: input_tokens includes cached ones, output_tokens includes reasoning."""
    details = field(told, "input_tokens_details")
    return buckets.exclusive(
        count(told, "input_tokens"),
        count(told, "output_tokens"),
        cached=count(details, "cached_tokens"),
        written=count(details, "cache_write_tokens"),
        thought=count(field(told, "output_tokens_details"), "reasoning_tokens"),
        total=count(told, "total_tokens"),
    )


def _finish(raw: Any, called: bool) -> str | None:
    reason = field(field(raw, "incomplete_details"), "reason")
    if reason is not None:
        return "length" if reason == "max_output_tokens" else str(reason)
    return "tool_calls" if called else "stop"


def _items(message: Message, system_role: str) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield {"type": "function_call_output", "call_id": message.tool_call_id or "", "output": message.text}
        return
    role = ("developer" if system_role == "developer" else "system") if message.role == "system" else message.role
    if message.content:
        content = message.content
        yield {"role": role, "content": content if isinstance(content, str) else [_part(part) for part in content]}
    for call in message.tool_calls:
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, RawPart):
        return dict(part.content)
    return {"type": "input_image", "image_url": data_url(part), **({"detail": part.detail} if part.detail else {})}


def _tool(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool as this API defines it; one that is no function goes as it is."""
    found = tools.function(given)
    if found is None:
        return given
    schema = {"parameters": found.schema} if found.schema is not None else {}
    return {"type": "function", **found.said(), **schema}


def _tool_choice(given: Any) -> Any:
    found = tools.choice(given)
    if found is None:
        return given
    if found.mode == "named":
        return {"type": "function", "name": found.name}
    return "required" if found.mode == "any" else found.mode


def _format(request: ModelRequest, can: Capabilities) -> dict[str, Any] | None:
    wanted = request.response_format
    if wanted is None or can.structured == "instructed":
        return None
    if can.structured == "json_object" or wanted.name == "json_object":
        return {"format": {"type": "json_object"}}
    return {"format": {"type": "json_schema", **structured.native(wanted, bounds=can.schema_bounds)}}
