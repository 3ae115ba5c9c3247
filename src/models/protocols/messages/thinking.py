"""Ask a Claude model for a reasoning effort, without the parameters that are refused beside thinking."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src.models.fields import count, field
from src.models.protocols.messages import conversation
from src.models.request import fitting

if TYPE_CHECKING:
    from src.models.capabilities import Capabilities
    from src.models.types import ModelRequest

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_000, "max": 32_000}
_LEAST_BUDGET = 1024
_LEAST_TOP_P = 0.95


def fit(request: ModelRequest, can: Capabilities) -> ModelRequest:
    """Return the request without an effort that cannot be asked for, or without parameters that conflict with it."""
    return _without_conflicts(_without_impossible_budget(request, can), can)


def config(request: ModelRequest, can: Capabilities) -> dict[str, Any] | None:
    """Return the `thinking` parameter for an effort: platform.claude.com/docs/en/build-with-claude/thinking."""
    effort = request.reasoning_effort
    if effort is None or "thinking" in request.options:
        return None
    if effort == "none":
        return None if can.effort_off == "omitted" else {"type": can.effort_off}
    if can.effort_as == "adaptive":
        return {"type": "adaptive", "display": "summarized"}
    budget = _budget(request, effort) if can.effort_as == "budget" else None
    return {"type": "enabled", "budget_tokens": budget} if budget else None


def default_max_tokens(can: Capabilities, thinking: Any) -> int:
    """Return max_tokens, which the API requires: the default plus the thinking budget."""
    tokens = (can.default_max_tokens or 4096) + (count(thinking, "budget_tokens") or 0)
    return min(tokens, can.max_output or tokens)


def _without_impossible_budget(request: ModelRequest, can: Capabilities) -> ModelRequest:
    effort = request.reasoning_effort
    if can.effort_as != "budget" or effort not in _BUDGETS or "thinking" in request.options:
        return request
    possible = _budget(request, effort) and _has_its_thoughts(request)
    return request if possible else _with_parameter(request, "reasoning_effort", None)


def _without_conflicts(request: ModelRequest, can: Capabilities) -> ModelRequest:
    """Return the request without parameters that are refused together.

    platform.claude.com/docs/en/build-with-claude/extended-thinking#feature-compatibility: no temperature and no forced
    tool beside thinking, and top_p from 0.95 on. From Opus 4.1 on, temperature and top_p exclude one another; top_p is
    the one that a caller set on purpose.
    """
    if can.effort_as == "budget" and fitting.forces_a_tool(request.tool_choice) and config(request, can):
        request = _with_parameter(request, "reasoning_effort", None)
    thinks = field(request.options.get("thinking") or config(request, can), "type") in ("enabled", "adaptive")
    if thinks and request.top_p is not None and request.top_p < _LEAST_TOP_P:
        request = _with_parameter(request, "top_p", None)
    if request.temperature is not None and (thinks or request.top_p is not None):
        request = _with_parameter(request, "temperature", None)
    return request


def _with_parameter(request: ModelRequest, name: str, value: Any) -> ModelRequest:
    """Return the request with another value of a parameter; the trace shows the requested one."""
    requested = getattr(request, name)
    if requested == value:
        return request
    adjustment = fitting.DROPPED if value is None else f"{requested} -> {value}"
    return replace(request, **{name: value}, adjusted={**request.adjusted, name: adjustment})


def _budget(request: ModelRequest, effort: str) -> int | None:
    """Return the thinking budget: at least 1024, at most half of max_tokens, which leaves room for the answer."""
    budget = min(_BUDGETS.get(effort, 0), (request.max_tokens or 10**6) // 2)
    return budget if budget >= _LEAST_BUDGET else None


def _has_its_thoughts(request: ModelRequest) -> bool:
    """Tell whether a loop of tool calls still has its first thoughts: without them a budget is refused.

    platform.claude.com/docs/en/build-with-claude/thinking-tool-workflows
    """
    for message in reversed(request.messages):
        if message.role == "user":
            return True
        if message.tool_calls and not any(conversation.replayed(call, request.model) for call in message.tool_calls):
            return False
    return True
