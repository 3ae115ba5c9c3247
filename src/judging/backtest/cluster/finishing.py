"""Finish back-tests by the processes that the user asks for."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from src.judging.backtest.cluster.messages import RunSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from src.judging.backtest.runner import Runner
    from src.observability.store.spool import Spool


def finish_on_workers(
    runners: Sequence[Runner],
    names: tuple[str, ...],
    *,
    swarm: bool,
    workers: int,
    threads: int,
    spool: Spool,
    say: Callable[[str], None],
) -> None:
    """Have worker processes of this machine make all decisions that the ledger lacks.

    Args:
        runners: The runs, of the same deciders.
        names: The deciders' names.
        swarm: Whether the models among them vote as one.
        workers: How many processes.
        threads: How many decisions each of them makes at once.
        spool: The store, which they share.
        say: Tells the user something.

    Raises:
        ValueError: Dask is not installed; the message says how to install it.
        ClusterError: the workers cannot go on.
    """
    _require_dask()
    if not _is_anything_left(runners):
        return
    from src.judging.backtest.cluster.coordinator import Coordinator
    from src.judging.backtest.cluster.work import prompt_hash
    from src.judging.backtest.cluster.workers import local_client

    status = spool.path.stat()
    settings = RunSettings(deciders=names, swarm=swarm, prompt_hash=prompt_hash(), store=(status.st_dev, status.st_ino))
    with local_client(workers, threads, spool.path) as client:
        Coordinator(client, runners, settings, say).run()


def finish_on_cluster(
    runners: Sequence[Runner],
    names: tuple[str, ...],
    *,
    swarm: bool,
    address: str,
    spool: Spool,
    say: Callable[[str], None],
) -> None:
    """Have the workers of a Dask cluster make all decisions that the ledger lacks.

    Args:
        runners: The runs, of the same deciders.
        names: The deciders' names.
        swarm: Whether the models among them vote as one.
        address: The scheduler's.
        spool: The store of this process, which alone has the ledger.
        say: Tells the user something.

    Raises:
        ValueError: Dask is not installed, no scheduler answers, or a worker cannot ask a model.
        ClusterError: the workers cannot go on.
    """
    _require_dask()
    if not _is_anything_left(runners):
        return
    from src.judging.backtest.cluster.coordinator import Coordinator
    from src.judging.backtest.cluster.fleet import fleet_client
    from src.judging.backtest.cluster.link import LinkServer
    from src.judging.backtest.cluster.work import prompt_hash
    from src.judging.backtest.stored_replies import LocalReplies
    from src.models.limits import budgets
    from src.observability.ledger import LedgerReader
    from src.observability.store.budgets import BudgetStore
    from src.observability.store.reader import StoreReader

    models = [model for decider in runners[0].deciders for model in decider.models]
    link = f"moondev-{uuid.uuid4().hex[:12]}"
    settings = RunSettings(deciders=names, swarm=swarm, prompt_hash=prompt_hash(), link=link, budgets=budgets.current())
    replies = LocalReplies(spool, LedgerReader(StoreReader(spool.path)))
    with (
        fleet_client(address, models) as client,
        LinkServer(client, link, replies, BudgetStore(spool.path, recover=spool.recover), say),
    ):
        Coordinator(client, runners, settings, say).run()


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401 - whether it is there
    except ImportError as error:
        raise ValueError(
            f"--workers and --dask need Dask, which is not installed ({error}): "
            "pip install 'distributed>=2026.8', into the environment of this command."
        ) from error


def _is_anything_left(runners: Sequence[Runner]) -> bool:
    return any(next(runner.left(runner.deciders), None) is not None for runner in runners)
