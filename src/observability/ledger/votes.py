"""Write the votes of a decision's members in few bytes, and read them."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

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


def write_votes(votes: Iterable[MemberVote]) -> str | None:
    """Return votes as JSON: a list for each, in the order of `MemberVote`, without the Nones at its end."""
    rows = []
    for vote in votes:
        latency_ms = None if vote.latency_ms is None else round(vote.latency_ms, 1)
        values = list(astuple(replace(vote, latency_ms=latency_ms)))
        while values and values[-1] is None:
            values.pop()
        rows.append(values)
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False) if rows else None


def read_votes(text: str | None) -> tuple[MemberVote, ...]:
    """Return the votes of such a JSON text; fields that a newer program added are left out."""
    if not text:
        return ()
    names = MemberVote.__slots__
    return tuple(MemberVote(**dict(zip(names, row, strict=False))) for row in json.loads(text))
