"""Read the tool calls of earlier turns, which are sent back to a provider.

`ToolCall.replay` carries what the provider wants back with a call, such as a signature of the thoughts before it. It
names protocol and model, since other models refuse it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from src.models.errors import InvalidRequest

if TYPE_CHECKING:
    from src.models.types import ToolCall


def arguments_object(call: ToolCall) -> dict[str, Any]:
    """Return a call's arguments as a JSON object.

    Raises:
        InvalidRequest: they are something else.
    """
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise InvalidRequest(f"The arguments of the tool call {call.name} are no JSON object.", parameter="messages")
    return arguments


def pack(protocol: str, model: str, state: object) -> str:
    """Return the text for `ToolCall.replay`; empty where there is no state."""
    return f"{protocol}:{model}:{json.dumps(state, default=str)}" if state else ""


def unpack(protocol: str, model: str, call: ToolCall | None) -> Any:
    """Return the state that a call carries; None where it carries none of this protocol and model."""
    start = f"{protocol}:{model}:"
    return json.loads(call.replay.removeprefix(start)) if call is not None and call.replay.startswith(start) else None
