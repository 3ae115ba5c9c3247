"""Call one member of a swarm: a task on the event loop of its model, which any thread can cancel."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.agents.decisions import Decision
from src.agents.swarm import loops
from src.agents.swarm.voting import Vote
from src.models.call.membership import as_member
from src.models.errors import CallCancelled, ModelError
from src.models.failures.classify import from_exception
from src.models.types import Timeouts
from src.models.usage import Cost
from src.observability.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.agents.swarm.members import Member
    from src.models.base_model import BaseModel
    from src.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Question:
    """What all members are asked, and within which time."""

    system_prompt: str | None
    user_content: str
    temperature: float | None
    member_timeout_s: float
    total_timeout_s: float
    prompt: Prompt | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """A member with its model."""

    member: Member
    model: BaseModel

    @property
    def name(self) -> str:
        """Return the name under which calls of this model share a loop."""
        return " -> ".join((self.member.model, *self.member.fallbacks))


class MemberCall:
    """The call of one member.

    Args:
        seat: The member.
        question: What it is asked.
        deliver: Called on the loop's thread with this object and the vote, None where the call was cancelled.
        label: Names the member's generation.
    """

    def __init__(
        self, seat: Seat, question: Question, deliver: Callable[[MemberCall, Vote | None], None], *, label: str
    ) -> None:
        self.seat = seat
        self._label = label
        self._question = question
        self._deliver = deliver
        self._task: asyncio.Task[Vote] | None = None
        self._loop_has_reacted = False
        self._loop = loops.loop_for(seat.name)
        self._loop.call_soon_threadsafe(self._begin)  # in a copy of this thread's context: under its observation

    def cancel(self, reason: str | None) -> None:
        """Cancel the call; "timeout" has its generation end as one that came too late, None as cancelled."""
        with contextlib.suppress(RuntimeError):  # the loop was given up and has closed: nothing runs there any more
            self._loop.call_soon_threadsafe(self._cancel, reason)

    def give_up(self) -> None:
        """Abandon a call that was cancelled and does not end, and its loop too where the call blocks it."""
        if not self._loop_has_reacted:
            loops.abandon(self.seat.name, self._loop)

    def _begin(self) -> None:
        self._task = self._loop.create_task(ask(self.seat, self._question, self._label))
        self._task.add_done_callback(self._ended)

    def _cancel(self, reason: str | None) -> None:
        self._loop_has_reacted = True
        if self._task is not None:  # which has begun by the next turn of the loop, so that its generation is recorded
            self._loop.call_soon(self._task.cancel, reason)

    def _ended(self, task: asyncio.Task[Vote]) -> None:
        self._deliver(self, None if task.cancelled() else task.result())


async def ask(seat: Seat, question: Question, label: str) -> Vote:
    """Return a member's vote, without an action where its call failed; `label` names its generation."""
    member = seat.member
    started = time.monotonic()
    # The member's own text comes last, so that providers that cache prompts process the common part once.
    content = f"{question.user_content}\n\n{member.brief}" if member.brief else question.user_content
    options = {} if member.seed is None else {"seed": member.seed}
    limit = question.member_timeout_s
    try:
        with as_member(label):
            reply = await seat.model.agenerate_response(
                question.system_prompt,
                content,
                question.temperature,
                response_format=Decision,
                langfuse_prompt=question.prompt,
                timeout=Timeouts(connect=min(10.0, limit), read=limit, total=limit),
                **options,
            )
    except BaseException as raised:
        if _is_cancelled():
            raise
        return _failed(member, raised, (time.monotonic() - started) * 1000)
    decision = reply.parsed
    if not isinstance(decision, Decision):  # the model replied with a tool call instead
        decision = Decision(action="ABSTAIN", confidence=0)
    return Vote(
        member=member.label,
        weight=member.weight,
        action=decision.voted,
        confidence=decision.confidence,
        reasoning=decision.reasoning,
        latency_ms=reply.latency_ms,
        cost=reply.cost,
        cost_usd=reply.cost_usd,
        model_name=reply.model_name,
        observation_id=reply.observation_id,
    )


def _is_cancelled() -> bool:
    """Tell whether the swarm has cancelled this member: its own code may raise CancelledError, too."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _failed(member: Member, raised: BaseException, latency_ms: float) -> Vote:
    """Return the vote of a member whose call failed."""
    if not isinstance(raised, Exception):  # SystemExit, KeyboardInterrupt: it would end the loop, and with it the model
        error: ModelError = CallCancelled(f"the member's own code raised {type(raised).__name__}: {raised}")
    else:
        error = raised if isinstance(raised, ModelError) else from_exception(raised)
    return Vote(
        member=member.label,
        weight=member.weight,
        error_category=error.category,
        error=redact_text(str(error)),
        latency_ms=latency_ms,
        observation_id=error.observation_id,
        cost=error.cost or Cost(),
        cost_usd=error.cost_usd,
    )


def late_vote(seat: Seat, latency_ms: float | None) -> Vote:
    """Return the vote of a member whose answer did not come in time; what its provider bills for it is not known."""
    cost = Cost(source="local") if seat.model._is_free(seat.model.model_name) else None
    return Vote(
        member=seat.member.label,
        weight=seat.member.weight,
        error_category="timeout",
        error="no answer within the swarm's deadline",
        latency_ms=latency_ms,
        cost=cost,
        cost_usd=None if cost is None else cost.total,
    )
