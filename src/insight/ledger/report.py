"""Make the report on decisions from the ledger's columns: a hundred thousand decisions take a second, not ten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy

from src.insight.ledger.ballots import Ballots
from src.insight.ledger.chosen import nets_of
from src.insight.ledger.columns import NO_VOTE
from src.judging.accuracy import accuracy_of, with_discoveries
from src.judging.grouping import check_grouping
from src.judging.judged_columns import ABSTAINED, DECIDED, FAILED, JudgedColumns
from src.judging.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from src.insight.ledger.chosen import Chosen
    from src.judging.accuracy import Accuracy
    from src.judging.regimes import Regimes


def make_report(decisions: Chosen, by: str | None = None, *, regimes: Regimes | None = None) -> Report:
    """Return the report on some decisions.

    Args:
        decisions: The decisions, judged by one horizon or each by its main one.
        by: How to group them: one of `grouping.BY`.
        regimes: The market's states, for `by="regime"`.

    Raises:
        ValueError: `by` is none of them, or regimes are missing, or a stored weight makes no sense.
    """
    check_grouping(by, regimes)
    total = accuracy_of("all", decisions.judged())
    groups = decisions.grouped(by, regimes) if by is not None else ()
    return Report(
        total=total,
        books=tuple(_books(decisions, total)),
        by=by,
        rows=tuple(with_discoveries(accuracy_of(key, items) for key, items in groups)),
        swarm=tuple(accuracy_of(key, items) for key, items in _swarm(decisions)),
    )


def _books(decisions: Chosen, total: Accuracy) -> Iterator[Accuracy]:
    for key, items in decisions.grouped("book"):
        yield replace(total, key=key) if len(items) == total.decisions else accuracy_of(key, items)


def _swarm(decisions: Chosen) -> Iterator[tuple[str, JudgedColumns]]:
    """Yield what several members decided together, and what others of them would have decided.

    All are judged on the decisions that several members made, so that they can be compared.
    """
    ballots = Ballots(decisions)
    if not ballots.members:
        return
    cost = _costs(decisions, ballots)
    yield "swarm", replace(_items(decisions, ballots, ballots.consensus), **cost)
    yield "plain vote", replace(_items(decisions, ballots, ballots.plain()), **cost)
    for member in ballots.members:
        yield f"{member} alone", _alone(decisions, ballots, member)
    if len(ballots.members) > 2:
        for member in ballots.members:
            items = _items(decisions, ballots, ballots.without(member))
            yield f"without {member}", replace(items, **_costs_without(ballots, member, **cost))


def _costs(decisions: Chosen, ballots: Ballots) -> dict[str, Any]:
    """Return what the decisions cost: counting their votes otherwise costs nothing more."""
    rows = decisions.columns.decisions
    return {"cost_usd": rows.cost_usd[ballots.places], "cost_unknown": rows.cost_unknown[ballots.places]}


def _costs_without(ballots: Ballots, member: str, *, cost_usd: Any, cost_unknown: Any) -> dict[str, Any]:
    """Return what the decisions would have cost without a member's votes; unknown where the cost of its vote is."""
    votes, lines = ballots.votes_of(member)
    cost, unknown = cost_usd.copy(), cost_unknown.copy()
    cost[lines] = numpy.maximum(cost[lines] - votes.cost_usd, 0.0)
    unknown[lines] |= numpy.isnan(cost[lines])
    return {"cost_usd": cost, "cost_unknown": unknown}


def _items(decisions: Chosen, ballots: Ballots, codes: Any) -> JudgedColumns:
    """Return actions as items: what would have come of them by the same prices, without their cost."""
    is_decided = codes != NO_VOTE
    direction = numpy.where(is_decided, codes, 0)
    unknown = numpy.full(len(codes), numpy.nan)
    return JudgedColumns(
        time_ns=decisions.columns.decisions.as_of_ns[ballots.places],
        direction=direction,
        status=numpy.where(is_decided, DECIDED, ABSTAINED).astype("int8"),
        confidence=unknown,
        move=ballots.move,
        net=nets_of(direction, ballots.move, ballots.round_trip),
        round_trip=ballots.round_trip,
        horizon_s=decisions.horizons_s[ballots.places],
        cost_usd=unknown,
        cost_unknown=numpy.zeros(len(codes), dtype=bool),
        agreed=numpy.full(len(codes), -1, dtype="int8"),
    )


def _alone(decisions: Chosen, ballots: Ballots, member: str) -> JudgedColumns:
    """Return what a member voted as items: an abstention where it was not asked."""
    votes, lines = ballots.votes_of(member)
    items = _items(decisions, ballots, ballots.alone(member))
    has_failed = numpy.zeros(len(ballots), dtype=bool)
    has_failed[lines] = votes.has_failed
    confidence, cost, unknown = items.confidence.copy(), items.cost_usd.copy(), items.cost_unknown.copy()
    confidence[lines], cost[lines], unknown[lines] = votes.confidence, votes.cost_usd, numpy.isnan(votes.cost_usd)
    return replace(
        items,
        status=numpy.where((items.status == ABSTAINED) & has_failed, FAILED, items.status),
        confidence=confidence,
        cost_usd=cost,
        cost_unknown=unknown,
    )
