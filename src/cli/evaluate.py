"""Have a model judge recorded replies: `moondev evaluate`."""

from __future__ import annotations

import math
import random
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Final, Unpack

import typer

from src.observability.commands import trace_options as options  # noqa: TC001 - Typer reads the annotations
from src.observability.commands.console import err, escape, money, note, out, print_json, problem
from src.observability.commands.counting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from src.insight.facts.filters import Filter
    from src.insight.quality.judging import Duel, Judge, Marks
    from src.observability.search.records import StoredObservation
    from src.observability.store.reader import StoreReader

_NEWEST: Final = 20_000  # calls of which the sample is drawn
_SEED: Final = 20_241_130  # the same calls always give the same sample


def evaluate(
    judge: Annotated[str, typer.Option(help="The model that judges, as provider:model.")],
    rubric: Annotated[Path, typer.Option(help="A file with the rubric: what makes a reply good.")],
    sample: Annotated[int, typer.Option(min=1, max=100_000, help="How many replies, or pairs, to judge.")] = 100,
    pair: Annotated[
        str | None, typer.Option(help="Two models, A,B: whose reply to the same request is better.", show_default=False)
    ] = None,
    since: options.Since = None,
    until: options.Until = None,
    budget: Annotated[float | None, typer.Option(help="The most US dollars to spend.", show_default=False)] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask a paid judge without a budget.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
    **names: Unpack[options.CallOptions],
) -> None:
    """Have a model judge recorded replies by a rubric: marks from 1 to 5, or pairs with their places swapped.

    Marks are stored as scores, once for each reply and rubric. The judge's own calls are traced as agent `judge` in
    the environment `evaluation`, and never judged.
    """
    from src.cli.call_filter import report_filter
    from src.cli.delivery import finish
    from src.insight.quality.judging import Judge
    from src.models.model_factory import ModelFactory

    if budget is not None and not (math.isfinite(budget) and budget > 0):
        raise ValueError(f"--budget is {budget}: give US dollars above 0.")
    models = _two_models(pair)
    text = rubric.read_text(encoding="utf-8").strip()
    if not text:
        raise ValueError(f"{rubric} is empty: write into it what makes a reply good.")
    provider, _, name = judge.partition(":")
    asked = ModelFactory.get_model(provider, name or None)
    if budget is None and not yes and provider not in ("local", "ollama"):
        raise ValueError(f"{judge} may cost money: set a bound with --budget, or say --yes.")
    chosen = report_filter(since, until, names)
    judging = Judge(model=asked, rubric=text, budget_usd=budget)
    store, items = _items(chosen, quiet=as_json)
    data = _pairs(judging, items, models, sample) if models else _marks(judging, items, sample, store)
    finish()
    data |= {"asked": judging.asked, "failures": judging.failures, "cost_usd": judging.spent_usd,
             "unpriced": judging.unpriced}  # fmt: skip
    if as_json:
        print_json(data)
    else:
        _show(data, judging)


