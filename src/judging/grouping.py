"""Turn the ledger's entries into judged items, by what they are grouped: agent, model, member, symbol, day."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from src.agents.decisions import Action
from src.agents.swarm.voting import Vote, count
from src.judging.accuracy import Judged, round_trip_of
from src.observability.ledger import parse_horizon

if TYPE_CHECKING:
    from src.judging.regimes import Regimes
    from src.observability.ledger import Entry, MemberVote
    from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord

BY: Final = ("agent", "model", "member", "prompt", "symbol", "confidence", "regime", "day")
_CONFIDENCES: Final = (90, 80, 70, 60, 50, 0)


def check_grouping(by: str | None, regimes: Regimes | None = None) -> None:
    """Refuse what decisions cannot be grouped by.

    Raises:
        ValueError: `by` is none of `BY`, or regimes are missing for `regime`.
    """
    if by is not None and by not in BY:
        raise ValueError(f"--by is {by!r}: give one of {', '.join(BY)}.")
    if by == "regime" and regimes is None:
        raise ValueError("--by regime needs the prices before each decision: name them with --csv.")


def model_of(vote: MemberVote) -> str:
    """Return the model that answered, without its provider; where none did, the one that was asked."""
    return answering_model(vote.model, vote.member)


def answering_model(model: str | None, member: str) -> str:
    """Return the model that answered, or the one in the label of the member where none did."""
    if model is not None:
        return model
    label = member.partition("#")[0]
    return label.partition(":")[2] or label


def hash_of_prompt(decision: DecisionRecord) -> str:
    """Return digits of the hash of a decision's prompt; none where its version ends with them."""
    return prompt_digits(decision.prompt_version, decision.prompt_hash)


def prompt_digits(version: str | None, prompt_hash: str | None) -> str:
    """Return digits of a prompt's hash; none where its version ends with them."""
    digits = (prompt_hash or "")[:8]
    return "" if (version or "").endswith(digits) else digits


def class_of(confidence: float | None) -> str | None:
    """Return the class of a confidence, such as 70-79; None where none is stated."""
    if confidence is None:
        return None
    low = next(bound for bound in _CONFIDENCES if confidence >= bound)
    return f"{low}-{100 if low == 90 else 49 if low == 0 else low + 9}"


def outcome_of(entry: Entry, horizon: str | None) -> OutcomeRecord | None:
    """Return a decision's outcome by a horizon, or by its main one."""
    return entry.outcomes.get(horizon or entry.horizons[0])


def judged(entry: Entry, horizon: str | None = None) -> Judged:
    """Return a decision as an item."""
    decision, outcome = entry.decision, outcome_of(entry, horizon)
    cast = {vote.action for vote in entry.votes if vote.action is not None}
    return Judged(
        time_ns=decision.as_of_ns,
        action=decision.action,
        status=decision.status,
        confidence=decision.confidence,
        move=None if outcome is None else outcome.exit / outcome.entry - 1,
        net=None if outcome is None else outcome.net,
        round_trip=0.0 if outcome is None else round_trip_of(outcome.costs),
        horizon_s=parse_horizon(horizon or entry.horizons[0]).seconds,
        cost_usd=decision.cost_usd,
        cost_unknown=decision.cost_unknown,
        agreed=len(cast) == 1 if len(entry.votes) > 1 and cast else None,
        book=decision.book,
    )


class Hindsight:
    """Tells what would have come of other actions than a decision's, by the same prices.

    An outcome that ended at the decision's target or stop says nothing of other actions: they count as open.
    """

    __slots__ = ("_book", "_horizon_s", "_move", "_round_trip", "_time_ns")

    def __init__(self, entry: Entry, horizon: str | None) -> None:
        outcome = outcome_of(entry, horizon)
        is_whole = outcome is not None and outcome.exit_reason == "horizon"
        self._move = outcome.exit / outcome.entry - 1 if outcome is not None and is_whole else None
        self._round_trip = round_trip_of(outcome.costs) if outcome is not None else 0.0
        self._horizon_s = parse_horizon(horizon or entry.horizons[0]).seconds
        self._time_ns, self._book = entry.decision.as_of_ns, entry.decision.book

    def of(self, action: str | None, vote: MemberVote | None = None) -> Judged:
        """Return an action as an item; None is an abstention, or the failure that its vote names."""
        move = self._move
        direction = 1 if action == "BUY" else -1 if action == "SELL" else 0
        net = None if move is None else direction * move - self._round_trip if direction else 0.0
        status = "decided" if action is not None else "failed" if vote is not None and vote.error else "abstained"
        return Judged(
            time_ns=self._time_ns,
            action=action or "NOTHING",
            status=status,
            confidence=None if vote is None else vote.confidence,
            move=move,
            net=net,
            round_trip=self._round_trip,
            horizon_s=self._horizon_s,
            cost_usd=None if vote is None else vote.cost_usd,
            cost_unknown=vote is not None and vote.cost_usd is None,
            book=self._book,
        )


def recounted(entry: Entry, *, without: str | None = None, plain: bool = False) -> str | None:
    """Return the action by the votes alone: without a member, or with equal weights; None where none would be.

    Raises:
        ValueError: a stored weight makes no sense.
    """
    return counted(
        tuple((1.0 if plain else float(vote.weight), vote.action) for vote in entry.votes if vote.member != without)
    )


@lru_cache(maxsize=50_000)  # few members cast few different sets of votes
def counted(cast: tuple[tuple[float, str | None], ...]) -> str | None:
    """Return the action by some votes, each a weight and an action; None where none would be.

    Raises:
        ValueError: a weight makes no sense.
    """
    if not cast:
        return None
    consensus = count(
        [
            Vote(member=str(index), weight=weight, action=Action(action) if action else None)
            for index, (weight, action) in enumerate(cast)
        ]
    )
    return str(consensus.action) if consensus.has_quorum else None
