"""Reuse stored votes: a member whose vote on the same question is in the cache is not asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from src.agents.swarm.member_call import Question, Seat
    from src.agents.swarm.voting import Vote


class VoteCache(Protocol):
    """Stored votes by the exact request that they answer."""

    def recall(self, seat: Seat, question: Question) -> Vote | None:
        """Return a member's vote on a question, None where it must be asked."""

    def keep(self, seat: Seat, question: Question, vote: Vote) -> None:
        """Keep a member's vote on a question."""


class Poll:
    """One decision's members: those to ask, and the stored votes of the others.

    Args:
        seats: All members.
        question: What they are asked.
        cache: The stored votes; None asks every member.
        on_vote: Called for each vote as it arrives.
    """

    def __init__(
        self,
        seats: Sequence[Seat],
        question: Question,
        cache: VoteCache | None,
        on_vote: Callable[[Vote], None] | None,
    ) -> None:
        self._seats = seats
        self._question = question
        self._cache = cache
        self._on_vote = on_vote
        recalled = {seat.member.label: cache.recall(seat, question) for seat in seats} if cache is not None else {}
        self._votes = {label: vote for label, vote in recalled.items() if vote is not None}
        self._by_label = {seat.member.label: seat for seat in seats}

    @property
    def to_ask(self) -> tuple[Seat, ...]:
        """Return the members that must be asked."""
        return tuple(seat for seat in self._seats if seat.member.label not in self._votes)

    def arrived(self, vote: Vote) -> None:
        """Keep a vote that has arrived; a failure is not kept."""
        if self._cache is not None and vote.error_category is None:
            self._cache.keep(self._by_label[vote.member], self._question, vote)
        if self._on_vote is not None:
            self._on_vote(vote)

    def all_votes(self, asked: Sequence[Vote]) -> tuple[Vote, ...]:
        """Return the votes of all members in their order."""
        votes = {**self._votes, **{vote.member: vote for vote in asked}}
        return tuple(votes[seat.member.label] for seat in self._seats)
