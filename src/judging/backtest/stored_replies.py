"""Store each member's vote by its exact request, so that a resumed back-test asks and pays for nothing twice."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from src.agents.decisions import Action
from src.agents.swarm.voting import Vote
from src.models.usage import Cost
from src.observability.store.ledger_records import ReplyRecord

if TYPE_CHECKING:
    from src.agents.swarm.member_call import Question, Seat
    from src.observability.ledger import LedgerReader
    from src.observability.store.spool import Spool


class Replies(Protocol):
    """Where replies are kept."""

    def reply(self, key: str) -> ReplyRecord | None:
        """Return the vote on an exact request, None where there is none."""

    def keep(self, record: ReplyRecord) -> None:
        """Keep a vote; it is durable when this returns."""


class LocalReplies:
    """Replies in this process's store, which other processes of the machine share."""

    def __init__(self, spool: Spool, reader: LedgerReader) -> None:
        self._spool = spool
        self._reader = reader

    def reply(self, key: str) -> ReplyRecord | None:
        """Return the vote on an exact request, None where there is none."""
        return self._reader.reply(key)

    def keep(self, record: ReplyRecord) -> None:
        """Keep a vote, committed before this returns."""
        self._spool.append_ledger(record)


class StoredReplies:
    """The votes that one decision need not ask for.

    A vote that was asked for this decision, by a run that ended before the decision was made, keeps its cost; that of
    another decision was paid there, and is free here.
    """

    def __init__(self, replies: Replies, decision_id: str) -> None:
        self._replies = replies
        self._decision_id = decision_id

    def recall(self, seat: Seat, question: Question) -> Vote | None:
        """Return a member's vote on a question, None where it must be asked."""
        record = self._replies.reply(_key(seat, question))
        if record is None:
            return None
        vote = _vote(record.vote, seat)
        if record.decision_id == self._decision_id:
            return vote
        return replace(vote, cost=Cost(source="kept"), cost_usd=0.0, latency_ms=0.0)

    def keep(self, seat: Seat, question: Question, vote: Vote) -> None:
        """Keep a vote, durable before this returns."""
        self._replies.keep(
            ReplyRecord(
                key=_key(seat, question), decision_id=self._decision_id, vote=_text(vote), time_ns=time.time_ns()
            )
        )


def _key(seat: Seat, question: Question) -> str:
    """Return digits of what is sent: the model, its texts, and the settings that its reply depends on."""
    member = seat.member
    parts = [
        seat.name, seat.model.model_name, question.system_prompt, question.user_content, member.brief, member.seed,
        question.temperature,
    ]  # fmt: skip
    number = member.label.rpartition("#")[2] if "#" in member.label else "1"
    if number.isdecimal() and number != "1":  # the second of two members that are asked the same has a vote of its own
        parts.append(number)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def _text(vote: Vote) -> str:
    """Return a vote as JSON, without its reasoning: that stands in its trace, as far as texts are captured."""
    return json.dumps(
        {
            "action": None if vote.action is None else str(vote.action),
            "confidence": vote.confidence,
            "latency_ms": vote.latency_ms,
            "cost_usd": None if vote.cost is None else str(vote.cost.known),
            "cost_unknown": list(vote.cost.unknown) if vote.cost is not None else None,
            "model_name": vote.model_name,
            "observation_id": vote.observation_id,
        }
    )


def _vote(text: str, seat: Seat) -> Vote:
    values = json.loads(text)
    known = values["cost_usd"]
    cost = None
    if known is not None:
        unknown = tuple(values["cost_unknown"])
        cost = Cost(parts={"kept": Decimal(known)}, unknown=unknown, source="kept")
    return Vote(
        member=seat.member.label,
        weight=seat.member.weight,
        action=Action(values["action"]) if values["action"] else None,
        confidence=values["confidence"],
        latency_ms=values["latency_ms"],
        cost=cost,
        cost_usd=None if cost is None else cost.total,
        model_name=values["model_name"],
        observation_id=values["observation_id"],
    )
