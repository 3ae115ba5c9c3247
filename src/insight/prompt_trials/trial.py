"""Make a trial: what is to be asked, what that may cost, and the pairs of old and new decisions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from src.agents.base_agent import as_model
from src.agents.decisions import Action
from src.agents.prompts import trading
from src.agents.swarm.voting import Vote, count
from src.insight.prompt_trials.asking import request_of
from src.insight.prompt_trials.pairs import Pair, Side
from src.insight.prompt_trials.records import NO_DECISION, FrozenCall, FrozenDecision, Reply
from src.judging.backtest.plan import Estimate
from src.prompts import PromptError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src.insight.prompt_trials.asking import Asker, Request
    from src.insight.prompt_trials.pairs import Outlook
    from src.prompts import Prompt

_CHARACTERS_PER_TOKEN: Final = 3.5
_OUTPUT_TOKENS: Final = 120


@dataclass(frozen=True, slots=True)
class Lane:
    """Decisions that are compared: as they were made, or as one model alone makes them.

    Attributes:
        name: The model; empty for decisions as they were made.
        decisions: The decisions.
        asks_old: Whether the old version is asked too, rather than read from the record.
    """

    name: str
    decisions: tuple[FrozenDecision, ...]
    asks_old: bool


def lanes_of(decisions: Sequence[FrozenDecision], models: Sequence[str], *, both: bool) -> list[Lane]:
    """Return what is compared.

    Args:
        decisions: The past decisions.
        models: Models that are asked alone, each by itself; those that decided then where none are named.
        both: Whether the old version is asked anew.
    """
    if not models:
        return [Lane("", tuple(decisions), asks_old=both)]
    return [Lane(model, tuple(_alone(item, model) for item in decisions), asks_old=both) for model in models]


def _alone(decision: FrozenDecision, model: str) -> FrozenDecision:
    """Return a decision as one model alone makes it; what it replied then is its own part, where it had one."""
    own = next((call for call in decision.calls if call.model == model and not call.ending), None)
    if own is None:
        first = decision.calls[0]
        parameters = {name: value for name, value in first.parameters.items() if name != "seed"}
        own = replace(first, member=model, model=model, parameters=parameters, ending="", recorded=None)
    action = (own.recorded.voted if own.recorded is not None else None) or NO_DECISION
    return replace(decision, action=action, calls=(own,))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a trial consists of: for each lane and decision the requests of the new version, and of the old one."""

    lanes: tuple[Lane, ...]
    new: tuple[tuple[tuple[Request, ...], ...], ...]
    old: tuple[tuple[tuple[Request, ...], ...], ...]

    @property
    def requests(self) -> list[Request]:
        """Return all requests, those whose replies an earlier trial has included."""
        return [request for side in (*self.new, *self.old) for requests in side for request in requests]


def make_plan(lanes: Sequence[Lane], old: Prompt, new: Prompt) -> Plan:
    """Return the plan.

    Raises:
        PromptError: the new version has variables that the old one's decisions do not know, or other messages.
    """
    roles = [tuple(turn.role for turn in prompt.turns) for prompt in (old, new)]
    if new.name != trading.NAME and roles[0] != roles[1]:
        raise PromptError(
            f"Version {old.version} of {new.name!r} has messages of {', '.join(roles[0])}, version {new.version} of "
            f"{', '.join(roles[1])}: where your program's own messages belong cannot be told. Keep the roles."
        )
    return Plan(
        lanes=tuple(lanes),
        new=tuple(tuple(_requests(item.calls, new) for item in lane.decisions) for lane in lanes),
        old=tuple(
            tuple(
                _requests([call for call in item.calls if lane.asks_old or call.recorded is None], old)
                for item in lane.decisions
            )
            for lane in lanes
        ),
    )


def _requests(calls: Sequence[FrozenCall], prompt: Prompt) -> tuple[Request, ...]:
    return tuple(request_of(call, prompt) for call in calls)


def estimate(plan: Plan, asker: Asker) -> Estimate:
    """Return what is still to be asked, and about what it costs: by the tokens of the recorded calls."""
    waiting = [request for request in plan.requests if asker.known(request) is None]
    tokens = [_tokens(request) for request in waiting]
    costs = [_cost(request.call.model, *counts) for request, counts in zip(waiting, tokens, strict=True)]
    unpriced = sorted({item.call.model for item, cost in zip(waiting, costs, strict=True) if cost is None})
    asker.allowance.dearest_usd = max((cost for cost in costs if cost is not None), default=0.0)
    return Estimate(
        decisions=sum(len(lane.decisions) for lane in plan.lanes),
        calls=len(waiting),
        input_tokens=sum(item[0] for item in tokens),
        output_tokens=sum(item[1] for item in tokens),
        cost_usd=None if unpriced else sum(cost for cost in costs if cost is not None),
        unpriced=tuple(unpriced),
    )


