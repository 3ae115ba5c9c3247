"""Judge the decisions that filters leave, and their members' votes, over columns.

The items are those that `judging.grouping` makes of decisions one by one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy

from src.insight.ledger.columns import NO_VOTE
from src.judging.grouping import class_of
from src.judging.judged_columns import ABSTAINED, DECIDED, FAILED, JudgedColumns
from src.observability.ledger import parse_horizon

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from src.insight.ledger.columns import LedgerColumns, Outcomes
    from src.judging.regimes import Regimes

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

    def grouped(self, by: str, regimes: Regimes | None = None) -> Iterator[tuple[str, JudgedColumns]]:
        """Yield the items of each group in the order of their keys: decisions, or for member and model their votes.

        Items of a group stand in the order of the decisions.

        Args:
            by: One of `grouping.BY`, or `book`.
            regimes: Tells the market's state, for `by="regime"`.
        """
        if by in ("member", "model"):
            alone = self.places[self.columns.votes_per_decision()[self.places] == 0]
            items = JudgedColumns.joined([self.judged_votes(), self.judged(alone)])
            of_votes, of_alone = self._vote_labels(by), self._labels(alone, by, None)
            places = numpy.concatenate([self.columns.votes.decision[self.votes], alone])
            labels = Labels.joined([of_votes, of_alone])
            order = numpy.argsort(places, kind="stable")
            items, labels = items.take(order), Labels(labels.numbers[order], labels.texts)
        else:
            items, labels = self.judged(), self._labels(self.places, by, regimes)
        yield from groups_of(items, labels)

    def _vote_labels(self, by: str) -> Labels:
        return self._texts(getattr(self.columns.votes, by)[self.votes])

    def _labels(self, places: Any, by: str, regimes: Regimes | None) -> Labels:
        rows = self.columns.decisions
        if by in ("day", "regime"):
            days, numbers = numpy.unique(rows.as_of_ns[places] // _DAY_NS, return_inverse=True)
            texts = [str(day) for day in days.astype("datetime64[D]")]
            if regimes is not None and by == "regime":
                texts = [regimes.at(int(day) * _DAY_NS) or _UNKNOWN for day in days]
            return Labels(numbers, texts)
        if by == "confidence":
            known, numbers = numpy.unique(rows.confidence[places], return_inverse=True)
            return Labels(numbers, [class_of(None if isnan(value) else value) or _UNKNOWN for value in known.tolist()])
        if by == "member":
            return Labels(numpy.zeros(len(places), dtype="int64"), [_UNKNOWN])
        if by == "model":
            joined = {number: "+".join(names) for number, names in asked_models(self.columns).items()}
            return self._texts(rows.models[places], joined)
        return self._texts(getattr(rows, by)[places])

    def _texts(self, numbers: Any, other: Mapping[int, str] | None = None) -> Labels:
        """Return numbers of texts as labels; `other` has those that are called something else than their texts."""
        known, places = numpy.unique(numbers, return_inverse=True)
        texts = [
            (self.columns.text(number) if other is None else other.get(number)) or _UNKNOWN for number in known.tolist()
        ]
        return Labels(places, texts)


class Labels(NamedTuple):
    """The groups of items: a number for each item, and the text of each number; several may have the same."""

    numbers: Any
    texts: Sequence[str]

    @classmethod
    def joined(cls, parts: Sequence[Labels]) -> Labels:
        """Return the labels of several lists of items, one after the other."""
        numbers, texts = [], list[str]()
        for part in parts:
            numbers.append(part.numbers + len(texts))
            texts += part.texts
        return cls(numpy.concatenate(numbers), texts)


def nets_of(direction: Any, move: Any, round_trip: Any) -> Any:
    """Return the net returns of actions by a move of the price; not a number while it is open, 0 for NOTHING."""
    return direction * move - numpy.where(direction != 0, round_trip, 0.0)


def groups_of(items: JudgedColumns, labels: Labels) -> Iterator[tuple[str, JudgedColumns]]:
    """Yield the items of each label, in the order of the labels' texts; a text without items is left out."""
    texts = sorted(set(labels.texts))
    ranks = {text: rank for rank, text in enumerate(texts)}
    rank_of = numpy.array([ranks[text] for text in labels.texts], dtype="int64")
    own = rank_of[labels.numbers] if len(items) else labels.numbers
    order = numpy.argsort(own, kind="stable")
    ends = numpy.cumsum(numpy.bincount(own, minlength=len(texts)))
    for text, start, end in zip(texts, [0, *ends], ends, strict=False):
        if end > start:
            yield text, items.take(order[start:end])


def asked_models(columns: LedgerColumns) -> dict[int, list[str]]:
    """Return the models in each list of models that decisions without votes name, by its number."""
    alone = columns.decisions.models[columns.votes_per_decision() == 0]
    return {
        int(number): [str(name) for name in json.loads(columns.texts[number])]
        for number in numpy.unique(alone)
        if number >= 0 and columns.texts[number]
    }
