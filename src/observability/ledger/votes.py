"""Write the votes of a decision's members in few bytes, and read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class MemberVote:
    """One member's part in a decision.

    Attributes:
        member: Its label, such as openai:gpt-4o or local#2.
        action: BUY, SELL or NOTHING; None for an abstention and a failure.
        confidence: 0 to 100.
        weight: The weight of its vote.
        latency_ms: How long it took.
        cost_usd: What it cost, None where nobody knows.
        observation_id: Its generation.
        error: The category of its failure; None for a vote and for an abstention.
        model: The model that answered.
    """

    member: str
    action: str | None = None
    confidence: float | None = None
    weight: float = 1.0
    latency_ms: float | None = None
    cost_usd: float | None = None
    observation_id: str | None = None
    error: str | None = None
    model: str | None = None


# Stands for a model that is the one in the member's label, which most are.
_AS_LABELLED: Final = 0
_FIELDS: Final = len(MemberVote.__slots__)


def write_votes(votes: Iterable[MemberVote]) -> str | None:
    """Return votes as JSON: a list for each, in the order of `MemberVote`, without the Nones at its end."""
    rows = [_row(vote) for vote in votes]
    return orjson.dumps(rows, default=str).decode() if rows else None


def _row(vote: MemberVote) -> list[Any]:
    latency_ms = None if vote.latency_ms is None else round(vote.latency_ms, 1)
    is_labelled = bool(vote.model) and vote.model == _labelled(vote.member)
    values = [
        vote.member, vote.action, _short(vote.confidence), _short(vote.weight), latency_ms, vote.cost_usd,
        vote.observation_id, vote.error, _AS_LABELLED if is_labelled else vote.model,
    ]  # fmt: skip
    while values and values[-1] is None:
        values.pop()
    return values


def _short(value: float | None) -> float | None:
    """Return a number that is whole without its `.0`: the same in fewer bytes."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _labelled(member: str) -> str:
    return member.partition("#")[0].partition(":")[2]


def read_votes(text: str | None) -> tuple[MemberVote, ...]:
    """Return the votes of such a JSON text; fields that a newer program added are left out."""
    if not text:
        return ()
    votes = []
    for row in orjson.loads(text):
        if len(row) >= _FIELDS and row[_FIELDS - 1] == _AS_LABELLED:
            row[_FIELDS - 1] = _labelled(row[0])
        votes.append(MemberVote(*row[:_FIELDS]))  # in the order in which they were written: by name takes twice as long
    return tuple(votes)
