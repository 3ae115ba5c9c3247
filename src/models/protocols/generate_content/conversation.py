"""Say a conversation, its tools and its schema in the words of Gemini's API."""

from __future__ import annotations

import base64
import json
import mimetypes
from typing import TYPE_CHECKING, Any

from src.models.errors import InvalidRequest, Unsupported
from src.models.protocols.generate_content import legacy_schema
from src.models.request import tools
from src.models.types import ImagePart, RawPart, ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src.models.capabilities import Capabilities
    from src.models.types import Message, ModelRequest

_REPLAY = "gemini:"
# ai.google.dev/gemini-api/docs/thought-signatures: for calls that another model made, from Gemini 3 on.
_NO_SIGNATURE = b"skip_thought_signature_validator"
# Gemini 2.5 takes a budget in tokens, Gemini 3 a level: ai.google.dev/gemini-api/docs/thinking#set-budget
_BUDGETS = {
    "none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576,
}  # fmt: skip


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


def declared(given: Sequence[Mapping[str, Any]], *, legacy: bool) -> list[Mapping[str, Any]]:
    """Return the tools as Gemini knows them: all functions in one, and those that it runs itself as they are."""
    functions = [found for tool in given if (found := tools.function(tool)) is not None]
    told = [_declaration(found, legacy=legacy) for found in functions]
    rest = [tool for tool in given if tools.function(tool) is None]
    return [{"function_declarations": told}, *rest] if told else rest


def _declaration(function: tools.Function, *, legacy: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"name": function.name, "description": function.description or ""}
    if not function.schema or not function.schema.get("properties", True):
        return told
    if not legacy:
        return {**told, "parameters_json_schema": function.schema}
    parameters = legacy_schema.schema(function.schema)
    if parameters is None:
        raise Unsupported(
            f"google-generativeai cannot say the parameters of the tool {function.name}: it knows no choice between "
            "types, no free keys and no schema within itself. Install google-genai. Nothing was sent.",
            parameter="tools",
        )
    return {**told, "parameters": parameters}


def tool_choice(choice: Any) -> dict[str, Any] | None:
    """Return which tool is to be called."""
    if choice is None:
        return None
    found = tools.choice(choice)
    if found is not None and found.mode == "named":
        return {"mode": "ANY", "allowed_function_names": [found.name]}
    return {"mode": found.mode.upper() if found is not None else "AUTO"}


def structured(request: ModelRequest, *, legacy: bool) -> dict[str, Any]:
    """Return how a reply's form is asked for."""
    wanted = request.response_format
    if wanted is None:
        return {}
    if wanted.name == "json_object":
        return {"response_mime_type": "application/json"}
    if legacy:
        said = legacy_schema.schema(wanted.schema)
        return {"response_mime_type": "application/json", **({"response_schema": said} if said else {})}
    return {"response_mime_type": "application/json", "response_json_schema": dict(wanted.schema)}


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
