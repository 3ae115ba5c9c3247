"""Fit a request to the capabilities of its model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src.models import capabilities
from src.models.errors import Unsupported
from src.models.request import content_parts, schemas, tools
from src.models.types import ImagePart, Message, RawPart

if TYPE_CHECKING:
    from src.models.capabilities import Capabilities
    from src.models.types import ModelRequest, ResponseFormat

# Parameters without which the reply may differ but still answers the prompt. The trace says that they were not sent.
_DISPENSABLE = ("temperature", "top_p", "seed", "reasoning_effort")
DROPPED = "dropped"


def fit(request: ModelRequest, can: Capabilities) -> ModelRequest:
    """Return the request as the model accepts it; `adjusted` says what differs from the caller's arguments.

    Raises:
        Unsupported: the request needs something that the model cannot do and that cannot be dropped; nothing is sent.
    """
    _refuse_unsupported(request, can)
    request = _without_marks(request, can)
    changes: dict[str, Any] = {}
    notes: dict[str, str] = {}
    for name in _DISPENSABLE:
        if getattr(request, name) is not None and not getattr(can, name):
            changes[name], notes[name] = None, DROPPED
    effort = request.reasoning_effort
    if effort is not None and "reasoning_effort" not in changes:
        nearest = capabilities.nearest_effort(effort, can)
        if nearest != effort:
            changes["reasoning_effort"], notes["reasoning_effort"] = nearest, f"{effort} -> {nearest}"
    for name, value, bounded in _bounded(request, can):
        if name not in changes and bounded != value:
            changes[name], notes[name] = bounded, f"{value:g} -> {bounded:g}"
    if changes:
        request = replace(request, **changes, adjusted={**request.adjusted, **notes})
    structured = request.response_format
    if structured is None or (can.structured == "json_schema" and (can.json_mode or structured.name != "json_object")):
        return request
    if can.structured == "json_object" and structured.name == "json_object":
        return request
    return _with_instruction(request, structured)


def _without_marks(request: ModelRequest, can: Capabilities) -> ModelRequest:
    """Return a request without marks for a cache, where the model takes no texts in a form that may have one."""
    if "text" in can.parts or all(type(message.content) is str for message in request.messages):
        return request
    pairs = [(message, content_parts.unmarked(message.content)) for message in request.messages]
    if all(content is message.content for message, content in pairs):
        return request
    messages = tuple(replace(message, content=content) for message, content in pairs)
    return replace(request, messages=messages, adjusted={**request.adjusted, "cache_control": DROPPED})


def _bounded(request: ModelRequest, can: Capabilities) -> list[tuple[str, float, float]]:
    """Return each parameter that has bounds: its name, its value, and the nearest value that the model accepts."""
    bounds: list[tuple[str, float, float]] = []
    if request.max_tokens is not None:
        bounded = min(request.max_tokens, can.max_output or request.max_tokens)
        bounds.append(("max_tokens", request.max_tokens, max(bounded, can.min_output)))
    if request.temperature is not None:
        bounds.append(("temperature", request.temperature, min(request.temperature, can.max_temperature)))
    return bounds


def _refuse_unsupported(request: ModelRequest, can: Capabilities) -> None:
    if not can.images and any(_has_image(message) for message in request.messages):
        raise Unsupported(
            f"{request.model} takes no images: describe the image in text, or use a model that takes images, such as "
            "openai:gpt-4o, claude:claude-haiku-4-5 or gemini:gemini-3.5-flash-lite. Nothing was sent.",
            parameter="messages",
        )
    for kind in sorted(_raw_kinds(request) - can.parts):
        takes = (
            f"beside texts and images it takes {', '.join(sorted(can.parts))}" if can.parts else "use a text or image"
        )
        raise Unsupported(
            f"{request.model} takes no part of the type {kind!r} here: {takes}. Nothing was sent.", parameter="messages"
        )
    if not can.tools and request.tools:
        raise Unsupported(
            f"{request.model} takes no tools: ask for structured output with response_format instead, or use another "
            "model. Nothing was sent.",
            parameter="tools",
        )
    if not can.forced_tools and forces_a_tool(request.tool_choice):
        raise Unsupported(
            f"{request.model} cannot be forced to call a tool: leave tool_choice at auto and say in the prompt that "
            "the tool is to be used, or use another model. Nothing was sent.",
            parameter="tool_choice",
        )
    if not can.continues and request.messages[-1].role == "assistant" and not request.messages[-1].tool_calls:
        raise Unsupported(
            f"{request.model} does not continue a turn of its own: end with the user's turn, and ask for a form with "
            "response_format or in the system prompt. Nothing was sent.",
            parameter="messages",
        )
    if not can.stop and request.stop:
        raise Unsupported(
            f"{request.model} takes no stop sequences: cut the reply after it has come, bound it with max_tokens, or "
            "use another model. Nothing was sent.",
            parameter="stop",
        )


def forces_a_tool(choice: object) -> bool:
    """Tell whether a tool_choice, in any provider's form, forces the model to call a tool."""
    tool_choice = tools.choice(choice)
    return tool_choice is not None and tool_choice.mode in ("any", "named")


def _raw_kinds(request: ModelRequest) -> set[str]:
    """Return the kinds of parts in the messages other than texts and images."""
    parts = (part for message in request.messages if not isinstance(message.content, str) for part in message.content)
    return {part.kind for part in parts if isinstance(part, RawPart)}


def _has_image(message: Message) -> bool:
    return not isinstance(message.content, str) and any(isinstance(part, ImagePart) for part in message.content)


def _with_instruction(request: ModelRequest, structured: ResponseFormat) -> ModelRequest:
    """Add the schema to the system prompt, for a model that takes no schema."""
    text = schemas.instruction(structured)
    before = [message for message in request.messages if message.role == "system"]
    rest = tuple(message for message in request.messages if message.role != "system")
    if any(not isinstance(message.content, str) for message in before):  # marks for a cache stay where they are
        return replace(request, messages=(*before, Message(role="system", content=text), *rest))
    system = f"{request.system}\n\n{text}" if request.system else text
    return replace(request, messages=(Message(role="system", content=system), *rest))
