"""Make decisions in a worker process, by the keys of its own environment and traced in its own store."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from typing import TYPE_CHECKING

from src.judging.backtest.cluster.messages import Answer
from src.observability.redaction import redact_text

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from src.agents.market import Candles
    from src.agents.swarm.known_votes import KnownVotes
    from src.judging.backtest.as_of import Replay
    from src.judging.backtest.cluster.link import Link
    from src.judging.backtest.cluster.messages import Errand, Setting, Wanted
    from src.judging.backtest.deciders import Decider
    from src.judging.backtest.known_replies import Replies
    from src.judging.backtest.making import Made
    from src.observability.store.ledger_records import DecisionRecord
    from src.observability.store.spool import Spool


def replay_of(candles: Candles, symbol: str, window: int) -> Replay:
    """Return a market to replay. Dask keeps it on the workers, and makes it again where one of them is lost."""
    from src.judging.backtest.as_of import Replay

    return Replay(candles, symbol, window=window)


def decide(replay: Replay, errand: Errand) -> Answer:
    """Make the decisions of an errand.

    No error is raised, since Dask would log it, with its arguments and before anything is redacted.
    """
    try:
        return Answer(made=_decided(replay, errand))
    except Exception as error:  # noqa: BLE001 - told to the coordinator, which ends the run with it
        return Answer(error=redact_text(f"{type(error).__name__}: {error}"))


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


def _decided(replay: Replay, errand: Errand) -> tuple[Made, ...]:
    from src.judging.backtest.known_replies import StoredReplies
    from src.judging.backtest.making import make_decision

    setting = errand.setting
    deciders = _deciders(setting)
    spool = _store(setting)
    link = _link(setting)
    replies = _replies(spool, link)
    made = []
    for wanted in errand.wanted:
        decider = deciders[wanted.place]
        if decider.is_free:
            made.append(make_decision(errand.plan, replay, decider, wanted.time_us, wanted.decision_id))
            continue
        with _budgets(setting, link):
            made.append(_asked(replay, errand, decider, wanted, StoredReplies(replies, wanted.decision_id)))
    return tuple(made)


def _asked(replay: Replay, errand: Errand, decider: Decider, wanted: Wanted, votes: KnownVotes) -> Made:
    """Return a decision of models, with its record, which the coordinator writes."""
    from src.judging.backtest.making import Made, make_decision

    written: list[DecisionRecord] = []

    def write(record: DecisionRecord) -> bool:
        written.append(record)
        return True

    made = make_decision(errand.plan, replay, decider, wanted.time_us, wanted.decision_id, votes=votes, write=write)
    return Made(choice=made.choice, record=written[0]) if written else made


def _deciders(setting: Setting) -> tuple[Decider, ...]:
    if setting.prompt_hash != prompt_hash():
        raise RuntimeError(
            "this worker has another prompt than the coordinator: install the same version on both, and give both the "
            "same prompts."
        )
    return _named(setting.deciders, setting.swarm)


@functools.lru_cache(maxsize=4)
def _named(names: tuple[str, ...], swarm: bool) -> tuple[Decider, ...]:
    from src.judging.backtest.deciders import deciders_named

    return tuple(deciders_named(names, swarm=swarm))


def _store(setting: Setting) -> Spool:
    """Return this worker's store, which must be the coordinator's file where they share that."""
    from src.observability import get_tracker

    spool = get_tracker().spool
    if spool is None:
        raise RuntimeError("tracing is off on this worker (MOONDEV_TRACING): its calls could not be kept.")
    if setting.store is not None:
        status = spool.path.stat()
        if (status.st_dev, status.st_ino) != setting.store:
            raise RuntimeError(f"this worker's store {spool.path} is not the coordinator's.")
    return spool


def _link(setting: Setting) -> Link | None:
    if setting.link is None:
        return None
    from src.judging.backtest.cluster.link import link_named

    return link_named(setting.link)


def _budgets(setting: Setting, link: Link | None) -> AbstractContextManager[None]:
    """Have calls inside the block count in the coordinator's budgets too."""
    if link is None or not setting.budgets:
        return nullcontext()
    from src.judging.backtest.cluster.link import LinkedBudgets
    from src.models.limits import budgets

    return budgets.shared(setting.budgets, LinkedBudgets(link))


def _replies(spool: Spool, link: Link | None) -> Replies:
    from src.judging.backtest.known_replies import LocalReplies
    from src.observability.ledger import LedgerReader
    from src.observability.store.reader import StoreReader

    local = LocalReplies(spool, LedgerReader(StoreReader(spool.path)))
    if link is None:
        return local
    from src.judging.backtest.cluster.link import LinkedReplies

    return LinkedReplies(link, local)
