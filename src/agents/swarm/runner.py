"""Ask all members at once, each within its deadline; a member that hangs does not delay the result."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.agents.decisions import Decision
from src.agents.swarm.voting import Vote
from src.models.call.membership import as_member
from src.models.errors import ModelError
from src.models.types import Timeouts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from src.agents.swarm.members import Member
    from src.models.base_model import BaseModel

# How long a cancelled member may take to end its generation before the votes are returned without it.
_GRACE_S = 0.5


@dataclass(frozen=True, slots=True)
class Question:
    """What all members are asked, and within which time."""

    system_prompt: str
    user_content: str
    temperature: float | None
    member_timeout_s: float
    total_timeout_s: float


@dataclass(frozen=True, slots=True)
class Seat:
    """A member with its model."""

    member: Member
    model: BaseModel


async def ask_all(
    seats: Sequence[Seat], question: Question, on_vote: Callable[[Vote], None] | None = None
) -> tuple[Vote, ...]:
    """Return one vote for each member, in their order.

    The vote of a member that fails, gives no usable reply, or exceeds the time has no action. `on_vote` is called as
    each vote arrives.
    """
    started = time.monotonic()
    is_swarm = len(seats) > 1  # a single member's generation is named like any other
    tasks = {asyncio.create_task(_ask(seat, question, seat.member.label if is_swarm else "")): seat for seat in seats}
    votes: dict[Seat, Vote] = {}
    pending: set[asyncio.Task[Vote]] = set(tasks)
    while pending and (left := question.total_timeout_s - (time.monotonic() - started)) > 0:
        done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        _collect(done, tasks, votes, on_vote)
    for task in pending:
        task.cancel("timeout")
    if pending:
        done, pending = await asyncio.wait(pending, timeout=_GRACE_S)
        _collect(done, tasks, votes, on_vote)
    late = (time.monotonic() - started) * 1000
    return tuple(votes.get(seat) or _late(seat, late) for seat in seats)


def _collect(
    done: set[asyncio.Task[Vote]],
    tasks: dict[asyncio.Task[Vote], Seat],
    votes: dict[Seat, Vote],
    on_vote: Callable[[Vote], None] | None,
) -> None:
    for task in done:
        seat = tasks[task]
        vote = _late(seat, None) if task.cancelled() else task.result()
        votes[seat] = vote
        if on_vote is not None:
            on_vote(vote)


async def _ask(seat: Seat, question: Question, label: str) -> Vote:
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
                timeout=Timeouts(connect=min(10.0, limit), read=limit, total=limit),
                **options,
            )
    except ModelError as error:
        return Vote(
            member=member.label,
            weight=member.weight,
            error_category=error.category,
            error=str(error),
            latency_ms=(time.monotonic() - started) * 1000,
            observation_id=error.observation_id,
        )
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
        cost_usd=reply.cost_usd,
        model_name=reply.model_name,
        observation_id=reply.observation_id,
    )


def _late(seat: Seat, latency_ms: float | None) -> Vote:
    return Vote(
        member=seat.member.label,
        weight=seat.member.weight,
        error_category="timeout",
        error="no answer within the swarm's deadline",
        latency_ms=latency_ms,
    )
