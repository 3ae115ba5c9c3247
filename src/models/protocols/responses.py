"""Translate between our records and OpenAI's Responses API: platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from src.models.errors import ServerFailed
from src.models.failures import classify
from src.models.fields import count, data_url, field, miscount, text
from src.models.pricing import token_buckets
from src.models.request import strict_schemas, tool_ids, tools
from src.models.types import (
    Chunk,
    Completion,
    Cost,
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
    from src.models.capabilities import Capabilities

LEAST_OUTPUT = 16  # a smaller max_output_tokens is refused
_ARGUMENTS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_REASONING = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
# Items of the provider's own tools that are billed, and the unit; containers for code are billed by the session.
_TOOLS = {
    "file_search_call": "storage_searches",
    "code_interpreter_call": "code_interpreter_sessions",
    "image_generation_call": "image_generations",
}
_COUNTS = frozenset({"input_tokens", "output_tokens", "total_tokens"})
_CACHE_COUNTS = frozenset({"cached_tokens", "cache_write_tokens"})
_OUTPUT_COUNTS = frozenset({"reasoning_tokens"})
_ENDS = ("response.completed", "response.incomplete", "response.failed")


class ProviderRules(Protocol):
    """How a provider reports its cost, and whether its custom tool calls are of the caller's tools."""

    custom_tools: ClassVar[bool]

    def _reported_cost(self, usage: Any) -> Cost | None: ...


def build(request: ModelRequest, can: Capabilities) -> dict[str, Any]:
    """Return a request's body, which asks the provider to store nothing, as with Chat Completions."""
    payload: dict[str, Any] = {
        "model": request.model,
        "input": [item for message in request.messages for item in _items(message, can.system_role)],
        "store": False,
    }
    parameters: dict[str, Any] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_output_tokens": request.max_tokens,
        "reasoning": {"effort": request.reasoning_effort} if request.reasoning_effort else None,
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice),
        "text": _format(request, can),
    }
    return payload | {name: value for name, value in parameters.items() if value is not None}


def read(raw: Any, rules: ProviderRules) -> Completion:
    """Read a whole reply.

    Raises:
        ModelError: it is an error inside a 200, or is incomplete.
    """
    _raise_error(raw)
    output = field(raw, "output")
    if not isinstance(output, list):
        raise classify.incomplete_reply(raw, "output")
    calls = [call for item in output if (call := _call(item, rules)) is not None]
    parts = [part for item in output if field(item, "type") != "reasoning" for part in _parts(item, "content")]
    content = "".join(_text(part) for part in parts)
    refusal = "".join(text(part, "refusal") for part in parts if field(part, "type") == "refusal")
    return Completion(
        content=content,
        model=text(raw, "model") or None,
        finish_reason="content_filter" if refusal and not (content or calls) else _finish(raw, bool(calls)),
        reasoning="\n\n".join(filter(None, map(_thought, output))) or None,
        usage=token_buckets.with_units(usage(field(raw, "usage")), _hosted_tools(raw, output)),
        tool_calls=tuple(replace(call, id=call.id or tool_ids.new()) for call in calls),
        response_id=text(raw, "id") or None,
        reported_cost=rules._reported_cost(field(raw, "usage")),
        service_tier=text(raw, "service_tier") or None,
        notes={"refusal": refusal} if refusal else {},
        raw=raw,
    )


def read_event(event: Any, rules: ProviderRules) -> Iterator[Chunk]:
    """Yield the chunks of one event of a stream."""
    kind, piece = text(event, "type"), text(event, "delta")
    at = count(event, "output_index") or 0
    if kind == "response.output_text.delta":
        yield Chunk(content=piece)
    elif kind == "response.refusal.delta":
        yield Chunk(refusal=piece)
    elif kind in _REASONING:
        yield Chunk(reasoning=piece)
    elif kind == "response.reasoning_summary_part.added":
        yield Chunk(reasoning="\n\n" if count(event, "summary_index") else "")
    elif kind == "response.output_item.added":
        call = _call(field(event, "item"), rules)
        if call is not None:
            yield Chunk(tool_deltas=(ToolDelta(index=at, id=call.id, name=call.name),))
    elif kind in _ARGUMENTS:
        yield Chunk(tool_deltas=(ToolDelta(index=at, arguments=piece),))
    elif kind in _ENDS:
        yield _final_chunk(field(event, "response"), rules)
    elif field(event, "object") == "response":  # of a server that answers a request for a stream with a whole reply
        yield _final_chunk(event, rules)
    else:
        _raise_error(event)


def _final_chunk(response: Any, rules: ProviderRules) -> Chunk:
    """Return the last chunk of a stream; compatible servers leave out the output that was streamed before it."""
    _raise_error(response)
    output = field(response, "output")
    whole = read(response if isinstance(output, list) else {**_as_mapping(response), "output": []}, rules)
    return Chunk(
        finish_reason=whole.finish_reason,
        model=whole.model,
        usage=whole.usage,
        response_id=whole.response_id,
        reported_cost=whole.reported_cost,
        service_tier=whole.service_tier,
        whole=replace(whole, raw=None),
    )


def _as_mapping(response: Any) -> dict[str, Any]:
    names = ("id", "model", "usage", "status", "incomplete_details", "service_tier", "tools", "tool_usage")
    return {name: field(response, name) for name in names}


