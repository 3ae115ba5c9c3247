"""Deliver what a store holds to its destinations: in batches, acknowledged, never dropped."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING

from src.observability.delivery.worker import Worker
from src.observability.store.row_kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx

    from src.observability.delivery.destinations import Destination
    from src.observability.store.row_kinds import KindName
    from src.observability.store.spool import Spool

_log = logging.getLogger("moondev.exporter")


class Exporter:
    """Deliver to each destination on daemon threads of its own, so that one that hangs holds up no other.

    Scores have a thread apart from observations, and hold them up neither by their number nor by a limit on them.

    Threads start when there is first something to deliver, and again in a forked child.

    Args:
        spool: The store.
        destinations: Where to deliver.
        clock: Seconds that never go backwards.
        rng: Draws the jitter of the backoff.
        make_client: Makes the HTTP client of each destination; one with the destination's certificates where not set.
    """

    def __init__(
        self,
        spool: Spool,
        destinations: Sequence[Destination],
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        make_client: Callable[[], httpx.Client] | None = None,
    ) -> None:
        rng = rng or random.Random()  # noqa: S311 - jitter
        self._destinations = tuple(destinations)
        workers: list[Worker] = []
        for destination in destinations:
            first: Worker | None = None
            for kind in KINDS:
                if destination.accepts is not kind.refused_by:
                    worker = Worker(
                        spool, destination, kind.name, clock=clock, rng=rng, make_client=make_client, after=first
                    )
                    first = worker
                    workers.append(worker)
        self._workers = tuple(workers)

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Return where this delivers to."""
        return self._destinations

    @property
    def failing(self) -> bool:
        """Tell whether the last delivery to a destination failed, or a request has waited for over a second."""
        return any(worker.failing for worker in self._workers)

    def wake(self, kind: KindName | None = None) -> None:
        """Signal that there are rows to deliver. Costs next to nothing; never raises.

        Args:
            kind: What there is; either where it is not set.
        """
        for worker in self._workers:
            if kind is None or worker.kind == kind or not worker.started:
                worker.wake()

    def flush(self, timeout_s: float) -> int:
        """Try now, without backoff; return how many observations and scores are undelivered.

        Drains the whole spool, rows of other and of dead processes too; returns within `timeout_s` in any case.
        """
        deadline = time.monotonic() + timeout_s
        for worker in self._workers:  # all begin before one is waited for
            worker.begin_flush(deadline)
        return sum(worker.flush(deadline) for worker in self._workers)

    def shutdown(self, timeout_s: float) -> None:
        """Flush for at most `timeout_s`, then stop; never raises."""
        try:
            self.flush(timeout_s)
        except Exception as error:  # noqa: BLE001 - the store may be gone; what it holds is delivered later
            _log.error("The last delivery failed: %s", error)
        for worker in self._workers:
            worker.stop()
