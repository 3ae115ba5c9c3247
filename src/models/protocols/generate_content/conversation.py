"""Write a conversation, its tools and its reply format as Gemini's API takes them."""

from __future__ import annotations

import base64
import mimetypes
from typing import TYPE_CHECKING, Any

from src.models.errors import InvalidRequest, Unsupported
from src.models.protocols import tool_calls
from src.models.protocols.generate_content import legacy_schema
from src.models.request import tools
from src.models.types import ImagePart, RawPart, ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src.models.capabilities import Capabilities
    from src.models.types import Message, ModelRequest

_PROTOCOL = "gemini"  # in ToolCall.replay
# ai.google.dev/gemini-api/docs/thought-signatures: for calls that another model made, from Gemini 3 on.
_NO_SIGNATURE = b"skip_thought_signature_validator"
# Gemini 2.5 takes a budget in tokens, Gemini 3 a level: ai.google.dev/gemini-api/docs/thinking#set-budget
_BUDGETS = {
    "none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576,
}  # fmt: skip


def contents(request: ModelRequest, can: Capabilities, *, legacy: bool) -> list[dict[str, Any]]:
    """Return the turns; adjacent turns of one role are merged, and a tool's result is named after its call."""
    turns: list[dict[str, Any]] = []
    if can.system_role == "merged" and request.system:
        turns.append({"role": "user", "parts": [{"text": f"{request.system}\n\n"}]})
    calls_by_id: dict[str, ToolCall] = {}
    for message in tool_calls.in_call_order(request.messages):
        if message.role == "system":
            continue
        calls_by_id |= {call.id: call for call in message.tool_calls}
        if message.role == "tool":
            parts = [_result(message, calls_by_id.get(message.tool_call_id or ""), request.model)]
        else:
            parts = _texts(message) + _calls(message, request.model, strict=can.effort_as == "level")
        role = "model" if message.role == "assistant" else "user"
        if legacy:
            parts = [_for_legacy(part) for part in parts]
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"] += parts
        elif parts:
            turns.append({"role": role, "parts": parts})
    return turns


def replay_text(model: str, signature: bytes | None, call_id: str | None) -> str:
    """Return what a tool call carries into the next turn: the signature of the thoughts before it, and its id."""
    if not signature and not call_id:
        return ""
    encoded = base64.b64encode(signature).decode() if signature else None
    return tool_calls.pack(_PROTOCOL, model, {"signature": encoded, "id": call_id})


def _replayed(call: ToolCall | None, model: str) -> dict[str, str | None]:
    """Return what a tool call of the same model carries; nothing where another model made it."""
    return tool_calls.unpack(_PROTOCOL, model, call) or {}


def _texts(message: Message) -> list[dict[str, Any]]:
    if isinstance(message.content, str):
        return [{"text": message.content}] if message.content else []
    return [
        _image(part) if isinstance(part, ImagePart) else {"text": part.text}
        for part in message.content
        if not isinstance(part, RawPart)  # the capability table has refused those
    ]


def _calls(message: Message, model: str, *, strict: bool) -> list[dict[str, Any]]:
    """Return the tool calls of one turn. From Gemini 3 on the first must be signed; the others are sent as received."""
    parts = []
    for at, call in enumerate(message.tool_calls):
        state = _replayed(call, model)
        part: dict[str, Any] = {"function_call": {"name": call.name, "args": tool_calls.arguments_object(call)}}
        if state.get("id"):
            part["function_call"]["id"] = state["id"]
        signature = state.get("signature")
        if signature:
            part["thought_signature"] = base64.b64decode(signature)
        elif strict and at == 0:
            part["thought_signature"] = _NO_SIGNATURE
        parts.append(part)
    return parts


def _result(message: Message, call: ToolCall | None, model: str) -> dict[str, Any]:
    name = message.name or (call.name if call else None) or message.tool_call_id or "tool"
    result: dict[str, Any] = {"name": name, "response": {"result": message.text}}
    call_id = _replayed(call, model).get("id")
    return {"function_response": {**result, "id": call_id} if call_id else result}


def _for_legacy(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part without the fields that the old SDK does not know."""
    return {
        name: {key: inner for key, inner in value.items() if key != "id"} if name.startswith("function_") else value
        for name, value in part.items()
        if name != "thought_signature"
    }


def _image(part: ImagePart) -> dict[str, Any]:
    if part.data is None:
        media_type = mimetypes.guess_type((part.url or "").partition("?")[0])[0] or part.media_type
        return {"file_data": {"file_uri": part.url, "mime_type": media_type}}
    return {"inline_data": {"mime_type": part.media_type, "data": part.data}}


def declarations(definitions: Sequence[Mapping[str, Any]], *, legacy: bool) -> list[Mapping[str, Any]]:
    """Return the tools: all functions in one declaration, and the tools that Gemini runs itself as they are."""
    functions = [function for tool in definitions if (function := tools.function(tool)) is not None]
    declared = [_declaration(function, legacy=legacy) for function in functions]
    others = [tool for tool in definitions if tools.function(tool) is None]
    return [{"function_declarations": declared}, *others] if declared else others


def _declaration(function: tools.Function, *, legacy: bool) -> dict[str, Any]:
    declaration: dict[str, Any] = {"name": function.name, "description": function.description or ""}
    if not function.schema or not function.schema.get("properties", True):
        return declaration
    if not legacy:
        return {**declaration, "parameters_json_schema": function.schema}
    parameters = legacy_schema.convert(function.schema)
    if parameters is None:
        raise Unsupported(
            f"google-generativeai cannot say the parameters of the tool {function.name}: it knows no choice between "
            "types, no free keys and no schema within itself. Install google-genai. Nothing was sent.",
            parameter="tools",
        )
    return {**declaration, "parameters": parameters}


def tool_choice(choice: Any) -> dict[str, Any] | None:
    """Return the function calling config; None where the model decides."""
    if choice is None:
        return None
    parsed = tools.choice(choice)
    if parsed is not None and parsed.mode == "named":
        return {"mode": "ANY", "allowed_function_names": [parsed.name]}
    return {"mode": parsed.mode.upper() if parsed is not None else "AUTO"}


def structured(request: ModelRequest, *, legacy: bool) -> dict[str, Any]:
    """Return the options that ask for a reply in a given format."""
    response_format = request.response_format
    if response_format is None:
        return {}
    if response_format.name == "json_object":
        return {"response_mime_type": "application/json"}
    if legacy:
        schema = legacy_schema.convert(response_format.schema)
        return {"response_mime_type": "application/json", **({"response_schema": schema} if schema else {})}
    return {"response_mime_type": "application/json", "response_json_schema": dict(response_format.schema)}


def thinking(request: ModelRequest, can: Capabilities) -> dict[str, Any]:
    """Return the options for a reasoning effort: a level from Gemini 3 on, a budget before.

    Raises:
        InvalidRequest: no budget is known for this effort.
    """
    effort = request.reasoning_effort
    if effort is None:
        return {}
    if can.effort_as == "level":
        return {"thinking_config": {"thinking_level": effort.upper(), "include_thoughts": True}}
    budget = _BUDGETS.get(effort)
    if budget is None:
        raise InvalidRequest(
            f"reasoning_effort is {effort!r}; known are {', '.join(_BUDGETS)}.", parameter="reasoning_effort"
        )
    return {"thinking_config": {"thinking_budget": budget, "include_thoughts": budget > 0}}
