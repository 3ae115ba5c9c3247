"""Find models that alone would have decided as right as an agent does, for less money, or righter.

A model is compared where it answered the same question: as a member of the same decision, or in another decision with
the same prompt and the same view of the market, as `moondev backtest` makes them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from typing_extensions import override

from src.insight.advice import pairs
from src.insight.advice.amounts import Daily, Saving, money, saving
from src.insight.advice.finding import BackCheck, Finding, Withheld, evidence, newest_traces, results_of
from src.insight.advice.pairs import FEWEST, MARGIN, Answered, Comparison, Pairs, question_key, voter_of
from src.insight.advice.past import Search
from src.insight.facts.rows import number_of_id
from src.judging.grouping import outcome_of
from src.observability.commands.counting import counted
from src.observability.ledger import parse_horizon

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterator, Sequence

    from src.insight.advice.finding import Results
    from src.insight.advice.past import Past
    from src.insight.facts.call_columns import Calls
    from src.observability.ledger import Entry, MemberVote

NAME: Final = "models"
_Model = tuple[str, str]  # provider, model


class _Cast(NamedTuple):
    """A model's vote: what it said, what it cost when it was made, and its generation."""

    action: str | None
    usd: float | None
    span: int | None


@dataclass(slots=True)
class _Question:
    """One question, and who answered it."""

    time_ns: int
    as_of_ns: int
    move: float | None
    horizon_s: int
    decided: dict[str | None, tuple[str | None, tuple[_Cast, ...]]] = field(default_factory=dict)
    votes: dict[_Model, _Cast] = field(default_factory=dict)


class Models(Search):
    """Puts what each model alone would have decided beside what each agent decided, question by question."""

    def __init__(self, past: Past) -> None:
        super().__init__(past)
        self._questions: dict[str, _Question] = {}
        self._traces: dict[str | None, deque[str]] = {}
        self._today = past.today
        self._prices: dict[int, float | None] = {}  # by the numbers of the ids of generations that voted
        self._spans: Any = None  # these numbers in their order, once all decisions were shown, and the costs of each
        self._usd: Any = None

    @override
    def decision(self, entry: Entry) -> None:
        decision = entry.decision
        if not entry.votes or decision.derived:
            return
        question, casts = self._answered(entry)
        question.time_ns = decision.time_ns
        action = decision.action if decision.status == "decided" else None
        question.decided[decision.agent] = (action, casts)
        traces = self._traces.setdefault(decision.agent, newest_traces())
        if decision.trace_id is not None:
            traces.append(decision.trace_id)

    @override
    def beside(self, entry: Entry) -> None:
        if entry.votes and not entry.decision.derived:
            self._answered(entry)

    def _answered(self, entry: Entry) -> tuple[_Question, tuple[_Cast, ...]]:
        """Return the question that a decision answers, with its votes and what came of it added, and these votes."""
        key = question_key(entry)
        question = self._questions.get(key)
        if question is None:
            question = self._questions[key] = _new_question(entry)
        if question.move is None:
            question.move = _move(entry)
        casts = tuple(map(_cast, entry.votes))
        for vote, cast in zip(entry.votes, casts, strict=True):
            if cast.span is not None:
                self._prices[cast.span] = None
            if self.past.wants(vote):
                question.votes.setdefault(voter_of(vote.member, vote.model), cast)
        return question, casts

    @override
    def calls(self, calls: Calls) -> None:
        import numpy

        if self._spans is None:
            self._spans = numpy.sort(numpy.fromiter(self._prices, "int64", len(self._prices)))
            self._usd = numpy.full(len(self._spans), numpy.nan)
        if not len(self._spans):
            return
        places = numpy.searchsorted(self._spans, calls["span"]).clip(max=len(self._spans) - 1)
        has_voted = self._spans[places] == calls["span"]
        self._usd[places[has_voted]] = self._today.costs(calls)[has_voted]

    @override
    def results(self) -> Results:
        if self._spans is not None:
            costs = (None if isnan(usd) else usd for usd in self._usd.tolist())
            self._prices = dict(zip(self._spans.tolist(), costs, strict=True))
        items = []
        by_agent: defaultdict[str | None, list[_Question]] = defaultdict(list)
        for question in self._questions.values():
            for agent in question.decided:
                by_agent[agent].append(question)
        for agent in sorted(self._traces, key=str):
            for model, answers in self._pairs(agent, by_agent[agent]):
                item = self._judged(agent, model, answers)
                if item is not None:
                    items.append(item)
        items = _best(items)
        missing: tuple[str, ...] = ()
        if all(len(question.votes) < 2 for question in self._questions.values()):
            missing = (
                "No two models answered the same question: `moondev trade SYMBOL --swarm --models A,B`, or `moondev "
                "backtest SYMBOL --csv FILE --models A,B`, puts them beside one another.",
            )
        return results_of(items, missing=missing)

    def _pairs(self, agent: str | None, questions: Sequence[_Question]) -> Iterator[tuple[_Model, Pairs]]:
        """Yield what each model answered beside what an agent decided, for the questions that both answered."""
        usual = []
        others: defaultdict[_Model, list[tuple[int, str | None, float | None]]] = defaultdict(list)
        for place, question in enumerate(questions):
            action, casts = question.decided[agent]
            usd = self._cost(casts, lowest=True)
            usual.append((question.time_ns, question.as_of_ns, question.move, question.horizon_s, action, usd))
            for model, cast in question.votes.items():
                others[model].append((place, cast.action, self._cost((cast,), lowest=False)))
        columns = Answered.of(usual)
        for model in sorted(others):
            yield model, Pairs.of(columns, others[model])

    def _cost(self, casts: Sequence[_Cast], *, lowest: bool) -> float | None:
        """Return what votes cost: today or then, whichever makes a saving smaller; None where one is not known."""
        total = 0.0
        for cast in casts:
            then, today = cast.usd, self._prices.get(cast.span or 0)
            usd = today if then is None else then
            if usd is None:
                return None
            if then is not None and today is not None and (today < then) is lowest:
                usd = today
            total += usd
        return total

    def _judged(self, agent: str | None, model: _Model, answers: Pairs) -> Finding | Withheld | None:
        middle = self.past.middle_ns
        parts = [answers.take((answers.usual.time_ns >= middle) == is_second) for is_second in (False, True)]
        whole, first, second = map(pairs.compared, (answers, *parts))
        name, who = ":".join(model), agent or "no agent"
        scope = {"agent": who, "model": name}
        title = f"{who}: let {name} decide alone"
        daily = Daily()
        daily.add_all(*answers.saved())
        is_righter = all(part.is_righter for part in (first, second))
        if not is_righter and not any(daily.rate(part).usd > 0 for part in (self.past.first, self.past.second)):
            return None  # it is neither cheaper nor righter
        saved = saving(daily, self.past, fewest=FEWEST, what="decisions with known costs")
        reason = _objection(first, second, whole) or saved.problem
        is_money = reason is None and saved.check is not None
        if not is_money and not is_righter:
            return Withheld(kind=NAME, title=title, scope=scope, n=len(answers), of="decisions", reason=reason or "")
        texts = [saved.check.text] if saved.check is not None and is_money else []
        texts.append(f"{_agreed(first)}, then {_agreed(second)}")
        if whole.judged:
            texts.append(f"{_difference(first)}, then {_difference(second)}")
        return Finding(
            kind=NAME,
            title=title,
            scope=scope,
            n=len(answers),
            of="decisions",
            estimate=saved.estimate if is_money else whole.difference,
            unit="usd_per_30_days" if is_money else "hit_rate",
            evidence=evidence({"agent": agent}, self._traces[agent]),
            how=(
                f'Name it alone: `TradingAgent(members=["{name}"])`, or `moondev trade SYMBOL --models {name}`.',
                "Try it on newer prices first: `moondev backtest SYMBOL --csv FILE --models " + name + "`.",
            ),
            check=BackCheck(middle, first.n, second.n, "; ".join(texts)),
            details=_details(whole, saved),
        )


