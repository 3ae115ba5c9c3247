"""Write a span's messages, tools and provider by OpenTelemetry's GenAI conventions, for backends other than Langfuse.

The store and Langfuse hold a generation's messages as `langfuse.observation.input` and `output`. Other backends read
`gen_ai.input.messages` and the like, which are made from those when a span is delivered, so that neither the store nor
Langfuse's requests grow. What is made is what was stored: redacted texts stay redacted, and left-out texts left out.

Source: github.com/open-telemetry/semantic-conventions-genai, its JSON schemas of messages and tool definitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from src.observability import attributes as names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"

_FINISH_REASONS: Final = {"tool_calls": "tool_call"}
_PARAMETERS: Final = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "max_tokens": "gen_ai.request.max_tokens",
    "seed": "gen_ai.request.seed",
}
_MODALITIES: Final = ("image", "audio", "video")


def follow_conventions(span: bytes) -> bytes:
    """Return an encoded span with the attributes of the conventions added."""
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    message = Span.FromString(span)
    values = {item.key: item.value for item in message.attributes}
    texts = {name: value.string_value for name, value in values.items() if value.HasField("string_value")}
    if provider := names.CONVENTIONAL_PROVIDERS.get(texts.get(names.PROVIDER, "")):
        values[names.PROVIDER].string_value = provider
    additions = _additions(message.name, texts)
    for name, value in additions.items():
        if name not in values:  # the program's own attribute stays
            _add(message, name, value)
    return message.SerializeToString()


def _add(span: Span, name: str, value: str | float) -> None:
    attribute = span.attributes.add(key=name)
    if isinstance(value, str):
        attribute.value.string_value = value
    elif isinstance(value, int):
        attribute.value.int_value = value
    else:
        attribute.value.double_value = value


def _additions(name: str, texts: Mapping[str, str]) -> dict[str, str | float]:
    """Return the attributes to add to a span of this name, from those of its attributes that are texts."""
    additions: dict[str, str | float] = {}
    if session := texts.get(names.SESSION_ID):
        additions[CONVERSATION_ID] = session
    kind = texts.get(names.TYPE)
    if kind == "tool":
        additions |= {names.OPERATION: "execute_tool", TOOL_NAME: name}
        for source, target in ((names.INPUT, TOOL_ARGUMENTS), (names.OUTPUT, TOOL_RESULT)):
            if source in texts:
                additions[target] = texts[source]
    elif kind in ("generation", "agent"):
        additions |= _parameters(texts.get(names.MODEL_PARAMETERS))
        if names.INPUT in texts:
            additions |= _input(texts[names.INPUT])
        if names.OUTPUT in texts:
            reason = _json(texts.get(names.METADATA + "finish_reason", "null"))
            additions[OUTPUT_MESSAGES] = _text([_output(texts[names.OUTPUT], reason)])
    return additions


def _parameters(text: str | None) -> dict[str, float]:
    parameters = _json(text) if text else None
    if not isinstance(parameters, Mapping):
        return {}
    return {
        target: parameters[name]
        for name, target in _PARAMETERS.items()
        if isinstance(parameters.get(name), int | float) and not isinstance(parameters[name], bool)
    }


def _input(text: str) -> dict[str, str | float]:
    """Return the system instructions, messages and tools of an input; one that is no list of messages is a user's."""
    value = _json(text)
    tools: Any = ()
    if isinstance(value, Mapping) and isinstance(value.get("messages"), list):
        value, tools = value["messages"], value.get("tools") or ()
    if not _are_messages(value):
        return {INPUT_MESSAGES: _text([{"role": "user", "parts": [_text_part(text)]}])}
    system = [part for message in value if message["role"] == "system" for part in _parts(message)]
    others = [message for message in value if message["role"] != "system"]
    additions: dict[str, str | float] = {
        INPUT_MESSAGES: _text([{"role": item["role"], "parts": _parts(item)} for item in others])
    }
    if system:
        additions[SYSTEM_INSTRUCTIONS] = _text(system)
    if tools:
        additions[TOOL_DEFINITIONS] = _text([_definition(tool) for tool in tools])
    return additions


def _are_messages(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) and "role" in item for item in value)


def _output(text: str, finish_reason: object) -> dict[str, Any]:
    value = _json(text)
    is_message = isinstance(value, Mapping) and value.get("role") == "assistant"
    parts = _parts(value) if is_message else [_text_part(text)]
    reason = str(finish_reason or "stop")
    return {"role": "assistant", "parts": parts, "finish_reason": _FINISH_REASONS.get(reason, reason)}


def _parts(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a message's parts: its reasoning, its text and files, the tool calls, or a tool's result."""
    content = message.get("content")
    if message.get("role") == "tool":
        return [{"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}]
    parts = [{"type": "reasoning", "content": str(message["reasoning"])}] if message.get("reasoning") else []
    if isinstance(content, list):
        parts += [_content_part(part) for part in content]
    elif content:
        parts.append(_text_part(content if isinstance(content, str) else _text(content)))
    return parts + [_tool_call(call) for call in _mappings(message.get("tool_calls"))]


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    named = function if isinstance(function, Mapping) else call
    arguments = named.get("arguments")
    return {
        "type": "tool_call",
        "id": call.get("id"),
        "name": str(named.get("name")),
        "arguments": _json(arguments) if isinstance(arguments, str) else arguments,
    }


def _content_part(part: object) -> dict[str, Any]:
    """Return one part of a message's content; one of an unknown type as it is."""
    if not isinstance(part, Mapping):
        return _text_part(part if isinstance(part, str) else _text(part))
    if isinstance(part.get("text"), str):
        return _text_part(part["text"])
    address = part.get("image_url")
    url = address.get("url") if isinstance(address, Mapping) else part.get("url")
    if not isinstance(url, str):
        return {"type": "unknown", **part}
    head, _, data = url.partition(";base64,")
    if data and head.startswith("data:"):
        media_type = head.removeprefix("data:")
        return {"type": "blob", "mime_type": media_type, "modality": _modality(media_type), "content": data}
    return {"type": "uri", "modality": "image", "uri": url}


def _modality(media_type: str) -> str:
    family = media_type.partition("/")[0]
    return family if family in _MODALITIES else "file"


def _definition(tool: object) -> dict[str, Any]:
    if not isinstance(tool, Mapping):
        return {"type": "custom", "name": str(tool)}
    function = tool.get("function")
    if isinstance(function, Mapping):
        return {"type": "function", **function}
    return {"type": "custom", "name": str(tool.get("name") or tool.get("type") or "tool"), **tool}


def _mappings(value: object) -> Iterable[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "content": text}


def _json(text: str) -> Any:
    """Return the value of a JSON text; any other text as it is."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _text(value: object) -> str:
    return orjson.dumps(value).decode()
