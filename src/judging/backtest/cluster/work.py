"""Make decisions in a worker process, by the keys of its own environment and traced in its own store."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from typing import TYPE_CHECKING

from src.judging.backtest.cluster.messages import TaskResult
from src.observability.redaction import redact_text

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from src.agents.market import Candles
    from src.agents.swarm.vote_cache import VoteCache
    from src.judging.backtest.as_of import Replay
    from src.judging.backtest.cluster.link import Link
    from src.judging.backtest.cluster.messages import DecisionRequest, DecisionTask, RunSettings
    from src.judging.backtest.deciders import Decider
    from src.judging.backtest.decision_making import MadeDecision
    from src.judging.backtest.stored_replies import Replies
    from src.observability.store.ledger_records import DecisionRecord
    from src.observability.store.spool import Spool


def replay_of(candles: Candles, symbol: str, window: int) -> Replay:
    """Return a market to replay. Dask keeps it on the workers, and makes it again where one of them is lost."""
    from src.judging.backtest.as_of import Replay

    return Replay(candles, symbol, window=window)


def decide(replay: Replay, task: DecisionTask) -> TaskResult:
    """Make the decisions of a task.

    No error is raised, since Dask would log it, with its arguments and before anything is redacted.
    """
    try:
        return TaskResult(made=_decisions(replay, task))
    except Exception as error:  # noqa: BLE001 - told to the coordinator, which ends the run with it
        return TaskResult(error=redact_text(f"{type(error).__name__}: {error}"))


def unavailable(models: tuple[str, ...]) -> dict[str, str]:
    """Return which models cannot be asked from here, and why."""
    from src.models.model_factory import ModelFactory

    reasons = {model: ModelFactory.why_unavailable(model) for model in models}
    return {model: redact_text(reason) for model, reason in reasons.items() if reason}


def prompt_hash() -> str:
    """Return digits of the prompt that deciders here have."""
    from src.agents.prompts import agent_prompt
    from src.agents.prompts.trading import NAME

    return agent_prompt(NAME).digest[:16]


def _decisions(replay: Replay, task: DecisionTask) -> tuple[MadeDecision, ...]:
    from src.judging.backtest.decision_making import make_decision
    from src.judging.backtest.stored_replies import StoredReplies

    settings = task.settings
    deciders = _deciders(settings)
    spool = _store(settings)
    link = _link(settings)
    replies = _replies(spool, link)
    made = []
    for request in task.requests:
        decider = deciders[request.position]
        if decider.is_free:
            made.append(make_decision(task.plan, replay, decider, request.time_us, request.decision_id))
            continue
        with _budgets(settings, link):
            made.append(_model_decision(replay, task, decider, request, StoredReplies(replies, request.decision_id)))
    return tuple(made)


def _model_decision(
    replay: Replay, task: DecisionTask, decider: Decider, request: DecisionRequest, votes: VoteCache
) -> MadeDecision:
    """Return a decision of models, with its record, which the coordinator writes."""
    from src.judging.backtest.decision_making import MadeDecision, make_decision

    written: list[DecisionRecord] = []

    def write(record: DecisionRecord) -> bool:
        written.append(record)
        return True

    made = make_decision(task.plan, replay, decider, request.time_us, request.decision_id, votes=votes, write=write)
    return MadeDecision(choice=made.choice, record=written[0]) if written else made


def _deciders(settings: RunSettings) -> tuple[Decider, ...]:
    if settings.prompt_hash != prompt_hash():
        raise RuntimeError(
            "this worker has another prompt than the coordinator: install the same version on both, and give both the "
            "same prompts."
        )
    return _named(settings.deciders, settings.swarm)


@functools.lru_cache(maxsize=4)
def _named(names: tuple[str, ...], swarm: bool) -> tuple[Decider, ...]:
    from src.judging.backtest.deciders import deciders_named

    return tuple(deciders_named(names, swarm=swarm))


def _store(settings: RunSettings) -> Spool:
    """Return this worker's store, which must be the coordinator's file where they share that."""
    from src.observability import get_tracker

    spool = get_tracker().spool
    if spool is None:
        raise RuntimeError("tracing is off on this worker (MOONDEV_TRACING): its calls could not be kept.")
    if settings.store is not None:
        status = spool.path.stat()
        if (status.st_dev, status.st_ino) != settings.store:
            raise RuntimeError(f"this worker's store {spool.path} is not the coordinator's.")
    return spool


def _link(settings: RunSettings) -> Link | None:
    if settings.link is None:
        return None
    from src.judging.backtest.cluster.link import link_named

    return link_named(settings.link)


def _budgets(settings: RunSettings, link: Link | None) -> AbstractContextManager[None]:
    """Have calls inside the block count in the coordinator's budgets too."""
    if link is None or not settings.budgets:
        return nullcontext()
    from src.judging.backtest.cluster.link import LinkedBudgets
    from src.models.limits import budgets

    return budgets.shared(settings.budgets, LinkedBudgets(link))


def _replies(spool: Spool, link: Link | None) -> Replies:
    from src.judging.backtest.stored_replies import LocalReplies
    from src.observability.ledger import LedgerReader
    from src.observability.store.reader import StoreReader

    local = LocalReplies(spool, LedgerReader(StoreReader(spool.path)))
    if link is None:
        return local
    from src.judging.backtest.cluster.link import LinkedReplies

    return LinkedReplies(link, local)
