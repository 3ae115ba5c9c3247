"""Attribute a stream to the agent that requested it: it begins when its first chunk is read, perhaps by other code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.call.steps import Steps


def as_caller(begin: Callable[[], Steps]) -> Callable[[], Steps]:
    """Return `begin` so that what it begins outside any run is attributed to the agent that runs now."""
    from src.observability.spans import calling_agent

    agent = calling_agent.calling_agent()

    def begin_for_agent() -> Steps:
        with calling_agent.as_agent(agent):
            return begin()

    return begin_for_agent