def _tokens(request: Request) -> tuple[int, int]:
    recorded, characters = request.call.recorded, request.characters
    if recorded is None or not recorded.input_tokens or not request.call.characters:
        return round(characters / _CHARACTERS_PER_TOKEN), _OUTPUT_TOKENS
    share = characters / (request.call.characters + sum(len(str(item.get("content"))) for item in request.call.rest))
    return round(recorded.input_tokens * share), recorded.output_tokens or _OUTPUT_TOKENS


def _cost(model: str, input_tokens: int, output_tokens: int) -> float | None:
    from src.models.pricing.prices import price
    from src.models.usage import Usage

    made = as_model(model)
    if made._is_free(made.model_name):
        return 0.0
    usage = Usage(input=input_tokens, output=output_tokens)
    return price(made.provider, (made.model_name,), usage).total


def make(plan: Plan, asker: Asker, outlooks: Mapping[str, Outlook], threads: int) -> list[tuple[Lane, list[Pair]]]:
    """Ask, and return the pairs of each lane: decisions of which each call has a reply by both versions.

    Args:
        plan: What is to be asked.
        asker: Who asks.
        outlooks: What the market did after each decision, by its id, as far as that is known.
        threads: How many decisions are asked for at once.
    """
    results = []
    for lane, new, old in zip(plan.lanes, plan.new, plan.old, strict=True):
        work = list(zip(lane.decisions, new, strict=True))
        extra = [(item, requests) for item, requests in zip(lane.decisions, old, strict=True) if requests]
        answers = asker.replies([*work, *extra], threads)
        replies = answers[: len(work)]
        asked_old = {id(item): answer for (item, _), answer in zip(extra, answers[len(work) :], strict=True)}
        pairs = []
        for decision, answer in zip(lane.decisions, replies, strict=True):
            before = _old_replies(decision, asked_old.get(id(decision)), asks_old=lane.asks_old)
            after = [reply for reply in answer if reply is not None]
            if before is not None and len(after) == len(decision.calls):
                pairs.append(_pair(decision, before, after, outlooks, asks_old=id(decision) in asked_old))
        results.append((lane, pairs))
    return results


def _old_replies(
    decision: FrozenDecision, answers: Sequence[Reply | None] | None, *, asks_old: bool
) -> list[Reply] | None:
    """Return the old version's reply to each call, from the record or as it was asked anew; None where one lacks."""
    fresh = iter(answers or ())
    replies = [next(fresh, None) if asks_old or call.recorded is None else call.recorded for call in decision.calls]
    whole = [reply for reply in replies if reply is not None]
    return whole if len(whole) == len(replies) else None


def _pair(
    decision: FrozenDecision,
    before: Sequence[Reply],
    after: Sequence[Reply],
    outlooks: Mapping[str, Outlook],
    *,
    asks_old: bool,
) -> Pair:
    record = decision.entry.decision
    return Pair(
        decision_id=record.id,
        time_ns=record.as_of_ns,
        old=_side(before, decision.calls, "" if asks_old else decision.action),
        new=_side(after, decision.calls, ""),
        outlook=outlooks.get(record.id),
    )


def _side(replies: Sequence[Reply], calls: Sequence[FrozenCall], action: str) -> Side:
    """Return one side of a pair; its action is counted from the votes where none is recorded."""
    costs = [reply.cost_usd for reply in replies]
    return Side(
        action=action or _counted(replies, calls),
        is_valid=all(reply.is_valid for reply in replies),
        input_tokens=_sum([reply.input_tokens for reply in replies]),
        output_tokens=_sum([reply.output_tokens for reply in replies]),
        cost_usd=_sum(costs),
        latency_ms=max(reply.latency_ms for reply in replies),
        start_ns=min(reply.start_ns for reply in replies),
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _counted(replies: Sequence[Reply], calls: Sequence[FrozenCall]) -> str:
    votes = [
        Vote(
            member=str(place),
            weight=float(call.weight),
            action=Action(reply.voted) if reply.voted else None,
            confidence=None if reply.confidence is None else round(reply.confidence),
        )
        for place, (reply, call) in enumerate(zip(replies, calls, strict=True))
    ]
    consensus = count(votes)
    return str(consensus.action) if consensus.has_quorum else NO_DECISION
