"""Ask all members at once, each within its deadline; a member that hangs does not delay the result.

The caller collects the votes, on its own thread or in its own event loop: a deadline holds whatever a member does.
"""

from __future__ import annotations

import asyncio
import queue
import time
from typing import TYPE_CHECKING, Any, Protocol

from src.agents.swarm.member_call import MemberCall, Question, Seat, late_vote
from src.models.transport import sync_async
from src.observability.store import background

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from src.agents.swarm.voting import Vote
    from src.models.transport.sync_async import Steps

    Arrival = tuple[MemberCall, Vote | None]
    OnVote = Callable[[Vote], None]

# How long a cancelled member may take to end its generation before the votes are returned without it.
_GRACE_S = 0.5


def ask_all(seats: Sequence[Seat], question: Question, on_vote: OnVote | None = None) -> tuple[Vote, ...]:
    """Return one vote for each member, in their order.

    The vote of a member that fails, gives no usable reply, or exceeds the time has no action. `on_vote` is called as
    each vote arrives, on the calling thread. Where it raises, or the wait is interrupted, all members are cancelled.
    """
    votes: tuple[Vote, ...] = sync_async.run(_collect(seats, question, _ThreadInbox(), on_vote))
    return votes


async def aask_all(seats: Sequence[Seat], question: Question, on_vote: OnVote | None = None) -> tuple[Vote, ...]:
    """Do what `ask_all` does, in asyncio; `on_vote` is called in the calling task."""
    votes: tuple[Vote, ...] = await sync_async.arun(_collect(seats, question, _LoopInbox(), on_vote))
    return votes


class _Inbox(Protocol):
    """The queue into which the members' event loops put their votes."""

    def put(self, call: MemberCall, vote: Vote | None) -> None:
        """Put a member's vote in, from any thread."""

    def take(self, timeout_s: float) -> Any:
        """Return the next arrival, None after `timeout_s` seconds; in asyncio an awaitable of it."""


class _ThreadInbox:
    """An inbox that a thread reads."""

    def __init__(self) -> None:
        self._arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()

    def put(self, call: MemberCall, vote: Vote | None) -> None:
        self._arrivals.put((call, vote))

    def take(self, timeout_s: float) -> Arrival | None:
        try:
            return self._arrivals.get(timeout=timeout_s)
        except queue.Empty:
            return None


class _LoopInbox:
    """An inbox that a task reads."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrivals: asyncio.Queue[Arrival] = asyncio.Queue()

    def put(self, call: MemberCall, vote: Vote | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._arrivals.put_nowait, (call, vote))

    async def take(self, timeout_s: float) -> Arrival | None:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._arrivals.get()
        except TimeoutError:
            return None


def _collect(seats: Sequence[Seat], question: Question, inbox: _Inbox, on_vote: OnVote | None) -> Steps:
    """Ask, and collect the votes until all are there or the time is over. Yields each wait."""
    started = time.monotonic()
    is_swarm = len(seats) > 1  # a single member's generation is named like any other
    calls: list[MemberCall] = []
    votes: dict[MemberCall, Vote | None] = {}
    try:
        calls.extend(
            MemberCall(seat, question, inbox.put, label=seat.member.label if is_swarm else "") for seat in seats
        )
        yield from _take(calls, votes, inbox, started + question.total_timeout_s, on_vote)
        _cancel(calls, votes, "timeout")
        yield from _take(calls, votes, inbox, time.monotonic() + _GRACE_S, on_vote)
    except BaseException as error:
        _cancel(calls, votes, None)
        if not isinstance(error, GeneratorExit):  # after which nothing can be waited for
            yield from _take(calls, votes, inbox, time.monotonic() + _GRACE_S, None)
        raise
    late_ms = (time.monotonic() - started) * 1000
    for call in calls:
        if call not in votes:
            call.give_up()
    return tuple(votes.get(call) or late_vote(call.seat, late_ms) for call in calls)


def _take(
    calls: Sequence[MemberCall],
    votes: dict[MemberCall, Vote | None],
    inbox: _Inbox,
    deadline: float,
    on_vote: OnVote | None,
) -> Steps:
    """Take votes until all are there or the deadline has come."""
    while len(votes) < len(calls) and (left := deadline - time.monotonic()) > 0:
        arrival = yield inbox.take(left)
        if arrival is None:
            continue
        call, vote = arrival
        votes[call] = vote
        if on_vote is not None:
            with background.collecting(None):  # what the program does there is stored as its own work is
                on_vote(vote or late_vote(call.seat, None))


def _cancel(calls: Sequence[MemberCall], votes: dict[MemberCall, Vote | None], reason: str | None) -> None:
    for call in calls:
        if call not in votes:
            call.cancel(reason)
