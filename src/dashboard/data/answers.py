"""Put the answers of models beside one another, by the questions that they answered."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy

from src.insight.ledger.chosen import asked_models
from src.judging.judged_columns import JudgedColumns

if TYPE_CHECKING:
    from src.insight.ledger.chosen import Chosen

_STEP: Final = 100_000  # questions that are looked at together


@dataclass(frozen=True, slots=True)
class Answers:
    """What models said, in the order of decisions; a decision of one model that names no vote is its own answer.

    Attributes:
        decision: The place of each answer's decision in the ledger.
        vote: The place of its vote in the ledger; -1 for a decision's own.
        model: The number of its model in `models`.
        latency_ms: How long it took; not a number where that is unknown.
        judged: What came of it.
        question: A number that answers share whose symbol, time and prompt are the same.
        models: The models, sorted.
    """

    decision: Any
    vote: Any
    model: Any
    latency_ms: Any
    judged: JudgedColumns
    question: Any
    models: tuple[str, ...]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.decision)

    def of(self, model: str) -> Any:
        """Return the places of a model's answers, in their order."""
        if model not in self.models:
            return numpy.zeros(0, dtype="int64")
        return numpy.flatnonzero(self.model == self.models.index(model))

    def first_of(self, model: str) -> tuple[Any, Any]:
        """Return the questions that a model has answered, and the place of its first answer to each."""
        own = self.of(model)
        questions, first = numpy.unique(self.question[own], return_index=True)
        return questions, own[first]

    def common(self) -> dict[tuple[str, str], int]:
        """Return how many questions every two models have answered both; pairs without any are left out."""
        pairs = numpy.unique(self.question * len(self.models) + self.model) if len(self) else self.question
        questions, models = numpy.divmod(pairs, max(len(self.models), 1))
        counts = numpy.zeros((len(self.models), len(self.models)))
        last = int(questions[-1]) if len(questions) else -1
        for start in range(0, last + 1, _STEP):
            part = (questions >= start) & (questions < start + _STEP)
            asked = numpy.zeros((min(_STEP, last + 1 - start), len(self.models)), dtype="float32")
            asked[questions[part] - start, models[part]] = 1
            counts += (asked.T @ asked).astype("float64")
        return {
            (self.models[first], self.models[second]): int(counts[first, second])
            for first, second in combinations(range(len(self.models)), 2)
            if counts[first, second]
        }


def answers_of(decisions: Chosen) -> Answers:
    """Return every model's answers."""
    columns = decisions.columns
    votes = decisions.votes
    single = {number: names[0] for number, names in asked_models(columns).items() if len(set(names)) == 1}
    without_votes = decisions.places[columns.votes_per_decision()[decisions.places] == 0]
    alone = without_votes[numpy.isin(columns.decisions.models[without_votes], list(single))]
    names = [columns.text(number) or "" for number in columns.votes.model[votes].tolist()]
    names += [single[number] for number in columns.decisions.models[alone].tolist()]
    models = sorted(set(names))
    numbers = {name: number for number, name in enumerate(models)}
    model = numpy.array([numbers[name] for name in names], dtype="int64")
    decision = numpy.concatenate([columns.votes.decision[votes], alone])
    order = numpy.argsort(decision, kind="stable")
    judged = JudgedColumns.joined([decisions.judged_votes(), decisions.judged(alone)])
    unknown = numpy.full(len(alone), numpy.nan)
    return Answers(
        decision=decision[order],
        vote=numpy.concatenate([votes, numpy.full(len(alone), -1, dtype="int64")])[order],
        model=model[order],
        latency_ms=numpy.concatenate([columns.votes.latency_ms[votes], unknown])[order],
        judged=judged.take(order),
        question=_questions(decisions, decision[order]),
        models=tuple(models),
    )


def _questions(decisions: Chosen, places: Any) -> Any:
    rows = decisions.columns.decisions
    texts = len(decisions.columns.texts) + 1
    _, question = numpy.unique(rows.as_of_ns[places], return_inverse=True)
    _, question = numpy.unique(question * texts + rows.symbol[places] + 1, return_inverse=True)
    _, question = numpy.unique(question * texts + rows.prompt[places] + 1, return_inverse=True)
    return question
