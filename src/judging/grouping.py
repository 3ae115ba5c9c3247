"""Turn the ledger's entries into judged items, by what they are grouped: agent, model, member, symbol, day."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from src.agents.decisions import Action
from src.agents.swarm.voting import Vote, count
from src.judging.accuracy import Judged, round_trip_of
from src.observability.ledger import parse_horizon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from src.judging.regimes import Regimes
    from src.observability.ledger import Entry, MemberVote
    from src.observability.store.ledger_records import OutcomeRecord

BY: Final = ("agent", "model", "member", "prompt", "symbol", "confidence", "regime", "day")
_UNKNOWN: Final = "unknown"
_CONFIDENCES: Final = (90, 80, 70, 60, 50, 0)


def items_of(
    entries: Iterable[Entry], by: str | None, *, horizon: str | None = None, regimes: Regimes | None = None
) -> Iterator[tuple[str, Judged]]:
    """Yield items with their keys.

    Args:
        entries: The decisions.
        by: One of `BY`; None puts all into one group, `all`.
        horizon: By which outcome they are judged; each decision's first one where not given.
        regimes: Tells the market's state, for `by="regime"`.

    Raises:
        ValueError: `by` is none of them, or regimes are missing.
    """
    if by is not None and by not in BY:
        raise ValueError(f"--by is {by!r}: give one of {', '.join(BY)}.")
    if by == "regime" and regimes is None:
        raise ValueError("--by regime needs the prices before each decision: name them with --csv.")
    for entry in entries:
        if by in ("member", "model") and entry.votes:
            yield from _members(entry, by, horizon)
        else:
            yield _key(entry, by, regimes), judged(entry, horizon)


def _key(entry: Entry, by: str | None, regimes: Regimes | None) -> str:
    decision = entry.decision
    keys: dict[str | None, Callable[[], str | None]] = {
        None: lambda: "all",
        "agent": lambda: decision.agent,
        "model": lambda: "+".join(json.loads(decision.models)) if decision.models else None,
        "member": lambda: None,
        "prompt": lambda: " ".join(
            filter(None, (decision.prompt_name, decision.prompt_version, (decision.prompt_hash or "")[:8]))
        ),
        "symbol": lambda: decision.symbol,
        "confidence": lambda: _class_of(decision.confidence),
        "regime": lambda: regimes.at(decision.as_of_ns) if regimes is not None else None,
        "day": lambda: datetime.fromtimestamp(decision.as_of_ns / 1e9, UTC).strftime("%Y-%m-%d"),
    }
    return keys[by]() or _UNKNOWN


def _class_of(confidence: float | None) -> str | None:
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


def voted(entry: Entry, action: str | None, horizon: str | None, vote: MemberVote | None = None) -> Judged:
    """Return what would have come of another action than the consensus, by the same prices.

    An outcome that ended at the consensus's target or stop says nothing of other actions: it counts as open.
    """
    outcome = outcome_of(entry, horizon)
    is_whole = outcome is not None and outcome.exit_reason == "horizon"
    move = outcome.exit / outcome.entry - 1 if outcome is not None and is_whole else None
    round_trip = round_trip_of(outcome.costs) if outcome is not None else 0.0
    direction = {"BUY": 1, "SELL": -1}.get(action or "", 0)
    error = vote.error if vote is not None else None
    return Judged(
        time_ns=entry.decision.as_of_ns,
        action=action or "NOTHING",
        status="decided" if action is not None else "failed" if error else "abstained",
        confidence=None if vote is None else vote.confidence,
        move=move,
        net=None if move is None else direction * move - (round_trip if direction else 0.0),
        round_trip=round_trip,
        horizon_s=parse_horizon(horizon or entry.horizons[0]).seconds,
        cost_usd=None if vote is None else vote.cost_usd,
        cost_unknown=vote is not None and vote.cost_usd is None,
        book=entry.decision.book,
    )


def _members(entry: Entry, by: str | None, horizon: str | None) -> Iterator[tuple[str, Judged]]:
    for vote in entry.votes:
        key = vote.member if by == "member" else vote.model or vote.member.partition("#")[0]
        yield key, voted(entry, vote.action, horizon, vote)


def recounted(entry: Entry, *, without: str | None = None, plain: bool = False) -> str | None:
    """Return the action by the votes alone: without a member, or with equal weights; None where none would be.

    Raises:
        ValueError: a stored weight makes no sense.
    """
    return _counted(
        tuple(
            (1.0 if plain else float(vote.weight), vote.action) for vote in entry.votes if vote.member != without
        )
    )


@lru_cache(maxsize=50_000)  # few members cast few different sets of votes
def _counted(cast: tuple[tuple[float, str | None], ...]) -> str | None:
    if not cast:
        return None
    consensus = count(
        [
            Vote(member=str(place), weight=weight, action=Action(action) if action else None)
            for place, (weight, action) in enumerate(cast)
        ]
    )
    return str(consensus.action) if consensus.has_quorum else None
