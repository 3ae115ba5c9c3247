"""Fit a request to what its model can do: drop, bound or say in words what it does not take, or refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src.models import capabilities
from src.models.errors import Unsupported
from src.models.request import schemas, tools
from src.models.types import ImagePart, Message, RawPart

if TYPE_CHECKING:
    from src.models.capabilities import Capabilities
    from src.models.types import ModelRequest

# Without these the answer may differ, but it answers what was asked. The trace says that they were not sent.
_DISPENSABLE = ("temperature", "top_p", "seed", "reasoning_effort")
DROPPED = "dropped"


def fit(request: ModelRequest, can: Capabilities) -> ModelRequest:
    """Return the request as the model takes it; `adjusted` says what differs from what was asked.

    Raises:
        Unsupported: it asks for what the model cannot do and what cannot be left out; nothing is sent.
    """
    _refuse(request, can)
    changes: dict[str, Any] = {}
    told: dict[str, str] = {}
    for name in _DISPENSABLE:
        if getattr(request, name) is not None and not getattr(can, name):
            changes[name], told[name] = None, DROPPED
    effort = _effort(request, can)
    if effort != request.reasoning_effort and "reasoning_effort" not in changes:
        changes["reasoning_effort"], told["reasoning_effort"] = effort, f"{request.reasoning_effort} -> {effort}"
    for name, asked, bounded in _bounded(request, can):
        if name not in changes and bounded != asked:
            changes[name], told[name] = bounded, f"{asked:g} -> {bounded:g}"
    if changes:
        request = replace(request, **changes, adjusted={**request.adjusted, **told})
    wanted = request.response_format
    if wanted is None or (can.structured == "json_schema" and (can.json_mode or wanted.name != "json_object")):
        return request
    if can.structured == "json_object" and wanted.name == "json_object":
        return request
    return _instructed(request)


def _effort(request: ModelRequest, can: Capabilities) -> str | None:
    """Return the nearest effort that the model takes."""
    asked = request.reasoning_effort
    return None if asked is None else capabilities.nearest_effort(asked, can)


def _bounded(request: ModelRequest, can: Capabilities) -> list[tuple[str, float, float]]:
    """Return what has bounds: name, what was asked, what the model takes."""
    found: list[tuple[str, float, float]] = []
    if request.max_tokens is not None:
        bounded = min(request.max_tokens, can.max_output or request.max_tokens)
        found.append(("max_tokens", request.max_tokens, max(bounded, can.min_output)))
    if request.temperature is not None:
        found.append(("temperature", request.temperature, min(request.temperature, can.max_temperature)))
    return found


def _refuse(request: ModelRequest, can: Capabilities) -> None:
    if not can.images and any(_has_image(message) for message in request.messages):
        raise Unsupported(
            f"{request.model} takes no images: describe the image in text, or use a model that sees, such as "
            "openai:gpt-4o, claude:claude-haiku-4-5 or gemini:gemini-3.5-flash-lite. Nothing was sent.",
            parameter="messages",
        )
    for kind in sorted(_kinds(request) - can.parts):
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
            f"{request.model} does not go on with a turn of its own: end with the user's turn, and ask for a form with "
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
    """Tell whether a tool_choice, in any provider's form, leaves the model no way but to call a tool."""
    found = tools.choice(choice)
    return found is not None and found.mode in ("any", "named")


def _kinds(request: ModelRequest) -> set[str]:
    """Return which kinds of parts beside texts and images the messages hold."""
    parts = (part for message in request.messages if not isinstance(message.content, str) for part in message.content)
    return {part.kind for part in parts if isinstance(part, RawPart)}


def _has_image(message: Message) -> bool:
    return not isinstance(message.content, str) and any(isinstance(part, ImagePart) for part in message.content)


def _instructed(request: ModelRequest) -> ModelRequest:
    """Add the schema in words, for a model that takes no schema."""
    assert request.response_format is not None  # noqa: S101 - the caller has looked
    text = schemas.instruction(request.response_format)
    system = f"{request.system}\n\n{text}" if request.system else text
    rest = tuple(message for message in request.messages if message.role != "system")
    return replace(request, messages=(Message("system", system), *rest))
