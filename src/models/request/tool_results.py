"""Run the functions that a model has asked for, and return their results as messages for its next turn."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from src.models import strict_json
from src.models.errors import InvalidRequest
from src.models.request import functions, validation
from src.observability.spans.encoding import text
from src.observability.tracing.observation import observe

if TYPE_CHECKING:
    from src.models.types import ToolCall


class _Reply(Protocol):
    """A reply, or the last chunk of a stream."""

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Return the calls that the model asks for."""


def tool_results(reply: _Reply, tools: Sequence[object]) -> list[dict[str, str]]:
    """Call each function that a reply asks for; return one message for each, in the order of the calls.

    Arguments are validated against the function's hints, and are what these say: enums, dates, models. A call of an
    unknown tool, or with arguments that do not fit or have a name twice, is not made: its message says so, and the
    model can do better. Each call is an observation of the trace. What a function raises is raised.

    Args:
        reply: What `generate_response`, `chat` or the last chunk of a stream returned.
        tools: The functions, or Pydantic models, that were passed as `tools`; definitions among them are left out.

    Raises:
        InvalidRequest: a function is asynchronous.
    """
    messages = []
    for call in reply.tool_calls:
        with observe(call.name, "tool", input=call.arguments) as observation:
            value = _prepared(call, tools)()
            if inspect.iscoroutine(value):
                value.close()
                raise InvalidRequest(f"{call.name} is asynchronous: use `await atool_results(...)`.", parameter="tools")
            observation.update(output=value)
        messages.append(_message(call, value))
    return messages


async def atool_results(reply: _Reply, tools: Sequence[object]) -> list[dict[str, str]]:
    """Do what `tool_results` does, where some of the functions are asynchronous. They run one after the other."""
    messages = []
    for call in reply.tool_calls:
        with observe(call.name, "tool", input=call.arguments) as observation:
            value = _prepared(call, tools)()
            value = await value if isinstance(value, Awaitable) else value
            observation.update(output=value)
        messages.append(_message(call, value))
    return messages


def _message(call: ToolCall, value: object) -> dict[str, str]:
    return {"role": "tool", "tool_call_id": call.id, "name": call.name, "content": text(value)}


def _prepared(call: ToolCall, tools: Sequence[object]) -> Callable[[], object]:
    """Return what makes a call, or returns why it cannot be made."""
    known = {functions.name_of(tool): tool for tool in tools if not isinstance(tool, Mapping)}
    tool: Any = known.get(call.name)
    if tool is None:
        return lambda: f"error: there is no tool {call.name}. Known: {', '.join(known) or 'none'}."
    try:
        arguments = strict_json.loads(call.arguments or "{}")
    except ValueError as error:
        problem = f"error: the arguments are not JSON: {error}"
        return lambda: problem
    try:
        if functions.is_model(tool):
            return functools.partial(lambda value: value, validation.by_model(arguments, tool))
        return _bound(tool, validation.by_model(arguments, functions.arguments_model(tool)))
    except validation.DoesNotFit as error:
        reasons = f"error: the arguments do not fit: {error}"
        return lambda: reasons


def _bound(function: Callable[..., object], arguments: Any) -> Callable[[], object]:
    """Return a function bound to the arguments that a model gave; its defaults fill in the others."""
    positional: list[object] = []
    named: dict[str, object] = {}
    for index, parameter in enumerate(inspect.signature(function).parameters.values()):
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            positional.append(getattr(arguments, f"p{index}"))
        elif f"p{index}" in arguments.model_fields_set:
            named[parameter.name] = getattr(arguments, f"p{index}")
    return functools.partial(function, *positional, **named)