def _best(items: list[Finding | Withheld]) -> list[Finding | Withheld]:
    """Return the items with only the finding of each agent that saves most; the others cannot be had beside it."""
    most: dict[str, Finding] = {}
    for item in items:
        if isinstance(item, Finding) and item.unit == "usd_per_30_days":
            best = most.setdefault(item.scope["agent"], item)
            if item.worth > best.worth:
                most[item.scope["agent"]] = item
    return [
        Withheld(kind=NAME, title=item.title, scope=item.scope, n=item.n, of=item.of,
                 reason=f"it saves less than this: {most[item.scope['agent']].title}")
        if isinstance(item, Finding) and item.unit == "usd_per_30_days" and item is not most[item.scope["agent"]]
        else item
        for item in items
    ]  # fmt: skip


def _new_question(entry: Entry) -> _Question:
    decision = entry.decision
    return _Question(
        time_ns=decision.time_ns,
        as_of_ns=decision.as_of_ns,
        move=None,
        horizon_s=parse_horizon(entry.horizons[0]).seconds,
    )


def _move(entry: Entry) -> float | None:
    """Return by how much the price moved until the horizon; None where it is open, or may be known to the models.

    What a target or a stop ended says nothing of other actions.
    """
    outcome = outcome_of(entry, None)
    if outcome is None or outcome.exit_reason != "horizon" or entry.decision.book not in ("live", "after"):
        return None
    return outcome.exit / outcome.entry - 1


def _cast(vote: MemberVote) -> _Cast:
    return _Cast(vote.action, vote.cost_usd, None if vote.observation_id is None else number_of_id(vote.observation_id))


def _objection(first: Comparison, second: Comparison, whole: Comparison) -> str | None:
    """Return why a model may not decide alone; None where it may."""
    if whole.n < FEWEST or min(first.n, second.n) < FEWEST // 2:
        return f"not enough: {counted(whole.n, 'questions')} ({first.n:,} and {second.n:,} in the parts of the past)"
    for when, part in (("in the first part of the past", first), ("failed the back-check: in the second part", second)):
        if part.is_worse:
            return f"{when} it was less right: {_difference(part)}"
    if whole.is_alike or whole.is_as_right:
        return None
    return (
        f"it may be less right: {_agreed(whole)}, and {_difference(whole)}; agreement of 95%, or a difference that is "
        f"certainly above -{MARGIN * 100:.0f} points, would do"
    )


def _agreed(part: Comparison) -> str:
    share: Any = part.agreement
    return f"the same action in {share.value or 0:.0%} ({share.low or 0:.0%} to {share.high or 0:.0%}) of {part.n:,}"


def _difference(part: Comparison) -> str:
    gap = part.difference
    if gap.value is None or gap.low is None or gap.high is None:
        return f"its hit rate is not known ({part.judged:,} judged)"
    return (
        f"its hit rate differs by {gap.value * 100:+.1f} points ({gap.low * 100:+.1f} to {gap.high * 100:+.1f}, "
        f"n = {part.judged:,})"
    )


def _details(whole: Comparison, saved: Saving) -> tuple[str, ...]:
    costs = f"{money(saved.estimate)} in 30 days" if saved.estimate.value is not None else "not known"
    return (
        f"Alone it would have come to {_agreed(whole)} decisions; {_difference(whole)}.",
        "Costs are those of the calls themselves, at today's prices or at those of then, whichever saves less; what it "
        f"saves is {costs}.",
    )
