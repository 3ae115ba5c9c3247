"""Define the conditions by which traces are searched."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Status = Literal["ok", "error"]
Comparison = Literal["=", "!=", "<", "<=", ">", ">="]

COMPARISONS: Final[Mapping[Comparison, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class ScoreCondition(NamedTuple):
    """A score that a trace, or an observation in it, must have.

    Attributes:
        name: The score's name.
        comparison: How its value must compare; None for any value.
        value: What it is compared with: a number for scores that are numbers, else a text.
    """

    name: str
    comparison: Comparison | None = None
    value: float | str | None = None

    def holds(self, value: float | str) -> bool:
        """Tell whether a stored value fulfils the condition; a number and a text are never compared."""
        if self.comparison is None:
            return True
        if isinstance(value, str) or isinstance(self.value, str):
            if not (isinstance(value, str) and isinstance(self.value, str)):
                return False
            return COMPARISONS[self.comparison](value.casefold(), self.value.casefold())
        return COMPARISONS[self.comparison](value, self.value)


class TraceFilter(NamedTuple):
    """Conditions on traces; None asks for nothing.

    What names an observation (agent to tag, and the text) must hold of one observation together; the rest is of the
    trace as a whole. Names compare without regard to the case of ASCII letters.

    Attributes:
        agent: The agent.
        model: The model that answered or was requested, with or without its provider before a colon.
        provider: The provider.
        symbol: The market.
        session_id: The session, exactly as it is written.
        user_id: The user, exactly as it is written.
        environment: The environment.
        category: The category of an error.
        prompt: The name of the prompt.
        tag: A tag of the trace.
        text: A text that stands in an input, an output or an error, in any case.
        status: `error` where an observation of the trace failed, else `ok`.
        since_ns: It began then or later, in nanoseconds since 1970.
        until_ns: It began before then.
        min_cost_usd: What is known of its cost is at least this.
        min_latency_ms: It took at least so long.
        score: A score that it has.
    """

    agent: str | None = None
    model: str | None = None
    provider: str | None = None
    symbol: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    environment: str | None = None
    category: str | None = None
    prompt: str | None = None
    tag: str | None = None
    text: str | None = None
    status: Status | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    min_cost_usd: float | None = None
    min_latency_ms: float | None = None
    score: ScoreCondition | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether every trace fulfils it."""
        return self == TraceFilter()

    @property
    def of_whole_traces(self) -> bool:
        """Tell whether it has conditions on whole traces, which need all observations of a trace."""
        bounds = (self.status, self.since_ns, self.until_ns, self.min_cost_usd, self.min_latency_ms)
        return any(bound is not None for bound in bounds)