def _two_models(pair: str | None) -> tuple[str, str] | None:
    if pair is None:
        return None
    names = [name.strip() for name in pair.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise ValueError(f"--pair is {pair!r:.60}: give two models with a comma, such as gpt-4o,claude-haiku-4-5.")
    return names[0], names[1]


def _items(chosen: Filter, *, quiet: bool) -> tuple[StoreReader, list[StoredObservation]]:
    """Return the store, and the newest replies with their texts in an order that chance gives."""
    from src.cli.report_views import prepared
    from src.insight.facts.filters import EVALUATION
    from src.observability.search.records import observations_at
    from src.observability.settings import Settings
    from src.observability.store.reader import StoreReader

    store = StoreReader(Settings.read().trace_db)
    with prepared(quiet=quiet) as reader:
        facts = [
            fact for fact in reader.rows(chosen, "start", _NEWEST) if not fact.error and fact.environment != EVALUATION
        ]
    random.Random(_SEED).shuffle(facts)  # noqa: S311 - no secret
    locations = [(fact.seq, fact.trace_id, fact.span_id) for fact in facts]
    return store, [item for item in observations_at(store, locations) if item.output and item.input]


def _marks(judge: Judge, items: Sequence[StoredObservation], sample: int, store: StoreReader) -> dict[str, Any]:
    """Have replies marked that have no mark by this rubric yet; return all marks by it."""
    from src.insight.facts.filters import EVALUATION
    from src.insight.quality.judging import in_turn, summed_up
    from src.observability import observe_agent, score

    known = _known(store, judge.rubric_id)
    chosen = items[:sample]
    marks = [(_key(item), known[item.columns["span_id"]]) for item in chosen if item.columns["span_id"] in known]
    waiting = [item for item in chosen if item.columns["span_id"] not in known]
    with observe_agent("judge", environment=EVALUATION, tags=(EVALUATION,), metadata={"rubric": judge.rubric_id}):
        for item, mark in in_turn(_shown(waiting), judge.mark):
            score(
                "judge",
                float(mark.mark),
                trace_id=item.columns["trace_id"],
                observation_id=item.columns["span_id"],
                comment=mark.reason or None,
                score_id=f"judge:{judge.rubric_id}:{item.columns['span_id']}",
                timestamp_ns=item.columns["end_ns"],
                environment=item.facts.environment,
                metadata={"judge": f"{judge.model.provider}:{judge.model.model_name}", "rubric": judge.rubric_id},
            )
            marks.append((_key(item), mark.mark))
    return {"rubric": judge.rubric_id, "marked": len(marks), "left": len(chosen) - len(marks),
            "rows": [_marks_data(row) for row in summed_up(marks)]}  # fmt: skip


def _key(item: StoredObservation) -> str | None:
    from src.insight.figures.groups import key_text

    return key_text((item.facts.prompt_name, item.facts.prompt_version, item.columns["model"]))


def _known(store: StoreReader, rubric_id: str) -> dict[str, int]:
    nothing: list[tuple[str, float]] = []
    rows = store.ask(
        lambda db: db.execute(
            "SELECT observation_id, value FROM scores WHERE name = 'judge' AND id LIKE ?", (f"judge:{rubric_id}:%",)
        ).fetchall(),
        nothing,
    )
    return {observation: round(value) for observation, value in rows}


def _pairs(judge: Judge, items: Iterable[StoredObservation], models: tuple[str, str], sample: int) -> dict[str, Any]:
    from src.insight.facts.filters import EVALUATION
    from src.insight.quality.judging import duel_of, in_turn, pairs_of
    from src.observability import observe_agent

    pairs = list(pairs_of(items, *models))[:sample]
    if not pairs:
        raise ValueError(f"{models[0]} and {models[1]} have not answered the same request among the newest calls.")
    with observe_agent("judge", environment=EVALUATION, tags=(EVALUATION,), metadata={"rubric": judge.rubric_id}):
        verdicts = [verdict for _, verdict in in_turn(_shown(pairs), lambda pair: judge.choose(*pair))]
    return {"rubric": judge.rubric_id, "left": len(pairs) - len(verdicts), **_duel_data(duel_of(*models, verdicts))}


def _shown(questions: Sequence[Any]) -> Iterable[Any]:
    """Return the questions; on a terminal their number is shown while they are put."""
    if not err().is_terminal:
        return questions
    from rich.progress import track

    return track(questions, "Judging", console=err(), transient=True)


def _marks_data(row: Marks) -> dict[str, Any]:
    return {"key": row.key, "n": row.n, "mean": row.mean, "mean_half": row.half, "good": row.good.value,
            "good_low": row.good.low, "good_high": row.good.high}  # fmt: skip


def _duel_data(duel: Duel) -> dict[str, Any]:
    return {"first": duel.first, "second": duel.second, "wins": duel.wins, "losses": duel.losses,
            "undecided": duel.undecided, "share": duel.share.value, "share_low": duel.share.low,
            "share_high": duel.share.high}  # fmt: skip


def _show(data: dict[str, Any], judge: Judge) -> None:
    from src.cli.report_views import show_table
    from src.insight.report.texts import Table, key_of, percent

    if "rows" in data:
        rows = [
            [
                key_of(row["key"]),
                f"{row['n']:,}",
                f"{row['mean']:.2f}" + ("" if row["mean_half"] is None else f" ±{row['mean_half']:.2f}"),
                f"{percent(row['good'])} ({percent(row['good_low'], 0)} to {percent(row['good_high'], 0)})",
            ]
            for row in data["rows"]
        ]
        show_table(Table("Marks", ("prompt and model", "n", "mean of 1 to 5", "4 or 5"), rows))
    else:
        low, high = percent(data["share_low"], 0), percent(data["share_high"], 0)
        out().print(
            f"{escape(data['first'])} was better {counted(data['wins'], 'times')}, "
            f"{escape(data['second'])} {counted(data['losses'], 'times')}; "
            f"{counted(data['undecided'], 'times')} neither, or it depended on their order. "
            f"{escape(data['first'])} won {percent(data['share'])} ({low} to {high}) of the decided ones."
        )
    note(
        f"{counted(judge.asked, 'questions')} for "
        f"{money(judge.spent_usd, at_least=judge.unpriced > 0)}, rubric {data['rubric']}."
    )
    for category, count in judge.failures.items():
        problem(f"{counted(count, 'questions')} failed: {category}.")
    if data["left"]:
        note(f"{data['left']:,} are left: --budget was reached, or their questions failed. The same command goes on.")
