"""Write the votes of a decision's members in few bytes, and read them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class MemberVote:
    """One member's part in a decision.

    Attributes:
        member: Its label, such as openai:gpt-4o or local#2.
        action: BUY, SELL or NOTHING; None for an abstention and a failure.
        confidence: 0 to 100.
        weight: The weight of its vote.
        latency_ms: How long it took.
        cost_usd: What it cost, None where unknown.
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


# Replaces the name of a model that equals the one in the member's label, as most do.
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


def read_vote_columns(texts: Sequence[str | None]) -> tuple[list[int], Mapping[str, Sequence[Any]]]:
    """Return how many votes each of some JSON texts has, and all votes' values by the names of `MemberVote`'s fields.

    The values are those that `read_votes` gives one by one, in the same order, in a fraction of the time.
    """
    lists = orjson.loads(f"[{','.join(text or '[]' for text in texts)}]")
    rows = [row for votes in lists for row in votes]
    columns = list(zip_longest(*rows))[:_FIELDS]
    nothing = (None,) * len(rows)
    columns += [nothing] * (_FIELDS - len(columns))
    members, models = columns[0], columns[-1]
    labels = {member: _labelled(member) for member in set(members)}
    columns[-1] = tuple(
        labels[member] if model == _AS_LABELLED else model for member, model in zip(members, models, strict=True)
    )
    values: dict[str, Sequence[Any]] = dict(zip((item.name for item in fields(MemberVote)), columns, strict=True))
    for item in fields(MemberVote):
        if isinstance(item.default, float):  # what a short row leaves out
            values[item.name] = [item.default if value is None else value for value in values[item.name]]
    return list(map(len, lists)), values
