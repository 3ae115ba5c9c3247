"""Models side by side: accuracy, time and cost in one table, and the questions that two of them answered both."""

from __future__ import annotations

import statistics as plain_statistics
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from src.dashboard.data.ledger import models_of, prompt_of
from src.dashboard.pages.accuracy import COLUMNS, accuracy_row
from src.dashboard.pages.kinds import PageKind
from src.dashboard.pages.ledger_filters import NONE_YET, entries_of, suggestions, trace_link, version
from src.dashboard.view.panels import Chart, Column, Figure, Page, Panel, Table
from src.judging.accuracy import accuracy_of, with_discoveries
from src.judging.grouping import Hindsight, judged, model_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from src.dashboard.pages.kinds import Context
    from src.judging.accuracy import Judged
    from src.observability.ledger import Entry


@dataclass(frozen=True, slots=True)
class Answer:
    """What one model said to one question: its vote in a swarm, or a decision of its own."""

    model: str
    judged: Judged
    latency_ms: float | None
    trace_id: str | None
    span_id: str | None
    entry: Entry

    @property
    def question(self) -> tuple[str, int, str]:
        """Return what models must share to be compared: the symbol, the time, and the prompt."""
        decision = self.entry.decision
        return decision.symbol, decision.as_of_ns, prompt_of(self.entry)


def answers_of(entries: Iterable[Entry], horizon: str | None) -> list[Answer]:
    """Return every model's answers; a decision of one model that names no vote is its own."""
    answers = []
    for entry in entries:
        trace_id = entry.decision.trace_id
        hindsight = Hindsight(entry, horizon)
        for vote in entry.votes:
            item = hindsight.of(vote.action, vote)
            answers.append(Answer(model_of(vote), item, vote.latency_ms, trace_id, vote.observation_id, entry))
        models = () if entry.votes else models_of(entry)
        if len(models) == 1:
            answers.append(Answer(next(iter(models)), judged(entry, horizon), None, trace_id, None, entry))
    return answers


def _build(context: Context) -> Page:
    if not context.ledger().entries:
        return Page(empty=NONE_YET)
    answers = answers_of(context.limits.each(entries_of(context)), context.filters.horizon)
    by_model: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_model[answer.model].append(answer)
    first, second = _chosen_pair(context, answers)
    panels = [_table(context, by_model)]
    if first is not None and second is not None:
        panels.append(_same_questions(context, answers, first, second))
    figures = (
        Figure("models", "Models", len(by_model), "count", len(answers), "answers"),
        Figure("questions", "Questions", len({item.question for item in answers}), "count", len(answers), "answers"),
    )
    return Page(figures=figures, panels=tuple(panels))


def _table(context: Context, by_model: dict[str, list[Answer]]) -> Panel:
    rows = []
    for model, answers in sorted(by_model.items()):
        context.limits.check()
        rows.append(accuracy_of(model, [item.judged for item in answers]))
    rows = with_discoveries(rows)
    times = {
        model: [item.latency_ms for item in answers if item.latency_ms is not None]
        for model, answers in by_model.items()
    }
    table_rows = [
        (row.key, *accuracy_row(row), plain_statistics.median(times[row.key]) if times[row.key] else None)
        for row in rows
    ]
    shown = [row for row in rows if row.hit_rate.value is not None and row.cost_per_decision is not None]
    chart = Chart(
        kind="bubbles",
        label="Hit rate by cost of a decision, for each model",
        data={"points": [[row.cost_per_decision, row.hit_rate.value, row.hit_rate.low, row.hit_rate.high, row.n,
                          row.key] for row in shown], "x": "money", "y": "share"},
    )  # fmt: skip
    return Panel(
        slug="models",
        title="By model",
        table=Table((Column("model", "model"), *COLUMNS, Column("latency_ms", "median time", "ms")), table_rows),
        chart=chart if shown else None,
        notes=("A member's vote counts as a decision of its model, judged by the prices of the swarm's decision.",),
    )


def _chosen_pair(context: Context, answers: Sequence[Answer]) -> tuple[str | None, str | None]:
    """Return the two models to compare: those that are named, or that answered most questions both."""
    first, second = context.filters.model, context.filters.other
    if first is not None and second is not None:
        return first, second
    questions: defaultdict[Any, set[str]] = defaultdict(set)
    for answer in answers:
        questions[answer.question].add(answer.model)
    counts: Counter[tuple[str, str]] = Counter()
    for models in questions.values():
        counts.update(combinations(sorted(models), 2))
    named = first or second
    for pair, _ in counts.most_common():
        if named is None:
            return pair
        if named in pair:
            return named, pair[0] if pair[1] == named else pair[1]
    return None, None


def _same_questions(context: Context, answers: Sequence[Answer], first: str, second: str) -> Panel:
    sides: defaultdict[Any, dict[str, Answer]] = defaultdict(dict)
    for answer in answers:
        if answer.model in (first, second):
            sides[answer.question].setdefault(answer.model, answer)
    pairs = [(both[first], both[second]) for both in sides.values() if first in both and second in both]
    pairs.sort(key=lambda pair: -pair[0].judged.time_ns)
    columns = (
        Column("as_of", "as of (UTC)", "time"), Column("symbol", "symbol"), Column("prompt", "prompt"),
        Column("first", first), Column("first_confidence", "confidence", "number"),
        Column("first_net", "net", "points"), Column("first_cost", "cost", "money"),
        Column("second", second), Column("second_confidence", "confidence", "number"),
        Column("second_net", "net", "points"), Column("second_cost", "cost", "money"),
        Column("same", "same"),
    )  # fmt: skip
    rows = [_pair_row(context, a, b) for a, b in pairs]
    differed = sum(a.judged.action != b.judged.action for a, b in pairs)
    return Panel(
        slug="pairs",
        title=f"The same questions: {first} and {second}",
        table=Table(columns, rows),
        notes=(f"{len(pairs):,} questions of the same symbol, time and prompt; {differed:,} answered differently. "
               "Each action opens that model's trace. Name two models with the filters Model and Compare with.",),
        empty="These two models have answered no question both.",
    )  # fmt: skip


def _pair_row(context: Context, a: Answer, b: Answer) -> tuple[Any, ...]:
    symbol, as_of_ns, prompt = a.question
    return (
        as_of_ns, symbol, prompt or None,
        *(value for side in (a, b) for value in (
            trace_link(_action(side), context, side.trace_id, side.span_id), side.judged.confidence, side.judged.net,
            side.judged.cost_usd,
        )),
        "yes" if _action(a) == _action(b) else "no",
    )  # fmt: skip


def _action(answer: Answer) -> str:
    return answer.judged.action if answer.judged.status == "decided" else answer.judged.status


KIND: Final = PageKind(
    slug="models",
    title="Models",
    build=_build,
    filters=("since", "until", "symbol", "agent", "model", "other", "prompt", "environment", "book", "horizon"),
    intro="Models beside one another, on the same questions.",
    suggestions=lambda context: {**(values := dict(suggestions(context))), "other": values["model"]},
    version=version,
)
