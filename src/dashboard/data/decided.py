"""Judge the decisions that filters leave, and their members' votes, over columns.

The items are those of `judging.grouping`, which makes them one by one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING, Any, Final

import numpy

from src.insight.ledger.columns import NO_VOTE
from src.judging.grouping import class_of
from src.judging.judged_columns import ABSTAINED, DECIDED, FAILED, JudgedColumns
from src.observability.ledger import parse_horizon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.insight.ledger.columns import LedgerColumns, Outcomes

_DAY_NS: Final = 86_400_000_000_000
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class Chosen:
    """Some decisions of a ledger, judged by one horizon or each by its main one.

    Attributes:
        columns: The ledger.
        places: The places of the decisions in it, in the order in which they were written.
        horizon: The horizon.
    """

    columns: LedgerColumns
    places: Any = field(repr=False)
    horizon: str | None = None

    def __len__(self) -> int:
        """Return how many decisions there are."""
        return len(self.places)

    @cached_property
    def outcomes(self) -> Outcomes:
        """Return what came of each decision of the ledger."""
        return self.columns.outcome(self.horizon)

    @cached_property
    def horizons_s(self) -> Any:
        """Return the horizon of each decision of the ledger in seconds."""
        count = len(self.columns)
        if self.horizon is not None:
            return numpy.full(count, parse_horizon(self.horizon).seconds, dtype="int64")
        main = self.columns.main_horizons()
        seconds = numpy.zeros(count, dtype="int64")
        for number in numpy.unique(main):
            seconds[main == number] = parse_horizon(self.columns.texts[number]).seconds
        return seconds

    @cached_property
    def votes(self) -> Any:
        """Return the places of the votes in these decisions, in their order."""
        mask = numpy.zeros(len(self.columns), dtype=bool)
        mask[self.places] = True
        return numpy.flatnonzero(mask[self.columns.votes.decision])

    def judged(self, places: Any = None) -> JudgedColumns:
        """Return the decisions as items; those at some places of the ledger, where they are named."""
        places = self.places if places is None else places
        rows, outcomes = self.columns.decisions.take(places), self.outcomes.take(places)
        return JudgedColumns(
            time_ns=rows.as_of_ns,
            direction=rows.action,
            status=rows.status,
            confidence=rows.confidence,
            move=outcomes.exit / outcomes.entry - 1,
            net=outcomes.net,
            round_trip=outcomes.round_trip,
            horizon_s=self.horizons_s[places],
            cost_usd=rows.cost_usd,
            cost_unknown=rows.cost_unknown,
            agreed=self._agreed[places],
        )

    @cached_property
    def _agreed(self) -> Any:
        votes, count = self.columns.votes, len(self.columns)
        actions = sum(
            (numpy.bincount(votes.decision[votes.action == code], minlength=count) > 0).astype("int8")
            for code in (1, -1, 0)
        )
        says = (self.columns.votes_per_decision() > 1) & (actions > 0)
        return numpy.where(says, actions == 1, -1).astype("int8")

    def judged_votes(self, votes: Any = None) -> JudgedColumns:
        """Return votes as items: what would have come of each, by the prices of its decision.

        An outcome that ended at the decision's target or stop says nothing of other actions: they count as open.
        """
        rows = self.columns.votes.take(self.votes if votes is None else votes)
        outcomes = self.outcomes.take(rows.decision)
        move = numpy.where(outcomes.is_whole, outcomes.exit / outcomes.entry - 1, numpy.nan)
        direction = numpy.where(rows.action == NO_VOTE, 0, rows.action)
        is_vote = rows.action != NO_VOTE
        return JudgedColumns(
            time_ns=self.columns.decisions.as_of_ns[rows.decision],
            direction=direction,
            status=numpy.where(is_vote, DECIDED, numpy.where(rows.has_failed, FAILED, ABSTAINED)).astype("int8"),
            confidence=rows.confidence,
            move=move,
            net=nets_of(direction, move, outcomes.round_trip),
            round_trip=outcomes.round_trip,
            horizon_s=self.horizons_s[rows.decision],
            cost_usd=rows.cost_usd,
            cost_unknown=numpy.isnan(rows.cost_usd),
            agreed=numpy.full(len(rows), -1, dtype="int8"),
        )

    def grouped(self, by: str) -> Iterator[tuple[str, JudgedColumns]]:
        """Yield the items of each group in the order of their keys: decisions, or for member and model their votes."""
        if by in ("member", "model"):
            votes, alone = self.votes, self.places[self.columns.votes_per_decision()[self.places] == 0]
            items = JudgedColumns.joined([self.judged_votes(), self.judged(alone)])
            labels = [*self._texts(getattr(self.columns.votes, by)[votes]), *self._labels(alone, by)]
        else:
            items, labels = self.judged(), self._labels(self.places, by)
        yield from groups_of(items, labels)

    def _labels(self, places: Any, by: str) -> list[str]:
        rows = self.columns.decisions
        if by == "day":
            return [str(day) for day in (rows.as_of_ns[places] // _DAY_NS).astype("datetime64[D]")]
        if by == "confidence":
            known = {value: class_of(value) for value in set(rows.confidence[places].tolist()) if not isnan(value)}
            return [known.get(value) or _UNKNOWN for value in rows.confidence[places].tolist()]
        if by == "member":
            return [_UNKNOWN] * len(places)
        if by == "model":
            from src.dashboard.data.ledger import asked_models

            joined = {number: "+".join(names) for number, names in asked_models(self.columns).items()}
            return [joined.get(number) or _UNKNOWN for number in rows.models[places].tolist()]
        return self._texts(getattr(rows, by)[places])

    def _texts(self, numbers: Any) -> list[str]:
        texts = {int(number): self.columns.text(number) or _UNKNOWN for number in numpy.unique(numbers)}
        return [texts[number] for number in numbers.tolist()]


def nets_of(direction: Any, move: Any, round_trip: Any) -> Any:
    """Return the net returns of actions by a move of the price; not a number while it is open, 0 for NOTHING."""
    return direction * move - numpy.where(direction != 0, round_trip, 0.0)


def groups_of(items: JudgedColumns, labels: list[str]) -> Iterator[tuple[str, JudgedColumns]]:
    """Yield the items of each label, in the order of the labels."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        places[label].append(place)
    for label in sorted(places):
        yield label, items.take(numpy.array(places[label], dtype="int64"))
