"""Models side by side: accuracy, time and cost in one table, and the questions that two of them answered both."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy

from src.dashboard.data.answers import answers_of
from src.dashboard.data.ledger import entries_at, prompt_of
from src.dashboard.pages.accuracy import COLUMNS, accuracy_row
from src.dashboard.pages.kinds import PageKind
from src.dashboard.pages.ledger_filters import NONE_YET, decisions_of, notes, suggestions, trace_link, version
from src.dashboard.view.lazy_rows import LazyRows
from src.dashboard.view.panels import Chart, Column, Figure, Page, Panel, Table
from src.judging.accuracy import accuracy_of, with_discoveries
from src.judging.grouping import Hindsight, judged
from src.judging.judged_columns import DECIDED
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from src.dashboard.data.answers import Answers
    from src.dashboard.data.limits import Limits
    from src.dashboard.pages.kinds import Context
    from src.insight.ledger.chosen import Chosen
    from src.observability.ledger import Entry


_NO_ACTION: Final = 10  # above the directions: what a status that is no decision begins with


def _build(context: Context) -> Page:
    columns = context.ledger()
    if not len(columns):
        return Page(empty=NONE_YET)
    decisions = decisions_of(context)
    answers = answers_of(decisions)
    first, second = _chosen_pair(context, answers)
    panels = [_table(context, answers)]
    if first is not None and second is not None:
        panels.append(_same_questions(context, decisions, answers, first, second))
    figures = (
        Figure("models", "Models", len(answers.models), "count", len(answers), "answers"),
        Figure("questions", "Questions", len(numpy.unique(answers.question)), "count", len(answers), "answers"),
    )
    return Page(figures=figures, panels=tuple(panels), notes=notes(columns))


def _table(context: Context, answers: Answers) -> Panel:
    rows, times = [], {}
    for model in answers.models:
        context.limits.check()
        own = answers.of(model)
        rows.append(accuracy_of(model, answers.judged.take(own)))
        known = answers.latency_ms[own][~numpy.isnan(answers.latency_ms[own])]
        times[model] = float(numpy.median(known)) if len(known) else None
    rows = with_discoveries(rows)
    table_rows = [(row.key, *accuracy_row(row), times[row.key]) for row in rows]
    judged_rows = [row for row in rows if row.hit_rate.value is not None]
    shown = [row for row in judged_rows if row.cost_per_decision is not None and not row.cost_unknown]
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
        notes=("A member's vote counts as a decision of its model, judged by the prices of the swarm's decision.",
               *_undrawn(len(judged_rows) - len(shown))),
    )  # fmt: skip


def _undrawn(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    return (
        f"{count:,} model{'' if count == 1 else 's'}, of whose calls not all costs are known, cannot be drawn by cost.",
    )


def _chosen_pair(context: Context, answers: Answers) -> tuple[str | None, str | None]:
    """Return the two models to compare: those that are named, or that answered most questions both."""
    first, second = context.filters.model, context.filters.other
    if first is not None and second is not None:
        return first, second
    named = first or second
    counts = sorted(answers.common().items(), key=lambda item: -item[1])
    for pair, _ in counts:
        if named is None:
            return pair
        if named in pair:
            return named, pair[0] if pair[1] == named else pair[1]
    return None, None


def _same_questions(context: Context, decisions: Chosen, answers: Answers, first: str, second: str) -> Panel:
    (ours, a), (theirs, b) = answers.first_of(first), answers.first_of(second)
    _, in_a, in_b = numpy.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    a, b = a[in_a], b[in_b]
    order = numpy.argsort(-answers.judged.time_ns[a], kind="stable")
    pairs = numpy.column_stack([a[order], b[order]])
    columns = (
        Column("as_of", "as of (UTC)", "time"), Column("symbol", "symbol"), Column("prompt", "prompt"),
        Column("first", first), Column("first_confidence", "confidence", "confidence"),
        Column("first_net", "net", "points"), Column("first_cost", "cost", "money"),
        Column("second", second), Column("second_confidence", "confidence", "confidence"),
        Column("second_net", "net", "points"), Column("second_cost", "cost", "money"),
        Column("same", "same"),
    )  # fmt: skip
    # A failure or an abstention is no NOTHING, though neither has a direction.
    answer = numpy.where(answers.judged.status == DECIDED, answers.judged.direction, _NO_ACTION + answers.judged.status)
    differed = int((answer[pairs[:, 0]] != answer[pairs[:, 1]]).sum())
    rows = LazyRows(pairs, partial(_pair_rows, context, decisions, answers), context.limits)
    return Panel(
        slug="pairs",
        title=f"The same questions: {first} and {second}",
        table=Table(columns, rows),
        notes=(f"{counted(len(pairs), 'questions')} of the same symbol, time and prompt; "
               f"{differed:,} answered differently. "
               "Each action opens that model's trace. Name two models with the filters Model and Compare with.",),
        empty="These two models have answered no question both.",
    )  # fmt: skip


def _pair_rows(
    context: Context, decisions: Chosen, answers: Answers, pairs: Any, limits: Limits
) -> list[tuple[Any, ...]]:
    seqs = decisions.columns.decisions.seq
    numbers = numpy.unique(seqs[answers.decision[pairs.ravel()]]).tolist()
    entries = entries_at(context.store, numbers, limits)
    rows = []
    for pair in pairs:
        sides = [(entries.get(int(seqs[answers.decision[place]])), place) for place in pair]
        cells = [_side(context, decisions, answers, entry, place) for entry, place in sides if entry is not None]
        entry = sides[0][0]
        if entry is None or len(cells) < len(sides):
            continue
        decision = entry.decision
        same = "yes" if cells[0][0] == cells[1][0] else "no"
        rows.append((decision.as_of_ns, decision.symbol, prompt_of(entry) or None, *cells[0][1:], *cells[1][1:], same))
    return rows


def _side(context: Context, decisions: Chosen, answers: Answers, entry: Entry, place: int) -> tuple[Any, ...]:
    """Return what one model did, and the cells that say so."""
    horizon, span_id = context.filters.horizon, None
    if answers.vote[place] < 0:
        item = judged(entry, horizon)
    else:
        first = numpy.searchsorted(decisions.columns.votes.decision, answers.decision[place])
        vote = entry.votes[int(answers.vote[place] - first)]
        item, span_id = Hindsight(entry, horizon).of(vote.action, vote), vote.observation_id
    action, net = (item.action, item.net) if item.status == "decided" else (item.status, None)
    return action, trace_link(action, context, entry.decision.trace_id, span_id), item.confidence, net, item.cost_usd


KIND: Final = PageKind(
    slug="models",
    title="Models",
    build=_build,
    filters=("since", "until", "symbol", "agent", "model", "other", "prompt", "environment", "book", "horizon"),
    intro="Models beside one another, on the same questions.",
    suggestions=lambda context: {**(values := dict(suggestions(context))), "other": values["model"]},
    version=version,
)
