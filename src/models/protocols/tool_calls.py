"""Read the tool calls of earlier turns, which are sent back to a provider.

`ToolCall.replay` carries what the provider wants back with a call, such as a signature of the thoughts before it. It
names protocol and model, since other models refuse it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from src.models.errors import InvalidRequest
from src.models.request import finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.models.types import Message, ToolCall


def arguments_object(call: ToolCall) -> dict[str, Any]:
    """Return a call's arguments as a JSON object.

    Raises:
        InvalidRequest: they are something else.
    """
    try:
        arguments = json.loads(call.arguments or "{}", parse_constant=finite.refuse_constant)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise InvalidRequest(f"The arguments of the tool call {call.name} are no JSON object.", parameter="messages")
    return arguments


def in_call_order(messages: Sequence[Message]) -> list[Message]:
    """Return the messages of a conversation with the results of each turn's tools in the order of their calls.

    A provider that takes no ids knows only by the order which result belongs to which of two calls of one tool. A
    result that names no call of the turn before it stays behind those that do.
    """
    ordered: list[Message] = []
    positions: dict[str, int] = {}
    results: list[Message] = []
    for message in (*messages, None):
        if message is not None and message.role == "tool":
            results.append(message)
            continue
        ordered += sorted(results, key=lambda result: positions.get(result.tool_call_id or "", len(positions)))
        results = []
        if message is not None:
            positions = {call.id: position for position, call in enumerate(message.tool_calls)}
            ordered.append(message)
    return ordered


def pack(protocol: str, model: str, state: object) -> str:
    """Return the text for `ToolCall.replay`; empty where there is no state."""
    return f"{protocol}:{model}:{json.dumps(state, default=str)}" if state else ""


def unpack(protocol: str, model: str, call: ToolCall | None) -> Any:
    """Return the state that a call carries; None where it carries none of this protocol and model."""
    start = f"{protocol}:{model}:"
    return json.loads(call.replay.removeprefix(start)) if call is not None and call.replay.startswith(start) else None