def _raise_error(body: Any) -> None:
    """Raise the error that a reply, or an event of a stream, holds."""
    error = field(body, "error")
    if not error and field(body, "type") == "error":
        error = body
    if error:
        detail = {name: field(error, name) for name in ("code", "message", "type", "param")}
        if detail["type"] == "error":
            del detail["type"]
        raise classify.from_status(None, {"error": error if isinstance(error, str) else detail})
    if field(body, "status") == "failed":
        raise ServerFailed("the provider says that the reply failed, and not why")


def _parts(item: Any, name: str) -> list[Any]:
    """Return the parts of an item; some servers send a single text in their place."""
    parts = field(item, name)
    if isinstance(parts, str):
        return [{"type": "output_text", "text": parts}]
    return parts if isinstance(parts, list) else []


def _text(part: Any) -> str:
    return text(part, "text") if field(part, "type") in ("output_text", "text") else ""


def _thought(item: Any) -> str:
    """Return an item's reasoning: its summary, or, from models with open weights, the reasoning itself."""
    if field(item, "type") != "reasoning":
        return ""
    parts = _parts(item, "summary") or _parts(item, "content")
    return "\n\n".join(filter(None, (text(part, "text") for part in parts)))


def _call(item: Any, rules: ProviderRules) -> ToolCall | None:
    """Return an item as the call of a function or of a custom tool; None for any other item."""
    kind = field(item, "type")
    if kind != "function_call" and not (kind == "custom_tool_call" and rules.custom_tools):
        return None
    if not text(item, "name"):
        return None
    arguments = field(item, "arguments")
    arguments_text = (
        json.dumps(arguments, ensure_ascii=False) if isinstance(arguments, Mapping) else text(item, "arguments")
    )
    return ToolCall(
        id=text(item, "call_id") or text(item, "id"),
        name=text(item, "name"),
        arguments=arguments_text or text(item, "input") or "{}",
    )


def usage(body: Any) -> Usage | None:
    """Return the tokens: input_tokens includes cached ones, output_tokens includes reasoning."""
    if body is None:
        return None
    details, output_details = field(body, "input_tokens_details"), field(body, "output_tokens_details")
    tokens = token_buckets.exclusive(
        count(body, "input_tokens"),
        count(body, "output_tokens"),
        cached=count(details, "cached_tokens"),
        written=count(details, "cache_write_tokens"),
        reasoning=count(output_details, "reasoning_tokens"),
        total=count(body, "total_tokens"),
        problem=miscount(body, _COUNTS) or miscount(details, _CACHE_COUNTS) or miscount(output_details, _OUTPUT_COUNTS),
    )
    lifetimes = field(details, "cache_write_tokens_details")
    units = {
        "input_cache_creation_12h": count(lifetimes, "ttl_12h_tokens") or 0,
        "live_search_sources": count(body, "num_sources_used") or 0,
        "server_side_tools": count(body, "num_server_side_tools_used") or 0,
    }
    return token_buckets.with_units(tokens, units)


def _hosted_tools(raw: Any, output: list[Any]) -> dict[str, int]:
    """Return what the provider's own tools did: developers.openai.com/api/docs/pricing#built-in-tools.

    Of web searches only searches are billed, not the opening of pages; `tool_usage` counts those where a reply has it.
    """
    counts = {unit: sum(field(item, "type") == kind for item in output) for kind, unit in _TOOLS.items()}
    hosted = [field(item, "environment") for item in output if field(item, "type") == "shell_call"]
    counts["shell_sessions"] = sum(text(item, "type").startswith("container") for item in hosted)
    actions = [text(field(item, "action"), "type") for item in output if field(item, "type") == "web_search_call"]
    billed = count(field(field(raw, "tool_usage"), "web_search"), "num_requests")
    searches = sum(action in ("", "search") for action in actions) if billed is None else billed
    tool_types = [text(tool, "type") for tool in field(raw, "tools") or ()]
    # The preview tool has a price of its own for models that do not think.
    thinks = count(field(field(raw, "usage"), "output_tokens_details"), "reasoning_tokens")
    is_preview = not thinks and any(kind.startswith("web_search_preview") for kind in tool_types)
    return {**counts, "web_searches_preview" if is_preview else "web_searches": searches}


def _finish(raw: Any, has_calls: bool) -> str | None:
    reason = field(field(raw, "incomplete_details"), "reason")
    if reason is None and field(raw, "status") == "incomplete":
        reason = "max_output_tokens"
    if reason is not None:
        return "length" if reason in ("max_output_tokens", "max_tokens") else str(reason)
    return "tool_calls" if has_calls else "stop"


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


def _tool(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool as this API defines it; a tool that is not a function is sent as it is."""
    function = tools.function(definition)
    if function is None:
        return definition
    schema = {"parameters": function.schema} if function.schema is not None else {}
    return {"type": "function", **function.common_fields(), **schema}


def _tool_choice(choice: Any) -> Any:
    parsed = tools.choice(choice)
    if parsed is None:
        return choice
    if parsed.mode == "named":
        return {"type": "function", "name": parsed.name}
    return "required" if parsed.mode == "any" else parsed.mode


def _format(request: ModelRequest, can: Capabilities) -> dict[str, Any] | None:
    response_format = request.response_format
    if response_format is None or can.structured == "instructed":
        return None
    if can.structured == "json_object" or response_format.name == "json_object":
        return {"format": {"type": "json_object"}}
    return {
        "format": {
            "type": "json_schema",
            **strict_schemas.json_schema_format(response_format, bounds=can.schema_bounds),
        }
    }
