"""Say a conversation, its tools and its schema in the words of Gemini's API."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from src.models.errors import InvalidRequest
from src.models.types import ImagePart, RawPart, ToolCall

if TYPE_CHECKING:
    from src.models.capabilities import Capabilities
    from src.models.types import Message, ModelRequest

_REPLAY = "gemini:"
# ai.google.dev/gemini-api/docs/thought-signatures: for calls that another model made, from Gemini 3 on.
_NO_SIGNATURE = b"skip_thought_signature_validator"
# Gemini 2.5 takes a budget in tokens, Gemini 3 a level: ai.google.dev/gemini-api/docs/thinking#set-budget
_BUDGETS = {
    "none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576,
}  # fmt: skip
_CHOICES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "any": "ANY"}
_PROTO_KEYS = ("description", "enum", "required", "nullable")


def contents(request: ModelRequest, can: Capabilities, *, legacy: bool) -> list[dict[str, Any]]:
    """Return the turns; neighbours of one role become one. A tool's answer is named after its call."""
    told: list[dict[str, Any]] = []
    if can.system_role == "merged" and request.system:
        told.append({"role": "user", "parts": [{"text": f"{request.system}\n\n"}]})
    called: dict[str, ToolCall] = {}
    for message in request.messages:
        if message.role == "system":
            continue
        called |= {call.id: call for call in message.tool_calls}
        if message.role == "tool":
            parts = [_result(message, called.get(message.tool_call_id or ""), request.model)]
        else:
            parts = _texts(message) + _calls(message, request.model, strict=can.effort_as == "level")
        role = "model" if message.role == "assistant" else "user"
        if legacy:
            parts = [_for_legacy(part) for part in parts]
        if told and told[-1]["role"] == role:
            told[-1]["parts"] += parts
        elif parts:
            told.append({"role": role, "parts": parts})
    return told


def replay(model: str, signature: bytes | None, call_id: str | None) -> str:
    """Return what a call keeps for the next turn: the signature of the thoughts before it, and its id."""
    if not signature and not call_id:
        return ""
    signed = base64.b64encode(signature).decode() if signature else None
    return f"{_REPLAY}{model}:{json.dumps({'signature': signed, 'id': call_id})}"


def _kept(call: ToolCall | None, model: str) -> dict[str, str | None]:
    """Return what a call of the same model has kept."""
    start = f"{_REPLAY}{model}:"
    if call is None or not call.replay.startswith(start):
        return {}
    kept: dict[str, str | None] = json.loads(call.replay.removeprefix(start))
    return kept


def _texts(message: Message) -> list[dict[str, Any]]:
    if isinstance(message.content, str):
        return [{"text": message.content}] if message.content else []
    return [
        _image(part) if isinstance(part, ImagePart) else {"text": part.text}
        for part in message.content
        if not isinstance(part, RawPart)  # the capability table has refused those
    ]


def _calls(message: Message, model: str, *, strict: bool) -> list[dict[str, Any]]:
    """Return the calls of one turn. From Gemini 3 on the first must be signed, all others are as they came."""
    parts = []
    for at, call in enumerate(message.tool_calls):
        kept = _kept(call, model)
        part: dict[str, Any] = {"function_call": {"name": call.name, "args": _arguments(call)}}
        if kept.get("id"):
            part["function_call"]["id"] = kept["id"]
        signature = kept.get("signature")
        if signature:
            part["thought_signature"] = base64.b64decode(signature)
        elif strict and at == 0:
            part["thought_signature"] = _NO_SIGNATURE
        parts.append(part)
    return parts


def _arguments(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise InvalidRequest(f"The arguments of the tool call {call.name} are no JSON object.", parameter="messages")
    return arguments


def _result(message: Message, call: ToolCall | None, model: str) -> dict[str, Any]:
    name = message.name or (call.name if call else None) or message.tool_call_id or "tool"
    told: dict[str, Any] = {"name": name, "response": {"result": message.text}}
    kept = _kept(call, model).get("id")
    return {"function_response": {**told, "id": kept} if kept else told}


def _for_legacy(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part without what the old SDK does not know."""
    return {
        name: {key: inner for key, inner in value.items() if key != "id"} if name.startswith("function_") else value
        for name, value in part.items()
        if name != "thought_signature"
    }


def _image(part: ImagePart) -> dict[str, Any]:
    if part.data is None:
        told = mimetypes.guess_type((part.url or "").partition("?")[0])[0] or part.media_type
        return {"file_data": {"file_uri": part.url, "mime_type": told}}
    return {"inline_data": {"mime_type": part.media_type, "data": part.data}}


def declaration(tool: Mapping[str, Any], *, legacy: bool) -> dict[str, Any]:
    """Return a tool as Gemini declares it, from OpenAI's form, Anthropic's, or its own."""
    function = tool.get("function")
    told = function if isinstance(function, Mapping) else tool
    schema = told.get("parameters") or told.get("input_schema")
    declared = {"name": told.get("name"), "description": told.get("description") or ""}
    if schema and legacy:
        return {**declared, "parameters": _proto_schema(schema)}
    return {**declared, "parameters_json_schema": schema} if schema else declared


def tool_choice(choice: Any) -> dict[str, Any] | None:
    """Return which tool is to be called, said in either of OpenAI's forms or in Anthropic's."""
    if choice is None:
        return None
    if isinstance(choice, str):
        named = _CHOICES.get(choice)
        return {"mode": named} if named else {"mode": "ANY", "allowed_function_names": [choice]}
    told = choice if isinstance(choice, Mapping) else {}
    function = told.get("function") if isinstance(told.get("function"), Mapping) else told
    name = function.get("name") if isinstance(function, Mapping) else None
    if name:
        return {"mode": "ANY", "allowed_function_names": [name]}
    return {"mode": _CHOICES.get(str(told.get("type")), "AUTO")}


def structured(request: ModelRequest, *, legacy: bool) -> dict[str, Any]:
    """Return how a reply's form is asked for."""
    wanted = request.response_format
    if wanted is None:
        return {}
    if wanted.name == "json_object":
        return {"response_mime_type": "application/json"}
    if legacy:
        return {"response_mime_type": "application/json", "response_schema": _proto_schema(wanted.schema)}
    return {"response_mime_type": "application/json", "response_json_schema": dict(wanted.schema)}


def _proto_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema as the old SDK's own kind of schema, which knows fewer words."""
    told: dict[str, Any] = {key: schema[key] for key in _PROTO_KEYS if key in schema}
    told["type"] = str(schema.get("type", "object")).upper()
    if isinstance(schema.get("properties"), Mapping):
        told["properties"] = {name: _proto_schema(item) for name, item in schema["properties"].items()}
    if isinstance(schema.get("items"), Mapping):
        told["items"] = _proto_schema(schema["items"])
    return told


def thinking(request: ModelRequest, can: Capabilities) -> dict[str, Any]:
    """Return how an effort is said: a level from Gemini 3 on, a budget before.

    Raises:
        InvalidRequest: the word is none that a budget stands for.
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
