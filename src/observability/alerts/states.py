"""Decide from a rule's state and a reading what its next state is, and whether to notify."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from src.observability.alerts.readings import Reading, Verdict
    from src.observability.alerts.rules import Rule

Status = Literal["ok", "pending", "firing"]
News = Literal["firing", "still firing", "resolved"]
# A condition that held before a longer gap without a look is not known to have held in between.
_LONGEST_GAP_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class State:
    """The state of one rule, as it is kept. Times are seconds since 1970.

    Attributes:
        status: `ok`, `pending` while the condition has not held for long enough, `firing`.
        since: Since when it is so.
        watched_since: When the rule was first checked.
        seen_at: When it was last checked.
        fired_at: When it fired last; 0 for never.
        announced: Whether people were last told that it fires.
        announced_at: When they were last told anything; 0 for never.
    """

    status: Status
    since: float
    watched_since: float
    seen_at: float
    fired_at: float = 0.0
    announced: bool = False
    announced_at: float = 0.0


def new_state(now: float) -> State:
    """Return the state of a rule that is checked for the first time."""
    return State(status="ok", since=now, watched_since=now, seen_at=now)


def verdict_of(rule: Rule, reading: Reading) -> Verdict:
    """Return what a reading means for a rule; one of too few things says nothing."""
    if reading.value is None or _is_of_too_few(rule, reading):
        return "missing"
    if rule.is_met(reading.value):
        return "met"
    return "clear" if rule.is_clear(reading.value) else "between"


def _is_of_too_few(rule: Rule, reading: Reading) -> bool:
    """Tell whether a window holds fewer things than the rule asks for; no call at all costs nothing, which is known."""
    costs_nothing = rule.kind == "cost" and reading.n == 0
    return rule.window_s is not None and reading.n < rule.min_n and not costs_nothing


def step(
    rule: Rule, state: State, reading: Reading, now: float, *, gap_s: float, waits: bool = False
) -> tuple[State, News | None]:
    """Return the next state of a rule, and the notification.

    Args:
        rule: The rule.
        state: Its state until now.
        reading: What it measures now.
        now: The time in seconds since 1970.
        gap_s: How long rules go unchecked usually.
        waits: Whether a message about it still waits to be sent, so that no reminder is added.
    """
    moved = _next(rule, state, verdict_of(rule, reading), now, gap_s)
    news = None if rule.quiet is not None and rule.quiet.holds(now, rule.severity) else _news(rule, moved, now, waits)
    if news is not None:
        moved = replace(moved, announced=news != "resolved", announced_at=now)
    return moved, news


def _next(rule: Rule, state: State, verdict: Verdict, now: float, gap_s: float) -> State:
    unseen_s = now - state.seen_at
    state = replace(state, seen_at=now, since=min(state.since, now))  # a clock that was set back counts from now
    if verdict == "missing":
        verdict = {"fire": "met", "resolve": "clear", "hold": "between"}[rule.missing]  # type: ignore[assignment] # verdicts
    if state.status == "firing":
        return replace(state, status="ok", since=now) if verdict == "clear" else state
    if verdict != "met":
        return replace(state, status="ok", since=now) if state.status == "pending" else state
    if state.status == "ok" or unseen_s > max(_LONGEST_GAP_S, 4 * gap_s):
        state = replace(state, status="pending", since=now)
    if now - state.since >= rule.for_s:
        return replace(state, status="firing", since=now, fired_at=now)
    return state


def _news(rule: Rule, state: State, now: float, waits: bool) -> News | None:
    if state.status != "firing":
        return "resolved" if state.announced else None
    if not state.announced:
        return "firing"
    passed = now - state.announced_at
    if rule.repeat_s is not None and not waits and (passed >= rule.repeat_s or passed < 0):
        return "still firing"
    return None
