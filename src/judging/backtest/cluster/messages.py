"""Define what a coordinator and its workers say to each other. No key of a provider is ever part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.judging.backtest.decision_making import MadeDecision
    from src.judging.backtest.plan import Plan
    from src.models.limits.budgets import Budget


class ClusterError(Exception):
    """Workers cannot go on; what was decided is kept, and the message says what to do."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What is the same for all tasks of a back-test.

    Attributes:
        deciders: The names of those who decide.
        swarm: Whether the models among them vote as one.
        prompt_hash: Digits of the prompt, which must be the workers' too.
        store: Device and number of the coordinator's store, where workers share its file; None where each has its own.
        link: The name under which workers reach the coordinator; None where they share its store.
        budgets: The coordinator's budgets, which hold for all workers; empty where they share its store.
    """

    deciders: tuple[str, ...]
    swarm: bool
    prompt_hash: str
    store: tuple[int, int] | None = None
    link: str | None = None
    budgets: tuple[Budget, ...] = ()


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """A decision to make: the decider's position, the time in microseconds since 1970, and its id."""

    position: int
    time_us: int
    decision_id: str


@dataclass(frozen=True, slots=True)
class DecisionTask:
    """Decisions that a worker makes at once; `plan` has no times."""

    plan: Plan
    settings: RunSettings
    requests: tuple[DecisionRequest, ...]


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What came of a task: its decisions, or why there are none, without secrets."""

    made: tuple[MadeDecision, ...] = ()
    error: str | None = None
